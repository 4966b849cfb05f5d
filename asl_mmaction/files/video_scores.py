"""What a video classifier says of whole videos: CUHK's and UntrimmedNet's files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.reading import check_file, in_context, read_json

# UCF101 counts its classes from 1; these are the 20 of THUMOS14.
UCF101_NUMBERS = {
    'BaseballPitch': 7,
    'BasketballDunk': 9,
    'Billiards': 12,
    'CleanAndJerk': 21,
    'CliffDiving': 22,
    'CricketBowling': 23,
    'CricketShot': 24,
    'Diving': 26,
    'FrisbeeCatch': 31,
    'GolfSwing': 33,
    'HammerThrow': 36,
    'HighJump': 40,
    'JavelinThrow': 45,
    'LongJump': 51,
    'PoleVault': 68,
    'Shotput': 79,
    'SoccerPenalty': 85,
    'TennisSwing': 92,
    'ThrowDiscus': 93,
    'VolleyballSpiking': 97,
}


def read_video_scores(path: str | os.PathLike) -> tuple[list[str], dict[str, np.ndarray]]:
    """Read the scores of a video classifier; never runs code from the file.

    ``.json``
        ``{"class": [C names], "results": {video: [C scores]}}``, as CUHK's for ActivityNet.
    ``.npy``
        UntrimmedNet's for the THUMOS14 test set, (videos, 101): the row is the number in the
        video's name minus 1, the column the UCF101 number of the class minus 1. Both of its streams
        are added in it; each row is divided by its sum.

    Returns:
        C class names and, by video name, (C,) float64 scores.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Another form, or scores that are negative or not finite.
    """
    path = Path(path)
    readers = {'.json': _read_json, '.npy': _read_npy}
    if path.suffix not in readers:
        raise ValueMistake(f'{path}: expected one of {", ".join(readers)} but got {path.suffix!r}')
    check_file(path, 'a file of video scores')
    names, videos = readers[path.suffix](path)
    for video, scores in videos.items():
        if scores.shape != (len(names),):
            raise ValueMistake(
                f'{path}: video {video!r}: expected {len(names)} scores but got {scores.shape}'
            )
        if not (np.isfinite(scores) & (scores >= 0)).all():
            raise ValueMistake(
                f'{path}: video {video!r}: expected finite scores >= 0 but got others'
            )
    return names, videos


def _read_json(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    content = read_json(path)
    with in_context(str(path), "{'class': [names], 'results': {video: [scores]}}"):
        names = [str(name) for name in content['class']]
        videos = {
            video: np.array(scores, dtype=np.float64)
            for video, scores in content['results'].items()
        }
    if len(set(names)) < len(names):
        raise ValueMistake(f'{path}: expected distinct class names but got some twice')
    return names, videos


def _read_npy(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    try:
        table = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueMistake(f'{path}: expected an array of numbers but got: {error}') from error
    if table.ndim != 2 or table.shape[1] != 101 or table.dtype.kind != 'f':
        raise ValueMistake(
            f'{path}: expected floats of shape (videos, 101) but got {table.dtype} {table.shape}'
        )
    table = table.astype(np.float64)
    totals = table.sum(axis=1, keepdims=True)
    table /= np.where(totals > 0, totals, 1)
    columns = [number - 1 for number in UCF101_NUMBERS.values()]
    videos = {f'video_test_{row + 1:07}': scores[columns] for row, scores in enumerate(table)}
    return list(UCF101_NUMBERS), videos
