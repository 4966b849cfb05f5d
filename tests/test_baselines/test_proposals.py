"""Proposals find their way from a file to the sequence that is left of their video."""

import json

import pytest
import torch

from asl_mmaction.baselines.proposals import AttachProposals, read_proposals
from asl_mmaction.structures.feature_grid import FeatureGrid


@pytest.fixture
def write(tmp_path):
    """Function: a proposals file of these (start, end, score) of a video; its path."""

    def make(name='v', items=()):
        path = tmp_path / 'proposals.json'
        results = {name: [{'segment': [s, e], 'score': p} for s, e, p in items]}
        path.write_text(json.dumps({'version': 'VERSION 1.3', 'results': results}))
        return str(path)

    return make


def test_in_the_time_of_the_sample_by_hand(write, make_sample):
    # Step t stands at 0.5 t + 0.5 s; 8 steps fill [0.25, 4.25] s.
    path = write(items=[(1.0, 2.5, 0.3), (0.0, 4.5, 0.9), (4.0, 6.0, 0.5)])
    sample = make_sample(8)
    sample['data_samples'].set_metainfo({'grid': FeatureGrid(fps=10, feat_stride=5, clip_len=10)})
    attached = AttachProposals(path=path).transform(sample)['data_samples'].proposals
    # What sticks out is cut off; the third has only an eighth of itself in the sequence.
    assert attached.segments.tolist() == [[1.0, 4.0], [-0.5, 7.5]]
    assert attached.scores.tolist() == pytest.approx([0.3, 0.9])
    assert attached.segments.dtype == attached.scores.dtype == torch.float32


def test_of_a_crop_those_that_lie_in_it(write, make_sample):
    path = write(items=[(1.0, 2.0, 0.1), (6.0, 8.0, 0.2), (5.0, 7.0, 0.3), (9.0, 9.0, 0.4)])
    sample = make_sample(8)
    grid = FeatureGrid(fps=10, feat_stride=5, clip_len=10).shifted(10)  # [5.25, 9.25] s
    sample['data_samples'].set_metainfo({'grid': grid})
    attached = AttachProposals(path=path).transform(sample)['data_samples'].proposals
    assert attached.segments.tolist() == [[1.0, 5.0], [-0.5, 3.0]]
    attached = AttachProposals(path=path, min_overlap=0.9).transform(sample)['data_samples']
    assert attached.proposals.segments.tolist() == [[1.0, 5.0]]


def test_of_each_three_quarters_or_more_must_be_left(write, make_sample):
    path = write(items=[(3.75, 4.75, 0.5), (3.5, 4.5, 0.75), (3.515625, 4.515625, 0.625)])
    attached = AttachProposals(path=path).transform(make_sample(8))['data_samples'].proposals
    assert attached.segments.tolist() == [[6.0, 7.5]]
    assert attached.scores.tolist() == [0.75]


def test_a_video_without_proposals_gets_none(write, make_sample):
    attached = AttachProposals(path=write()).transform(make_sample(8))['data_samples'].proposals
    assert attached.segments.shape == (0, 2)
    assert attached.scores.shape == (0,)


def test_users_mistakes(write, make_sample, tmp_path):
    with pytest.raises(ValueError, match=r"expected proposals of video 'v' but got .* 1 .* 'w'"):
        AttachProposals(path=write('w')).transform(make_sample(8))
    with pytest.raises(ValueError, match=r"'e\\u0301' is there: '\\xe9' in another Unicode normal"):
        AttachProposals(path=write('e\u0301')).transform(make_sample(8, name='\xe9'))
    with pytest.raises(FileNotFoundError, match=r'a file of proposals, .*nothing.json, which'):
        AttachProposals(path=str(tmp_path / 'nothing.json')).transform(make_sample(8))
    with pytest.raises(ValueError, match='0 < min_overlap <= 1 but got 0'):
        AttachProposals(path='any', min_overlap=0)
    for content in ('[]', '{"results": {"v": [{"segment": [0, 1]}]}}', 'no json'):
        (tmp_path / 'bad.json').write_text(content)
        with pytest.raises(ValueError, match=r'bad.json: .*expected .* but got'):
            read_proposals(str(tmp_path / 'bad.json'))
    with pytest.raises(ValueError, match=r"video 'v': expected a segment .* but got"):
        read_proposals(write(items=[(0.0, float('nan'), 0.5)]))
