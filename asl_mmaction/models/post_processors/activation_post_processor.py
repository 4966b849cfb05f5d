"""From class activations to the detections of a video (BackTAL's multi-threshold proposals)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmaction.registry import MODELS

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.models.post_processors.soft_nms_post_processor import (
    ENDLESS,
    SoftNMSPostProcessor,
)
from asl_mmaction.ops.activation_runs import (
    Runs,
    find_runs,
    outer_inner_contrast,
    sample_between,
    scale_to_range,
)
from asl_mmaction.structures.activations import ActivationScores
from asl_mmaction.structures.candidates import Candidates
from asl_mmaction.structures.limits import REPORTED_SCORE
from asl_mmaction.structures.segments import clip_segments, segment_durations

CONTRASTS = ('thresholded', 'raw')
THRESHOLDS = tuple(0.025 * i for i in range(10))


@MODELS.register_module()
class ActivationPostProcessor(SoftNMSPostProcessor):
    """Cuts the activations of each likely class at many thresholds, and ranks what stands out.

    Of a class whose score in the video reaches ``class_threshold``, the activations are scaled to
    [0, 1] over the video (:func:`scale_to_range`) and sampled between the steps. At each threshold
    what lies below it becomes 0, and each run above 0 is a candidate. It scores

        ``inner mean - outer mean + video_score_weight * video score``

    (:func:`outer_inner_contrast`), brought from [-1, 1 + video_score_weight] to [0, 1] by a
    straight line, which leaves the order as it is. Activations far below 0 make means beyond that
    range: a lower score counts as 0, a higher one stays above 1. Then NMS, within each class. Step
    ``t`` covers ``[t - 0.5, t + 0.5)`` of the grid.

    Args:
        class_threshold: Least score of a class in the video.
        fallback_class: Where no class reaches it, the best one goes on (False: no detection, as in
            the public code).
        thresholds: Of the scaled activations, in [0, 1).
        magnitude_thresholds: More candidates, for each class: runs of the scaled magnitudes, which
            score by the activations as they are.
        outer_ratio: Length of what lies on either side of a run, by the length of the run.
        video_score_weight: Weight of the score of the class in the video.
        contrast: What the means are taken of: ``'thresholded'`` activations, or ``'raw'`` ones.
        shrink: Part of its length by which a candidate is shortened at either end.
        whole_video_score: Score, before it is brought to [0, 1], of the whole video as a candidate
            of each class that has a run; None: it is none.
        samples_per_step: Samples of a step between which a run may begin.
        pre_nms_topk: Candidates of a video.
        min_duration: In grid steps; what has no length is dropped in any case.
        method: ``'hard'``, ``'gaussian'`` or ``'linear'``.
        iou_threshold: tIoU above which ``'hard'`` and ``'linear'`` act.
        sigma: Width of ``'gaussian'``.
        max_per_video: At most so many detections.

    Raises:
        ValueError: A setting is out of its range.
    """

    def __init__(
        self,
        *,
        class_threshold: float = 0.25,
        fallback_class: bool = True,
        thresholds: Sequence[float] = THRESHOLDS,
        magnitude_thresholds: Sequence[float] = (),
        outer_ratio: float = 0.25,
        video_score_weight: float = 0.2,
        contrast: str = 'thresholded',
        shrink: float = 0.0,
        whole_video_score: float | None = None,
        samples_per_step: int = 8,
        pre_nms_topk: int = 10000,
        min_duration: float = 0.0,
        method: str = 'hard',
        iou_threshold: float = 0.55,
        sigma: float = 0.5,
        max_per_video: int = 2000,
    ) -> None:
        super().__init__(
            pre_nms_thresh=0.0,
            pre_nms_topk=pre_nms_topk,
            min_duration=min_duration,
            method=method,
            sigma=sigma,
            iou_threshold=iou_threshold,
            min_score=0.0,
            max_per_video=max_per_video,
        )
        levels = [*thresholds, *magnitude_thresholds]
        if not thresholds or not all(0 <= level < 1 for level in levels):
            raise ValueMistake(f'expected thresholds in [0, 1) but got {levels}')
        if contrast not in CONTRASTS:
            raise ValueMistake(f'expected contrast to be one of {CONTRASTS} but got {contrast!r}')
        if not 0 <= shrink < 0.5:
            raise ValueMistake(f'expected shrink in [0, 0.5) but got {shrink}')
        if samples_per_step < 1:
            raise ValueMistake(f'expected samples_per_step >= 1 but got {samples_per_step}')
        for name, value in (
            ('class_threshold', class_threshold),
            ('outer_ratio', outer_ratio),
            ('video_score_weight', video_score_weight),
        ):
            if not value >= 0:
                raise ValueMistake(f'expected {name} >= 0 but got {value}')
        self.class_threshold = class_threshold
        self.fallback_class = fallback_class
        self.thresholds = np.array(thresholds)
        self.magnitude_thresholds = np.array(magnitude_thresholds)
        self.outer_ratio = outer_ratio
        self.video_score_weight = video_score_weight
        self.contrast = contrast
        self.shrink = shrink
        self.whole_video_score = whole_video_score
        self.samples_per_step = samples_per_step

    @torch.no_grad()
    def select(  # type: ignore[override]  # each takes what its own heads give
        self, found: ActivationScores, bounds: Sequence[tuple[float, float]] | None = None
    ) -> list[Candidates]:
        """Candidates of a batch of videos that are run whole.

        Args:
            found: What a head says of every step of N videos.
            bounds: N of start and end of the video, on its grid; None: the segments may lie
                anywhere.

        Returns:
            N, on the host.
        """
        bounds = [ENDLESS] * len(found.masks) if bounds is None else bounds
        # On the host from here on: a few classes of each video are left.
        columns = (x.cpu().double().numpy() for x in found[:3])
        lengths = found.masks.sum(1).tolist()
        return [self._candidates(*video) for video in zip(*columns, lengths, bounds, strict=True)]

    def _candidates(
        self,
        activations: np.ndarray,
        video_scores: np.ndarray,
        magnitudes: np.ndarray,
        num_steps: int,
        bounds: tuple[float, float],
    ) -> Candidates:
        """One video's (T, K), (K,), (T,), valid steps, start and end."""
        labels = np.flatnonzero(video_scores >= self.class_threshold)
        if not len(labels) and self.fallback_class:
            labels = np.array([video_scores.argmax()])
        scaled = scale_to_range(activations[:num_steps, labels].T)
        values = sample_between(scaled, self.samples_per_step)  # (C, S)
        parts = [self._cut(values)]
        if len(self.magnitude_thresholds):
            parts.append(self._cut_magnitudes(values, magnitudes[:num_steps]))
        runs, contrast = (np.concatenate(x, axis=-1) for x in zip(*parts, strict=True))
        rows = runs[0]
        segments = runs[1:].T / self.samples_per_step - 0.5  # (R, 2)
        segments += self.shrink * segment_durations(segments)[:, None] * np.array([1, -1])
        scores = contrast + self.video_score_weight * video_scores[labels[rows]]
        if self.whole_video_score is not None:
            found = np.unique(rows)
            whole = bounds if bounds != ENDLESS else (-0.5, num_steps - 0.5)
            rows = np.concatenate([rows, found])
            segments = np.concatenate([segments, np.tile(whole, (len(found), 1))])
            scores = np.concatenate([scores, np.full(len(found), self.whole_video_score)])
        scores = ((scores + 1) / (2 + self.video_score_weight)).clip(0)
        return self._limit(clip_segments(segments, *bounds), scores, labels[rows])

    def _cut(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Runs (3, R) of row, start and end, and their contrast (R,), at all thresholds."""
        num_classes, num_samples = values.shape
        above = values >= self.thresholds[:, None, None]  # (H, C, S)
        levels = np.where(above, values, 0).reshape(-1 if num_classes else 0, num_samples)
        runs = find_runs(levels > 0)
        of_class = runs._replace(rows=runs.rows % max(num_classes, 1))
        if self.contrast == 'raw':
            return np.stack(of_class), outer_inner_contrast(values, of_class, self.outer_ratio)
        return np.stack(of_class), outer_inner_contrast(levels, runs, self.outer_ratio)

    def _cut_magnitudes(
        self, values: np.ndarray, magnitudes: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The same of runs that the magnitudes give to every class."""
        scaled = sample_between(scale_to_range(magnitudes[None]), self.samples_per_step)
        above = (scaled >= self.magnitude_thresholds[:, None]) & (scaled > 0)
        _, starts, ends = find_runs(above)
        count = len(values)
        runs = Runs(
            np.repeat(np.arange(count), len(starts)), np.tile(starts, count), np.tile(ends, count)
        )
        return np.stack(runs), outer_inner_contrast(values, runs, self.outer_ratio)

    def _limit(self, segments: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> Candidates:
        """Those that last, and of them the ``pre_nms_topk`` highest."""
        length = segment_durations(segments)
        index = np.flatnonzero((length >= self.min_duration) & (length > 0))
        left_out = 0
        if len(index) > self.pre_nms_topk:
            num_high = int((scores[index] > REPORTED_SCORE).sum())
            left_out = max(0, num_high - self.pre_nms_topk)
            index = index[np.argsort(-scores[index], kind='stable')[: self.pre_nms_topk]]
        columns = segments[index], scores[index], labels[index]
        return Candidates(*columns, self.pre_nms_topk, left_out)
