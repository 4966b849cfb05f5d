"""Classes for class-agnostic detections, from what a video classifier says of the whole video."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from mmaction.registry import MODELS

from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.video_scores import read_video_scores
from asl_mmaction.files.writing import hint_at_same_name

METHODS = ('sqrt', 'product')


@MODELS.register_module()
class VideoScoreFusion:
    """Gives every detection the best classes of its video, by name.

    A detection becomes ``top_k`` detections, one for each of the classes that the classifier scores
    highest in its video (equal scores go by label). `TALMetric` applies it, since names of videos
    and of classes meet there.

    Args:
        path: Scores of a video classifier, see :func:`read_video_scores`. Read at the first use,
            which for the tools is before a training or test starts.
        top_k: Classes per video.
        method: Score of a detection, from its own and that of the class: 'sqrt', the square root of
            their product (the geometric mean), or 'product'.

    Raises:
        ValueError: For an unknown method or a ``top_k`` below 1.
    """

    def __init__(self, *, path: str, top_k: int = 2, method: str = 'sqrt') -> None:
        if top_k < 1:
            raise ValueMistake(f'expected top_k >= 1 but got {top_k}')
        if method not in METHODS:
            raise ValueMistake(f'expected method to be one of {METHODS} but got {method!r}')
        self.path = path
        self.top_k = top_k
        self.method = method

    @cached_property
    def _loaded(self) -> tuple[list[str], dict[str, np.ndarray]]:
        return read_video_scores(self.path)

    def __call__(
        self, video_name: str, classes: Sequence[str], segments: np.ndarray, scores: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Detections with classes.

        Args:
            video_name: As in the file.
            classes: Class names of the dataset, in the order of the labels.
            segments: (M, 2).
            scores: (M,), >= 0.

        Returns:
            (M * k, 2) segments, scores, labels by falling score; equal scores go by the position of
            the detection, then by the rank of the class.

        Raises:
            ValueError: As `top_classes` does.
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
            FileNotFoundError: There is no such file of scores.
            ValueError: The file cannot be read, or has no score for the video or for a class; there
                are fewer classes than ``top_k``.
        """
        if self.top_k > len(classes):
            raise ValueMistake(
                f'expected top_k of at most {len(classes)}, the number of classes, but got '
                f'{self.top_k}'
            )
        names, videos = self._loaded
        columns = {name: column for column, name in enumerate(names)}
        missing = [name for name in classes if name not in columns]
        if missing:
            raise ValueMistake(
                f'{self.path}: expected scores of all classes of the dataset but got none of '
                f'{missing}'
            )
        if video_name not in videos:
            raise ValueMistake(
                f'{self.path}: expected scores of video {video_name!r} but got {len(videos)} '
                f'videos such as {next(iter(videos), None)!r}'
                f'{hint_at_same_name(video_name, videos)}'
            )
        scores = videos[video_name][[columns[name] for name in classes]]
        labels = np.argsort(-scores, kind='stable')[: self.top_k]
        return labels, scores[labels]

    def top1_accuracy(
        self, labels: Mapping[str, Sequence[int]], classes: Sequence[str]
    ) -> float | None:
        """Share of the videos with actions whose best class is one of theirs; None: no such video.

        Args:
            labels: Of the actions of each video.
            classes: As `top_classes` takes them.
        """
        right = [
            self.top_classes(name, classes)[0][0] in found
            for name, found in labels.items()
            if len(found)
        ]
        return float(np.mean(right)) if right else None
