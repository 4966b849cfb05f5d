"""Template of the necks that turn one sequence into a temporal pyramid."""

from abc import ABCMeta, abstractmethod

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from asl_mmaction.models.layers import MaskedConv1d


class BasePyramid(BaseModule, metaclass=ABCMeta):
    """Stem, levels, optional top-down path, one LayerNorm a level.

    A child fills :meth:`build_levels`.

    Args:
        channels: Width C of every level.
        num_levels: Number of levels L; level l has stride 2**l.
        top_down: Add coarser levels to finer ones (feature pyramid network).
    """

    def __init__(
        self,
        *,
        channels: int,
        num_levels: int,
        top_down: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_levels < 1:
            raise ValueError(f'num_levels: expected at least 1 but got {num_levels}')
        self.num_levels = num_levels
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(num_levels))
        self.lateral = self.smooth = None
        if top_down:
            self.lateral = nn.ModuleList(nn.Linear(channels, channels) for _ in range(num_levels))
            self.smooth = nn.ModuleList(
                MaskedConv1d(channels, channels, 3, groups=channels) for _ in range(num_levels)
            )

    @abstractmethod
    def build_levels(self, x: Tensor, mask: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(N, T, C), (N, T) -> L features (N, T / 2**l, C) and their masks, zero on padding."""

    def forward(self, x: Tensor, mask: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Build the pyramid.

        Args:
            x: (N, T, C), zero on padding; T divisible by 2**(L - 1).
            mask: (N, T) bool.

        Returns:
            L features (N, T / 2**l, C), zero on padding, and L masks (N, T / 2**l).

        Raises:
            ValueError: If T is not divisible by the stride of the coarsest level.
        """
        divisor = 2 ** (self.num_levels - 1)
        if x.size(1) % divisor:
            raise ValueError(
                f'neck: expected a length divisible by {divisor} (2**(num_levels - 1)) but got '
                f'{x.size(1)}; set size_divisor={divisor} in the data preprocessor'
            )
        feats, masks = self.build_levels(x, mask)
        if self.lateral is not None:
            feats = self._top_down(feats, masks)
        feats = [
            norm(feat) * level_mask.unsqueeze(-1)
            for norm, feat, level_mask in zip(self.norms, feats, masks, strict=True)
        ]
        return feats, masks

    def _top_down(self, feats: list[Tensor], masks: list[Tensor]) -> list[Tensor]:
        out = [
            layer(feat) * mask.unsqueeze(-1)
            for layer, feat, mask in zip(self.lateral, feats, masks, strict=True)
        ]
        for level in range(self.num_levels - 1, 0, -1):
            up = F.interpolate(out[level].transpose(1, 2), scale_factor=2).transpose(1, 2)
            out[level - 1] = (out[level - 1] + up) * masks[level - 1].unsqueeze(-1)
        return [conv(x, mask) for conv, x, mask in zip(self.smooth, out, masks, strict=True)]
