"""The transformer pyramid: parallel temporal and channel attention (theta = 0: temporal only)."""

from collections.abc import Sequence

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from asl_mmaction.models.layers import TransformerBlock
from asl_mmaction.models.necks.base_pyramid import BasePyramid
from asl_mmaction.ops.windowed_attention import attention_bias


@MODELS.register_module()
class TransformerPyramid(BasePyramid):
    """Encoder of ASL (section 3.1 of the paper, eq. 1-2); ``theta = 0`` is ActionFormer's.

    Args:
        channels: Width C.
        num_heads: Heads of the temporal attention.
        num_levels: Number of levels L.
        stem_depth: Blocks at full rate before the first strided one.
        window_size: Odd window of the temporal attention in steps of its level, None = full
            attention; or one such value for each level.
        theta: Share of the channel attention in [0, 1); 0 = none.
        channel_groups: Groups of the channel attention; 1 = the full C x C map of eq. 2.
        mlp_ratio: Width of the feed-forward part over C.
        dropout: Dropout of projections and of the feed-forward part.
        attn_dropout: Dropout of the attention weights.
        drop_path: Probability of stochastic depth.
        top_down: Add a top-down path over the levels.
    """

    def __init__(
        self,
        *,
        channels: int,
        num_heads: int = 4,
        num_levels: int = 6,
        stem_depth: int = 2,
        window_size: int | Sequence[int | None] | None = None,
        theta: float = 0.0,
        channel_groups: int = 1,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attn_dropout: float = 0.0,
        drop_path: float = 0.0,
        top_down: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            channels=channels, num_levels=num_levels, top_down=top_down, init_cfg=init_cfg
        )
        if window_size is None or isinstance(window_size, int):
            window_size = [window_size] * num_levels
        if len(window_size) != num_levels:
            raise ValueError(
                f'window_size: expected one value for each of the {num_levels} levels '
                f'but got {list(window_size)}'
            )
        self.window_sizes = list(window_size)

        def block(stride: int, window: int | None) -> TransformerBlock:
            return TransformerBlock(
                channels,
                num_heads,
                stride=stride,
                window_size=window,
                theta=theta,
                channel_groups=channel_groups,
                mlp_ratio=mlp_ratio,
                dropout=dropout,
                attn_dropout=attn_dropout,
                drop_path=drop_path,
            )

        self.stem = nn.ModuleList(block(1, self.window_sizes[0]) for _ in range(stem_depth))
        self.branch = nn.ModuleList(block(2, window) for window in self.window_sizes[1:])

    def build_levels(self, x: Tensor, mask: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """See :meth:`BasePyramid.build_levels`."""
        with torch.no_grad():
            biases = [
                attention_bias(mask[:, :: 2**level], window)
                for level, window in enumerate(self.window_sizes)
            ]
        for block in self.stem:
            x, mask = block(x, mask, biases[0])
        feats, masks = [x], [mask]
        for block, bias in zip(self.branch, biases[1:], strict=True):
            x, mask = block(x, mask, bias)
            feats.append(x)
            masks.append(mask)
        return feats, masks
