"""A model of sequences that is trained without segments: head -> post-processor."""

from mmaction.registry import MODELS

from asl_mmaction.models.localizers.base_localizer import HeadLocalizer


@MODELS.register_module()
class WeakLocalizer(HeadLocalizer):
    """Temporal action localizer that learns from video labels and clicks.

    Args:
        head: Config of what gives every step its class activations.
        post_processor: Config of what turns activations into detections.
        data_preprocessor: Config of what pads a batch.
    """

    def __init__(
        self,
        *,
        head: dict,
        post_processor: dict,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            post_processor=post_processor,
            data_preprocessor=data_preprocessor or dict(type='WeakPreprocessor'),
            init_cfg=init_cfg,
        )
        self.head = MODELS.build(head)
