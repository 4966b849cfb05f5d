"""From the scores and segments of all points to the detections of a video."""

from __future__ import annotations

import numpy as np
import torch
from mmaction.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor

from asl_mmaction.ops.soft_nms import check_nms_options, soft_nms
from asl_mmaction.structures.segments import segment_durations


@MODELS.register_module()
class SoftNMSPostProcessor:
    """Thresholds, thins out and ranks the (point, class) candidates of every video.

    Of the valid points, the pairs of point and class with a score above ``pre_nms_thresh``; of
    these the ``pre_nms_topk`` highest; without those shorter than ``min_duration``; then SoftNMS
    (`asl_mmaction.ops.soft_nms`). Equal scores go by point, then by class, so neither padding nor
    the other videos of the batch change a detection.

    Args:
        pre_nms_thresh: in [0, 1).
        pre_nms_topk: pairs of point and class per video, all levels together.
        min_duration: in grid steps.
        method: 'gaussian', 'linear' or 'hard'.
        sigma: width of 'gaussian'.
        iou_threshold: tIoU above which 'linear' and 'hard' act.
        min_score: candidates whose score falls below it are dropped.
        class_agnostic: let candidates of different classes suppress each other (and vote together).
        voting_threshold: tIoU of segment voting; None: no voting.
        max_per_video: at most so many detections.

    Raises:
        ValueError: for an unknown method and for numbers out of range.
    """

    def __init__(
        self,
        *,
        pre_nms_thresh: float = 0.001,
        pre_nms_topk: int = 2000,
        min_duration: float = 0.05,
        method: str = 'gaussian',
        sigma: float = 0.5,
        iou_threshold: float = 0.1,
        min_score: float = 0.001,
        class_agnostic: bool = False,
        voting_threshold: float | None = None,
        max_per_video: int = 200,
    ) -> None:
        self.nms_options = {
            'method': method,
            'sigma': sigma,
            'iou_threshold': iou_threshold,
            'min_score': min_score,
            'max_per_video': max_per_video,
            'voting_threshold': voting_threshold,
        }
        check_nms_options(**self.nms_options)
        if not 0 <= pre_nms_thresh < 1:
            raise ValueError(f'expected pre_nms_thresh in [0, 1) but got {pre_nms_thresh}')
        if pre_nms_topk < 1:
            raise ValueError(f'expected pre_nms_topk >= 1 but got {pre_nms_topk}')
        if not min_duration >= 0:
            raise ValueError(f'expected min_duration >= 0 but got {min_duration}')
        self.pre_nms_thresh = pre_nms_thresh
        self.pre_nms_topk = pre_nms_topk
        self.min_duration = min_duration
        self.class_agnostic = class_agnostic

    @torch.no_grad()
    def __call__(self, scores: Tensor, segments: Tensor, masks: Tensor) -> list[InstanceData]:
        """Detections of a batch.

        Args:
            scores: (N, P, K) in [0, 1].
            segments: (N, P, 2), or (N, P, K, 2) where each class has its own; grid.
            masks: (N, P) bool, True = valid.

        Returns:
            N of ``InstanceData``, on the CPU, by falling score: ``segments`` (M, 2) float64 grid,
            ``scores`` (M,) float32, ``labels`` (M,) int64.

        Raises:
            ValueError: if the shapes do not fit.
        """
        self._check(scores, segments, masks)
        candidates = [
            self._candidates(*video) for video in zip(scores, segments, masks, strict=True)
        ]
        return [self._detections(*candidate) for candidate in candidates]

    def _candidates(
        self, scores: Tensor, segments: Tensor, mask: Tensor
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One video's (P, K), (P, 2) or (P, K, 2), (P,) -> (n, 2) segments, scores, labels."""
        num_classes = scores.shape[1]
        chosen = (scores > self.pre_nms_thresh) & mask[:, None]
        index = chosen.flatten().nonzero().squeeze(1)
        values = scores.flatten()[index]
        if len(index) > self.pre_nms_topk:
            top = _highest(values, self.pre_nms_topk)
            index, values = index[top], values[top]
        # On the host from here on: not every device has double precision.
        index, values = index.cpu(), values.cpu()
        labels = index % num_classes
        rows = index if segments.dim() == 3 else index // num_classes
        segments = segments.reshape(-1, 2)[rows].cpu()
        long = segment_durations(segments) >= self.min_duration
        return tuple(part[long].numpy() for part in (segments.double(), values.double(), labels))

    def _detections(
        self, segments: np.ndarray, scores: np.ndarray, labels: np.ndarray
    ) -> InstanceData:
        kept = soft_nms(
            segments, scores, None if self.class_agnostic else labels, **self.nms_options
        )
        return InstanceData(
            segments=torch.from_numpy(kept.segments),
            scores=torch.from_numpy(kept.scores).float(),
            labels=torch.from_numpy(labels[kept.indices]),
        )

    @staticmethod
    def _check(scores: Tensor, segments: Tensor, masks: Tensor) -> None:
        if scores.dim() != 3:
            raise ValueError(f'expected scores of shape (N, P, K) but got {tuple(scores.shape)}')
        if masks.shape != scores.shape[:2] or masks.dtype != torch.bool:
            raise ValueError(
                f'expected bool masks of shape {tuple(scores.shape[:2])} '
                f'but got {masks.dtype} {tuple(masks.shape)}'
            )
        if segments.shape not in ((*masks.shape, 2), (*scores.shape, 2)):
            raise ValueError(
                f'expected segments of shape {(*masks.shape, 2)} or {(*scores.shape, 2)} '
                f'but got {tuple(segments.shape)}'
            )


def _highest(values: Tensor, count: int) -> Tensor:
    """Indices of the ``count`` highest of (n,) values, n >= count; of equal ones, the first."""
    # topk leaves open which of the equal values it takes, so it only tells the lowest one kept.
    lowest = values.topk(count, sorted=False).values.min()
    above, equal = values > lowest, values == lowest
    equal &= equal.cumsum(0) <= count - above.sum()
    return (above | equal).nonzero().squeeze(1)
