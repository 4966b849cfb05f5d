"""What a training sample knows under weak supervision: classes and clicks, and no segment."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from asl_mmaction.files.clicks import Click, count_covered, read_click_file
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import in_context
from asl_mmaction.files.writing import hint_at_same_name

SUPERVISIONS = ('full', 'click', 'video')


def check_supervision(
    supervision: str, click_file: str | None, filter_cfg: Mapping, transforms: Iterable[object]
) -> None:
    """Refuse settings of a training set that contradict its supervision.

    Args:
        supervision: ``'full'``, ``'click'`` or ``'video'``.
        click_file: Path; None: there is none.
        filter_cfg: Of the data set.
        transforms: Of its pipeline.

    Raises:
        ValueError: They do.
    """
    if supervision not in SUPERVISIONS:
        raise ValueMistake(
            f'expected supervision to be one of {SUPERVISIONS} but got {supervision!r}'
        )
    if supervision == 'full':
        return
    if (supervision == 'click') != bool(click_file):
        wanted = 'a click_file' if supervision == 'click' else 'no click_file'
        raise ValueMistake(
            f'expected {wanted} with supervision={supervision!r} but got {click_file!r}'
        )
    if any(filter_cfg.values()):
        raise ValueMistake(
            f'expected no filter_cfg, which is about segments, with supervision={supervision!r} '
            f'but got {dict(filter_cfg)}'
        )
    names = {type(transform).__name__ for transform in transforms}
    if 'RandomTruncate' in names:
        raise ValueMistake(
            f'expected no RandomTruncate with supervision={supervision!r}: it aims at segments, '
            'and labels of each crop would tell where they are'
        )
    if 'PackWeakInputs' not in names:
        raise ValueMistake(
            f'expected PackWeakInputs in the pipeline with supervision={supervision!r} '
            f'but got {sorted(names)}'
        )


def add_weak_labels(
    samples: list[dict], clicks: Mapping[str, list[Click]], classes: Sequence[str]
) -> Counter:
    """Add ``video_labels``, ``click_times`` and ``click_labels`` to the samples of videos.

    The label of a background click is the number of classes. Clicks outside of the video are
    dropped.

    Args:
        samples: Of :class:`TALDataset`, with the segments that a model may be trained on.
        clicks: By video.
        classes: Names.

    Returns:
        How many clicks there are, and how many were dropped.

    Raises:
        ValueError: A click is of an unknown class.
    """
    label_ids: dict[str | None, int] = {name: i for i, name in enumerate(classes)}
    label_ids[None] = len(classes)
    counts = Counter(dict.fromkeys(('background clicks', 'action clicks', 'outside the video'), 0))
    for sample in samples:
        labels = np.zeros(len(classes), dtype=np.float32)
        labels[sample['labels']] = 1
        kept = []
        for click in clicks.get(sample['video_name'], ()):
            if click.label not in label_ids:
                raise ValueMistake(
                    f'video {sample["video_name"]!r}: expected one of {len(classes)} classes '
                    f'but got a click on {click.label!r}'
                )
            if 0 <= click.time <= sample['duration']:
                kept.append(click)
                counts['background clicks' if click.label is None else 'action clicks'] += 1
            else:
                counts['outside the video'] += 1
        sample['video_labels'] = labels
        sample['click_times'] = np.array([click.time for click in kept], dtype=np.float64)
        sample['click_labels'] = np.array([label_ids[c.label] for c in kept], dtype=np.int64)
    return counts


def hide_segments(samples: list[dict]) -> None:
    """Take all segments, and their labels, out of samples: nothing later on can look at them."""
    for sample in samples:
        for kind in ('', 'scored_'):
            sample[f'{kind}segments'] = np.zeros((0, 2))
            sample[f'{kind}labels'] = np.zeros(0, dtype=np.int64)


def count_inside_actions(samples: Iterable[Mapping], background: int) -> int:
    """How many background clicks of samples lie in one of the segments to train on, or on its end.

    Args:
        samples: Of :func:`add_weak_labels`.
        background: Label of background clicks.
    """
    count = 0
    for sample in samples:
        times = sample['click_times'][sample['click_labels'] == background]
        count += count_covered(times, sample['segments'])
    return count


def weaken(
    samples: list[dict],
    classes: Sequence[str],
    videos: Iterable[str],
    supervision: str,
    click_file: str | None,
) -> tuple[Counter, bool]:
    """Make samples of a training set those of its supervision.

    Args:
        samples: Of :class:`TALDataset`.
        classes: Names.
        videos: All videos of the annotation file.
        supervision: ``'full'``, ``'click'`` or ``'video'``.
        click_file: Path; None: there is none.

    Returns:
        Counts of the clicks, with ``'full'`` also of those on background that lie inside an action;
        and whether they are simulated.

    Raises:
        FileNotFoundError: There is no such click file.
        ValueError: It does not fit the videos, or nothing can be learned from it.
    """
    clicks, simulated = read_click_file(Path(click_file)) if click_file else ({}, False)
    videos = set(videos)
    unknown = sorted(set(clicks) - videos)
    if unknown:
        raise ValueMistake(
            f'{click_file}: expected videos of the annotation file but got {unknown[0]!r}'
            f'{hint_at_same_name(unknown[0], videos)}'
        )
    with in_context(str(click_file)):
        counts = add_weak_labels(samples, clicks, classes)
    if supervision != 'full':
        if not any(sample['video_labels'].any() for sample in samples):
            raise ValueMistake(
                f'expected a video with an action but got {len(samples)} training videos without'
            )
        hide_segments(samples)
    elif click_file:
        counts['background clicks inside an action'] = count_inside_actions(samples, len(classes))
    if click_file and not counts['background clicks'] + counts['action clicks']:
        raise ValueMistake(
            f'{click_file}: expected clicks in the {len(samples)} training videos but got none'
        )
    return counts, simulated
