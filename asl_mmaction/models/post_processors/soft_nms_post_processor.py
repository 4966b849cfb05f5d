"""From the scores and segments of all points to the detections of a video."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from mmaction.registry import MODELS
from mmengine.structures import InstanceData
from torch import Tensor

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.ops.soft_nms import Kept, check_nms_options, soft_nms
from asl_mmaction.structures.candidates import Candidates, DenseCandidates
from asl_mmaction.structures.limits import REPORTED_SCORE, Limits
from asl_mmaction.structures.segments import clip_segments, segment_durations

ENDLESS = (-math.inf, math.inf)


@MODELS.register_module()
class SoftNMSPostProcessor:
    """Thresholds, thins out and ranks the (point, class) candidates of every video.

    Of the valid points, the pairs of point and class with a score above ``pre_nms_thresh`` and a
    segment that lies in the video, at least in part; of these the ``pre_nms_topk`` highest; without
    those of which less than ``min_duration`` lies in the video; then SoftNMS
    (`asl_mmaction.ops.soft_nms`). Equal scores go by point, then by class, so neither padding nor
    the other videos of the batch change a detection.

    A localizer calls :meth:`select` for each window, where ``pre_nms_topk`` counts, and
    :meth:`thin_out` once for each recording, with all candidates and the length of the recording in
    windows: one that is as long as 10 windows gets 10 times ``max_per_video`` detections, however
    much its windows overlap. A recording that is run whole is one window.

    Args:
        pre_nms_thresh: In [0, 1).
        pre_nms_topk: Pairs of point and class per window, all levels together.
        quality_power: ``dict(cls=a, loc=b)``: scores are multiplied by ``q_cls ** a * q_loc ** b``,
            what the instance evaluators predict of the point, before anything else is done with
            them. Beyond the paper. None, and ``a = b = 0``: as in the paper, without an operation.
        min_duration: In grid steps; what has no length is dropped in any case.
        method: 'gaussian', 'linear' or 'hard'.
        sigma: Width of 'gaussian'.
        iou_threshold: tIoU above which 'linear' and 'hard' act.
        min_score: Candidates whose score falls below it are dropped.
        class_agnostic: Let candidates of different classes suppress each other (and vote together).
        voting_threshold: tIoU of segment voting; None: no voting.
        max_per_video: At most so many detections of a recording of one window.

    Raises:
        ValueError: For an unknown method and for numbers out of range.
    """

    def __init__(
        self,
        *,
        pre_nms_thresh: float = 0.001,
        pre_nms_topk: int = 2000,
        quality_power: dict[str, float] | None = None,
        min_duration: float = 0.05,
        method: str = 'gaussian',
        sigma: float = 0.5,
        iou_threshold: float = 0.1,
        min_score: float = 0.001,
        class_agnostic: bool = False,
        voting_threshold: float | None = None,
        max_per_video: int = 200,
    ) -> None:
        self.nms_options: dict[str, Any] = {
            'method': method,
            'sigma': sigma,
            'iou_threshold': iou_threshold,
            'min_score': min_score,
            'max_per_video': max_per_video,
            'voting_threshold': voting_threshold,
        }
        check_nms_options(**self.nms_options)
        if not 0 <= pre_nms_thresh < 1:
            raise ValueMistake(f'expected pre_nms_thresh in [0, 1) but got {pre_nms_thresh}')
        if type(pre_nms_topk) is not int or pre_nms_topk < 1:
            raise ValueMistake(f'expected pre_nms_topk, an int >= 1, but got {pre_nms_topk!r}')
        if not min_duration >= 0:
            raise ValueMistake(f'expected min_duration >= 0 but got {min_duration}')
        given = {} if quality_power is None else quality_power
        if not (isinstance(given, dict) and given.keys() <= {'cls', 'loc'}) or not all(
            isinstance(power, int | float) and math.isfinite(power) and power >= 0
            for power in given.values()
        ):
            raise ValueMistake(
                f'expected quality_power to be cls and loc, both >= 0, but got {quality_power}'
            )
        powers = {'cls': 0.0, 'loc': 0.0, **given}
        self.quality_power = tuple(powers.values()) if any(powers.values()) else None
        self.pre_nms_thresh = pre_nms_thresh
        self.pre_nms_topk = pre_nms_topk
        self.min_duration = min_duration
        self.class_agnostic = class_agnostic

    @torch.no_grad()
    def select(
        self, found: DenseCandidates, bounds: Sequence[tuple[float, float]] | None = None
    ) -> list[Candidates]:
        """Candidates of a batch of windows, or of videos that are run whole.

        Args:
            found: What a head says of every point of N windows.
            bounds: N of start and end of the video, on the grid of its window; None: the segments
                may lie anywhere.

        Returns:
            N, on the host.

        Raises:
            ValueError: If the shapes do not fit.
        """
        self._check(found)
        bounds = [ENDLESS] * len(found.scores) if bounds is None else bounds
        scores = found.scores
        if self.quality_power is not None and found.quality is not None:
            powers = scores.new_tensor(self.quality_power)
            scores = scores * (found.quality**powers).prod(-1, keepdim=True)
        videos = zip(found.segments, scores, found.masks, bounds, strict=True)
        return [self._select(*video) for video in videos]

    def thin_out(self, candidates: Candidates, num_windows: float = 1.0) -> InstanceData:
        """Detections of a video.

        Args:
            candidates: Of the whole video.
            num_windows: Length of the video in windows, of which there is at least one.

        Returns:
            ``InstanceData``, on the CPU, by falling score: ``segments`` (M, 2) float64 grid,
            ``scores`` (M,) float32, ``labels`` (M,) int64; as metainfo ``limits``,
            :class:`~asl_mmaction.structures.limits.Limits`.
        """
        configured = self.nms_options['max_per_video']
        limit = int(configured * max(1.0, num_windows))
        kept = self._soft_nms(candidates, max_per_video=limit)
        left_out = 0
        if len(kept.scores) == limit and kept.scores[-1] > REPORTED_SCORE:
            left_out = self._count_high(candidates) - limit
        limits = Limits(
            pre_nms_topk=self.pre_nms_topk,
            max_per_video=configured,
            max_detections=min(limit, candidates.limit),
            candidates=candidates.left_out,
            detections=left_out,
        )
        return InstanceData(
            segments=torch.from_numpy(kept.segments),
            scores=torch.from_numpy(kept.scores).float(),
            labels=torch.from_numpy(candidates.labels[kept.indices]),
            metainfo={'limits': limits},
        )

    def _select(
        self, segments: Tensor, scores: Tensor, mask: Tensor, bounds: tuple[float, float]
    ) -> Candidates:
        """One video's (P, 2) or (P, K, 2), (P, K), (P,) and its start and end."""
        num_classes = scores.shape[1]
        inside = (segments[..., 0] < bounds[1]) & (segments[..., 1] > bounds[0])
        inside = inside if inside.dim() == 2 else inside[:, None]  # (P, K) or (P, 1)
        chosen = (scores > self.pre_nms_thresh) & inside & mask[:, None]
        index = chosen.flatten().nonzero().squeeze(1)
        values = scores.flatten()[index]
        left_out = 0
        if len(index) > self.pre_nms_topk:
            num_high = int((values > REPORTED_SCORE).sum())
            left_out = max(0, num_high - self.pre_nms_topk)
            top = _highest(values, self.pre_nms_topk)
            index, values = index[top], values[top]
        # On the host from here on: not every device has double precision.
        index, values = index.cpu(), values.cpu()
        labels = index % num_classes
        rows = index if segments.dim() == 3 else index // num_classes
        segments = segments.reshape(-1, 2)[rows].cpu().double()
        length = segment_durations(clip_segments(segments, *bounds))
        lasting = (length >= self.min_duration) & (length > 0)
        return Candidates(
            segments[lasting].numpy(),
            values[lasting].double().numpy(),
            labels[lasting].numpy(),
            self.pre_nms_topk,
            left_out,
        )

    def _soft_nms(self, candidates: Candidates, **options) -> Kept:
        labels = None if self.class_agnostic else candidates.labels
        options = {**self.nms_options, **options}
        return soft_nms(candidates.segments, candidates.scores, labels, **options)

    def _count_high(self, candidates: Candidates) -> int:
        """How many detections above REPORTED_SCORE there are without a limit."""
        kept = self._soft_nms(
            candidates,
            max_per_video=len(candidates.scores),
            min_score=max(self.nms_options['min_score'], REPORTED_SCORE),
            voting_threshold=None,
        )
        return int((kept.scores > REPORTED_SCORE).sum())

    def _check(self, found: DenseCandidates) -> None:
        segments, scores, masks, quality = found
        if scores.dim() != 3:
            raise ValueMistake(f'expected scores of shape (N, P, K) but got {tuple(scores.shape)}')
        if masks.shape != scores.shape[:2] or masks.dtype != torch.bool:
            raise ValueMistake(
                f'expected bool masks of shape {tuple(scores.shape[:2])} '
                f'but got {masks.dtype} {tuple(masks.shape)}'
            )
        if self.quality_power is not None and (
            quality is None or quality.shape != (*masks.shape, 2)
        ):
            raise ValueMistake(
                f'expected quality of shape {(*masks.shape, 2)} for quality_power '
                f'but got {None if quality is None else tuple(quality.shape)}'
            )
        if segments.shape not in ((*masks.shape, 2), (*scores.shape, 2)):
            raise ValueMistake(
                f'expected segments of shape {(*masks.shape, 2)} or {(*scores.shape, 2)} '
                f'but got {tuple(segments.shape)}'
            )


def _highest(values: Tensor, count: int) -> Tensor:
    """Indices of the ``count`` highest of (n,) values, n >= count; of equal ones, the first."""
    # topk leaves open which of the equal values it takes, so it only tells the lowest one kept.
    lowest = values.topk(count, sorted=False).values.min()
    above, equal = values > lowest, values == lowest
    equal &= equal.cumsum(0) <= count - above.sum()
    return (above | equal).nonzero().squeeze(1)
