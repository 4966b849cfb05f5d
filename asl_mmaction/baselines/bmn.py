"""mmaction2's BMN, which takes 100 steps and one video at a time, on sequences of any length."""

from __future__ import annotations

import numpy as np
import torch
from mmaction.models.losses import BMNLoss
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor

from asl_mmaction.baselines.windows import WindowedLocalizer
from asl_mmaction.structures.candidates import Candidates, DenseCandidates, join_candidates
from asl_mmaction.structures.detections import video_bounds


@MODELS.register_module()
class WindowedBMN(WindowedLocalizer):
    """Class-agnostic proposals of mmaction2's BMN for our data sets.

    Instead of BMN's ``predict``, which takes one video, thins out its proposals alone and needs the
    frame counts of ActivityNet's feature files, the same candidates with the same scores are found
    here for all windows at a time, put on the grid of the recording, and thinned out together.
    """

    def find_candidates(self, feature: Tensor, sample: ActionDataSample) -> Candidates:
        """See the parent. What several windows find is there once, with its highest score."""
        bounds, found = video_bounds(sample), []
        for starts, windows in self.windows.batches(feature, self.windows.starts(len(feature))):
            inputs = list(windows.transpose(1, 2))  # (C, window) each
            confidence, start, end = self.localizer(inputs, None, mode='tensor')
            boundaries, scores, chosen = score_pairs(confidence, start, end)
            chosen &= boundaries[:, 1] <= len(feature)  # not in the padding
            # The boundary b of a window lies between its steps b - 1 and b.
            segments = (boundaries - 0.5).expand(len(starts), -1, -1)
            candidates = DenseCandidates(segments, scores[..., None], chosen)
            found += self.select_in_windows(candidates, starts, bounds)
        return distinct_candidates(join_candidates(found))


def distinct_candidates(candidates: Candidates) -> Candidates:
    """Without those whose segment another one of higher score has too; in the order of time."""
    order = np.argsort(-candidates.scores, kind='stable')
    _, first = np.unique(candidates.segments[order], axis=0, return_index=True)
    kept = order[first]
    return candidates._replace(
        segments=candidates.segments[kept],
        scores=candidates.scores[kept],
        labels=candidates.labels[kept],
    )


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
