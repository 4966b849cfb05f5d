"""What the data of a Runner's loops are checked for, before the run and not after it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.logging import print_log
from mmengine.runner import BaseLoop
from torch.utils.data import Dataset

from asl_mmaction.apis.datasets import agreed_settings, find_datasets, setting_of
from asl_mmaction.evaluation.metrics import TALMetric
from asl_mmaction.evaluation.metrics.base_metric import BaseTALMetric
from asl_mmaction.files.mistakes import ValueMistake

Place = tuple[str, str]  # a subset of a dataset: the dataset's key and the subset


def check_loops(**loops: BaseLoop | None) -> None:
    """Make sure that each loop's data can be trained on or scored; warn of what is odd.

    Args:
        **loops: ``train``, ``val`` or ``test``; None: there is no such loop.

    Raises:
        FileNotFoundError: there is no file of the video scores that a metric fuses with.
        ValueError: a wrapper hides the class names of its datasets; they disagree in what all
            results depend on; a test has a video name twice, or two metrics of one name or folder;
            there is no action to train on, or none to score and nothing to write; video scores
            cannot be read, or are none of a video or a class.
    """
    for name, loop in loops.items():
        if loop is not None:
            datasets = _check_wrappers(name, loop.dataloader.dataset)
            if name == 'train':
                _check_training(datasets)
            else:
                _check_test(name, datasets, loop.evaluator.metrics)


def _check_wrappers(name: str, dataset: Dataset) -> dict[str, Any]:
    """The datasets inside; mmengine asks the outermost alone what to write into checkpoints."""
    found = find_datasets(dataset, f'{name}_dataloader.dataset')
    metainfo = {key: setting_of(part, 'metainfo') or {} for key, part in found.items()}
    if any(metainfo.values()) and not hasattr(dataset, 'metainfo'):
        raise ValueMistake(
            f'expected a dataset with metainfo, which has the class names, in {name}_dataloader '
            f"but got a {type(dataset).__name__} without; mmengine's ConcatDataset, RepeatDataset "
            'and ClassBalancedDataset have it, and `indices` of a dataset takes a part of it'
        )
    agreed_settings(metainfo, ['simulated'])
    return found


def _check_training(datasets: Mapping[str, Dataset]) -> None:
    actions = _count_actions(datasets, 'labels')
    if actions and not actions.total():
        raise ValueMistake(
            f'expected actions to train on but got none in {_describe(actions, datasets)}'
        )
    _warn_of_unlabelled(actions, datasets, 'are trained on as background')


def _check_metrics(name: str, metrics: Sequence[Any]) -> None:
    """Let no metric take the place of another: in the results by name, in files by folder."""
    ours = [metric for metric in metrics if isinstance(metric, BaseTALMetric)]
    names = Counter(key for metric in ours for key in metric.keys)
    folders = Counter((type(m).__name__, m.out_dir) for m in ours if m.out_dir is not None)
    for key, count in names.items():
        if count > 1:
            raise ValueMistake(
                f'expected each metric of {name}_evaluator under a name of its own, as a prefix '
                f'gives it, but got {key} twice'
            )
    for (kind, folder), count in folders.items():
        if count > 1:
            raise ValueMistake(
                f'expected an out_dir of its own for each {kind} of {name}_evaluator but got '
                f'{folder} twice'
            )


def _check_test(name: str, datasets: Mapping[str, Dataset], metrics: Sequence[Any]) -> None:
    _check_metrics(name, metrics)
    videos: dict[str, str] = {}
    for key, info in _samples(datasets):
        first = videos.setdefault(info['video_name'], key)
        if first != key:
            raise ValueMistake(
                f'expected a video name in one dataset of the {name} data, since results go by '
                f'name, but got {info["video_name"]!r} in {first} and in {key}'
            )
    metainfo = {key: setting_of(part, 'metainfo') or {} for key, part in datasets.items()}
    for metric in metrics:
        if isinstance(metric, TALMetric):
            agreed_settings(metainfo, ['classes'])
        if isinstance(metric, BaseTALMetric):
            _check_actions(name, datasets, metric)
        if getattr(metric, 'score_fusion', None) is not None:
            for video, key in videos.items():
                metric.score_fusion.top_classes(video, metainfo[key]['classes'])


def _check_actions(name: str, datasets: Mapping[str, Dataset], metric: BaseTALMetric) -> None:
    """Let there be ground truths, or at least a folder for the detections."""
    actions = _count_actions(datasets, 'scored_labels', metric.exclude_videos)
    if not actions or actions.total():
        _warn_of_unlabelled(actions, datasets, 'count: all that is found there is wrong')
        return
    where = _describe(actions, datasets)
    if metric.out_dir is None:
        way_out = {
            'val': '--no-validate trains without',
            'test': '--out DIR writes the detections, unscored',
        }
        raise ValueMistake(
            f'expected annotated actions to score with {type(metric).__name__} but got none in '
            f'{where}; {way_out[name]}'
        )
    print_log(
        f'{type(metric).__name__}: nothing to score, since there are no annotated actions in '
        f'{where}: detections are written into {metric.out_dir}',
        logger='current',
        level=logging.WARNING,
    )


def _samples(datasets: Mapping[str, Any]) -> Iterator[tuple[str, dict]]:
    """Key of the dataset, and what it says of each video; only of datasets that do."""
    for key, dataset in datasets.items():
        for index in range(len(dataset) if hasattr(dataset, 'get_data_info') else 0):
            info = dataset.get_data_info(index)
            if 'video_name' in info:
                yield key, info


def _count_actions(
    datasets: Mapping[str, Dataset], labels: str, exclude: frozenset[str] = frozenset()
) -> Counter[Place]:
    counts: Counter[Place] = Counter()
    for key, info in _samples(datasets):
        if labels in info:
            # Under weak supervision a training sample has no action, but says which there are.
            number = len(info[labels]) + int(sum(info.get('video_labels', ())))
            counted = info['video_name'] not in exclude
            counts[key, info.get('subset', '')] += number if counted else 0
    return counts


def _warn_of_unlabelled(
    actions: Mapping[Place, int], datasets: Mapping[str, Dataset], consequence: str
) -> None:
    unlabelled = {place: count for place, count in actions.items() if not count}
    if unlabelled:
        print_log(
            f'no annotated actions in {_describe(unlabelled, datasets)}: these videos '
            f'{consequence}',
            logger='current',
            level=logging.WARNING,
        )


def _describe(places: Mapping[Place, int], datasets: Mapping[str, Dataset]) -> str:
    """'a.json (subset test) and b.json'."""
    names = [
        f'{getattr(datasets[key], "ann_file", key)}' + (f' (subset {subset})' if subset else '')
        for key, subset in places
    ]
    return ' and '.join(dict.fromkeys(names))
