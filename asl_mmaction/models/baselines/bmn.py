"""mmaction2's BMN, which takes 100 steps and one video at a time, on sequences of any length."""

from __future__ import annotations

import torch
from mmaction.models.losses import BMNLoss
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch import Tensor

from asl_mmaction.models.baselines.windows import cut_window, to_window
from asl_mmaction.structures.segments import clip_segments
from asl_mmaction.structures.windows import window_starts


@MODELS.register_module()
class WindowedBMN(BaseModel):
    """Class-agnostic proposals of mmaction2's BMN for our data sets.

    The network, its training targets and its loss are mmaction2's, as they are. Instead of its
    ``predict``, which takes one video, thins out its proposals alone and needs the frame counts of
    ActivityNet's feature files, the same candidates with the same scores are found here for all
    windows at a time, put on the grid of the recording, and thinned out together.

    A sequence may not be longer than the window in training (:class:`RandomTruncate` sees to it);
    for prediction it is cut into overlapping windows (:func:`window_starts`). A sequence that
    :class:`ResizeFeature` has brought to ``temporal_dim`` steps is one window.

    Args:
        localizer: Config of mmaction2's BMN. Its settings of SoftNMS are not used.
        post_processor: Config of what thins out the candidates of all windows, as one class.
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
        post_processor: dict,
        window_overlap: float = 0.5,
        windows_per_batch: int = 16,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor, init_cfg)
        self.localizer = MODELS.build(localizer)
        self.post_processor = MODELS.build(post_processor)
        self.window = self.localizer.tscale
        window_starts(1, self.window, window_overlap)  # checks the overlap
        if windows_per_batch < 1:
            raise ValueError(f'expected windows_per_batch >= 1 but got {windows_per_batch}')
        self.window_overlap = window_overlap
        self.windows_per_batch = windows_per_batch

    def forward(self, inputs: list[Tensor], data_samples: list | None = None, mode: str = 'tensor'):
        """Run the model.

        Args:
            inputs: N sequences (T_n, C).
            data_samples: N data samples of :class:`PackTALInputs`.
            mode: ``'loss'``: dict of losses. ``'predict'``: data samples with ``pred_instances``
                (segments in seconds, cut to the video; all labels 0). ``'tensor'``: the network's
                output for sequences of at most a window.
        """
        if mode == 'predict':
            return [
                self._predict_video(feature, sample)
                for feature, sample in zip(inputs, data_samples, strict=True)
            ]
        if mode == 'loss':
            for feature, sample in zip(inputs, data_samples, strict=True):
                self._check_length(feature, sample)
            samples = [
                self.pack_targets(sample, len(feature))
                for feature, sample in zip(inputs, data_samples, strict=True)
            ]
        elif mode == 'tensor':
            samples = data_samples
        else:
            raise ValueError(f"mode: expected 'loss', 'predict' or 'tensor' but got {mode!r}")
        windows = [cut_window(feature, 0, self.window) for feature in inputs]
        return self.localizer(windows, samples, mode=mode)

    def pack_targets(self, sample: ActionDataSample, num_steps: int) -> ActionDataSample:
        """The ground truths of one window as BMN wants them: ``gt_bbox`` (G, 2) in [0, 1].

        BMN cannot do without any: where there is none, one outside of the window is put in its
        place, which overlaps no proposal and no boundary.
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

    def _predict_video(self, feature: Tensor, sample: ActionDataSample) -> ActionDataSample:
        scores, segments = self.find_candidates(feature)
        valid = torch.ones_like(scores, dtype=torch.bool)
        (found,) = self.post_processor(scores[None, :, None], segments[None], valid[None])
        seconds = sample.grid.to_seconds(found.segments.double())
        sample.pred_instances = InstanceData(
            segments=clip_segments(seconds, 0.0, sample.duration),
            scores=found.scores,
            labels=found.labels,
        )
        return sample

    def find_candidates(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (P,) and segments (P, 2), grid values, of a sequence (T, C), before any NMS.

        A segment that several windows find is there once, with its highest score.
        """
        starts = window_starts(len(feature), self.window, self.window_overlap)
        scores, segments = [], []
        for low in range(0, len(starts), self.windows_per_batch):
            firsts = torch.tensor(starts[low : low + self.windows_per_batch], device=feature.device)
            windows = [cut_window(feature, first, self.window) for first in firsts.tolist()]
            confidence, start, end = self.localizer(windows, None, mode='tensor')
            boundaries, values, chosen = score_pairs(confidence, start, end)
            chosen &= boundaries[:, 1] <= len(feature)  # not in the padding
            row, pair = chosen.nonzero(as_tuple=True)
            scores.append(values[row, pair])
            # The boundary b of a window lies between its steps b - 1 and b.
            segments.append(firsts[row, None] + boundaries[pair] - 0.5)
        distinct, index = torch.cat(segments).unique(dim=0, return_inverse=True)
        highest = distinct.new_zeros(len(distinct)).scatter_reduce(
            0, index, torch.cat(scores), 'amax', include_self=True
        )
        return highest, distinct


def score_pairs(confidence: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What BMN.predict makes of the network's output for one video, for N at a time.

    Args:
        confidence: (N, 2, T, T): regressed and classified confidence by duration - 1 and start.
        start: (N, T).
        end: (N, T).

    Returns:
        (P, 2) integers: all pairs of a start and a later end in [0, T); (N, P) float32 scores;
        (N, P) bool: whether both boundaries are likely.
    """
    confidence, start, end = confidence.float(), start.float(), end.float()
    steps = start.shape[1]
    first, last = torch.triu_indices(steps, steps, 1, device=start.device)
    by_class, by_regression = confidence[:, 1], confidence[:, 0]
    duration = last - first - 1
    scores = start[:, first] * end[:, last]
    scores = scores * by_class[:, duration, first] * by_regression[:, duration, first]
    may_start, may_end = _is_boundary(start), _is_boundary(end)
    may_start[:, 0] = True
    may_end[:, -1] = True
    return torch.stack([first, last], 1), scores, may_start[:, first] & may_end[:, last]


def _is_boundary(scores: Tensor) -> Tensor:
    """(N, T) -> bool: a peak, or above half of the highest; never at either end."""
    inner = scores[:, 1:-1]
    peak = (inner > scores[:, 2:]) & (inner > scores[:, :-2])
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    chosen[:, 1:-1] = peak | (inner > 0.5 * scores.amax(dim=1, keepdim=True))
    return chosen


@MODELS.register_module()
class FiniteBMNLoss(BMNLoss):
    """mmaction2's BMNLoss, but 0 instead of NaN for the regression of a batch without positives.

    There, no proposal overlaps a ground truth by more than the higher threshold: the original
    samples as many negatives, none, and divides by their number.
    """

    @staticmethod
    def pem_reg_loss(
        pred_score: Tensor,
        gt_iou_map: Tensor,
        mask: Tensor,
        high_temporal_iou_threshold: float = 0.7,
        low_temporal_iou_threshold: float = 0.3,
    ) -> Tensor:
        """See :meth:`BMNLoss.pem_reg_loss`."""
        if not (gt_iou_map > high_temporal_iou_threshold).any():
            return 0.0 * pred_score.sum()
        return BMNLoss.pem_reg_loss(
            pred_score, gt_iou_map, mask, high_temporal_iou_threshold, low_temporal_iou_threshold
        )
