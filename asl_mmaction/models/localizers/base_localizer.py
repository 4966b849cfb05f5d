"""What every localizer has: three modes, and detections in the seconds of a video."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Sequence
from typing import Any

from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModel
from torch import Tensor

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.structures.activations import ActivationScores
from asl_mmaction.structures.candidates import Candidates, DenseCandidates
from asl_mmaction.structures.detections import detections_in_seconds, video_bounds
from asl_mmaction.structures.point_targets import GroundTruths
from asl_mmaction.structures.weak_labels import WeakLabels


class BaseLocalizer(BaseModel, metaclass=ABCMeta):
    """Template of the localizers: a child says what each mode does.

    In prediction a child finds the candidates of each video, and :meth:`detect` makes detections of
    them. It hands on all that the data preprocessor gives: ``inputs`` and whatever else is in the
    batch, by name. So ``loss``, ``predict`` and ``raw_outputs`` of a child name what is in it.

    Args:
        post_processor: Config of what chooses candidates (``select``) and thins them out
            (``thin_out``), such as ``SoftNMSPostProcessor``. None: the child has other results.
        data_preprocessor: Config of what makes a batch.
    """

    def __init__(
        self,
        *,
        post_processor: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        if post_processor is not None:
            self.post_processor = MODELS.build(post_processor)

    def forward(self, inputs: Any, *, mode: str = 'tensor', **batch: Any) -> Any:
        """Run the model.

        Args:
            inputs: Features, as the data preprocessor gives them.
            mode: ``'loss'``: dict of losses. ``'predict'``: data samples with ``pred_instances``
                (segments in seconds, cut to the video). ``'tensor'``: raw outputs.
            **batch: The rest of what the data preprocessor gives.

        Raises:
            ValueError: There is no such mode.
        """
        if mode == 'loss':
            return self.loss(inputs, **batch)
        if mode == 'predict':
            return self.predict(inputs, **batch)
        if mode == 'tensor':
            return self.raw_outputs(inputs, **batch)
        raise ValueMistake(f"expected mode to be 'loss', 'predict' or 'tensor' but got {mode!r}")

    @abstractmethod
    def loss(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Losses of a batch, each under its own key."""

    @abstractmethod
    def predict(self, *args: Any, **kwargs: Any) -> list[ActionDataSample]:
        """The data samples of a batch with ``pred_instances``."""

    @abstractmethod
    def raw_outputs(self, *args: Any, **kwargs: Any) -> Any:
        """What the network gives, before anything is made of it."""

    def select_in_windows(
        self, found: DenseCandidates, starts: Sequence[int], bounds: tuple[float, float]
    ) -> list[Candidates]:
        """Candidates of windows of one video, on the grid of the video.

        Args:
            found: Of N windows, each on its own grid.
            starts: First step of each window.
            bounds: Start and end of the video, grid.
        """
        ends = [(bounds[0] - start, bounds[1] - start) for start in starts]
        selected = self.post_processor.select(found, ends)
        return [part.moved(start) for part, start in zip(selected, starts, strict=True)]

    def detect_batch(
        self, found: DenseCandidates | ActivationScores, samples: Sequence[ActionDataSample]
    ) -> list[ActionDataSample]:
        """Give the data samples of videos that are run whole their ``pred_instances``.

        Args:
            found: What a head says of N videos, as the post-processor takes it.
            samples: N, see :meth:`detect`.
        """
        selected = self.post_processor.select(found, [video_bounds(s) for s in samples])
        return [self.detect(part, s) for part, s in zip(selected, samples, strict=True)]

    def detect(
        self, candidates: Candidates, sample: ActionDataSample, num_windows: float = 1.0
    ) -> ActionDataSample:
        """Give the data sample of a video its ``pred_instances``: seconds, cut to the video.

        Args:
            candidates: Of the whole video, grid.
            sample: Of the video, with ``grid`` and ``duration``.
            num_windows: Length of the video in windows.
        """
        found = self.post_processor.thin_out(candidates, num_windows)
        sample.pred_instances = detections_in_seconds(found, sample)
        return sample


class HeadLocalizer(BaseLocalizer):
    """Template of the localizers of padded batches: features -> head -> post-processor.

    A child sets ``head``.
    """

    head: Any

    def extract_feat(self, inputs: Tensor, masks: Tensor) -> tuple[Any, Any]:
        """What the head takes: (N, T, C_in) features and (N, T) masks as they are."""
        return inputs, masks

    def find(self, inputs: Tensor, masks: Tensor) -> DenseCandidates | ActivationScores:
        """What the head says of N videos or windows, as the post-processor takes it.

        Args:
            inputs: (N, T, C_in) features, zero on padding.
            masks: (N, T) bool.
        """
        return self.head.predict(*self.extract_feat(inputs, masks))

    def loss(
        self,
        inputs: Tensor,
        masks: Tensor,
        ground_truths: GroundTruths | WeakLabels,
        data_samples: list | None = None,
    ) -> dict[str, Tensor]:
        """Losses of a batch, each under its own key.

        Args:
            inputs: (N, T, C_in) features, zero on padding.
            masks: (N, T) bool.
            ground_truths: As the head takes them: padded ground truths on the grid, or video labels
                and clicks.
            data_samples: Unused.
        """
        return self.head.loss(*self.extract_feat(inputs, masks), ground_truths)

    def predict(
        self,
        inputs: Tensor,
        masks: Tensor,
        data_samples: list[ActionDataSample],
        ground_truths: Any = None,
    ) -> list[ActionDataSample]:
        """The data samples with ``pred_instances``: segments in seconds, cut to the video.

        Args:
            inputs: (N, T, C_in) features, zero on padding.
            masks: (N, T) bool.
            data_samples: N data samples with ``grid`` and ``duration``.
            ground_truths: Unused.
        """
        return self.detect_batch(self.find(inputs, masks), data_samples)

    def raw_outputs(self, inputs: Tensor, masks: Tensor, **_: Any) -> Any:
        """What the head says of every step or point, before it is decoded.

        Args:
            inputs: (N, T, C_in) features, zero on padding.
            masks: (N, T) bool.
        """
        return self.head(*self.extract_feat(inputs, masks))
