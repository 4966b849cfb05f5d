"""Transforms along the time axis."""

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from asl_mmaction.datasets.transforms.resampling import resample
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.structures.feature_grid import FeatureGrid


@TRANSFORMS.register_module()
class RandomTruncate(BaseTransform):
    """Cut a random stretch out of a feature sequence, as ActionFormer trains.

    A sequence longer than ``max_len`` is cut to ``max_len`` steps; a shorter one to a random part
    ``crop_ratio`` of itself. Where the stretch begins is uniform over all places at which at least
    one action is kept with a step inside it, or over all places if there is none. An action is kept
    if at least ``min_overlap`` of its length lies in the seconds that the stretch covers
    (:meth:`FeatureGrid.covered_seconds`: half a clip before its first step, one step and half a
    clip past its last); what sticks out is cut off.

    Uses numpy's global generator, which mmengine seeds in every worker.

    Required and changed keys: ``feature`` (T, C), ``grid``, ``segments`` (G, 2) in seconds,
    ``labels`` (G,). ``scored_segments`` and ``scored_labels`` stay: they describe the whole video.
    Of ``click_times`` and ``click_labels``, if any, those on a step of the stretch stay.

    Args:
        max_len: The most steps that are left.
        crop_ratio: Least and greatest part to keep of a sequence of at most ``max_len`` steps; None
            leaves those as they are.
        min_overlap: The least part of an action that must remain, in (0, 1].

    Raises:
        ValueError: A setting is out of its range.
    """

    def __init__(
        self,
        *,
        max_len: int,
        crop_ratio: tuple[float, float] | None = (0.9, 1.0),
        min_overlap: float = 0.5,
    ) -> None:
        if not isinstance(max_len, int) or max_len < 1:
            raise ValueMistake(f'expected max_len to be a whole number >= 1 but got {max_len!r}')
        if crop_ratio is not None and not 0 < crop_ratio[0] <= crop_ratio[1] <= 1:
            raise ValueMistake(f'expected 0 < crop_ratio low <= high <= 1 but got {crop_ratio}')
        if not 0 < min_overlap <= 1:
            raise ValueMistake(f'expected 0 < min_overlap <= 1 but got {min_overlap}')
        self.max_len = max_len
        self.crop_ratio = crop_ratio
        self.min_overlap = min_overlap

    def transform(self, results: dict) -> dict:
        """Cut; see the class."""
        total = len(results['feature'])
        low, high = self._lengths(total)
        length = int(np.random.randint(low, high + 1))  # noqa: NPY002 (seeded by mmengine)
        if length == total:
            return results
        start = self._draw_start(results, total, length)
        if 'click_times' in results:
            steps = results['grid'].nearest_steps(results['click_times'], total)
            kept = (start <= steps) & (steps < start + length)
            results.update({key: results[key][kept] for key in ('click_times', 'click_labels')})
        results['feature'] = results['feature'][start : start + length]
        results['grid'] = results['grid'].shifted(start)

        segments = results['segments']
        cut = segments.clip(*results['grid'].covered_seconds(length))
        kept = np.diff(cut, axis=1) >= self.min_overlap * np.diff(segments, axis=1) - _TOLERANCE
        kept = kept[:, 0] & (cut[:, 1] > cut[:, 0])
        results['segments'], results['labels'] = cut[kept], results['labels'][kept]
        return results

    def can_keep(self, segments: np.ndarray, grid: FeatureGrid, total: int) -> np.ndarray:
        """Which segments some stretch of a sequence keeps with a step inside.

        Args:
            segments: (G, 2) seconds.
            grid: Of the sequence.
            total: Its steps.

        Returns:
            (G,) bool.
        """
        length = self._lengths(total)[1]
        first, last = self._places(segments, grid, length)
        return (length == total) | (first.clip(0) <= last.clip(max=total - length))

    def _lengths(self, total: int) -> tuple[int, int]:
        """The fewest and the most steps of a stretch."""
        if total > self.max_len:
            return self.max_len, self.max_len
        low, high = self.crop_ratio or (1, 1)
        return max(1, round(low * total)), max(1, round(high * total))

    def _places(
        self, segments: np.ndarray, grid: FeatureGrid, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The first and the last place (G,) of a stretch that keeps a segment with a step inside.

        They lie side by side; where there is none, the first is behind the last.
        """
        half_clip = grid.to_grid(grid.covered_seconds(0)[1])  # how far it reaches past its steps
        start, end = grid.to_grid(segments).T
        needed = self.min_overlap * (end - start)
        step, last_step = np.floor(start) + 1, np.ceil(end) - 1  # inside the segment
        first = np.ceil(start + needed - length - half_clip - _TOLERANCE)
        last = np.floor(end - needed + half_clip + _TOLERANCE)
        possible = (needed <= length + 2 * half_clip) & (step <= last_step)
        first = np.where(possible, np.maximum(first, step - length + 1), np.inf)
        return first, np.minimum(last, last_step)

    def _draw_start(self, results: dict, total: int, length: int) -> int:
        """First step of the stretch.

        The union of the places that keep a given action is a running sum: the law is that of trying
        at random until an action is kept, without the tries.
        """
        places = total - length + 1
        change = np.zeros(places + 1, dtype=np.int64)
        first, last = self._places(results['segments'], results['grid'], length)
        first, last = first.clip(0), last.clip(max=places - 1)
        for begin, end in zip(first[first <= last], last[first <= last], strict=True):
            change[int(begin)] += 1
            change[int(end) + 1] -= 1
        allowed = np.flatnonzero(np.cumsum(change[:-1]))
        if len(allowed) == 0:
            allowed = np.arange(places)
        return int(np.random.choice(allowed))  # noqa: NPY002


@TRANSFORMS.register_module()
class ResizeFeature(BaseTransform):
    """Bring every sequence to one length, by linear interpolation.

    The ``length`` steps divide the time of the sequence evenly, as ``torch.nn.functional.
    interpolate`` without ``align_corners`` does. The stride becomes fractional and differs from
    video to video; segments, in seconds, are not touched.

    Changed keys: ``feature`` (T, C) -> (length, C) float32, ``grid``.

    Args:
        length: Steps of the result.

    Raises:
        ValueError: ``length`` is not positive.
    """

    def __init__(self, *, length: int) -> None:
        if length < 1:
            raise ValueMistake(f'expected length >= 1 but got {length}')
        self.length = length

    def transform(self, results: dict) -> dict:
        """Resize; see the class."""
        feature, grid = results['feature'], results['grid']
        scale = len(feature) / self.length
        steps = np.arange(self.length, dtype=np.float64)
        results['feature'] = resample(feature, (steps + 0.5) * scale - 0.5)
        # New step t is old grid value (t + 0.5) * scale - 0.5. In frames, with s' = s * scale:
        #     (t + origin') * s' + clip' / 2 = ((t + 0.5) * scale - 0.5 + origin) * s + clip / 2
        # One solution: clip' = clip + s' - s and origin' * s' = origin * s. Where that clip' is
        # negative (a sequence made much longer), clip' is 0 and the origin takes the rest.
        feat_stride = grid.feat_stride * scale
        wanted = grid.clip_len + feat_stride - grid.feat_stride
        clip_len = max(wanted, 0.0)
        origin = (grid.origin * grid.feat_stride + 0.5 * (wanted - clip_len)) / feat_stride
        results['grid'] = FeatureGrid(grid.fps, feat_stride, clip_len, origin)
        return results


#: Seconds, or steps; below every annotation's precision, above rounding errors.
_TOLERANCE = 1e-9
