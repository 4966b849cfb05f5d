"""A model of sequences that is trained without segments: head -> post-processor."""

from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor

from asl_mmaction.models.localizers.base_localizer import BaseLocalizer
from asl_mmaction.structures.weak_labels import WeakLabels


@MODELS.register_module()
class WeakLocalizer(BaseLocalizer):
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

    def loss(
        self,
        inputs: Tensor,
        masks: Tensor,
        ground_truths: WeakLabels,
        data_samples: list | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a batch, each under its own key.

        Args:
            inputs: (N, T, C) features, zero on padding.
            masks: (N, T) bool.
            ground_truths: Video labels and clicks.
            data_samples: Unused.
        """
        return self.head.loss(inputs, masks, ground_truths)

    def predict(
        self,
        inputs: Tensor,
        masks: Tensor,
        data_samples: list[ActionDataSample],
        ground_truths: WeakLabels | None = None,
    ) -> list[ActionDataSample]:
        """The data samples with ``pred_instances``: segments in seconds, cut to the video.

        Args:
            inputs: (N, T, C) features, zero on padding.
            masks: (N, T) bool.
            data_samples: N data samples with ``grid`` and ``duration``.
            ground_truths: Unused.
        """
        return self.detect_batch(self.head.predict(inputs, masks), data_samples)

    def raw_outputs(
        self,
        inputs: Tensor,
        masks: Tensor,
        data_samples: list | None = None,
        ground_truths: WeakLabels | None = None,
    ) -> tuple[Tensor, ...]:
        """What the head says of every step.

        Args:
            inputs: (N, T, C) features, zero on padding.
            masks: (N, T) bool.
            data_samples: Unused.
            ground_truths: Unused.
        """
        return self.head(inputs, masks)
