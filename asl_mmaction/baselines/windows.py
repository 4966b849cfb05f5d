"""Windows of a fixed number of steps, for models that take no other length."""

from __future__ import annotations

from collections.abc import Sequence

from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.localizers import BaseLocalizer
from asl_mmaction.structures.candidates import Candidates
from asl_mmaction.structures.windows import Windows, cut_windows


class WindowedLocalizer(BaseLocalizer):
    """A localizer of mmaction2, which takes windows of ``temporal_dim`` steps, on our data sets.

    The network, its training targets and its loss are mmaction2's. A sequence may not be longer
    than the window in training (:class:`RandomTruncate` sees to it); for prediction, which a child
    defines, longer ones are cut into overlapping windows (:class:`Windows`). A sequence that
    :class:`ResizeFeature` has brought to ``temporal_dim`` steps is one window.

    Args:
        localizer: Config of mmaction2's model. Its settings of SoftNMS are not used.
        post_processor: Config of what thins out the candidates of a video, as one class. None: of a
            child that has none.
        window_overlap: Part of a window that neighbours share at least, in [0, 1). With 0.5, every
            action up to half a window long lies whole in one of them.
        windows_per_batch: As many windows go through the network at a time in prediction.

    Raises:
        ValueError: A setting is out of its range, or a training sequence is too long.
    """

    def __init__(
        self,
        *,
        localizer: dict,
        post_processor: dict | None,
        window_overlap: float = 0.5,
        windows_per_batch: int = 16,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            post_processor=post_processor, data_preprocessor=data_preprocessor, init_cfg=init_cfg
        )
        self.localizer = MODELS.build(localizer)
        self.windows = Windows(int(localizer['temporal_dim']), window_overlap, windows_per_batch)

    def loss(
        self, inputs: Sequence[Tensor], data_samples: Sequence[ActionDataSample]
    ) -> dict[str, Tensor]:
        """mmaction2's losses of N sequences (T_n, C), each at most a window long."""
        pairs = list(zip(inputs, data_samples, strict=True))
        for feature, sample in pairs:
            self._check_length(feature, sample)
        packed = [self.pack_targets(sample, len(feature)) for feature, sample in pairs]
        return self.localizer(self._first_windows(inputs), packed, mode='loss')

    def predict(
        self, inputs: Sequence[Tensor], data_samples: Sequence[ActionDataSample]
    ) -> list[ActionDataSample]:
        """The data samples of N sequences (T_n, C) with ``pred_instances``."""
        pairs = zip(inputs, data_samples, strict=True)
        return [self.predict_video(feature, sample) for feature, sample in pairs]

    def raw_outputs(
        self, inputs: Sequence[Tensor], data_samples: Sequence[ActionDataSample] | None = None
    ) -> tuple[Tensor, ...] | Tensor:
        """The network's output for the first window of N sequences (T_n, C)."""
        return self.localizer(self._first_windows(inputs), data_samples, mode='tensor')

    def predict_video(self, feature: Tensor, sample: ActionDataSample) -> ActionDataSample:
        """``pred_instances`` of one video: segments in seconds, cut to it; all labels 0.

        Args:
            feature: (T, C), of any length.
            sample: Of the video.
        """
        candidates = self.find_candidates(feature, sample)
        return self.detect(candidates, sample, len(feature) / self.windows.length)

    def find_candidates(self, feature: Tensor, sample: ActionDataSample) -> Candidates:
        """Candidates of a sequence (T, C), of all its windows, on its grid, before any NMS."""
        raise NotImplementedError

    def pack_targets(self, sample: ActionDataSample, num_steps: int) -> ActionDataSample:
        """The ground truths of one window as mmaction2 has them: ``gt_bbox`` (G, 2) in [0, 1].

        mmaction2's models cannot do without any: where there is none, one outside of the window is
        put in its place, which overlaps no proposal and no boundary.
        """
        segments = to_window(sample.gt_instances.segments, self.windows.length, num_steps)
        segments = segments[segments[:, 1] > segments[:, 0]]
        if len(segments) == 0:
            segments = segments.new_tensor([[-2.0, -1.0]])
        packed = ActionDataSample(metainfo={'video_name': sample.video_name})
        packed.gt_instances = InstanceData(gt_bbox=segments)
        return packed

    def _first_windows(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """(T_n, C) -> (C, window) each, as mmaction2 has them."""
        return [cut_windows(feature, [0], self.windows.length)[0].T for feature in inputs]

    def _check_length(self, feature: Tensor, sample: ActionDataSample) -> None:
        length = self.windows.length
        if len(feature) > length:
            raise ValueMistake(
                f'video {sample.video_name!r}: expected at most {length} steps in training '
                f'(RandomTruncate with max_len={length}) but got {len(feature)}'
            )


def to_window(grid: Tensor, window: int, num_steps: int) -> Tensor:
    """Grid values of a window's own steps -> parts of the window in [0, num_steps / window].

    Step ``t`` fills ``[t, t + 1] / window``, so grid value 0, the middle of the first step, is half
    a step into the window. What lies outside of the ``num_steps`` steps is cut off.
    """
    return ((grid + 0.5) / window).clamp(0.0, num_steps / window)
