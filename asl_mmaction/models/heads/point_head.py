"""The head of ActionFormer: class scores and distances to start and end at every point."""

import math

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn

from asl_mmaction.models.heads.base_dense_head import BaseDenseHead, HeadOutputs
from asl_mmaction.models.layers import MaskedConv1d, MaskedConvTower, PackedPyramid
from asl_mmaction.models.task_modules import decode_offsets
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.points import Points


@MODELS.register_module()
class PointHead(BaseDenseHead):
    """Two towers shared by the levels; one predicts K scores, the other two distances.

    With ``per_class`` the other predicts two distances for each class.

    Args:
        feat_channels: Width of the towers; None = that of the pyramid.
        num_convs: Hidden layers of each tower, before the one that predicts.
        prior_prob: Score of every class at the start.
        **kwargs: Of :class:`BaseDenseHead`.
    """

    def __init__(
        self,
        *,
        feat_channels: int | None = None,
        num_convs: int = 2,
        prior_prob: float = 0.01,
        **kwargs,
    ) -> None:
        self.feat_channels = feat_channels
        self.num_convs = num_convs
        self.prior_prob = prior_prob
        super().__init__(**kwargs)

    def build_layers(self) -> None:
        """See :class:`BaseDenseHead`."""
        width = self.in_channels if self.feat_channels is None else self.feat_channels
        self.cls_tower = MaskedConvTower(self.in_channels, width, self.num_convs)
        self.loc_tower = MaskedConvTower(self.in_channels, width, self.num_convs)
        self.cls_out = MaskedConv1d(width, self.num_classes)
        self.loc_out = MaskedConv1d(width, 2 * self.num_classes if self.per_class else 2)
        # A distance that starts below 0 at all points would stay there: ReLU passes no gradient.
        nn.init.ones_(self.loc_out.get_parameter('bias'))
        self.scales = nn.Parameter(torch.ones(len(self.point_generator.strides)))
        log_odds = -math.log((1 - self.prior_prob) / self.prior_prob)
        nn.init.constant_(self.cls_out.get_parameter('bias'), log_odds)

    def predict_points(self, pyramid: PackedPyramid, points: Points) -> HeadOutputs:
        """See :class:`BaseDenseHead`; offsets are (N, P, 2) or (N, P, K, 2), >= 0, in strides."""
        mask = pyramid.mask
        logits = self.cls_out(self.cls_tower(pyramid.feats, mask), mask)
        offsets = self.loc_out(self.loc_tower(pyramid.feats, mask), mask)
        scales = self.scales[points.levels].unsqueeze(-1)  # (P, 1)
        offsets = F.relu(pyramid.unpack(offsets) * scales)
        if self.per_class:
            offsets = offsets.unflatten(-1, (self.num_classes, 2))
        return HeadOutputs(pyramid.unpack(logits), offsets)

    def decode(self, points: Points, outputs: HeadOutputs, labels: Tensor | None = None) -> Tensor:
        """See :class:`BaseDenseHead`: one segment serves all classes, or each has its own."""
        offsets = at_least_float32(outputs.offsets)
        if not self.per_class:
            return decode_offsets(points, offsets)
        if labels is not None:
            index = labels[..., None, None].expand(-1, -1, 1, 2)
            return decode_offsets(points, offsets.gather(2, index).squeeze(2))
        return decode_offsets(points, offsets.transpose(1, 2)).transpose(1, 2)
