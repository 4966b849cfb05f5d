"""The pyramid of TriDet: convolutions in place of attention."""

from collections.abc import Sequence
from functools import partial

from mmaction.registry import MODELS

from asl_mmaction.models.layers import SGPBlock
from asl_mmaction.models.necks.base_pyramid import BasePyramid, check_count


@MODELS.register_module()
class SGPPyramid(BasePyramid):
    """Scalable-granularity perception at every level; max-pools between them.

    Args:
        channels: Width C.
        num_levels: Number of levels L.
        stem_depth: Blocks at full rate before the first strided one.
        window_size: Odd kernel w of the blocks in steps of their level, or one for each level.
        window_scale: k; the wide kernel of a block is about k times (w + 1).
        mlp_ratio: Width of the feed-forward part over C.
        num_groups: Groups of the norm before the feed-forward part; divides C.
        drop_path: Probability of stochastic depth.
        top_down: Add a top-down path over the levels.
    """

    def __init__(
        self,
        *,
        channels: int,
        num_levels: int = 6,
        stem_depth: int = 2,
        window_size: int | Sequence[int] = 1,
        window_scale: float = 1.5,
        mlp_ratio: float = 4.0,
        num_groups: int = 16,
        drop_path: float = 0.0,
        top_down: bool = False,
        init_cfg: dict | None = None,
    ) -> None:
        check_count('num_groups', num_groups)
        super().__init__(
            block=partial(
                SGPBlock,
                channels,
                window_scale=window_scale,
                mlp_ratio=mlp_ratio,
                num_groups=num_groups,
                drop_path=drop_path,
            ),
            channels=channels,
            num_levels=num_levels,
            stem_depth=stem_depth,
            window_size=window_size,
            top_down=top_down,
            init_cfg=init_cfg,
        )
