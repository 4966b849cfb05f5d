"""One annotation schema for every temporal action localization data set."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from asl_mmaction.datasets.feature_files import (
    agreed_grid,
    check_feature_files,
    check_keys,
    feature_path,
    grid_of_video,
)
from asl_mmaction.datasets.weak_supervision import check_supervision, weaken
from asl_mmaction.files.annotations import (
    check_video,
    find_classes,
    find_label,
    is_names,
    read_annotations,
    segments_of,
    select_videos,
)
from asl_mmaction.files.mistakes import TypeMistake, ValueMistake
from asl_mmaction.files.reading import in_context, is_number, read_classes
from asl_mmaction.structures.feature_grid import GRID_KEYS


@DATASETS.register_module()
class TALDataset(BaseDataset):
    """Untrimmed videos with precomputed features and annotated actions.

    The annotation file (JSON in ActivityNet's form; all times in seconds)::

        {
            "version": "...",
            "classes": ["WALKING", ...],              optional
            "grid": {"fps": 50, "feat_stride": 25, "clip_len": 50},    optional
            "database": {
                "<video>": {
                    "subset": "training",
                    "duration": 411.96,
                    "fps": 50.0,                      optional
                    "annotations": [{"segment": [4.98, 24.64], "label": "WALKING"}]
                }
            }
        }

    With ``simulated``, the dataset warns and its metainfo says so (tools/data/simulate.py).

    Other keys are ignored, ``label_id`` too: classes go by name. Their order comes from the first
    of: ``metainfo['classes']`` (a list, or the path of a text file with one name per line), the
    file's ``classes``, its ``taxonomy`` if that is a list of names, all labels of the file, sorted.

    Segments outside the video are handled by one rule. What the model is trained on (``segments``)
    is cut to ``[0, duration]`` and dropped where nothing remains, zero-length segments too; what is
    scored (``scored_segments``) stays as the file has it. The counts are logged. A segment that
    ends before it starts, or is not finite, is an error.

    One sample, before the pipeline::

        video_name       str
        subset           str
        duration         float, seconds
        grid             FeatureGrid of the whole feature sequence
        feature_path     str, or list of str if there are several
        segments         (G, 2) float64, seconds, within the video
        labels           (G,) int64
        scored_segments  (G', 2) float64, seconds, as in the file
        scored_labels    (G',) int64

    Under weak supervision a training sample (``test_mode=False``) knows of no segment: the four
    last are empty, whatever the annotation file has, and there are::

        video_labels  (K,) float32, 1 for each class that occurs in the video
        click_times   (M,) float64, seconds, within the video
        click_labels  (M,) int64, K = background

    Args:
        ann_file: Annotation file, relative to ``data_root``.
        subset: The subset to use, or several; compared exactly.
        data_root: Folder of the data set.
        data_prefix: ``feature``: the folder of the feature files, relative to ``data_root``.
        feature_file: File name of a video's features; ``{video}`` stands for its name. A list if
            the features are in several files. An HDF5 file may hold all videos.
        grid: ``fps``, ``feat_stride`` and ``clip_len`` of the features. If ``fps`` is left out
            or None, each video's own; without ``grid``, the file's. If both give a value they must
            agree. What is left out there is what the sidecar of a feature says, ``{video}.json``
            beside ``{video}.npy`` (tools/data/extract.py writes it), and what is not must agree
            with it. Of several files a video, or files elsewhere, no sidecars are read.
        exclude_videos: Names of videos that the protocol leaves out.
        supervision: What training knows. ``'full'``: segments; ``'click'``: the classes of each
            video, and the clicks of ``click_file``; ``'video'``: the classes alone.
        click_file: Click file (:mod:`asl_mmaction.files.clicks`), relative to ``data_root``. With
            ``'full'``, clicks are added to the segments. Not read in test mode.
        filter_cfg: For training only. ``filter_empty`` (bool): drop videos without segments.
            ``min_duration`` (seconds): drop shorter segments first.
        backend_args: Of :func:`mmengine.fileio.exists`: where the feature files are if not on a
            local disk.
        metainfo: ``classes``, see above.
        **kwargs: ``pipeline``, ``test_mode``, ``indices``, ``serialize_data``, ``lazy_init`` and
            ``max_refetch`` of :class:`mmengine.dataset.BaseDataset`.

    Raises:
        FileNotFoundError: The annotation file, class list file or feature files are missing.
        TypeError: A part of the annotation file is of another type than the schema's.
        ValueError: Any other departure from the schema; a subset or video that does not exist.
    """

    METAINFO = {'task_name': 'temporal_action_localization'}

    def __init__(
        self,
        ann_file: str,
        *,
        subset: str | Sequence[str],
        data_root: str = '',
        data_prefix: Mapping = MappingProxyType({'feature': 'features'}),
        feature_file: str | Sequence[str] = '{video}.npy',
        grid: Mapping | None = None,
        exclude_videos: Sequence[str] = (),
        supervision: str = 'full',
        click_file: str | None = None,
        filter_cfg: Mapping | None = None,
        backend_args: dict | None = None,
        metainfo: Mapping | Config | None = None,
        **kwargs,
    ) -> None:
        check_keys('data_prefix', data_prefix, {'feature'})
        check_keys('grid', grid or {}, set(GRID_KEYS))
        check_keys('filter_cfg', filter_cfg or {}, {'filter_empty', 'min_duration'})
        for argument, value in (('subset', subset), ('feature_file', feature_file)):
            if not isinstance(value, str) and not (is_names(value) and value):
                raise TypeMistake(f'expected {argument} to be a name or several but got {value!r}')
        min_duration = (filter_cfg or {}).get('min_duration', 0.0)
        if not is_number(min_duration):
            raise TypeMistake(f'expected min_duration to be a number but got {min_duration!r}')
        for file in [feature_file] if isinstance(feature_file, str) else feature_file:
            if '{video}' not in file and not file.endswith(('.h5', '.hdf5')):
                raise ValueMistake(f"expected '{{video}}' in feature_file but got {file!r}")
        if isinstance(exclude_videos, str):
            raise TypeMistake(f'expected a list of exclude_videos but got {exclude_videos!r}')
        if isinstance(metainfo, (Mapping, Config)) and isinstance(metainfo.get('classes'), str):
            metainfo = {**metainfo, 'classes': read_classes(Path(metainfo['classes']))}
        self.subsets = (subset,) if isinstance(subset, str) else tuple(subset)
        self.feature_file = feature_file
        self.backend_args = backend_args
        self.grid_cfg = None if grid is None else dict(grid)
        self.exclude_videos = tuple(exclude_videos)
        self.supervision = supervision
        self.click_file = os.path.join(data_root, click_file) if click_file else None
        super().__init__(
            ann_file=ann_file,
            metainfo=metainfo,
            data_root=data_root,
            data_prefix=dict(data_prefix),
            filter_cfg=dict(filter_cfg or {}),
            **kwargs,
        )

    def load_data_list(self) -> list[dict]:
        """Read the annotation file; see the class for the samples and the errors."""
        content = read_annotations(Path(self.ann_file))
        database = content['database']
        if content.get('simulated'):
            self._metainfo['simulated'] = True
            print_log(
                f'{self.ann_file}: the features are SIMULATED; results on them mean nothing',
                logger='current',
                level=logging.WARNING,
            )
        classes = find_classes(self.ann_file, content, self._metainfo.get('classes'))
        self._metainfo['classes'] = classes
        self._label_ids = {name: label for label, name in enumerate(classes)}
        grid = agreed_grid(f'{self.ann_file}: ', content.get('grid'), self.grid_cfg)
        self._counts = dict.fromkeys(('cut to the video', 'dropped'), 0)

        names = select_videos(self.ann_file, database, self.subsets, self.exclude_videos)
        samples = [self._parse_video(name, database[name]) for name in names]
        paths = [path for s in samples for path in np.atleast_1d(s['feature_path']).tolist()]
        whose = f'{", ".join(self.subsets)} of {self.ann_file}'
        check_feature_files(paths, whose, self.backend_args)
        for sample in samples:
            name, path = sample['video_name'], sample['feature_path']
            alone = isinstance(path, str) and self.backend_args is None
            sample['grid'] = grid_of_video(
                self._where(name), database[name], grid, path if alone else None
            )
        dirt = ', '.join(f'{count} {what}' for what, count in self._counts.items() if count)
        print_log(
            f'{self.ann_file}: subset {", ".join(self.subsets)}: {len(samples)} videos, '
            f'{sum(len(s["scored_labels"]) for s in samples)} segments'
            f'{f" ({dirt})" if dirt else ""}',
            logger='current',
        )
        if not self.test_mode:
            self._supervise(samples, database)
        return samples

    def _supervise(self, samples: list[dict], database: dict) -> None:
        transforms = self.pipeline.transforms
        check_supervision(self.supervision, self.click_file, self.filter_cfg, transforms)
        if self.supervision == 'full' and not self.click_file:
            return
        classes = self._metainfo['classes']
        counts, simulated = weaken(samples, classes, database, self.supervision, self.click_file)
        if self.click_file:
            found = ', '.join(f'{count} {what}' for what, count in counts.items())
            note = ', SIMULATED' if simulated else ''
            print_log(f'{self.click_file}: {found}{note}', logger='current')
        print_log(f'supervision: {self.supervision}', logger='current')

    def filter_data(self) -> list[dict]:
        """Apply ``filter_cfg``; in test mode all videos and segments stay."""
        if self.test_mode or not self.filter_cfg:
            return self.data_list
        min_duration = self.filter_cfg.get('min_duration', 0.0)
        samples, short = [], 0
        for sample in self.data_list:
            kept = np.diff(sample['segments'], axis=1)[:, 0] >= min_duration
            sample['segments'], sample['labels'] = sample['segments'][kept], sample['labels'][kept]
            short += int((~kept).sum())
            if len(sample['labels']) or not self.filter_cfg.get('filter_empty', False):
                samples.append(sample)
        if not samples:
            raise ValueMistake(
                f'{self.ann_file}: expected a filter_cfg that keeps a video but got '
                f'{dict(self.filter_cfg)}, which leaves none of {len(self.data_list)} videos'
            )
        left_out = len(self.data_list) - len(samples)
        if left_out or short:
            print_log(
                f'filter_cfg leaves out {left_out} of {len(self.data_list)} videos and {short} '
                f'segments shorter than {min_duration:g} s',
                logger='current',
            )
        return samples

    def get_cat_ids(self, idx: int) -> list[int]:
        """Labels of the segments of a video, for mmengine's ClassBalancedDataset.

        Under weak supervision, the classes that occur in it.
        """
        sample = self.get_data_info(idx)
        if self.supervision == 'full' or self.test_mode:
            return sample['labels'].tolist()
        return np.flatnonzero(sample['video_labels']).tolist()

    def _parse_video(self, name: str, video: dict) -> dict:
        where = self._where(name)
        with in_context(where):
            path = feature_path(self.data_prefix['feature'], self.feature_file, name)
        duration, items = check_video(where, video)['duration'], video['annotations']
        scored_segments = segments_of(items)
        scored_labels = np.array(
            [find_label(where, item['label'], self._label_ids) for item in items], dtype=np.int64
        )

        segments = scored_segments.clip(0, duration)
        kept = segments[:, 1] > segments[:, 0]
        moved = np.abs(segments - scored_segments).max(axis=1, initial=0) > 1e-6
        self._counts['cut to the video'] += int((moved & kept).sum())
        self._counts['dropped'] += int((~kept).sum())
        return {
            'video_name': name,
            'subset': video['subset'],
            'duration': float(duration),
            'feature_path': path,
            'segments': segments[kept],
            'labels': scored_labels[kept],
            'scored_segments': scored_segments,
            'scored_labels': scored_labels,
        }

    def _where(self, name: str) -> str:
        return f'{self.ann_file}: video {name!r}'
