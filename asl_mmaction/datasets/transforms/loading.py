"""Feature files -> ``results['feature']``."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from asl_mmaction.datasets.transforms.lengths import length_mismatch, tolerance
from asl_mmaction.datasets.transforms.notices import Notice
from asl_mmaction.datasets.transforms.resampling import resample
from asl_mmaction.files.features import read_feature
from asl_mmaction.files.mistakes import TypeMistake, ValueMistake
from asl_mmaction.files.reading import in_context
from asl_mmaction.structures.feature_grid import FeatureGrid


@TRANSFORMS.register_module()
class LoadFeature(BaseTransform):
    """Open the feature file of a video, or several files that are put side by side.

    Formats: ``.npy``, ``.npz``, ``.pt``, ``.pkl``, ``.h5``, ``.csv``; see
    :func:`asl_mmaction.files.features.read_feature`.

    An ``.npy`` file is mapped, not read: :class:`RandomTruncate` cuts it, and
    :class:`PackTALInputs` reads and converts what is left: of a long video, the crop alone. So are
    ``.pt`` files and uncompressed ``.h5`` files, unless there are several sources.

    Several sources are brought to one grid, the sample's: a source of another grid is interpolated
    linearly at the times of the steps. The common length is that of the shortest source.

    The first feature that is not as long as its video's ``duration`` says is warned of, and so is
    the first of which the layout, or the header of a ``.csv`` file, has to be guessed.

    Required keys: ``video_name``, ``grid``, ``feature_path`` (or ``feature``, an array, instead); a
    list of paths (or arrays, or one array of the whole width) if there are ``sources``. Optional:
    ``duration``.
    Added keys: ``feature`` (T, C), of the file's own float type, perhaps a read-only map.

    Args:
        feat_dim: The width C. With ``sources``, the sum of their widths.
        key: Name of the array in a file that holds several; ``{video}`` stands for the video's
            name (one ``.h5`` file of all videos).
        channels: The first channel that is taken and the first behind the last: ``(0, 1024)`` are
            the first 1024 of a file that is ``file_dim`` wide.
        file_dim: Width of the file where ``channels`` are a part of it.
        layout: ``'TC'`` or ``'CT'``: the order of steps and channels in the file. None: the width
            tells; a square file is taken as (T, C).
        csv_header: Whether the first row of a ``.csv`` file names the columns. None: it does if it
            holds no number, or the numbers 0, 1, 2, ... of the columns.
        sources: For each file a dict of ``feat_dim`` and perhaps ``key``, ``channels``,
            ``file_dim``, ``layout``, ``csv_header`` and ``grid`` (``fps``, ``feat_stride``,
            ``clip_len``; the sample's own where left out).
        backend_args: Of :func:`mmengine.fileio.get`: where the files are if not on a local disk.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Unknown or unreadable format, no such key, not two-dimensional, no step, neither
            side as wide as declared, or sources of too different length. The message names the
            video and the file.
    """

    def __init__(
        self,
        *,
        feat_dim: int,
        key: str | None = None,
        channels: tuple[int, int] | None = None,
        file_dim: int | None = None,
        layout: str | None = None,
        csv_header: bool | None = None,
        sources: Sequence[Mapping] | None = None,
        backend_args: dict | None = None,
    ) -> None:
        if not isinstance(feat_dim, int) or feat_dim < 1:
            raise ValueMistake(f'expected feat_dim to be a whole number >= 1 but got {feat_dim!r}')
        self.backend_args = backend_args
        self.length_notice = Notice()
        self.source = _Source(feat_dim, key, channels, file_dim, layout, csv_header)
        self.sources: list[_Source] | None = None
        if sources is None:
            return
        if any(value is not None for value in (key, channels, file_dim, layout, csv_header)):
            raise ValueMistake(
                'expected key, channels, file_dim, layout and csv_header in each of the sources '
                'but got some beside them'
            )
        self.sources = [_Source(**source) for source in sources]
        total = sum(source.feat_dim for source in self.sources)
        if total != feat_dim:
            raise ValueMistake(f'expected sources of {feat_dim} channels together but got {total}')

    def transform(self, results: dict) -> dict:
        """Add ``feature``; see the class."""
        video = f'video {results["video_name"]!r}'
        if not isinstance(results['grid'], FeatureGrid):
            raise TypeMistake(f'{video}: expected a FeatureGrid but got {results["grid"]!r}')
        given: Any = results.get('feature', results.get('feature_path'))
        wanted = len(self.sources or [self.source])
        parts = given if isinstance(given, (list, tuple)) else [given]
        count = len(parts)
        if count != wanted and not isinstance(given, np.ndarray):
            raise ValueMistake(
                f'{video}: expected {wanted} features, one of each source, but got '
                f'{given if isinstance(given, str) else count}'
            )
        if self.sources is None:
            results['feature'] = self._read(self.source, parts[0], results)
        elif isinstance(given, np.ndarray):  # of all sources
            results['feature'] = self._read(self.source, given, results)
        else:
            results['feature'] = self._read_all(self.sources, parts, results)
        mismatch = length_mismatch(results, len(results['feature']))
        if mismatch is not None:
            self.length_notice.warn(
                f'{mismatch}: actions are learned and found at shifted times; '
                '`python tools/data/check.py CONFIG` names all such videos'
            )
        return results

    @property
    def feat_dim(self) -> int:
        """Width of the result."""
        return sum(source.feat_dim for source in self.sources or [self.source])

    def _read(self, source: '_Source', path: str | np.ndarray, results: dict) -> np.ndarray:
        video = f'video {results["video_name"]!r}'
        if isinstance(path, np.ndarray):
            return source.orient(path, f'{video}: the feature array')
        where = f'{video}: {path}'
        key = source.key and source.key.replace('{video}', results['video_name'])
        with in_context(where, 'a feature'):
            feature = read_feature(
                path,
                key,
                self.backend_args,
                csv_header=source.csv_header,
                say=lambda guess: source.header_notice.warn(f'{where}: {guess}'),
            )
        return source.orient(feature, where)

    def _read_all(self, sources: Sequence['_Source'], paths: Sequence, results: dict) -> np.ndarray:
        grid = results['grid']
        where = f'video {results["video_name"]!r}'
        parts = [
            (self._read(source, path, results), source.find_grid(grid))
            for source, path in zip(sources, paths, strict=True)
        ]
        last = [grid.to_grid(own.to_seconds(float(len(part) - 1))) for part, own in parts]
        longest, shortest = grid.to_seconds(max(last)), grid.to_seconds(min(last))
        if longest - shortest > max(tolerance(own) for _, own in parts):
            seconds = ', '.join(
                f'{"array" if isinstance(path, np.ndarray) else path} {grid.to_seconds(end):.2f}'
                for path, end in zip(paths, last, strict=True)
            )
            raise ValueMistake(
                f'{where}: expected features that end together but got, in s: {seconds}'
            )
        steps = np.arange(max(1, math.floor(min(last) + 1e-6) + 1), dtype=np.float64)
        times = grid.to_seconds(steps)
        return np.concatenate([resample(part, own.to_grid(times)) for part, own in parts], axis=1)


@dataclass
class _Source:
    """What one file is declared to be; see :class:`LoadFeature`."""

    feat_dim: int
    key: str | None = None
    channels: tuple[int, int] | None = None
    file_dim: int | None = None
    layout: str | None = None
    csv_header: bool | None = None
    grid: Mapping | None = None
    layout_notice: Notice = field(default_factory=Notice, init=False)
    header_notice: Notice = field(default_factory=Notice, init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.key, str | None):
            raise TypeMistake(f'expected key to be a string but got {self.key!r}')
        if self.layout not in (None, 'TC', 'CT'):
            raise ValueMistake(f"expected layout to be 'TC' or 'CT' but got {self.layout!r}")
        if (self.channels is None) != (self.file_dim is None):
            raise ValueMistake('expected channels and file_dim together but got one of them')
        if self.channels is not None and self.file_dim is not None:
            pair = isinstance(self.channels, (list, tuple)) and len(self.channels) == 2
            first, end = self.channels if pair else (0, 0)
            if not 0 <= first < end <= self.file_dim or end - first != self.feat_dim:
                raise ValueMistake(
                    f'expected channels [first, last + 1) that are {self.feat_dim} of '
                    f'{self.file_dim} but got {self.channels}'
                )

    def find_grid(self, grid: FeatureGrid) -> FeatureGrid:
        """The file's own grid: what it does not declare is the sample's."""
        settings = {'fps': grid.fps, 'feat_stride': grid.feat_stride, 'clip_len': grid.clip_len}
        return FeatureGrid.from_settings(settings, self.grid)

    def orient(self, feature: np.ndarray, where: str) -> np.ndarray:
        """Check an array and make it (T, feat_dim)."""
        width = self.file_dim or self.feat_dim
        if feature.dtype.kind not in 'fiu':
            raise ValueMistake(f'{where}: expected numbers but got {feature.dtype}')
        shapes = {'TC': f'(T, {width})', 'CT': f'({width}, T)'}
        layout = self.layout
        if layout is None:
            if feature.shape == (width, width) and width > 1:
                self.layout_notice.warn(
                    f'{where}: a square of {width} x {width} is taken as (steps, channels); '
                    "layout='TC' of LoadFeature says so, and layout='CT' the opposite"
                )
            layout = 'TC' if feature.shape[1:] == (width,) else 'CT'
        given = feature.shape
        if feature.ndim == 2 and layout == 'CT':
            feature = feature.T
        if feature.ndim != 2 or feature.shape[1] != width:
            expected = ' or '.join(shapes.values()) if self.layout is None else shapes[self.layout]
            raise ValueMistake(f'{where}: expected shape {expected} but got {given}')
        if len(feature) == 0:
            raise ValueMistake(f'{where}: expected at least one step but got an empty feature')
        return feature if self.channels is None else feature[:, slice(*self.channels)]
