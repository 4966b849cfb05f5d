"""Instance level of the Action Sensitivity Evaluator: what the features say about each point."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from asl_mmaction.models.layers import MaskedConv1d, pack_pyramid
from asl_mmaction.ops.precision import at_least_float32


@MODELS.register_module()
class InstanceSensitivity(BaseModule):
    """Two evaluators, q_cls and q_loc, shared by the levels (eq. 5-6).

    Each is a temporal convolution, ReLU, a fully connected layer to 1, and a sigmoid.

    Args:
        in_channels: Width C of the pyramid.
        feat_channels: Width between the layers.
        kernel_size: Odd kernel size of the convolution.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        feat_channels: int,
        kernel_size: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.kernel_size = kernel_size
        self.convs = nn.ModuleList(
            MaskedConv1d(in_channels, feat_channels, kernel_size) for _ in range(2)
        )
        self.fcs = nn.ModuleList(nn.Linear(feat_channels, 1) for _ in range(2))

    def forward(self, feats: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
        """L levels (N, T_l, C) and masks (N, T_l) -> (N, P, 2) q_cls and q_loc, in [0, 1]."""
        pyramid = pack_pyramid(feats, masks, self.kernel_size)
        logits = [
            fc(F.relu(conv(pyramid.feats, pyramid.mask)))
            for conv, fc in zip(self.convs, self.fcs, strict=True)
        ]
        return at_least_float32(pyramid.unpack(torch.cat(logits, dim=-1))).sigmoid()
