"""What the metrics share: results that carry their ground truths, one for each video."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from asl_mmaction.evaluation.functional import Instances
from asl_mmaction.files.mistakes import TypeMistake, ValueMistake
from asl_mmaction.files.writing import prepare_folder
from asl_mmaction.structures.limits import describe_limits


class BaseTALMetric(BaseMetric):
    """Keeps ground truths and detections of every video, and each video once.

    What the limits of the post-processor left out of them is logged: one line for all videos.

    Ground truths travel with the results, and a video that a sampler repeats counts once, so
    several processes give the same numbers as one. Videos are taken in the order of their names.

    Args:
        exclude_videos: Names of videos that do not count.
        out_dir: Folder for what the metric writes. None: write nothing.
        collect_device: 'cpu' or 'gpu'.
        prefix: Put before the metric names, with a slash.
        collect_dir: Shared folder for gathering, 'cpu' only.

    Raises:
        TypeError: If ``exclude_videos`` is a string.
        ValueError: Nothing can be written into ``out_dir``.
    """

    default_prefix = ''  # None would warn at every start

    def __init__(
        self,
        exclude_videos: Sequence[str] = (),
        out_dir: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        if isinstance(exclude_videos, str):
            raise TypeMistake(f'expected a list of exclude_videos but got {exclude_videos!r}')
        if out_dir is not None:  # now, not when all videos are through
            prepare_folder(Path(out_dir))
        self.exclude_videos = frozenset(exclude_videos)
        self.out_dir = out_dir
        self._dataset_size = 0

    @property
    def keys(self) -> list[str]:
        """Names of all metrics that a test gives, with the prefix, in their order.

        More is always better. Without ground truths there are no metrics.
        """
        return [f'{self.prefix}/{name}' if self.prefix else name for name in self._names()]

    def _names(self) -> list[str]:
        raise NotImplementedError

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the ground truths and detections of a batch.

        Args:
            data_batch: Unused.
            data_samples: One dict per video with ``video_name``, ``duration`` in seconds (may be
                missing where no metric asks for it), ``scored_segments`` (G, 2) seconds,
                ``scored_labels`` (G,) and ``pred_instances`` of ``segments`` (M, 2) seconds,
                ``scores`` (M,), ``labels`` (M,), perhaps with ``limits``
                (:class:`~asl_mmaction.structures.limits.Limits`).
        """
        for sample in data_samples:
            predictions = sample['pred_instances']
            self.results.append(
                {
                    'video_name': sample['video_name'],
                    'duration': sample.get('duration'),
                    'scored_segments': _to_numpy(sample['scored_segments'], np.float64).reshape(
                        -1, 2
                    ),
                    'scored_labels': _to_numpy(sample['scored_labels'], np.int64),
                    'segments': _to_numpy(predictions['segments'], np.float64).reshape(-1, 2),
                    'scores': _to_numpy(predictions['scores'], np.float64),
                    'labels': _to_numpy(predictions['labels'], np.int64),
                    'limits': predictions.get('limits'),
                }
            )

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather from all processes and compute.

        Args:
            size: Length of the dataset. mmengine would cut the gathered results to it, which is
                right for one order of sampling only; here repeated videos are dropped by name.
        """
        self._dataset_size = size
        return super().evaluate(sys.maxsize)

    def first_results(self, results: list[dict], num_classes: int | None = None) -> dict[str, dict]:
        """The first result of every video, by name in sorted order; the excluded ones too.

        Raises:
            ValueError: A video's numbers cannot be scored, or, with ``num_classes``, its labels;
                two videos of one name.
        """
        videos: dict[str, dict] = {}
        for result in results:
            first = videos.setdefault(result['video_name'], result)
            same = first['duration'] == result['duration'] and all(
                np.array_equal(first[key], result[key])
                for key in ('scored_segments', 'scored_labels')
            )
            if not same:
                raise ValueMistake(
                    f'expected a name for each video, since results go by name, but got '
                    f'{result["video_name"]!r} with different durations or ground truths'
                )
        if len(videos) < self._dataset_size:
            self.warn(
                f'counts {len(videos)} videos, one for each name, but the dataset has '
                f'{self._dataset_size} samples'
            )
        absent = sorted(self.exclude_videos - set(videos))
        if absent:
            self.warn(
                f'expected exclude_videos to be in the dataset but {len(absent)} are not, as '
                f'{absent[0]!r}'
            )
        left_out = describe_limits({name: video['limits'] for name, video in videos.items()})
        if left_out is not None:
            self.warn(left_out)
        for video in videos.values():
            _check(video, num_classes)
        return dict(sorted(videos.items()))

    def warn(self, text: str) -> None:
        """One line of the log, in the name of the metric."""
        print_log(f'{type(self).__name__}: {text}', logger='current', level=logging.WARNING)

    def say_written(self, *names: str) -> None:
        """One line of the log on the files that are new in ``out_dir``."""
        paths = ', '.join(str(Path(self.out_dir or '', name)) for name in names)
        print_log(f'wrote {paths}', logger='current')

    def counted(self, videos: dict[str, dict]) -> list[dict]:
        """Those that are not excluded."""
        return [video for name, video in videos.items() if name not in self.exclude_videos]

    def excluded(self, videos: dict[str, dict]) -> list[str]:
        """Names of those that are."""
        return [name for name in videos if name in self.exclude_videos]

    def warn_of_nothing_to_score(self, counted: list[dict]) -> None:
        """Say why there are no metrics."""
        print_log(
            f'{type(self).__name__}: nothing to score, since none of {len(counted)} videos has '
            'annotated actions',
            logger='current',
            level=logging.WARNING,
        )

    def marks(self) -> dict[str, Any]:
        """What the dataset says of itself and every table and file must repeat: ``simulated``."""
        return {'simulated': True} if (self.dataset_meta or {}).get('simulated') else {}


def _to_numpy(values: Any, dtype: type) -> np.ndarray:
    """Tensors (of any device and precision), arrays or lists -> array."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()
    return np.asarray(values, dtype=dtype)


def _check(video: dict, num_classes: int | None) -> None:
    """Raise a ValueError that names the video if its numbers cannot be scored."""
    for what, labels, numbers in (
        ('ground truths', video['scored_labels'], (video['scored_segments'],)),
        ('detections', video['labels'], (video['segments'], video['scores'])),
    ):
        where = f'video {video["video_name"]!r}'
        lengths = [len(labels), *map(len, numbers)]
        if len(set(lengths)) > 1:
            raise ValueMistake(
                f'{where}: expected as many labels, segments and scores of {what} but got {lengths}'
            )
        limit = np.inf if num_classes is None else num_classes
        wrong = labels[(labels < 0) | (labels >= limit)]
        if len(wrong):
            raise ValueMistake(
                f'{where}: expected labels of {what} in [0, {limit}) but got '
                f'{np.unique(wrong).tolist()}'
            )
        if not all(np.isfinite(values).all() for values in numbers):
            raise ValueMistake(f'{where}: expected finite {what} but got nan or inf among them')


def as_instances(videos: list[dict]) -> tuple[Instances, Instances]:
    """Ground truths and detections of all videos, numbered in the given order."""

    def joined(key: str, empty: np.ndarray) -> np.ndarray:
        return np.concatenate([empty, *(video[key] for video in videos)])

    def numbers(key: str) -> np.ndarray:
        return np.repeat(np.arange(len(videos)), [len(video[key]) for video in videos])

    no_segments, no_labels = np.empty((0, 2)), np.empty(0, dtype=np.int64)
    ground_truths = Instances(
        numbers('scored_labels'),
        joined('scored_segments', no_segments),
        joined('scored_labels', no_labels),
    )
    detections = Instances(
        numbers('labels'),
        joined('segments', no_segments),
        joined('labels', no_labels),
        joined('scores', np.empty(0)),
    )
    return ground_truths, detections
