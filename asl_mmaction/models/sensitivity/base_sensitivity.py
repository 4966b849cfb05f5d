"""The plug that weighs the losses of a dense head."""

from abc import ABCMeta, abstractmethod

from mmengine.model import BaseModule
from torch import Tensor

from asl_mmaction.models.layers import PackedPyramid
from asl_mmaction.structures.point_targets import PointTargets
from asl_mmaction.structures.points import Points
from asl_mmaction.structures.sensitivity import Sensitivity


class BaseSensitivity(BaseModule, metaclass=ABCMeta):
    """Weighs points in training; nothing of it runs at inference.

    Attributes:
        kernel_size: Largest kernel that it runs on the packed levels.
    """

    kernel_size = 1

    @abstractmethod
    def forward(self, pyramid: PackedPyramid, points: Points, targets: PointTargets) -> Sensitivity:
        """Weights of all (N, P) points; 1 on background."""

    @abstractmethod
    def loss(
        self,
        sensitivity: Sensitivity,
        targets: PointTargets,
        quality: Tensor,
        num_positives: Tensor,
    ) -> dict[str, Tensor]:
        """Losses of its own, and values to log.

        Args:
            sensitivity: From :meth:`forward`.
            targets: Of the points.
            quality: (N, P, 2) in [0, 1], no gradient: score of the target class, tIoU of the
                predicted segment with its ground truth.
            num_positives: Positive points a process, at least 1 over all of them.
        """
