"""Windows of a fixed number of steps, for models that take no other length."""

from __future__ import annotations

from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from asl_mmaction.structures.windows import window_starts


class WindowedLocalizer(BaseModel):
    """A localizer of mmaction2, which takes windows of ``temporal_dim`` steps, on our data sets.

    The network, its training targets and its loss are mmaction2's. A sequence may not be longer
    than the window in training (:class:`RandomTruncate` sees to it); for prediction, which a child
    defines, longer ones are cut into overlapping windows (:func:`window_starts`). A sequence that
    :class:`ResizeFeature` has brought to ``temporal_dim`` steps is one window.

    Args:
        localizer: Config of mmaction2's model.
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
        window_overlap: float = 0.5,
        windows_per_batch: int = 16,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.localizer = MODELS.build(localizer)
        self.window = int(localizer['temporal_dim'])
        window_starts(1, self.window, window_overlap)  # checks the overlap
        if windows_per_batch < 1:
            raise ValueError(f'expected windows_per_batch >= 1 but got {windows_per_batch}')
        self.window_overlap = window_overlap
        self.windows_per_batch = windows_per_batch

    def forward(
        self, inputs: list[Tensor], data_samples: list | None = None, mode: str = 'tensor'
    ) -> dict[str, Tensor] | list[ActionDataSample] | tuple[Tensor, ...] | Tensor:
        """Run the model.

        Args:
            inputs: N sequences (T_n, C).
            data_samples: N data samples of :class:`PackTALInputs`.
            mode: ``'loss'``: dict of losses. ``'predict'``: data samples with ``pred_instances``.
                ``'tensor'``: the network's output for sequences of at most a window.
        """
        if mode == 'predict':
            pairs = zip(inputs, data_samples, strict=True)
            return [self.predict_video(feature, sample) for feature, sample in pairs]
        if mode == 'loss':
            pairs = list(zip(inputs, data_samples, strict=True))
            for feature, sample in pairs:
                self._check_length(feature, sample)
            data_samples = [self.pack_targets(sample, len(feature)) for feature, sample in pairs]
        elif mode != 'tensor':
            raise ValueError(f"mode: expected 'loss', 'predict' or 'tensor' but got {mode!r}")
        windows = [cut_window(feature, 0, self.window) for feature in inputs]
        return self.localizer(windows, data_samples, mode=mode)

    def predict_video(self, feature: Tensor, sample: ActionDataSample) -> ActionDataSample:
        """``pred_instances`` for one sequence (T, C) of any length."""
        raise NotImplementedError

    def pack_targets(self, sample: ActionDataSample, num_steps: int) -> ActionDataSample:
        """The ground truths of one window as mmaction2 has them: ``gt_bbox`` (G, 2) in [0, 1].

        mmaction2's models cannot do without any: where there is none, one outside of the window is
        put in its place, which overlaps no proposal and no boundary.
        """
        segments = to_window(sample.gt_instances.segments, self.window, num_steps)
        segments = segments[segments[:, 1] > segments[:, 0]]
        if len(segments) == 0:
            segments = segments.new_tensor([[-2.0, -1.0]])
        packed = ActionDataSample(metainfo={'video_name': sample.video_name})
        packed.gt_instances = InstanceData(gt_bbox=segments)
        return packed

    def _check_length(self, feature: Tensor, sample: ActionDataSample) -> None:
        if len(feature) > self.window:
            raise ValueError(
                f'video {sample.video_name!r}: expected at most {self.window} steps in training '
                f'(RandomTruncate with max_len={self.window}) but got {len(feature)}'
            )


def cut_window(feature: Tensor, start: int, window: int) -> Tensor:
    """(T, C) -> (C, window): steps ``start`` and on, zeros behind the last of the sequence."""
    part = feature[start : start + window]
    cut = feature.new_zeros(feature.shape[1], window)
    cut[:, : len(part)] = part.T
    return cut


def to_window(grid: Tensor, window: int, num_steps: int) -> Tensor:
    """Grid values of a window's own steps -> parts of the window in [0, num_steps / window].

    Step ``t`` fills ``[t, t + 1] / window``, so grid value 0, the middle of the first step, is half
    a step into the window. What lies outside of the ``num_steps`` steps is cut off.
    """
    return ((grid + 0.5) / window).clamp(0.0, num_steps / window)
