"""mAP at tIoU as an mmengine metric, with the protocol it was computed by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmaction.registry import METRICS, MODELS
from mmengine.logging import print_log

from asl_mmaction.evaluation.functional import (
    AveragePrecision,
    Instances,
    average_precision,
    recall_at_multiples,
)
from asl_mmaction.evaluation.metrics.action_lengths import (
    LengthPrecision,
    checked_edges,
    precision_by_length,
)
from asl_mmaction.evaluation.metrics.base_metric import BaseTALMetric, as_instances
from asl_mmaction.evaluation.metrics.reports import format_table, format_tiou, low_limits
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.results import write_results
from asl_mmaction.files.writing import write_json


@METRICS.register_module()
class TALMetric(BaseTALMetric):
    """Mean average precision over tIoU thresholds, by the ActivityNet protocol.

    The rules of matching are those of `asl_mmaction.evaluation.functional.average_precision`, with
    videos numbered in the order of their names: equal scores go by video name, then by position in
    the video, however the videos were batched or spread over processes. Ground truths travel with
    the results, and a video that a sampler repeats counts once, so several processes give the same
    numbers as one.

    Metrics (all in [0, 1]): one average per named list of thresholds (``mAP`` for a plain list),
    then ``mAP@0.50`` and so on, one for each threshold of any list; then, if asked for,
    ``Recall@1x@0.50`` and so on, the means over the classes that have ground truths.

    AP by length, if asked for, goes into the log and ``metrics.json``. A detection that is matched
    counts in the length of its ground truth, a false positive in its own length
    (`asl_mmaction.evaluation.functional.grouped_average_precision`). DETAD's numbers are others: it
    counts a false positive in every length, and normalizes by the number of ground truths.

    Where the dataset's metainfo says ``simulated``, so do the table and both files.

    Args:
        tiou_thresholds: Numbers in (0, 1], taken to six decimals; or a dict from the name of an
            average to its numbers, e.g. ``dict(mAP=[0.3, 0.5, 0.7], mAP_strict=[0.75, 0.95])``.
        recall_multiples: k of the Recall@kx to give, e.g. (1, 5) for Ego4D.
        recall_tiou: Their threshold.
        length_edges: Four rising numbers, the upper ends (included) of the lengths XS, S, M and L
            in seconds, e.g. DETAD's (30, 60, 120, 180) for ActivityNet or (3, 6, 12, 18) for
            THUMOS14. None: no AP by length.
        relative_lengths: Lengths as shares of the video's duration instead, e.g. DETAD's
            (0.2, 0.4, 0.6, 0.8) or (0.02, 0.04, 0.06, 0.08).
        score_fusion: Config of what gives class-agnostic detections (all of label 0) the classes of
            their video, such as ``dict(type='VideoScoreFusion', path=..., top_k=2)``. How often
            the best class of a video is one of its ground truths is logged and written too.
        exclude_videos: Names of videos that do not count, neither their ground truths nor their
            detections.
        out_dir: Folder for ``detections.json`` (ActivityNet form, seconds, full precision, all
            videos, the excluded too) and ``metrics.json`` (metrics, AP per class, protocol). None:
            write nothing.
        collect_device: 'cpu' or 'gpu'.
        prefix: Put before the metric names, with a slash.
        collect_dir: Shared folder for gathering, 'cpu' only.

    Raises:
        ValueError: For thresholds, multiples or edges out of range.
    """

    def __init__(
        self,
        tiou_thresholds: Sequence[float] | Mapping[str, Sequence[float]],
        *,
        recall_multiples: Sequence[int] = (),
        recall_tiou: float = 0.5,
        length_edges: Sequence[float] | None = None,
        relative_lengths: bool = False,
        score_fusion: Mapping | None = None,
        exclude_videos: Sequence[str] = (),
        out_dir: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(exclude_videos, out_dir, collect_device, prefix, collect_dir)
        if not isinstance(tiou_thresholds, Mapping):
            tiou_thresholds = {'mAP': tiou_thresholds}
        self.averages = {
            name: [round(float(tiou), 6) for tiou in tious]
            for name, tious in tiou_thresholds.items()
        }
        for name, tious in self.averages.items():
            if not tious or not all(0 < tiou <= 1 for tiou in tious):
                raise ValueMistake(f'expected tIoU thresholds in (0, 1] for {name} but got {tious}')
        if not all(multiple == int(multiple) >= 1 for multiple in recall_multiples):
            raise ValueMistake(f'expected recall_multiples >= 1 but got {list(recall_multiples)}')
        if not 0 < recall_tiou <= 1:
            raise ValueMistake(f'expected recall_tiou in (0, 1] but got {recall_tiou}')
        self.tious = sorted({tiou for tious in self.averages.values() for tiou in tious})
        self.recall_multiples = [int(multiple) for multiple in recall_multiples]
        self.recall_tiou = float(recall_tiou)
        self.length_edges = None if length_edges is None else checked_edges(length_edges)
        self.relative_lengths = relative_lengths
        self.score_fusion_config = None if score_fusion is None else dict(score_fusion)
        self.score_fusion: Any = None
        if score_fusion is not None:
            self.score_fusion = MODELS.build(dict(score_fusion))

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Keep the ground truths and detections of a batch; see the base."""
        super().process(data_batch, data_samples)
        if self.score_fusion is None:
            return
        for result in self.results[len(self.results) - len(data_samples) :]:
            if result['labels'].any():
                raise ValueMistake(
                    f'video {result["video_name"]!r}: expected class-agnostic detections (label 0) '
                    f'for score_fusion but got labels {np.unique(result["labels"]).tolist()}'
                )
            result['segments'], result['scores'], result['labels'] = self.score_fusion(
                result['video_name'], self._classes(), result['segments'], result['scores']
            )

    def _names(self) -> list[str]:
        return [
            *self.averages,
            *(f'mAP@{format_tiou(tiou)}' for tiou in self.tious),
            *self._recall_names(),
        ]

    def _recall_names(self) -> list[str]:
        return [f'Recall@{k}x@{format_tiou(self.recall_tiou)}' for k in self.recall_multiples]

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Metrics of the gathered results; logs the table and writes the files.

        There are none where no video has ground truths; the files are written all the same.
        """
        classes = self._classes()
        videos = self.first_results(results, len(classes))
        report = self.report(videos)
        if report['metrics']:
            print_log('\n' + format_table(**report), logger='current')
        else:
            self.warn_of_nothing_to_score(self.counted(videos))
        if self.out_dir is not None:
            out_dir = Path(self.out_dir)
            rows = {name: _rows(video, classes) for name, video in videos.items()}
            write_results(out_dir / 'detections.json', rows, **self.marks())
            write_json(out_dir / 'metrics.json', report)
            self.say_written('detections.json', 'metrics.json')
        return report['metrics']

    def report(self, videos: dict[str, dict]) -> dict[str, dict]:
        """What ``metrics.json`` holds.

        Args:
            videos: Of :meth:`first_results`.

        Returns:
            ``metrics`` (empty where no video has ground truths), ``per_class``, ``protocol``, and
            with ``length_edges`` also ``per_length``.
        """
        classes = self._classes()
        counted = self.counted(videos)
        ground_truths, detections = as_instances(counted)
        precision = average_precision(ground_truths, detections, len(classes), self.tious)
        per_class = self._per_class(classes, precision)
        scored = len(ground_truths.videos) > 0
        metrics = self._metrics(precision.mean_ap) if scored else {}
        if self.recall_multiples and scored:
            metrics.update(self._recall(ground_truths, detections, precision, per_class))
            warning = low_limits(counted, max(self.recall_multiples))
            if warning is not None:
                self.warn(warning)
        report: dict[str, dict] = {
            'metrics': metrics,
            'per_class': per_class,
            'protocol': self._protocol(videos, precision),
        }
        if self.score_fusion_config is not None:
            labels = {video['video_name']: video['scored_labels'] for video in counted}
            report['protocol']['score_fusion'] = {
                **self.score_fusion_config,
                'top1_accuracy': self.score_fusion.top1_accuracy(labels, classes),
            }
        if self.length_edges is not None:
            by_length = precision_by_length(
                counted,
                ground_truths,
                detections,
                len(classes),
                self.tious,
                self.length_edges,
                relative=self.relative_lengths,
            )
            report['per_length'] = self._per_length(by_length)
        return report

    def _classes(self) -> list[str]:
        classes = (self.dataset_meta or {}).get('classes')
        if not classes:
            raise ValueMistake("expected the dataset's metainfo to have 'classes' but got none")
        return list(classes)

    def _per_class(self, classes: list[str], precision: AveragePrecision) -> dict[str, dict]:
        columns = (precision.num_ground_truths, precision.num_detections, precision.ap.T)
        return {name: self._row(*row) for name, *row in zip(classes, *columns, strict=True)}

    def _recall(
        self,
        ground_truths: Instances,
        detections: Instances,
        precision: AveragePrecision,
        per_class: dict[str, dict],
    ) -> dict[str, float]:
        """Recall@kx by name; also adds that of each class that has ground truths to its row."""
        names = self._recall_names()
        (recall,) = recall_at_multiples(
            ground_truths, detections, len(per_class), [self.recall_tiou], self.recall_multiples
        )  # (M, K)
        present = precision.num_ground_truths > 0
        for row, has_any, values in zip(per_class.values(), present, recall.T, strict=True):
            row['recall'] = dict(zip(names, values.tolist(), strict=True)) if has_any else None
        means = recall.sum(axis=1) / max(present.sum(), 1)  # absent classes have 0
        return dict(zip(names, means.tolist(), strict=True))

    def _per_length(self, by_length: list[LengthPrecision]) -> dict[str, dict]:
        return {
            name: {
                'above': above,
                'up_to': up_to,
                **self._row(
                    precision.num_ground_truths.sum(),
                    precision.num_detections.sum(),
                    precision.mean_ap,
                ),
            }
            for name, above, up_to, precision in by_length
        }

    def _row(self, ground_truths: int, detections: int, ap: np.ndarray) -> dict[str, Any]:
        """Counts, and AP at the thresholds if there are ground truths."""
        return {
            'ground_truths': int(ground_truths),
            'detections': int(detections),
            'ap': self._metrics(ap) if ground_truths else None,
        }

    def _metrics(self, values: np.ndarray) -> dict[str, float]:
        """Values at the thresholds -> averages and single values by name."""
        at = dict(zip(self.tious, values.tolist(), strict=True))
        averages = {
            name: float(np.mean([at[tiou] for tiou in chosen]))
            for name, chosen in self.averages.items()
        }
        return {**averages, **{f'mAP@{format_tiou(tiou)}': at[tiou] for tiou in self.tious}}

    def _protocol(self, videos: dict[str, dict], precision: AveragePrecision) -> dict:
        """What was counted."""
        excluded = self.excluded(videos)
        protocol = {
            'tiou_thresholds': self.tious,
            'averages': self.averages,
            'videos': len(videos) - len(excluded),
            'ground_truths': int(precision.num_ground_truths.sum()),
            'detections': int(precision.num_detections.sum()),
            'classes': len(precision.num_ground_truths),
            'classes_without_ground_truths': int((precision.num_ground_truths == 0).sum()),
            'excluded_videos': excluded,
            **self.marks(),
        }
        if self.recall_multiples:
            protocol['recall_multiples'] = self.recall_multiples
            protocol['recall_tiou'] = self.recall_tiou
        if self.length_edges is not None:
            protocol['length_edges'] = self.length_edges
            protocol['relative_lengths'] = self.relative_lengths
        return protocol


def _rows(video: dict, classes: list[str]) -> Iterable[tuple]:
    """The detections of a video as :func:`write_results` takes them."""
    labels = [classes[label] for label in video['labels']]
    return zip(video['segments'].tolist(), video['scores'].tolist(), labels, strict=True)
