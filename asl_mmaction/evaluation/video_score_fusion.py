"""Classes for class-agnostic detections, from what a video classifier says of the whole video."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mmaction.registry import MODELS

from asl_mmaction.files.writing import hint_at_same_name

METHODS = ('sqrt', 'product')
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


@MODELS.register_module()
class VideoScoreFusion:
    """Gives every detection the best classes of its video, by name.

    A detection becomes ``top_k`` detections, one for each of the classes that the classifier scores
    highest in its video (equal scores go by label). `TALMetric` applies it, since names of videos
    and of classes meet there.

    Args:
        path: scores of a video classifier, see :func:`load_video_scores`. Read at the first use,
            which for the tools is before a training or test starts.
        top_k: classes per video.
        method: score of a detection, from its own and that of the class: 'sqrt', the square root of
            their product (the geometric mean), or 'product'.

    Raises:
        ValueError: for an unknown method or a ``top_k`` below 1.
    """

    def __init__(self, *, path: str, top_k: int = 2, method: str = 'sqrt') -> None:
        if top_k < 1:
            raise ValueError(f'expected top_k >= 1 but got {top_k}')
        if method not in METHODS:
            raise ValueError(f'expected method to be one of {METHODS} but got {method!r}')
        self.path = path
        self.top_k = top_k
        self.method = method

    @cached_property
    def _loaded(self) -> tuple[list[str], dict[str, np.ndarray]]:
        return load_video_scores(self.path)

    def __call__(
        self, video_name: str, classes: Sequence[str], segments: np.ndarray, scores: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Detections with classes.

        Args:
            video_name: as in the file.
            classes: class names of the dataset, in the order of the labels.
            segments: (M, 2).
            scores: (M,), >= 0.

        Returns:
            (M * k, 2) segments, scores, labels by falling score; equal scores go by the position of
            the detection, then by the rank of the class.

        Raises:
            ValueError: as `top_classes` does.
        """
        labels, class_scores = self.top_classes(video_name, classes)
        fused = (scores[:, None] * class_scores).ravel()  # (M * k,)
        if self.method == 'sqrt':
            fused = np.sqrt(fused)
        order = np.argsort(-fused, kind='stable')
        return (
            np.repeat(segments, len(labels), axis=0)[order],
            fused[order],
            np.tile(labels, len(scores))[order],
        )

    def top_classes(self, video_name: str, classes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Labels (k,) and scores (k,) of the best classes of a video, the best first.

        Raises:
            FileNotFoundError: there is no such file of scores.
            ValueError: the file cannot be read, or has no score for the video or for a class; there
                are fewer classes than ``top_k``.
        """
        if self.top_k > len(classes):
            raise ValueError(
                f'expected top_k of at most {len(classes)}, the number of classes, but got '
                f'{self.top_k}'
            )
        names, videos = self._loaded
        columns = {name: column for column, name in enumerate(names)}
        missing = [name for name in classes if name not in columns]
        if missing:
            raise ValueError(
                f'{self.path}: expected scores of all classes of the dataset but got none of '
                f'{missing}'
            )
        if video_name not in videos:
            raise ValueError(
                f'{self.path}: expected scores of video {video_name!r} but got {len(videos)} '
                f'videos such as {next(iter(videos), None)!r}'
                f'{hint_at_same_name(video_name, videos)}'
            )
        scores = videos[video_name][[columns[name] for name in classes]]
        labels = np.argsort(-scores, kind='stable')[: self.top_k]
        return labels, scores[labels]


def load_video_scores(path: str | os.PathLike) -> tuple[list[str], dict[str, np.ndarray]]:
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
        FileNotFoundError: there is no such file.
        ValueError: another form, or scores that are negative or not finite.
    """
    path = Path(path)
    readers = {'.json': _read_json, '.npy': _read_npy}
    if path.suffix not in readers:
        raise ValueError(f'{path}: expected one of {", ".join(readers)} but got {path.suffix!r}')
    if not path.is_file():
        raise FileNotFoundError(f'{path}: expected a file of video scores but got none')
    names, videos = readers[path.suffix](path)
    for video, scores in videos.items():
        if scores.shape != (len(names),):
            raise ValueError(
                f'{path}: video {video!r}: expected {len(names)} scores but got {scores.shape}'
            )
        if not (np.isfinite(scores) & (scores >= 0)).all():
            raise ValueError(f'{path}: video {video!r}: expected finite scores >= 0 but got others')
    return names, videos


def _read_json(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    try:
        content: Any = json.loads(path.read_text(encoding='utf-8'))
        names = [str(name) for name in content['class']]
        videos = {
            video: np.array(scores, dtype=np.float64)
            for video, scores in content['results'].items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: expected {{'class': [names], 'results': {{video: [scores]}}}} but got "
            f'something else ({type(error).__name__}: {error})'
        ) from error
    if len(set(names)) < len(names):
        raise ValueError(f'{path}: expected distinct class names but got some twice')
    return names, videos


def _read_npy(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    try:
        table = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f'{path}: expected an array of numbers but got: {error}') from error
    if table.ndim != 2 or table.shape[1] != 101 or table.dtype.kind != 'f':
        raise ValueError(
            f'{path}: expected floats of shape (videos, 101) but got {table.dtype} {table.shape}'
        )
    table = table.astype(np.float64)
    totals = table.sum(axis=1, keepdims=True)
    table /= np.where(totals > 0, totals, 1)
    columns = [number - 1 for number in UCF101_NUMBERS.values()]
    videos = {f'video_test_{row + 1:07}': scores[columns] for row, scores in enumerate(table)}
    return list(UCF101_NUMBERS), videos
