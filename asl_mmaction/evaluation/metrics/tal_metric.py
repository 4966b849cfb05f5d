"""mAP at tIoU as an mmengine metric, with the protocol it was computed by."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from asl_mmaction.evaluation.functional import AveragePrecision, Instances, average_precision
from asl_mmaction.evaluation.metrics.reports import format_table, write_json


@METRICS.register_module()
class TALMetric(BaseMetric):
    """Mean average precision over tIoU thresholds, by the ActivityNet protocol.

    The rules of matching are those of `asl_mmaction.evaluation.functional.average_precision`, with
    videos numbered in the order of their names: equal scores go by video name, then by position in
    the video, however the videos were batched or spread over processes. Ground truths travel with
    the results, and a video that a sampler repeats counts once, so several processes give the same
    numbers as one.

    Metrics (all in [0, 1]): one average per named list of thresholds (``mAP`` for a plain list),
    then ``mAP@0.50`` and so on, one for each threshold of any list.

    Args:
        tiou_thresholds: numbers in (0, 1], taken to six decimals; or a dict from the name of an
            average to its numbers, e.g. ``dict(mAP=[0.3, 0.5, 0.7], mAP_strict=[0.75, 0.95])``.
        exclude_videos: names of videos that do not count, neither their ground truths nor their
            detections.
        out_dir: folder for ``detections.json`` (ActivityNet form, seconds, full precision, all
            videos, the excluded too) and ``metrics.json`` (metrics, AP per class, protocol). None:
            write nothing.
        collect_device: 'cpu' or 'gpu'.
        prefix: put before the metric names, with a slash.
        collect_dir: shared folder for gathering, 'cpu' only.

    Raises:
        ValueError: for thresholds out of range.
    """

    default_prefix = ''  # None would warn at every start

    def __init__(
        self,
        tiou_thresholds: Sequence[float] | Mapping[str, Sequence[float]],
        exclude_videos: Sequence[str] = (),
        out_dir: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        if isinstance(exclude_videos, str):
            raise TypeError(f'expected a list of exclude_videos but got {exclude_videos!r}')
        if not isinstance(tiou_thresholds, Mapping):
            tiou_thresholds = {'mAP': tiou_thresholds}
        self.averages = {
            name: [round(float(tiou), 6) for tiou in tious]
            for name, tious in tiou_thresholds.items()
        }
        for name, tious in self.averages.items():
            if not tious or not all(0 < tiou <= 1 for tiou in tious):
                raise ValueError(f'expected tIoU thresholds in (0, 1] for {name} but got {tious}')
        self.exclude_videos = frozenset(exclude_videos)
        self.out_dir = out_dir
        self._dataset_size = 0

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the ground truths and detections of a batch.

        Args:
            data_batch: unused.
            data_samples: one dict per video with ``video_name``, ``gt_segments`` (G, 2) seconds,
                ``gt_labels`` (G,) and ``pred_instances`` of ``segments`` (M, 2) seconds, ``scores``
                (M,), ``labels`` (M,).
        """
        for sample in data_samples:
            predictions = sample['pred_instances']
            self.results.append(
                {
                    'video_name': sample['video_name'],
                    'gt_segments': _to_numpy(sample['gt_segments'], np.float64).reshape(-1, 2),
                    'gt_labels': _to_numpy(sample['gt_labels'], np.int64),
                    'segments': _to_numpy(predictions['segments'], np.float64).reshape(-1, 2),
                    'scores': _to_numpy(predictions['scores'], np.float64),
                    'labels': _to_numpy(predictions['labels'], np.int64),
                }
            )

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather from all processes and compute.

        Args:
            size: length of the dataset. mmengine would cut the gathered results to it, which is
                right for one order of sampling only; here repeated videos are dropped by name.
        """
        self._dataset_size = size
        return super().evaluate(sys.maxsize)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Metrics of the gathered results; logs the table and writes the files."""
        classes = self._classes()
        videos = self._videos(results, len(classes))
        counted = [video for name, video in videos.items() if name not in self.exclude_videos]
        tious = sorted({tiou for tious in self.averages.values() for tiou in tious})
        precision = average_precision(*_instances(counted), len(classes), tious)
        metrics = self._metrics(tious, precision.mean_ap)
        protocol = self._protocol(list(videos), tious, precision)
        per_class = {
            name: {
                'ground_truths': int(precision.num_ground_truths[label]),
                'detections': int(precision.num_detections[label]),
                'ap': self._metrics(tious, precision.ap[:, label])
                if precision.num_ground_truths[label]
                else None,
            }
            for label, name in enumerate(classes)
        }
        print_log('\n' + format_table(metrics, per_class, protocol), logger='current')
        if self.out_dir is not None:
            out_dir = Path(self.out_dir)
            write_json(out_dir / 'detections.json', _detections(videos, classes))
            write_json(
                out_dir / 'metrics.json',
                {'metrics': metrics, 'per_class': per_class, 'protocol': protocol},
            )
        return metrics

    def _classes(self) -> list[str]:
        classes = (self.dataset_meta or {}).get('classes')
        if not classes:
            raise ValueError("expected the dataset's metainfo to have 'classes' but got none")
        return list(classes)

    def _videos(self, results: list[dict], num_classes: int) -> dict[str, dict]:
        """The first result of every video, by name in sorted order."""
        videos: dict[str, dict] = {}
        for result in results:
            videos.setdefault(result['video_name'], result)
        if len(videos) < self._dataset_size:
            print_log(
                f'TALMetric counts {len(videos)} videos, one for each name, but the dataset has '
                f'{self._dataset_size} samples',
                logger='current',
                level=logging.WARNING,
            )
        for video in videos.values():
            _check(video, num_classes)
        return dict(sorted(videos.items()))

    def _metrics(self, tious: list[float], values: np.ndarray) -> dict[str, float]:
        """Values at the thresholds -> averages and single values by name."""
        at = dict(zip(tious, values.tolist(), strict=True))
        averages = {
            name: float(np.mean([at[tiou] for tiou in chosen]))
            for name, chosen in self.averages.items()
        }
        return {**averages, **{f'mAP@{_format_tiou(tiou)}': at[tiou] for tiou in tious}}

    def _protocol(self, names: list[str], tious: list[float], precision: AveragePrecision) -> dict:
        """What was counted."""
        excluded = [name for name in names if name in self.exclude_videos]
        return {
            'tiou_thresholds': tious,
            'averages': self.averages,
            'videos': len(names) - len(excluded),
            'ground_truths': int(precision.num_ground_truths.sum()),
            'detections': int(precision.num_detections.sum()),
            'classes': len(precision.num_ground_truths),
            'classes_without_ground_truths': int((precision.num_ground_truths == 0).sum()),
            'excluded_videos': excluded,
        }


def _to_numpy(values: Any, dtype: type) -> np.ndarray:
    """Tensors (of any device and precision), arrays or lists -> array."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu()
        values = (values.double() if values.is_floating_point() else values).numpy()
    return np.asarray(values, dtype=dtype)


def _check(video: dict, num_classes: int) -> None:
    """Raise a ValueError that names the video if its numbers cannot be scored."""
    for what, labels, numbers in (
        ('ground truths', video['gt_labels'], (video['gt_segments'],)),
        ('detections', video['labels'], (video['segments'], video['scores'])),
    ):
        where = f'video {video["video_name"]!r}'
        lengths = [len(labels), *map(len, numbers)]
        if len(set(lengths)) > 1:
            raise ValueError(
                f'{where}: expected as many labels, segments and scores of {what} but got {lengths}'
            )
        wrong = labels[(labels < 0) | (labels >= num_classes)]
        if len(wrong):
            raise ValueError(
                f'{where}: expected labels of {what} in [0, {num_classes}) but got '
                f'{np.unique(wrong).tolist()}'
            )
        if not all(np.isfinite(values).all() for values in numbers):
            raise ValueError(f'{where}: expected finite {what} but got nan or inf among them')


def _instances(videos: list[dict]) -> tuple[Instances, Instances]:
    """Ground truths and detections of all videos, numbered in the given order."""

    def joined(key: str, empty: np.ndarray) -> np.ndarray:
        return np.concatenate([empty, *(video[key] for video in videos)])

    def numbers(key: str) -> np.ndarray:
        return np.repeat(np.arange(len(videos)), [len(video[key]) for video in videos])

    no_segments, no_labels = np.empty((0, 2)), np.empty(0, dtype=np.int64)
    ground_truths = Instances(
        numbers('gt_labels'), joined('gt_segments', no_segments), joined('gt_labels', no_labels)
    )
    detections = Instances(
        numbers('labels'),
        joined('segments', no_segments),
        joined('labels', no_labels),
        joined('scores', np.empty(0)),
    )
    return ground_truths, detections


def _detections(videos: Mapping[str, dict], classes: Sequence[str]) -> dict:
    """ActivityNet's form of results."""
    results = {
        name: [
            {'label': classes[label], 'score': score, 'segment': segment}
            for label, score, segment in zip(
                video['labels'].tolist(),
                video['scores'].tolist(),
                video['segments'].tolist(),
                strict=True,
            )
        ]
        for name, video in videos.items()
    }
    return {'version': 'VERSION 1.3', 'results': results, 'external_data': {}}


def _format_tiou(tiou: float) -> str:
    """Two decimals, or as many as needed."""
    return f'{tiou:.2f}' if abs(tiou - round(tiou, 2)) < 1e-9 else f'{tiou:g}'
