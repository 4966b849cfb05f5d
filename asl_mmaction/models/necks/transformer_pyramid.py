"""The transformer pyramid: parallel temporal and channel attention (theta = 0: temporal only)."""

from collections.abc import Sequence
from functools import partial

import torch
from mmaction.registry import MODELS
from torch import Tensor

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.layers import TransformerBlock
from asl_mmaction.models.necks.base_pyramid import BasePyramid, check_count
from asl_mmaction.ops.windowed_attention import attention_bias


@MODELS.register_module()
class TransformerPyramid(BasePyramid):
    """Encoder of ASL (section 3.1 of the paper, eq. 1-2); ``theta = 0`` is ActionFormer's.

    ``causal='split'`` is the causal attention of CausalTAD (arXiv 2407.17792) within this encoder:
    in every block the first half of the heads sees the query's own step and those before it, the
    second half its own step and those after it; both within the window. Queries, keys and values
    are what they are without it: their convolution reaches one step to either side. The released
    code (OpenTAD's ``CausalProj``) has another block. There all heads attend in each direction,
    each direction with a projection and a gate of its own, over the whole sequence and its padding;
    a causal Mamba stands beside them, and no feed-forward part follows. None of it is built here.

    Args:
        channels: Width C.
        num_heads: Heads of the temporal attention.
        num_levels: Number of levels L.
        stem_depth: Blocks at full rate before the first strided one.
        window_size: Odd window of the temporal attention in steps of its level, None = full
            attention; or one such value for each level.
        causal: None = every head sees both sides of a step, or 'split' (``num_heads`` is even).
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
        causal: str | None = None,
        theta: float = 0.0,
        channel_groups: int = 1,
        mlp_ratio: float = 4.0,
        dropout: float = 0.0,
        attn_dropout: float = 0.0,
        drop_path: float = 0.0,
        top_down: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        check_count('num_heads', num_heads)
        check_count('channel_groups', channel_groups)
        if causal not in (None, 'split'):
            raise ValueMistake(f"expected causal to be None or 'split' but got {causal!r}")
        if causal and num_heads % 2:
            raise ValueMistake(f"expected an even num_heads for causal='split' but got {num_heads}")
        super().__init__(
            block=partial(
                TransformerBlock,
                channels,
                num_heads,
                theta=theta,
                channel_groups=channel_groups,
                mlp_ratio=mlp_ratio,
                dropout=dropout,
                attn_dropout=attn_dropout,
                drop_path=drop_path,
            ),
            channels=channels,
            num_levels=num_levels,
            stem_depth=stem_depth,
            window_size=window_size,
            top_down=top_down,
            init_cfg=init_cfg,
        )
        self.causal_heads = num_heads if causal else 0

    @torch.no_grad()
    def prepare(self, mask: Tensor) -> list[tuple]:
        """The attention bias of each level."""
        return [
            (attention_bias(mask[:, :: 2**level], window, self.causal_heads),)
            for level, window in enumerate(self.window_sizes)
        ]
