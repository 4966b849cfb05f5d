"""Videos of any length, looked at through windows."""

from typing import Any

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.localizers.dense_localizer import DenseLocalizer
from asl_mmaction.structures.candidates import Candidates, join_candidates
from asl_mmaction.structures.detections import video_bounds
from asl_mmaction.structures.windows import Windows


@MODELS.register_module()
class SlidingWindowLocalizer(DenseLocalizer):
    """A :class:`DenseLocalizer` that predicts window by window.

    The windows cover every step (:class:`Windows`). The candidates of all windows of a video
    are put on the video's grid in float64, unrounded, and thinned out together: one NMS per video.
    The limits of the post-processor count for each window: ``pre_nms_topk`` where candidates are
    chosen, ``max_per_video`` for each window's length of the video. How much memory the network
    takes is up to ``windows_per_batch`` and not to the video. Training is that of the parent; a
    pipeline that cuts videos (:class:`RandomTruncate`) belongs to it.

    Args:
        window_length: Steps of a window; a multiple of the preprocessor's ``size_divisor``.
        window_overlap: Part of a window that neighbours share at least, in [0, 1). With 0.5, every
            action up to half a window long lies whole in one of them.
        windows_per_batch: Windows that go through the network together.
        **kwargs: Of the parent.

    Raises:
        ValueError: A setting is out of its range.
    """

    def __init__(
        self,
        *,
        window_length: int,
        window_overlap: float = 0.5,
        windows_per_batch: int = 8,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        divisor = self.data_preprocessor.size_divisor
        if window_length < 1 or window_length % divisor:
            raise ValueMistake(
                f'expected window_length to be a multiple of size_divisor {divisor} '
                f'but got {window_length}'
            )
        self.windows = Windows(window_length, window_overlap, windows_per_batch)

    def predict(
        self,
        inputs: Tensor,
        masks: Tensor,
        data_samples: list[ActionDataSample],
        ground_truths: Any = None,
    ) -> list[ActionDataSample]:
        """See the parent; video by video, each by windows."""
        for feature, mask, sample in zip(inputs, masks, data_samples, strict=True):
            feature = feature[: int(mask.sum())]
            candidates = self.find_candidates(feature, video_bounds(sample))
            self.detect(candidates, sample, len(feature) / self.windows.length)
        return data_samples

    def find_candidates(self, feature: Tensor, bounds: tuple[float, float]) -> Candidates:
        """Candidates of one video, of all its windows, on its grid.

        Args:
            feature: (T, C_in), no padding.
            bounds: Start and end of the video, grid.
        """
        steps = torch.arange(self.windows.length, device=feature.device)
        found = []
        for starts, windows in self.windows.batches(feature, self.windows.starts(len(feature))):
            masks = (steps < len(feature)).expand(len(starts), -1)
            found += self.select_in_windows(self.find(windows, masks), starts, bounds)
        return join_candidates(found)
