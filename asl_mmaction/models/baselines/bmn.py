"""mmaction2's BMN, which takes 100 steps and one video at a time, on sequences of any length."""

from __future__ import annotations

import torch
from mmaction.models.losses import BMNLoss
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor

from asl_mmaction.models.baselines.proposals import put_detections
from asl_mmaction.models.baselines.windows import WindowedLocalizer, cut_window
from asl_mmaction.structures.windows import window_starts


@MODELS.register_module()
class WindowedBMN(WindowedLocalizer):
    """Class-agnostic proposals of mmaction2's BMN for our data sets.

    Instead of BMN's ``predict``, which takes one video, thins out its proposals alone and needs the
    frame counts of ActivityNet's feature files, the same candidates with the same scores are found
    here for all windows at a time, put on the grid of the recording, and thinned out together.

    Args:
        post_processor: Config of what thins out the candidates of all windows, as one class. The
            localizer's settings of SoftNMS are not used.
        **kwargs: of :class:`WindowedLocalizer`.
    """

    def __init__(self, *, post_processor: dict, **kwargs) -> None:
        super().__init__(**kwargs)
        self.post_processor = MODELS.build(post_processor)

    def predict_video(self, feature: Tensor, sample: ActionDataSample) -> ActionDataSample:
        """``pred_instances`` of one video: segments in seconds, cut to it; all labels 0."""
        return put_detections(sample, *self.find_candidates(feature), self.post_processor)

    def find_candidates(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (P,) and segments (P, 2), grid values, of a sequence (T, C), before any NMS.

        A segment that several windows find is there once, with its highest score.
        """
        starts = window_starts(len(feature), self.window, self.window_overlap)
        scores, segments = [], []
        for low in range(0, len(starts), self.windows_per_batch):
            firsts = torch.tensor(starts[low : low + self.windows_per_batch], device=feature.device)
            windows = [cut_window(feature, first, self.window) for first in firsts.tolist()]
            confidence, start, end = self.localizer(windows, None, mode='tensor')
            boundaries, values, chosen = score_pairs(confidence, start, end)
            chosen &= boundaries[:, 1] <= len(feature)  # not in the padding
            row, pair = chosen.nonzero(as_tuple=True)
            scores.append(values[row, pair])
            # The boundary b of a window lies between its steps b - 1 and b.
            segments.append(firsts[row, None] + boundaries[pair] - 0.5)
        distinct, index = torch.cat(segments).unique(dim=0, return_inverse=True)
        highest = distinct.new_zeros(len(distinct)).scatter_reduce(
            0, index, torch.cat(scores), 'amax', include_self=True
        )
        return highest, distinct


def score_pairs(confidence: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What BMN.predict makes of the network's output for one video, for N at a time.

    Args:
        confidence: (N, 2, T, T): regressed and classified confidence by duration - 1 and start.
        start: (N, T).
        end: (N, T).

    Returns:
        (P, 2) integers: all pairs of a start and a later end in [0, T); (N, P) float32 scores;
        (N, P) bool: whether both boundaries are likely.
    """
    confidence, start, end = confidence.float(), start.float(), end.float()
    steps = start.shape[1]
    first, last = torch.triu_indices(steps, steps, 1, device=start.device)
    by_class, by_regression = confidence[:, 1], confidence[:, 0]
    duration = last - first - 1
    scores = start[:, first] * end[:, last]
    scores = scores * by_class[:, duration, first] * by_regression[:, duration, first]
    may_start, may_end = _is_boundary(start), _is_boundary(end)
    may_start[:, 0] = True
    may_end[:, -1] = True
    return torch.stack([first, last], 1), scores, may_start[:, first] & may_end[:, last]


def _is_boundary(scores: Tensor) -> Tensor:
    """(N, T) -> bool: a peak, or above half of the highest; never at either end."""
    inner = scores[:, 1:-1]
    peak = (inner > scores[:, 2:]) & (inner > scores[:, :-2])
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    chosen[:, 1:-1] = peak | (inner > 0.5 * scores.amax(dim=1, keepdim=True))
    return chosen


@MODELS.register_module()
class FiniteBMNLoss(BMNLoss):
    """mmaction2's BMNLoss, but 0 instead of NaN for the regression of a batch without positives.

    There, no proposal overlaps a ground truth by more than the higher threshold: the original
    samples as many negatives, none, and divides by their number.
    """

    @staticmethod
    def pem_reg_loss(
        pred_score: Tensor,
        gt_iou_map: Tensor,
        mask: Tensor,
        high_temporal_iou_threshold: float = 0.7,
        low_temporal_iou_threshold: float = 0.3,
    ) -> Tensor:
        """See :meth:`BMNLoss.pem_reg_loss`."""
        if not (gt_iou_map > high_temporal_iou_threshold).any():
            return 0.0 * pred_score.sum()
        return BMNLoss.pem_reg_loss(
            pred_score, gt_iou_map, mask, high_temporal_iou_threshold, low_temporal_iou_threshold
        )
