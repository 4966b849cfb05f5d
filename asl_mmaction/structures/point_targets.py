"""What the assigner says about every point, and the padded ground truths it starts from."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class GroundTruths(NamedTuple):
    """Ground truths of a batch, padded to one number per video so that shapes are fixed.

    Attributes:
        segments: (N, G, 2) float, grid.
        labels: (N, G) int64, 0 on padding.
        masks: (N, G) bool, True = a real ground truth.
        clicks: (N, B) int64, steps of background clicks, -1 on padding; None: nobody has clicked.
    """

    segments: Tensor
    labels: Tensor
    masks: Tensor
    clicks: Tensor | None = None


class PointTargets(NamedTuple):
    """Training targets of every point, or of every class of every point.

    One ground truth serves all classes of a point, and ``...`` is (N, P); or each class has its own
    (``per_class``), and ``...`` is (N, P, K).

    Attributes:
        class_targets: (N, P, K) float, multi-hot; all zero on background.
        segments: (..., 2) float, grid; the matched ground truth. Undefined on background.
        gt_inds: (...) int64, index of the matched ground truth in its video; -1 = background.
        gt_labels: (...) int64, class of the matched ground truth; 0 on background.
        num_gts: G, ground truths a video after padding.
    """

    class_targets: Tensor
    segments: Tensor
    gt_inds: Tensor
    gt_labels: Tensor
    num_gts: int

    @property
    def positives(self) -> Tensor:
        """(...) bool, True where a ground truth is matched."""
        return self.gt_inds >= 0

    def within(self, mask: Tensor) -> PointTargets:
        """Those of the valid points alone: the others become background.

        Args:
            mask: (N, P) bool, True = valid.
        """
        mask = mask.view(*mask.shape, *(1,) * (self.gt_inds.dim() - mask.dim()))
        return self._replace(gt_inds=torch.where(mask, self.gt_inds, -1))
