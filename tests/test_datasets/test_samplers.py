import numpy as np
import pytest
from mmaction.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler

from asl_mmaction.datasets.samplers import LengthGroupedBatchSampler


class Videos:
    def __init__(self, durations):
        self.durations = durations

    def __len__(self):
        return len(self.durations)

    def get_data_info(self, index):
        return {'duration': self.durations[index]}


@pytest.fixture
def videos():
    return Videos(np.random.default_rng(0).uniform(10, 100, 45).tolist())


def padding(videos, batches):
    longest = [max(videos.durations[i] for i in batch) * len(batch) for batch in batches]
    return 1 - sum(videos.durations[i] for batch in batches for i in batch) / sum(longest)


def plain(indices, size):
    return [indices[i : i + size] for i in range(0, len(indices), size)]


def test_every_video_once_and_less_padding(videos):
    sampler = DefaultSampler(videos, shuffle=True, seed=3)
    batches = list(LengthGroupedBatchSampler(sampler, batch_size=4))
    assert sorted(i for batch in batches for i in batch) == list(range(45))
    assert sorted(map(len, batches)) == [1] + [4] * 11
    assert len(LengthGroupedBatchSampler(sampler, batch_size=4)) == len(batches)
    assert padding(videos, batches) < 0.4 * padding(videos, plain(list(sampler), 4))


def test_drop_last(videos):
    sampler = DefaultSampler(videos, shuffle=True, seed=3)
    grouped = LengthGroupedBatchSampler(sampler, 4, drop_last=True)
    batches = list(grouped)
    assert len(grouped) == len(batches) == 11
    assert {len(batch) for batch in batches} == {4}
    # left out is what the sampler names last, not the longest
    assert set(range(45)) - {i for b in batches for i in b} == {list(sampler)[-1]}


def test_the_samplers_seed_and_epoch_decide(videos):
    sampler = DefaultSampler(videos, shuffle=True, seed=3)
    grouped = LengthGroupedBatchSampler(sampler, 4)
    first, again = list(grouped), list(grouped)
    sampler.set_epoch(1)
    assert first == again
    assert list(grouped) != first
    # batches are mixed: the longest are not always last
    means = [np.mean([videos.durations[i] for i in batch]) for batch in first]
    assert means != sorted(means)


def test_a_bucket_of_one_batch_keeps_the_samplers_batches(videos):
    sampler = DefaultSampler(videos, shuffle=True, seed=3)
    batches = list(LengthGroupedBatchSampler(sampler, 4, bucket_batches=1))
    assert list(map(sorted, batches)) == list(map(sorted, plain(list(sampler), 4)))


def test_processes_share_the_videos(videos, monkeypatch):
    shares = []
    for rank in range(2):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 2))
        sampler = DefaultSampler(videos, shuffle=True, seed=3)
        shares.append([i for batch in LengthGroupedBatchSampler(sampler, 4) for i in batch])
    assert len(shares[0]) == len(shares[1]) == 23
    assert set(shares[0]) | set(shares[1]) == set(range(45))


def test_settings(videos):
    config = {'type': 'LengthGroupedBatchSampler', 'bucket_batches': 0}
    sampler = DefaultSampler(videos)
    with pytest.raises(ValueError, match='expected bucket_batches >= 1 but got 0'):
        DATA_SAMPLERS.build(config, default_args={'sampler': sampler, 'batch_size': 2})
