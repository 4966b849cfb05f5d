"""The head of TriDet: boundaries as expectations over bins on either side of a point."""

import math
from typing import NamedTuple

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.heads.base_dense_head import BaseDenseHead
from asl_mmaction.models.layers import MaskedConv1d, MaskedConvTower, PackedPyramid
from asl_mmaction.models.task_modules import decode_offsets
from asl_mmaction.ops.precision import at_least_float32
from asl_mmaction.structures.points import Points


class TridentOutputs(NamedTuple):
    """Raw predictions.

    Attributes:
        cls_logits: (N, P, K).
        starts: (N, P, K), how much a point looks like the start of each class; 0 on padding.
        ends: (N, P, K), the same of the end; 0 on padding.
        bins: (N, P, 2, B + 1), how much a point expects its start (end) 0 ... B strides away; or
            (N, P, 2, B + 1, K) where each class has its own.
    """

    cls_logits: Tensor
    starts: Tensor
    ends: Tensor
    bins: Tensor


@MODELS.register_module()
class TridentHead(BaseDenseHead):
    """Class scores, and the relative probability of each boundary (Shi et al., CVPR 2023).

    The start of class c seen from point t lies b = 0 ... B strides before it with probability
    ``softmax over b of (starts[t - b, c] + bins[t, 0, b])``; the distance to it is the
    expectation of b. The end likewise, after it. Points beyond the ends of the video or of
    the level respond with 0, as padding does.

    With ``per_class`` each class has its own bins, as in the multi-label variant of the released
    code; without, all classes share them.

    As in the released code, the start and end towers do not send gradients into the pyramid.

    Args:
        feat_channels: Width of the towers; None = that of the pyramid.
        num_convs: Hidden layers of each tower, before the one that predicts.
        num_bins: B; the longest distance to a boundary in strides.
        prior_prob: Score of every class at the start.
        **kwargs: Of :class:`BaseDenseHead`.
    """

    def __init__(
        self,
        *,
        feat_channels: int | None = None,
        num_convs: int = 2,
        num_bins: int = 16,
        prior_prob: float = 0.01,
        **kwargs,
    ) -> None:
        if num_bins < 1:
            raise ValueMistake(f'expected num_bins >= 1 but got {num_bins}')
        self.feat_channels = feat_channels
        self.num_convs = num_convs
        self.num_bins = num_bins
        self.prior_prob = prior_prob
        super().__init__(**kwargs)

    def build_layers(self) -> None:
        """See :class:`BaseDenseHead`."""
        classes = (self.num_classes,) if self.per_class else ()
        self.bins_shape = (2, self.num_bins + 1, *classes)
        outputs = dict(
            cls=self.num_classes,
            start=self.num_classes,
            end=self.num_classes,
            loc=math.prod(self.bins_shape),
        )
        width = self.in_channels if self.feat_channels is None else self.feat_channels
        for name, channels in outputs.items():
            tower = MaskedConvTower(self.in_channels, width, self.num_convs)
            self.add_module(f'{name}_tower', tower)
            self.add_module(f'{name}_out', MaskedConv1d(width, channels))
        nn.init.constant_(self.cls_out.bias, -math.log((1 - self.prior_prob) / self.prior_prob))

    def predict_points(self, pyramid: PackedPyramid, points: Points) -> TridentOutputs:
        """See :class:`BaseDenseHead`."""
        feats, mask = pyramid.feats, pyramid.mask
        logits = self.cls_out(self.cls_tower(feats, mask), mask)
        starts = self.start_out(self.start_tower(feats.detach(), mask), mask)
        ends = self.end_out(self.end_tower(feats.detach(), mask), mask)
        bins = self.loc_out(self.loc_tower(feats, mask), mask)
        return TridentOutputs(
            cls_logits=pyramid.unpack(logits),
            starts=pyramid.unpack(starts),
            ends=pyramid.unpack(ends),
            bins=pyramid.unpack(bins).unflatten(-1, self.bins_shape),
        )

    def decode(
        self, points: Points, outputs: TridentOutputs, labels: Tensor | None = None
    ) -> Tensor:
        """See :class:`BaseDenseHead`: every class has its own segment."""
        left = self._distance(points, outputs.starts, outputs.bins[:, :, 0], -1, labels)
        right = self._distance(points, outputs.ends, outputs.bins[:, :, 1], 1, labels)
        offsets = torch.stack([left, right], dim=-1)
        if labels is not None:
            return decode_offsets(points, offsets)
        return decode_offsets(points, offsets.transpose(1, 2)).transpose(1, 2)

    def _distance(
        self, points: Points, responses: Tensor, bins: Tensor, side: int, labels: Tensor | None
    ) -> Tensor:
        """Expected distance to a boundary, in strides.

        Args:
            points: P points.
            responses: (N, P, K), of the boundary.
            bins: (N, P, B + 1), or (N, P, B + 1, K) with ``per_class``.
            side: -1: bins go back in time; 1: forward.
            labels: (N, P) class of interest, or None.

        Returns:
            (N, P), or (N, P, K) without labels.
        """
        num_points, num_classes = responses.shape[1:]
        distances = torch.arange(self.num_bins + 1, device=responses.device)
        index = torch.arange(num_points, device=responses.device)[:, None] + side * distances
        inside = (index >= 0) & (index < num_points)  # (P, B + 1)
        index = index.clamp(0, num_points - 1)
        inside = inside & (points.levels[index] == points.levels[:, None])
        if labels is None:
            near = responses[:, index] * inside.unsqueeze(-1)  # (N, P, B + 1, K)
            distances = distances.unsqueeze(-1)
            bins = bins if self.per_class else bins.unsqueeze(-1)
        else:
            if self.per_class:
                own = labels[..., None, None].expand(-1, -1, len(distances), 1)
                bins = bins.gather(-1, own).squeeze(-1)
            flat = (index * num_classes + labels.unsqueeze(-1)).flatten(1)
            near = responses.flatten(1).gather(1, flat).view_as(bins) * inside  # (N, P, B + 1)
        probability = (at_least_float32(near) + at_least_float32(bins)).softmax(dim=2)
        return (probability * distances).sum(2)
