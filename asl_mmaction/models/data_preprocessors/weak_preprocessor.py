"""Batches whose videos have labels and clicks in place of segments."""

from collections.abc import Sequence

import torch
from mmaction.registry import MODELS

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.data_preprocessors.feature_preprocessor import FeaturePreprocessor
from asl_mmaction.structures.weak_labels import NO_CLICK, WeakLabels


@MODELS.register_module()
class WeakPreprocessor(FeaturePreprocessor):
    """A :class:`FeaturePreprocessor` whose ``ground_truths`` are :class:`WeakLabels`.

    Args:
        size_divisor: The padded length is a multiple of it.
        **kwargs: Of the parent.
    """

    def __init__(self, *, size_divisor: int = 1, **kwargs) -> None:
        super().__init__(size_divisor=size_divisor, **kwargs)

    def pad_ground_truths(self, samples: Sequence, num_steps: int) -> WeakLabels:
        """Video labels and clicks of the batch; see the parent.

        Raises:
            ValueError: A sample has none.
        """
        for sample in samples:
            if 'gt_clicks' not in sample:
                raise ValueMistake(
                    f'video {sample.video_name!r}: expected video labels and clicks to train on, '
                    "as a dataset with supervision='click' or 'video' and PackWeakInputs give "
                    'them, but got a sample without'
                )
        video_labels = torch.stack([sample.gt_label for sample in samples])
        clicks = torch.full((len(samples), num_steps), NO_CLICK)
        for row, sample in zip(clicks, samples, strict=True):
            row[sample.gt_clicks.steps] = sample.gt_clicks.labels
        return WeakLabels(video_labels.to(torch.get_default_dtype()), clicks)
