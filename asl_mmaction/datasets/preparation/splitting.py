"""Which recordings are trained on and which are tested on."""

import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from asl_mmaction.datasets.preparation.action_rows import Row
from asl_mmaction.datasets.preparation.source import Source
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import in_context

#: Words for subsets, in any case -> the schema's.
SUBSETS = {
    'training': 'training',
    'train': 'training',
    'validation': 'validation',
    'valid': 'validation',
    'val': 'validation',
    'test': 'test',
    'testing': 'test',
}


def split_by_chance(labels: Mapping[str, set[str]], fraction: float, seed: int) -> set[str]:
    """Choose recordings to test on, so that each class stays in training.

    First those that bring the test a class that it does not have yet, then any; all in the order
    that the seed gives, which the order of the mapping does not change.

    Args:
        labels: Recording -> its classes.
        fraction: Of the recordings, in (0, 1).
        seed: Of the order.

    Returns:
        Names to test on: the fraction, rounded and at least one; fewer where a class would be lost.

    Raises:
        ValueError: The fraction is not in (0, 1), or no recording can be spared.
    """
    if not 0 < fraction < 1:
        raise ValueMistake(f'expected a fraction to test on in (0, 1) but got {fraction}')
    if len(labels) < 2:
        raise ValueMistake(
            f'expected two recordings, one to train and one to test on, but got {len(labels)}'
        )
    names = sorted(labels)
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    wanted = min(max(1, round(fraction * len(names))), len(names) - 1)
    left = Counter(label for found in labels.values() for label in found)
    tested: set[str] = set()
    chosen: dict[str, None] = {}
    for only_new in (True, False):
        for name in order:
            if len(chosen) >= wanted:
                break
            spared = all(left[label] > 1 for label in labels[name])
            if name in chosen or not spared or (only_new and labels[name] <= tested):
                continue
            chosen[name] = None
            tested |= labels[name]
            left.subtract(labels[name])
    if not any(labels[name] for name in chosen):
        raise ValueMistake(
            f'expected a recording to test on whose classes others have too, but got none of '
            f'{len(names)} recordings'
        )
    return set(chosen)


def given_subsets(rows: Iterable[Row], words: Mapping[str, str]) -> dict[str, str]:
    """Recording -> subset, as the rows say; empty where none does.

    Args:
        rows: Of the actions.
        words: What names of subsets mean, besides :data:`SUBSETS`.

    Raises:
        ValueError: An unknown word, a recording in two subsets, or without one where others have
            one.
    """
    known = {**SUBSETS, **{word.lower(): meant for word, meant in words.items()}}
    found: dict[str, Row] = {}
    for row in rows:
        if row.subset is None:
            continue
        if known.get(row.subset.lower()) not in SUBSETS.values():
            raise ValueMistake(
                f'{row.where}: expected a subset of {", ".join(known)} but got {row.subset!r}; '
                f'--subsets {shlex.quote(f"{row.subset}=training")} says what it means'
            )
        first = found.setdefault(row.video, row)
        if known[str(first.subset).lower()] != known[row.subset.lower()]:
            raise ValueMistake(
                f'{row.where}: expected one subset of {row.video!r} but got {row.subset!r} and, in '
                f'{first.where.rpartition(": ")[2]}, {first.subset!r}'
            )
    without = [row for row in rows if row.video not in found]
    if found and without:
        raise ValueMistake(
            f'{without[0].where}: expected a subset of each recording but got none of '
            f'{without[0].video!r}'
        )
    return {name: known[str(row.subset).lower()] for name, row in found.items()}


def named_subsets(names: Sequence[str], tested: Collection[str]) -> dict[str, str]:
    """Recording -> ``test`` for those named, ``training`` for all others.

    Raises:
        ValueError: There is no recording of such a name.
    """
    unknown = [name for name in tested if name not in names]
    if unknown:
        raise ValueMistake(
            f'expected names of recordings such as {names[0]!r} but got {unknown[0]!r}'
        )
    return {name: 'test' if name in tested else 'training' for name in names}


def find_test_subset(subsets: Mapping[str, str]) -> str:
    """The subset to test on: the test, or else the validation.

    Raises:
        ValueError: There is neither, or nothing to train on.
    """
    counts = Counter(subsets.values())
    test = next((name for name in ('test', 'validation') if counts[name]), None)
    if test is None or not counts['training']:
        raise ValueMistake(
            'expected recordings to train on and to test on but got '
            f'{", ".join(f"{n} of {name}" for name, n in counts.items())}; --test-fraction 0.3 '
            'splits by chance, --subsets says what names mean'
        )
    return test


def give_subsets(
    source: Source,
    rows: Sequence[Row],
    path: Path,
    *,
    test: tuple[Path, Collection[str]] | None = None,
    fraction: float | None = None,
    seed: int = 0,
    words: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Give each recording of a source its subset.

    Args:
        source: Is changed.
        rows: Of the recordings; their subsets count unless ``test`` or ``fraction`` is given.
        path: Of the rows, for an error.
        test: A file and the names in it, of the recordings to test on.
        fraction: Of the recordings to test on, by chance; without any subset, 0.3.
        seed: Of the chance.
        words: Other names of subsets -> what they mean.

    Returns:
        What is odd, a sentence each.

    Raises:
        ValueError: Both ``test`` and ``fraction`` are given, or the recordings cannot be split so.
    """
    labels = {name: {label for *_, label in v.actions} for name, v in source.videos.items()}
    if test is not None and fraction is not None:
        raise ValueMistake('expected --test or --test-fraction but got both')
    subsets: dict[str, str] = {}
    if test is not None:
        with in_context(str(test[0])):
            subsets = named_subsets(list(labels), test[1])
    elif fraction is None:
        subsets = given_subsets(rows, words)
    with in_context(str(path)):
        if not subsets:
            tested = split_by_chance(labels, 0.3 if fraction is None else fraction, seed)
            subsets = named_subsets(list(labels), tested)
        find_test_subset(subsets)
    for name, video in source.videos.items():
        video.subset = subsets[name]
    trained = set().union(*(labels[n] for n, subset in subsets.items() if subset == 'training'))
    notes = [
        f'class {label!r} has no action in training: it cannot be learned'
        for label in source.classes
        if label not in trained
    ]
    if len(source.classes) == 1:
        notes.append(f'one class alone: all that is found is {source.classes[0]!r}')
    return notes
