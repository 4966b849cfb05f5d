"""AR@AN and its AUC as an mmengine metric, for proposals and for detections alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmaction.registry import METRICS
from mmengine.logging import print_log

from asl_mmaction.evaluation.functional import AverageRecall, Instances, average_recall
from asl_mmaction.evaluation.functional.recall import NUM_BUDGETS
from asl_mmaction.evaluation.metrics.base_metric import BaseTALMetric, as_instances
from asl_mmaction.evaluation.metrics.reports import SIMULATED
from asl_mmaction.files.mistakes import ValueMistake
from asl_mmaction.files.results import write_results
from asl_mmaction.files.writing import write_json

ACTIVITYNET_TIOUS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)


@METRICS.register_module()
class AverageRecallMetric(BaseTALMetric):
    """Average recall over tIoU thresholds at average numbers of proposals, class-agnostic.

    The rules are those of `asl_mmaction.evaluation.functional.average_recall`. Labels are ignored;
    of the detections of a video with the same start and end, as several classes give them, only
    the one of highest score is a proposal.

    Metrics (all in [0, 1]): ``AUC``, the area under average recall up to the largest number,
    divided by it; then ``AR@1`` and so on.

    Args:
        tiou_thresholds: Numbers in (0, 1].
        numbers: Average numbers of proposals per video, each a whole number of hundredths of the
            largest; (1, 5, 10, 100) for ActivityNet, (50, 100, 200, 500, 1000) for THUMOS14.
        exclude_videos: Names of videos that do not count.
        out_dir: Folder for ``average_recall.json`` (metrics, the curve, protocol) and
            ``proposals.json`` (ActivityNet form, seconds, full precision, of all videos what the
            model gave). None: write nothing.
        collect_device: 'cpu' or 'gpu'.
        prefix: Put before the metric names, with a slash.
        collect_dir: Shared folder for gathering, 'cpu' only.

    Raises:
        ValueError: For thresholds or numbers out of range.
    """

    def __init__(
        self,
        tiou_thresholds: Sequence[float] = ACTIVITYNET_TIOUS,
        numbers: Sequence[float] = (1, 5, 10, 100),
        *,
        exclude_videos: Sequence[str] = (),
        out_dir: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(exclude_videos, out_dir, collect_device, prefix, collect_dir)
        self.tiou_thresholds = [float(tiou) for tiou in tiou_thresholds]
        if not self.tiou_thresholds or not all(0 < tiou <= 1 for tiou in self.tiou_thresholds):
            raise ValueMistake(f'expected tIoU thresholds in (0, 1] but got {self.tiou_thresholds}')
        self.numbers = sorted(numbers)
        if not self.numbers or not self.numbers[0] > 0:
            raise ValueMistake(f'expected numbers above 0 but got {self.numbers}')
        budgets = np.array(self.numbers) / self.numbers[-1] * NUM_BUDGETS
        self.budgets = np.round(budgets).astype(int)
        if not np.allclose(budgets, self.budgets) or self.budgets[0] < 1:
            raise ValueMistake(
                f'expected numbers that are whole hundredths of the largest but got {self.numbers}'
            )

    def _names(self) -> list[str]:
        return ['AUC', *(f'AR@{number:g}' for number in self.numbers)]

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Metrics of the gathered results; logs them and writes the files.

        There are none where no video has ground truths; the files are written all the same.
        """
        videos = self.first_results(results)
        counted = self.counted(videos)
        ground_truths, detections = as_instances(counted)
        proposals = _distinct(detections)
        result = average_recall(
            ground_truths, proposals, len(counted), self.tiou_thresholds, self.numbers[-1]
        )
        self._check_limits(counted)
        curve = result.recall.mean(axis=0)
        values = [result.auc, *curve[self.budgets - 1].tolist()]
        scored = len(ground_truths.videos) > 0
        metrics = dict(zip(self._names(), values, strict=True)) if scored else {}
        protocol = {
            'tiou_thresholds': self.tiou_thresholds,
            'max_average_number': self.numbers[-1],
            'videos': len(counted),
            'videos_without_ground_truths': sum(not len(v['scored_labels']) for v in counted),
            'ground_truths': len(ground_truths.videos),
            'proposals': len(proposals.videos),
            'repeated_segments': len(detections.videos) - len(proposals.videos),
            'excluded_videos': self.excluded(videos),
            **self.marks(),
        }
        if scored:
            print_log('\n' + _format(metrics, protocol), logger='current')
        else:
            self.warn_of_nothing_to_score(counted)
        if self.out_dir is not None:
            write_json(
                Path(self.out_dir) / 'average_recall.json',
                {
                    'metrics': metrics,
                    'curve': _curve(result) if scored else None,
                    'protocol': protocol,
                },
            )
            rows = {
                name: zip(video['segments'].tolist(), video['scores'].tolist(), strict=True)
                for name, video in videos.items()
            }
            write_results(Path(self.out_dir) / 'proposals.json', rows, **self.marks())
            self.say_written('proposals.json', 'average_recall.json')
        return metrics

    def _check_limits(self, videos: list[dict]) -> None:
        """Warn if the post-processor gives fewer than the largest of the numbers."""
        limits = [video['limits'] for video in videos if video['limits']]
        most = np.mean([video.max_detections for video in limits] or [np.inf])
        if most < self.numbers[-1]:
            self.warn(
                f'expected up to {self.numbers[-1]:g} proposals for each video on average but got '
                f'{limits[0].settings} in the post_processor, which give at most {most:g}: beyond '
                'that, average recall stays the same'
            )


def _distinct(detections: Instances) -> Instances:
    """Without those that a better, or earlier equal, one of their video repeats exactly."""
    order = np.argsort(-detections.scores, kind='stable')
    keys = np.column_stack([detections.videos, detections.segments])[order]
    _, first = np.unique(keys, axis=0, return_index=True)
    kept = np.sort(order[first])
    return Instances(*(column[kept] for column in detections))


def _curve(result: AverageRecall) -> dict:
    return {
        'average_numbers': result.average_numbers.tolist(),
        'average_recall': result.recall.mean(axis=0).tolist(),
    }


def _format(metrics: dict[str, float], protocol: dict) -> str:
    values = '  '.join(f'{name} {100 * value:.2f}' for name, value in metrics.items())
    excluded = protocol['excluded_videos']
    return (
        f'Class-agnostic average recall in percent: {values}\n'
        f'{protocol["videos"]} videos ({protocol["videos_without_ground_truths"]} without ground '
        f'truth), {protocol["ground_truths"]} ground truths, {protocol["proposals"]} proposals '
        f'counted ({protocol["repeated_segments"]} repeated segments left out); '
        f'{len(excluded)} videos excluded'
        + (f': {", ".join(map(ascii, excluded))}' if excluded else '')
        + (f'\n{SIMULATED}' if protocol.get('simulated') else '')
    )
