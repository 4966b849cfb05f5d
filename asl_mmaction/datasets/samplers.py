"""Batches of videos of similar length."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from mmaction.registry import DATA_SAMPLERS
from torch.utils.data import BatchSampler

from asl_mmaction.files.mistakes import ValueMistake


@DATA_SAMPLERS.register_module()
class LengthGroupedBatchSampler(BatchSampler):
    """Batch videos of similar duration, so that less of a batch is padding.

    Takes the sampler's order in buckets of ``bucket_batches`` batches, sorts each bucket by
    duration, cuts it into batches and shuffles these by the place at which the sampler named their
    first video. Nothing else is random: the sampler's seed, epoch and share of a distributed run
    decide it all, and each video comes as often as the sampler gives it.

    Use: ``train_dataloader.batch_sampler=dict(type='LengthGroupedBatchSampler')``.

    Args:
        sampler: Sampler with a ``dataset`` (mmengine's are such), shuffling.
        batch_size: Videos per batch.
        drop_last: Leave out what does not fill the last batch.
        bucket_batches: Batches per bucket. More: less padding, less variety from epoch to epoch.
    """

    def __init__(
        self,
        sampler: Any,
        batch_size: int,
        drop_last: bool = False,
        bucket_batches: int = 8,
    ) -> None:
        super().__init__(sampler, batch_size, drop_last)
        if bucket_batches < 1:
            raise ValueMistake(f'expected bucket_batches >= 1 but got {bucket_batches}')
        self.bucket_batches = bucket_batches
        self.dataset = sampler.dataset

    def __iter__(self) -> Iterator[list[int]]:
        indices = iter(self.sampler)
        while bucket := list(islice(indices, self.bucket_batches * self.batch_size)):
            if self.drop_last:  # before sorting, or it would always be the longest videos
                del bucket[len(bucket) - len(bucket) % self.batch_size :]
            yield from self._batches(bucket)

    def _batches(self, bucket: list[int]) -> list[list[int]]:
        info = self.dataset.get_data_info
        order = sorted(range(len(bucket)), key=lambda i: info(bucket[i])['duration'])
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        return [[bucket[i] for i in batch] for batch in sorted(batches)]
