"""The whole model: projection -> pyramid -> head -> post-processor."""

import inspect
from typing import Any

from mmaction.registry import MODELS
from torch import Tensor

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.localizers.base_localizer import HeadLocalizer
from asl_mmaction.structures.candidates import DenseCandidates


def build_part(config: dict, **width: int | None) -> Any:
    """Build a part, as wide as what it gets if its config says no width.

    Args:
        config: Of the part.
        **width: Name of its setting, and the width of what it gets; None = unknown. A part without
            that setting goes without.
    """
    part = config.get('type')
    part = MODELS.get(part) if isinstance(part, str) else part
    known = {
        name
        for base in getattr(part, '__mro__', ())
        for name in inspect.signature(base.__init__).parameters
    }
    sizes = {name: size for name, size in width.items() if size is not None and name in known}
    return MODELS.build(config, default_args=sizes)


@MODELS.register_module()
class DenseLocalizer(HeadLocalizer):
    """One-stage, anchor-free temporal action localizer.

    The width of the model is set once, as ``out_channels`` of the projection: a neck whose config
    leaves out ``channels``, and a head whose config leaves out ``in_channels``, are as wide as
    what they get.

    Args:
        projection: Config of what maps features to the model width.
        neck: Config of the pyramid.
        head: Config of the dense head.
        post_processor: Config of what turns points into detections.
        data_preprocessor: Config of what pads a batch.

    Raises:
        ValueError: The head or the preprocessor does not fit the strides of the neck, or one part
            is not as wide as what it gets.
    """

    def __init__(
        self,
        *,
        projection: dict,
        neck: dict,
        head: dict,
        post_processor: dict,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            post_processor=post_processor,
            data_preprocessor=data_preprocessor or dict(type='FeaturePreprocessor'),
            init_cfg=init_cfg,
        )
        self.projection = MODELS.build(projection)
        self.neck = build_part(neck, channels=getattr(self.projection, 'out_channels', None))
        self.head = build_part(head, in_channels=getattr(self.neck, 'channels', None))
        if hasattr(self.neck, 'strides'):
            self._check_strides(self.neck.strides)
        self.with_quality = getattr(self.post_processor, 'quality_power', None) is not None
        if self.with_quality and not self.head.predicts_quality:
            raise ValueMistake(
                'expected head.sensitivity with an instance_level, for quality_power of the '
                'post-processor, but got none'
            )
        self._check_width('neck.channels', 'projection.out_channels')
        self._check_width('head.in_channels', 'neck.channels')

    def _check_strides(self, strides: list[int]) -> None:
        """Let head and preprocessor fit the strides of the neck's levels."""
        if self.head.point_generator.strides != strides:
            raise ValueMistake(
                f'head: expected the strides {strides} of the neck '
                f'but got {self.head.point_generator.strides}'
            )
        size_divisor = self.data_preprocessor.size_divisor
        if size_divisor % strides[-1]:
            raise ValueMistake(
                f'data_preprocessor: expected size_divisor to be a multiple of {strides[-1]}, the '
                f"neck's last stride, but got {size_divisor}"
            )

    def _check_width(self, taker: str, giver: str) -> None:
        """Let a part take the width that another gives, where both have such a setting."""
        width, given = (
            getattr(getattr(self, part), setting, None)
            for part, setting in (name.split('.') for name in (taker, giver))
        )
        if None not in (width, given) and width != given:
            raise ValueMistake(f'expected {taker} to be the {given} of {giver} but got {width}')

    def extract_feat(self, inputs: Tensor, masks: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """(N, T, C_in), (N, T) -> L features (N, T_l, C) and masks (N, T_l)."""
        return self.neck(self.projection(inputs, masks), masks)

    def find(self, inputs: Tensor, masks: Tensor) -> DenseCandidates:
        """See the parent; with quality, where the post-processor asks for it."""
        return self.head.predict(*self.extract_feat(inputs, masks), with_quality=self.with_quality)

    def raw_outputs(self, inputs: Tensor, masks: Tensor, **_: Any) -> Any:
        """See the parent; of every point."""
        return super().raw_outputs(inputs, masks)[0]
