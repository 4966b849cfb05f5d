"""What the assigner says about every point, and the padded ground truths it starts from."""

from typing import NamedTuple

from torch import Tensor


class GroundTruths(NamedTuple):
    """Ground truths of a batch, padded to one number per video so that shapes are fixed.

    Attributes:
        segments: (N, G, 2) float, grid.
        labels: (N, G) int64, 0 on padding.
        masks: (N, G) bool, True = a real ground truth.
    """

    segments: Tensor
    labels: Tensor
    masks: Tensor


class PointTargets(NamedTuple):
    """Training targets of every point.

    Attributes:
        class_targets: (N, P, K) float, multi-hot; all zero on background.
        segments: (N, P, 2) float, grid; the matched ground truth. Undefined on background.
        gt_inds: (N, P) int64, index of the matched ground truth in its video; -1 = background.
        gt_labels: (N, P) int64, class of the matched ground truth; 0 on background.
        num_gts: G, ground truths a video after padding.
    """

    class_targets: Tensor
    segments: Tensor
    gt_inds: Tensor
    gt_labels: Tensor
    num_gts: int

    @property
    def positives(self) -> Tensor:
        """(N, P) bool, True where a ground truth is matched."""
        return self.gt_inds >= 0
