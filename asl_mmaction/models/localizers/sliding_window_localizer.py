"""Videos of any length, looked at through windows."""

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor
from torch.nn.functional import pad

from asl_mmaction.models.localizers.dense_localizer import DenseLocalizer
from asl_mmaction.structures.candidates import Candidates, join_candidates
from asl_mmaction.structures.detections import detections_in_seconds, video_bounds
from asl_mmaction.structures.point_targets import GroundTruths
from asl_mmaction.structures.windows import window_starts


@MODELS.register_module()
class SlidingWindowLocalizer(DenseLocalizer):
    """A :class:`DenseLocalizer` that predicts window by window.

    The windows cover every step (:func:`window_starts`). The candidates of all windows of a video
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
            raise ValueError(
                f'expected window_length to be a multiple of size_divisor {divisor} '
                f'but got {window_length}'
            )
        if windows_per_batch < 1:
            raise ValueError(f'expected windows_per_batch >= 1 but got {windows_per_batch}')
        window_starts(1, window_length, window_overlap)  # checks the overlap
        self.window_length = window_length
        self.window_overlap = window_overlap
        self.windows_per_batch = windows_per_batch

    def forward(
        self,
        inputs: Tensor,
        masks: Tensor,
        data_samples: list | None = None,
        ground_truths: GroundTruths | None = None,
        mode: str = 'tensor',
    ) -> dict[str, Tensor] | list[ActionDataSample] | tuple[Tensor, ...]:
        """Run the model; see the parent. Only ``'predict'`` goes by windows."""
        if mode != 'predict':
            return super().forward(inputs, masks, data_samples, ground_truths, mode)
        for feature, mask, sample in zip(inputs, masks, data_samples, strict=True):
            feature = feature[: int(mask.sum())]
            candidates = self.find_candidates(feature, video_bounds(sample))
            found = self.post_processor.thin_out(candidates, len(feature) / self.window_length)
            sample.pred_instances = detections_in_seconds(found, sample)
        return data_samples

    def find_candidates(self, feature: Tensor, bounds: tuple[float, float]) -> Candidates:
        """Candidates of one video, of all its windows, on its grid.

        Args:
            feature: (T, C_in), no padding.
            bounds: start and end of the video, grid.
        """
        length = self.window_length
        starts = window_starts(len(feature), length, self.window_overlap)
        valid = min(len(feature), length)
        feature = pad(feature, (0, 0, 0, length - valid))
        found = []
        for first in range(0, len(starts), self.windows_per_batch):
            chunk = starts[first : first + self.windows_per_batch]
            windows = torch.stack([feature[start : start + length] for start in chunk])
            masks = (torch.arange(length, device=feature.device) < valid).expand(len(chunk), -1)
            outputs = self.head.predict(*self.extract_feat(windows, masks))
            ends = [(bounds[0] - start, bounds[1] - start) for start in chunk]
            selected = self.post_processor.select(*outputs, ends)
            found += [part.moved(start) for part, start in zip(selected, chunk, strict=True)]
        return join_candidates(found)
