import json
import random

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from asl_mmaction.evaluation.functional import Instances, average_recall
from asl_mmaction.evaluation.metrics import AverageRecallMetric
from asl_mmaction.structures.limits import Limits


def sample(name, truths, found):
    """truths [(start, end)], found [(start, end, score)], seconds."""
    found = np.array(found, dtype=float).reshape(-1, 3)
    return {
        'video_name': name,
        'scored_segments': np.array(truths, dtype=float).reshape(-1, 2),
        'scored_labels': np.arange(len(truths)),
        'pred_instances': {
            'segments': found[:, :2],
            'scores': found[:, 2],
            'labels': np.zeros(len(found), dtype=int),
        },
    }


def random_samples(videos=9):
    rng = np.random.default_rng(4)
    samples = []
    for video in range(videos):
        starts = rng.uniform(0, 80, 6)
        truths = np.stack([starts, starts + rng.exponential(8, 6)], axis=1)
        segments = truths[rng.integers(0, 6, 40)] + rng.normal(0, 1, (40, 2))
        found = np.column_stack([np.sort(segments, axis=1), rng.integers(1, 6, 40) / 5])
        samples.append(sample(f'v{video}', truths, found))
    return samples


def by_hand():
    # 2 proposals a video on average: at 1 on average, a gives 1 of its 2 and b 1 of its 3 (half of
    # three, rounded down).
    return [
        sample('b', [(0, 10)], [(50, 60, 0.8), (0, 10, 0.7), (70, 80, 0.6)]),
        sample('a', [(0, 10), (20, 30)], [(0, 9, 0.2), (20, 28, 0.9)]),
        sample('c', [], [(0, 10, 0.5)]),
    ]


def evaluate(samples, size=None, **options):
    metric = AverageRecallMetric(**options)
    for start in range(0, len(samples), 2):
        metric.process(None, samples[start : start + 2])
    return metric.evaluate(len(samples) if size is None else size)


def test_by_hand(tmp_path):
    metrics = evaluate(
        by_hand(), tiou_thresholds=[0.5, 0.85], numbers=(2, 1), out_dir=str(tmp_path)
    )
    assert list(metrics) == ['AUC', 'AR@1', 'AR@2']
    # At 1: [20, 28] alone, tIoU 0.8; at 2: everything, and [20, 28] misses 0.85.
    assert metrics['AR@1'] == pytest.approx((1 / 3 + 0) / 2)
    assert metrics['AR@2'] == pytest.approx((1 + 2 / 3) / 2)
    report = json.loads((tmp_path / 'average_recall.json').read_text())
    assert report['metrics'] == metrics
    assert report['protocol'] == {
        'tiou_thresholds': [0.5, 0.85],
        'max_average_number': 2,
        'videos': 3,
        'videos_without_ground_truths': 1,
        'ground_truths': 3,
        'proposals': 6,
        'repeated_segments': 0,
        'excluded_videos': [],
    }
    proposals = json.loads((tmp_path / 'proposals.json').read_text())
    assert proposals == {
        'version': 'VERSION 1.3',
        'results': {
            video['video_name']: [
                {'segment': segment.tolist(), 'score': score}
                for segment, score in zip(
                    video['pred_instances']['segments'],
                    video['pred_instances']['scores'],
                    strict=True,
                )
            ]
            for video in by_hand()
        },
        'external_data': {},
    }
    numbers = report['curve']['average_numbers']
    curve = report['curve']['average_recall']
    assert (numbers[0], numbers[-1]) == pytest.approx((0.02, 2))
    assert (curve[49], curve[99]) == (metrics['AR@1'], metrics['AR@2'])
    area = sum((curve[i] + curve[i + 1]) / 2 * 0.02 for i in range(99))
    assert metrics['AUC'] == pytest.approx(area / 2)


def test_the_same_as_the_function():
    samples = random_samples()
    videos = np.repeat(np.arange(9), 40)
    found = [video['pred_instances'] for video in samples]
    expected = average_recall(
        Instances(
            np.repeat(np.arange(9), 6),
            np.concatenate([video['scored_segments'] for video in samples]),
            np.zeros(54, int),
        ),
        Instances(
            videos,
            np.concatenate([part['segments'] for part in found]),
            videos * 0,
            np.concatenate([part['scores'] for part in found]),
        ),
        9,
        np.linspace(0.5, 0.95, 10),
        100,
    )
    metrics = evaluate(samples)
    assert list(metrics) == ['AUC', 'AR@1', 'AR@5', 'AR@10', 'AR@100']
    assert 0.1 < metrics['AUC'] < 0.9
    assert metrics['AUC'] == pytest.approx(expected.auc)
    curve = expected.recall.mean(axis=0)
    assert [metrics[f'AR@{n}'] for n in (1, 5, 10, 100)] == pytest.approx(curve[[0, 4, 9, 99]])


def test_neither_order_nor_repeats_change_the_numbers():
    samples = random_samples()
    expected = evaluate(samples, numbers=(5, 20))
    shuffled = random.Random(1).sample(samples, len(samples))
    assert evaluate(shuffled, numbers=(5, 20)) == expected
    assert evaluate(samples[:3] + samples, size=9, numbers=(20, 5)) == expected


def test_a_segment_of_two_classes_is_one_proposal(tmp_path):
    once = by_hand()
    twice = by_hand()
    found = twice[0]['pred_instances']
    for key, extra in (('segments', [0.0, 10.0]), ('scores', 0.05), ('labels', 7)):
        found[key] = np.append(found[key], [extra], axis=0)
    assert evaluate(twice, numbers=[2], out_dir=str(tmp_path)) == evaluate(once, numbers=[2])
    protocol = json.loads((tmp_path / 'average_recall.json').read_text())['protocol']
    assert (protocol['proposals'], protocol['repeated_segments']) == (6, 1)


def test_of_one_segment_the_highest_score_counts():
    found = [(0, 10, 0.1), (50, 60, 0.5), (0, 10, 0.9)]
    metrics = evaluate([sample('a', [(0, 10)], found)], tiou_thresholds=[1.0], numbers=[1, 2])
    assert (metrics['AR@1'], metrics['AR@2']) == (1, 1)


def test_a_number_is_rounded_to_its_hundredth():
    """29 / 100 * 100 is less than 29."""
    segments = np.tile([50.0, 60.0, 0.5], (100, 1))
    segments[:, :2] += np.arange(100)[:, None]
    segments[27, :2] = [0, 10]  # the 28th
    samples = [sample('a', [(0, 10)], segments)]
    metrics = evaluate(samples, tiou_thresholds=[0.5], numbers=[27, 29, 100])
    assert [metrics[f'AR@{n}'] for n in (27, 29, 100)] == [0, 1, 1]


def test_excluded_videos_count_for_nothing(tmp_path):
    samples = random_samples()
    kept = evaluate(samples[1:])
    assert evaluate(samples, exclude_videos=['v0', 'absent'], out_dir=str(tmp_path)) == kept
    protocol = json.loads((tmp_path / 'average_recall.json').read_text())['protocol']
    assert (protocol['videos'], protocol['excluded_videos']) == (8, ['v0'])


def test_log_has_the_numbers_and_what_was_counted(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.evaluation.metrics.average_recall_metric.print_log',
        lambda message, **_: lines.extend(message.splitlines()),
    )
    evaluate(by_hand(), tiou_thresholds=[0.5], numbers=[3], exclude_videos=['c'])
    assert lines[1].startswith('Class-agnostic average recall in percent: AUC ')
    assert lines[1].endswith('AR@3 100.00')
    assert lines[2] == (
        '2 videos (0 without ground truth), 3 ground truths, 5 proposals counted (0 repeated '
        "segments left out); 1 videos excluded: 'c'"
    )


def test_a_number_above_what_the_model_gives_is_said(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.evaluation.metrics.base_metric.print_log',
        lambda message, **_: lines.append(message),
    )
    samples = by_hand()
    # One video is three windows long: at most 5 on average.
    for video, most in zip(samples, (3, 9, 3), strict=True):
        video['pred_instances']['limits'] = Limits(2000, 3, most, 0, 0)
    evaluate(samples, numbers=[1, 5])
    assert lines == []
    evaluate(samples, numbers=[1, 10])
    (line,) = lines
    assert 'expected up to 10 proposals for each video on average but got max_per_video=3 ' in line
    assert 'at most 5' in line


@pytest.mark.parametrize('simulated', [True, False])
def test_simulated_stays_said(tmp_path, monkeypatch, simulated):
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.evaluation.metrics.average_recall_metric.print_log',
        lambda text, **_: lines.append(text),
    )
    metric = AverageRecallMetric(out_dir=str(tmp_path))
    metric.dataset_meta = {'simulated': True} if simulated else {}
    metric.process(None, by_hand())
    metric.evaluate(len(by_hand()))
    report, proposals = (
        json.loads((tmp_path / f'{name}.json').read_text())
        for name in ('average_recall', 'proposals')
    )
    assert ('simulated' in report['protocol']) == ('simulated' in proposals) == simulated
    assert ('SIMULATED' in lines[-1]) == simulated


def test_nothing_found_gives_zeros():
    assert set(evaluate([sample('a', [(0, 1)], [])]).values()) == {0.0}


def test_nothing_to_score_gives_no_numbers(tmp_path, monkeypatch):
    lines = []
    for module in ('base_metric', 'average_recall_metric'):
        name = f'asl_mmaction.evaluation.metrics.{module}.print_log'
        monkeypatch.setattr(name, lambda text, **_: lines.append(text))
    assert evaluate([]) == {}
    unlabelled = sample('a', [], [(0, 1, 0.5)])
    labelled = sample('b', [(0, 1)], [])
    options = {'out_dir': str(tmp_path), 'exclude_videos': ['b']}
    assert evaluate([unlabelled, labelled], **options) == {}
    text = 'AverageRecallMetric: nothing to score, since none of {} videos has annotated actions'
    written = f'wrote {tmp_path}/proposals.json, {tmp_path}/average_recall.json'
    assert lines == [*(text.format(videos) for videos in (0, 1)), written]
    report = json.loads((tmp_path / 'average_recall.json').read_text())
    assert (report['metrics'], report['curve']) == ({}, None)
    assert report['protocol']['videos'] == 1
    proposals = json.loads((tmp_path / 'proposals.json').read_text())
    assert proposals['results'] == {'a': [{'segment': [0.0, 1.0], 'score': 0.5}], 'b': []}


@pytest.mark.parametrize('options', [{}, {'numbers': (50, 2.5, 7), 'prefix': 'p'}])
def test_keys_are_those_of_the_metrics(options):
    metric = AverageRecallMetric(**options)
    metric.process(None, by_hand())
    assert list(metric.evaluate(3)) == metric.keys


def test_through_the_evaluator():
    evaluator = Evaluator({'type': 'mmaction.AverageRecallMetric', 'numbers': [1], 'prefix': 'p'})
    data_sample = ActionDataSample()
    data_sample.set_metainfo(
        {
            'video_name': 'a',
            'scored_segments': np.array([[0.0, 1.0]]),
            'scored_labels': np.array([0]),
        }
    )
    data_sample.pred_instances = InstanceData(
        segments=torch.tensor([[0.0, 0.75]]),
        scores=torch.tensor([0.5], dtype=torch.bfloat16),
        labels=torch.tensor([0]),
    )
    evaluator.process([data_sample])
    # tIoU 0.75: reached by 0.5, 0.55, ..., 0.75 of the ten thresholds
    assert evaluator.evaluate(1)['p/AR@1'] == pytest.approx(0.6)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r'tIoU thresholds in \(0, 1\] but got \[0.0\]'):
        AverageRecallMetric([0])
    with pytest.raises(ValueError, match=r'numbers above 0 but got \[0, 1\]'):
        AverageRecallMetric(numbers=[1, 0])
    with pytest.raises(ValueError, match='whole hundredths of the largest'):
        AverageRecallMetric(numbers=[1, 5, 70])
    with pytest.raises(ValueError, match='whole hundredths of the largest'):
        AverageRecallMetric(numbers=[1e-9, 100])
    with pytest.raises(TypeError, match="list of exclude_videos but got 'abc'"):
        AverageRecallMetric(exclude_videos='abc')
    with pytest.raises(ValueError, match="video 'v': expected finite detections"):
        evaluate([sample('v', [], [(0, np.nan, 0.5)])])
