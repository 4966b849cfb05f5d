"""The plug that weighs the losses of a dense head."""

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from asl_mmaction.structures.point_targets import PointTargets
from asl_mmaction.structures.points import Points
from asl_mmaction.structures.sensitivity import QualityTargets, Sensitivity


class BaseSensitivity(BaseModule, metaclass=ABCMeta):
    """Weighs points in training; at inference it is asked for the quality, or not at all.

    Attributes:
        instance_level: What predicts the quality of points from levels and their masks; None: this
            evaluator has none.
        class_level: What the contrastive loss asks for the Gaussians of the classes; None: it
            takes the frames around the centres.
        quality_points: Which points the instance evaluators learn from, see
            :class:`ActionSensitivityEvaluator`.
    """

    quality_points = 'positive'

    def __init__(self, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.class_level: nn.Module | None = None
        self.instance_level: nn.Module | None = None

    @abstractmethod
    def forward(
        self,
        feats: Sequence[Tensor],
        masks: Sequence[Tensor],
        points: Points,
        targets: PointTargets,
    ) -> Sensitivity:
        """Weights of all (N, P) points, or of their (N, P, K) classes; 1 on background.

        Args:
            feats: L levels (N, T_l, C), zero on padding.
            masks: L masks (N, T_l).
            points: The P points of the levels.
            targets: Of the points.
        """

    @abstractmethod
    def loss(
        self, sensitivity: Sensitivity, targets: PointTargets, quality: QualityTargets
    ) -> dict[str, Tensor]:
        """Losses of its own, and values to log.

        Args:
            sensitivity: From :meth:`forward`.
            targets: Of the points.
            quality: What the instance evaluators have to predict.
        """
