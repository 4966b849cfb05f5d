"""Template of the necks that turn one sequence into a temporal pyramid."""

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.layers import MaskedConv1d


def check_count(name: str, value: int) -> None:
    """Let a setting be a whole number of at least 1."""
    if not isinstance(value, int) or value < 1:
        raise ValueMistake(f'expected {name} to be a whole number >= 1 but got {value!r}')


class BasePyramid(BaseModule):
    """Stem, levels, optional top-down path, one LayerNorm a level.

    A child says what a block is.

    Args:
        block: ``block(stride=..., window_size=...)`` makes one; called with features (n, t, C),
            their mask (n, t) and what :meth:`prepare` gives, it returns both, 1 / stride as long.
        channels: Width C of every level.
        num_levels: Number of levels L; level l has stride 2**l.
        stem_depth: Blocks at full rate before the first strided one.
        window_size: Of the blocks, in steps of their level; one, or one for each level.
        top_down: Add coarser levels to finer ones (feature pyramid network).
    """

    def __init__(
        self,
        *,
        block: Callable[..., nn.Module],
        channels: int,
        num_levels: int,
        stem_depth: int,
        window_size: int | Sequence[int | None] | None,
        top_down: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        for name, value in (('channels', channels), ('num_levels', num_levels)):
            check_count(name, value)
        if window_size is None or isinstance(window_size, int):
            window_size = [window_size] * num_levels
        if len(window_size) != num_levels:
            raise ValueMistake(
                f'expected window_size to have one value for each of the {num_levels} levels '
                f'but got {list(window_size)}'
            )
        self.window_sizes = list(window_size)
        self.channels = channels
        self.num_levels = num_levels
        self.strides = [2**level for level in range(num_levels)]
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(num_levels))
        self.lateral = self.smooth = None
        if top_down:
            self.lateral = nn.ModuleList(nn.Linear(channels, channels) for _ in range(num_levels))
            self.smooth = nn.ModuleList(
                MaskedConv1d(channels, channels, 3, groups=channels) for _ in range(num_levels)
            )
        first, *others = self.window_sizes
        self.stem = nn.ModuleList(block(stride=1, window_size=first) for _ in range(stem_depth))
        self.branch = nn.ModuleList(block(stride=2, window_size=window) for window in others)

    def prepare(self, mask: Tensor) -> list[tuple]:
        """Further inputs of the blocks of each level, from the mask (N, T); none here."""
        return [()] * self.num_levels

    def build_levels(self, x: Tensor, mask: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(N, T, C), (N, T) -> L features (N, T / 2**l, C) and their masks, zero on padding."""
        first, *others = self.prepare(mask)
        for block in self.stem:
            x, mask = block(x, mask, *first)
        feats, masks = [x], [mask]
        for block, inputs in zip(self.branch, others, strict=True):
            x, mask = block(x, mask, *inputs)
            feats.append(x)
            masks.append(mask)
        return feats, masks

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
        divisor = self.strides[-1]
        if x.size(1) % divisor:
            raise ValueMistake(
                f'neck: expected a length divisible by {divisor} (2**(num_levels - 1)) but got '
                f'{x.size(1)}; set size_divisor={divisor} in the data preprocessor'
            )
        feats, masks = self.build_levels(x, mask)
        feats = self._top_down(feats, masks)
        feats = [
            norm(feat) * level_mask.unsqueeze(-1)
            for norm, feat, level_mask in zip(self.norms, feats, masks, strict=True)
        ]
        return feats, masks

    def _top_down(self, feats: list[Tensor], masks: list[Tensor]) -> list[Tensor]:
        if self.lateral is None or self.smooth is None:
            return feats
        out = [
            layer(feat) * mask.unsqueeze(-1)
            for layer, feat, mask in zip(self.lateral, feats, masks, strict=True)
        ]
        for level in range(self.num_levels - 1, 0, -1):
            up = F.interpolate(out[level].transpose(1, 2), scale_factor=2).transpose(1, 2)
            out[level - 1] = (out[level - 1] + up) * masks[level - 1].unsqueeze(-1)
        return [conv(x, mask) for conv, x, mask in zip(self.smooth, out, masks, strict=True)]
