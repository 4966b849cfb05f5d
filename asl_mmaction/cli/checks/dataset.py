"""What is wrong with one dataset of a config: its annotations, and each video's feature."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from mmaction.registry import DATASETS, TRANSFORMS

from asl_mmaction.apis.datasets import is_a
from asl_mmaction.cli.checks.coverage import Video, as_trained
from asl_mmaction.datasets.transforms.lengths import FeatureLength, length_mismatch
from asl_mmaction.files.mistakes import ValueMistake

READING = ['LoadFeature', 'PackTALInputs']
OUTSIDE = 'segments wholly outside the video'


@dataclass
class Report:
    """What was found in one dataset.

    Attributes:
        title: Loaders that have it, such as ``'val, test'``.
        videos: Their names.
        labels: Segments of each class.
        lengths: Of the features that could be read, and what is wrong with each.
        trained: Their videos, as a model is trained on them.
        samples: Of the dataset, before its pipeline.
        uncovered: Segments that no point of the model is assigned to; None: not looked at.
        latest: End of the last segment, as a share of its video.
        errors: What would stop or spoil a training.
        warnings: Other findings, by kind.
        notes: Other sentences.
    """

    title: str
    videos: set[str] = field(default_factory=set)
    labels: Counter = field(default_factory=Counter)
    lengths: list[tuple[FeatureLength, str | None]] = field(default_factory=list)
    trained: list[Video] = field(default_factory=list)
    samples: list[dict] = field(default_factory=list)
    uncovered: int | None = None
    latest: float = 0.0
    errors: list[str] = field(default_factory=list)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def places(self, loader: str) -> list[str]:
        """Those of the title that belong to a loader: 'val' of 'train, val' for 'val'."""
        return [place for place in self.title.split(', ') if place.split()[0] == loader]

    def warn(self, kind: str, what: str) -> None:
        """Add a finding."""
        self.warnings.setdefault(kind, []).append(what)


def check(title: str, config: dict) -> Report:
    """Check one dataset: its annotation file, then each video's feature."""
    report = Report(title)
    try:
        dataset = DATASETS.build({**config, 'pipeline': [], 'filter_cfg': None, 'test_mode': True})
        # Under weak supervision, what lies in the annotation file is looked at all the same.
        pipeline = [
            {'type': 'PackTALInputs'} if is_a(step, 'PackWeakInputs') else step
            for step in config.get('pipeline', [])
        ]
        steps = [step for step in pipeline if step['type'] in READING]
        if [step['type'] for step in steps] != READING:
            raise ValueMistake(
                f'expected a pipeline of {" and ".join(READING)} but got {len(steps)} of these'
            )
        loaders = [TRANSFORMS.build(step) for step in steps]
        temporal = [
            TRANSFORMS.build(step)
            for step in pipeline
            if is_a(step, 'ResizeFeature') or is_a(step, 'RandomTruncate')
        ]
    except (OSError, ValueError, TypeError) as error:
        report.errors.append(f'{title}: {error}')
        return report
    classes = dataset.metainfo['classes']
    report.labels.update(dict.fromkeys(classes, 0))
    for index in range(len(dataset)):
        sample = dataset.get_data_info(index)
        report.videos.add(sample['video_name'])
        report.samples.append(sample)
        report.labels.update(classes[label] for label in sample['scored_labels'])
        _check_segments(report, sample)
        try:
            packed = {**sample, 'duration': None}  # or the first one is warned of as well
            for loader in loaders:
                packed = loader(packed)
        except Exception as error:  # what a damaged file raises is not bounded
            where = f'video {sample["video_name"]!r}: '
            text = ' '.join(str(error).split()) or type(error).__name__
            if not text.startswith(where):
                text = f'{where}{sample["feature_path"]}: {text}'
            report.errors.append(f'{title}: {text}')
        else:
            count = len(packed['inputs'])
            length = FeatureLength(sample['duration'], sample['grid'], count)
            report.lengths.append((length, length_mismatch(sample, count)))
            report.trained.append(as_trained(_filtered(sample, config), temporal, count))
    _check_unit(report)
    if not config.get('test_mode'):
        _check_clicks(report, config)
    return report


def _check_clicks(report: Report, config: dict) -> None:
    """Build a training set under its own supervision, and count its clicks."""
    if config.get('supervision', 'full') == 'full' and not config.get('click_file'):
        return
    try:
        dataset = DATASETS.build(config)
    except (OSError, ValueError, TypeError) as error:
        report.errors.append(f'{report.title}: {error}')
        return
    samples = [dataset.get_data_info(index) for index in range(len(dataset))]
    labels = [label for sample in samples for label in sample['click_labels'].tolist()]
    background = labels.count(len(dataset.metainfo['classes']))
    report.notes.append(
        f'supervision {dataset.supervision}: {background} background clicks and '
        f'{len(labels) - background} action clicks; '
        f'{sum(not len(sample["click_labels"]) for sample in samples)} of {len(samples)} videos '
        'have none'
    )


def _filtered(sample: dict, config: dict) -> dict:
    """A sample without the segments that ``filter_cfg`` leaves out of a training."""
    least = (config.get('filter_cfg') or {}).get('min_duration', 0.0)
    if config.get('test_mode') or not least:
        return sample
    kept = np.diff(sample['segments'], axis=1)[:, 0] >= least
    return {**sample, 'segments': sample['segments'][kept], 'labels': sample['labels'][kept]}


def _check_segments(report: Report, sample: dict) -> None:
    """Look for segments outside the video, of no length, and given twice."""
    video, duration = sample['video_name'], sample['duration']
    seen: Counter = Counter()
    for (start, end), label in zip(sample['scored_segments'], sample['scored_labels'], strict=True):
        seen[start, end, label] += 1
        where = f'{video} {start:g}..{end:g} s of {duration:g} s'
        if start >= duration or end <= 0:
            report.warn(OUTSIDE, where)
        elif start < -1e-6 or end > duration + 1e-6:
            report.warn('segments partly outside the video', where)
        if start == end:
            report.warn('segments without length', where)
        report.latest = max(report.latest, end / duration)
    for (start, end, _), count in seen.items():
        if count > 1:
            report.warn('segments given twice', f'{video} {start:g}..{end:g} s')
    if not len(sample['scored_labels']):
        report.warn('videos without segments', video)


def _check_unit(report: Report) -> None:
    """Look at all segments: whether they are in seconds.

    It is an error, not dirt, where most are outside. Where all lie in the first 1/60 of their
    videos they may still be right, but hardly.
    """
    outside = report.warnings.get(OUTSIDE, [])
    if 2 * len(outside) > report.labels.total():
        report.errors.append(
            f'{report.title}: expected segments in seconds but got {len(outside)} of '
            f'{report.labels.total()} wholly outside their video, as if they were in frames, such '
            f'as {outside[0]}'
        )
    if report.labels.total() >= 5 and 0 < 60 * report.latest <= 1:
        report.notes.append(
            f'expected segments in seconds but got {report.labels.total()} that all end in the '
            'first 1/60 of their video, as if they were in minutes'
        )
