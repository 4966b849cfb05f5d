import json
import os
import random
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from mmaction.structures import ActionDataSample
from mmengine.evaluator import Evaluator
from mmengine.hooks import CheckpointHook
from mmengine.structures import InstanceData

from asl_mmaction.evaluation.functional import Instances, average_precision
from asl_mmaction.evaluation.metrics import TALMetric
from asl_mmaction.structures.limits import Limits

CLASSES = ('walk', 'run', 'sit')


def sample(name, truths, found, dtype=torch.float32, limits=None):
    """truths [(start, end, label)], found [(start, end, score, label)], seconds."""
    data_sample = ActionDataSample()
    truths = np.array(truths, dtype=np.float64).reshape(-1, 3)
    found = torch.tensor(found, dtype=torch.float64).reshape(-1, 4)
    data_sample.set_metainfo(
        {
            'video_name': name,
            'duration': 100.0,
            'scored_segments': truths[:, :2],
            'scored_labels': truths[:, 2].astype(np.int64),
        }
    )
    data_sample.pred_instances = InstanceData(
        segments=found[:, :2],
        scores=found[:, 2].to(dtype),
        labels=found[:, 3].long(),
        metainfo={'limits': limits},
    )
    return data_sample.to_dict()


def by_hand():
    return [
        sample('b', [(0, 10, 0), (20, 30, 0)], [(0, 9, 0.9, 0), (1, 10, 0.8, 0), (20, 30, 0.6, 0)]),
        sample('a', [(0, 10, 0), (0, 4, 2)], [(0, 5, 0.7, 0)]),
        sample('c', [], [(0, 10, 0.5, 1)]),
    ]


def random_samples(seed, videos=12, limited=False):
    rng = np.random.default_rng(seed)
    samples = []
    for video in range(videos):
        starts, lengths = rng.uniform(0, 80, 8), rng.exponential(8, 8)
        truths = np.stack([starts, starts + lengths, rng.integers(0, 3, 8)], axis=1)
        noisy = truths[rng.integers(0, 8, 30)]
        noisy[:, :2] += rng.normal(0, 1.5, (30, 2))
        # a few score values only, so that ties abound
        found = np.insert(noisy, 2, rng.integers(1, 6, 30) / 5, axis=1)
        limits = Limits(2000, 30, 30, candidates=0, detections=video) if limited else None
        samples.append(sample(f'v{video:02}', truths, found, limits=limits))
    return samples


def evaluate(samples, size=None, **options):
    metric = TALMetric(**{'tiou_thresholds': [0.5, 0.75], **options})
    metric.dataset_meta = {'classes': CLASSES}
    for start in range(0, len(samples), 2):
        metric.process(None, samples[start : start + 2])
    return metric.evaluate(len(samples) if size is None else size)


def test_by_hand():
    # Class 0 at 0.5: precisions 1, 1/2, 2/3, 3/4 over hit, double, hit, hit of 3; at 0.75 the third
    # misses. Class 1 has no ground truth, class 2 is never found.
    assert evaluate(by_hand()) == pytest.approx(
        {'mAP@0.50': 2.5 / 6, 'mAP@0.75': 1.5 / 6, 'mAP': 4 / 12}
    )


def test_named_averages_come_first_and_share_thresholds():
    metrics = evaluate(
        by_hand(), tiou_thresholds={'mAP': [0.5, 0.75], 'mAP_strict': np.array([0.75])}
    )
    assert list(metrics) == ['mAP', 'mAP_strict', 'mAP@0.50', 'mAP@0.75']
    assert metrics['mAP_strict'] == pytest.approx(1.5 / 6)
    assert all(type(value) is float for value in metrics.values())


def test_thresholds_that_differ_by_rounding_are_one():
    metrics = evaluate(by_hand(), tiou_thresholds={'a': [0.6], 'b': [0.5 + 2 * 0.05], 'c': [0.125]})
    assert list(metrics) == ['a', 'b', 'c', 'mAP@0.125', 'mAP@0.60']


def test_prefix():
    assert 'tal/mAP@0.50' in evaluate(by_hand(), prefix='tal')


def test_checkpoint_hook_knows_that_more_is_better():
    keys = ['mAP', 'mAP_strict', 'mAP@0.50', 'tal/mAP']
    assert CheckpointHook(save_best=keys).rules == ['greater'] * 4


def test_neither_order_nor_repeats_change_the_numbers():
    samples = random_samples(0)
    expected = evaluate(samples)
    assert 0.1 < expected['mAP'] < 0.9
    shuffled = random.Random(1).sample(samples, len(samples))
    assert evaluate(shuffled) == expected
    assert evaluate(samples + samples[:3], size=len(samples)) == expected
    # repeats first, which mmengine's cut to the dataset's size would prefer to real videos
    assert evaluate(samples[:3] + samples, size=len(samples)) == expected


def test_two_processes_give_the_same_as_one(tmp_path):
    """Uneven halves and a repeated video, through gloo, in an order no sampler of mmengine has."""
    script = tmp_path / 'worker.py'
    script.write_text(
        textwrap.dedent(
            """
            import json, sys
            import torch.distributed as dist
            import test_tal_metric as tests
            rank, init = int(sys.argv[1]), sys.argv[2]
            dist.init_process_group('gloo', init_method=init, rank=rank, world_size=2)
            samples = tests.random_samples(0, limited=True)
            part = samples[:7] if rank == 0 else samples[6:]
            metrics = tests.evaluate(part, size=len(samples))
            print(json.dumps(metrics))
            dist.destroy_process_group()
            """
        )
    )
    here = Path(__file__)
    paths = os.pathsep.join([str(here.parent), str(here.parents[3])])
    environment = {**os.environ, 'PYTHONPATH': paths, 'OMP_NUM_THREADS': '1'}
    workers = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), f'file://{tmp_path}/rendezvous'],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    outputs = [worker.communicate()[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    expected = evaluate(random_samples(0))
    assert [json.loads(output.splitlines()[-1]) for output in outputs] == [expected, expected]
    # Once, of all videos: 0 + 1 + ... + 11, though the seventh is there twice.
    line = 'max_per_video=30 left out 66 detections that score above 0.1 in 11 of 12 videos'
    assert [output.count(line) for output in outputs] == [1, 0]


def test_excluded_videos_count_for_nothing(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.evaluation.metrics.base_metric.print_log',
        lambda text, **_: lines.append(text),
    )
    samples = random_samples(2)
    kept = evaluate([samples[0], *samples[2:]])
    assert evaluate(samples, exclude_videos=['v01']) == kept
    assert not lines
    metrics = evaluate(samples, exclude_videos=['v01', 'absent'], out_dir=str(tmp_path))
    assert metrics == kept
    excluded, written = lines
    assert excluded.endswith(" but 1 are not, as 'absent'")
    assert written == f'wrote {tmp_path}/detections.json, {tmp_path}/metrics.json'
    protocol = json.loads((tmp_path / 'metrics.json').read_text())['protocol']
    assert protocol['excluded_videos'] == ['v01']
    assert protocol['videos'] == 11
    assert protocol['ground_truths'] == 88


def test_written_files_by_hand(tmp_path):
    out_dir = tmp_path / 'new' / 'folder'
    metrics = evaluate(by_hand(), out_dir=str(out_dir))
    report = json.loads((out_dir / 'metrics.json').read_text())
    assert report['metrics'] == metrics
    assert report['per_class'] == {
        'walk': {
            'ground_truths': 3,
            'detections': 4,
            'ap': pytest.approx({'mAP': 4 / 6, 'mAP@0.50': 2.5 / 3, 'mAP@0.75': 1.5 / 3}),
        },
        'run': {'ground_truths': 0, 'detections': 1, 'ap': None},
        'sit': {'ground_truths': 1, 'detections': 0, 'ap': dict.fromkeys(metrics, 0.0)},
    }
    assert report['protocol'] == {
        'tiou_thresholds': [0.5, 0.75],
        'averages': {'mAP': [0.5, 0.75]},
        'videos': 3,
        'ground_truths': 4,
        'detections': 5,
        'classes': 3,
        'classes_without_ground_truths': 1,
        'excluded_videos': [],
    }
    detections = json.loads((out_dir / 'detections.json').read_text())
    assert (detections['version'], detections['external_data']) == ('VERSION 1.3', {})
    assert list(detections['results']) == ['a', 'b', 'c']
    (found,) = detections['results']['a']
    assert found == {'label': 'walk', 'score': float(np.float32(0.7)), 'segment': [0.0, 5.0]}
    assert sorted(path.name for path in out_dir.iterdir()) == ['detections.json', 'metrics.json']
    readable = stat.S_IMODE((out_dir / 'metrics.json').stat().st_mode)
    umask = os.umask(0)
    os.umask(umask)
    assert readable == 0o666 & ~umask


def test_dumped_detections_score_the_same(tmp_path):
    samples = random_samples(4)
    metrics = evaluate(samples, out_dir=str(tmp_path), tiou_thresholds=[0.3, 0.5, 0.7])
    results = json.loads((tmp_path / 'detections.json').read_text())['results']
    names = sorted(results)
    found = [(names.index(name), entry) for name in names for entry in results[name]]
    truths = [
        (names.index(video['video_name']), segment, label)
        for video in samples
        for segment, label in zip(video['scored_segments'], video['scored_labels'], strict=True)
    ]
    precision = average_precision(
        Instances(*(np.array(column) for column in zip(*truths, strict=True))),
        Instances(
            np.array([video for video, _ in found]),
            np.array([entry['segment'] for _, entry in found]),
            np.array([CLASSES.index(entry['label']) for _, entry in found]),
            np.array([entry['score'] for _, entry in found]),
        ),
        3,
        [0.3, 0.5, 0.7],
    )
    again = [metrics['mAP@0.30'], metrics['mAP@0.50'], metrics['mAP@0.70']]
    assert precision.mean_ap.tolist() == again


def test_odd_video_names_come_back(tmp_path):
    names = ['a/b c', 'quo"te\\', 'línea\nnueva', 'not unicode \udcff', '日本', '']
    evaluate([sample(name, [(0, 1, 0)], [(0, 1, 0.5, 0)]) for name in names], out_dir=str(tmp_path))
    results = json.loads((tmp_path / 'detections.json').read_text())['results']
    assert sorted(results) == sorted(names)


def test_log_has_the_table_and_what_was_counted(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.evaluation.metrics.tal_metric.print_log',
        lambda message, **_: lines.extend(message.splitlines()),
    )
    evaluate(by_hand(), exclude_videos=['c'])
    cells = [line.split() for line in lines]
    assert ['class', 'GT', 'det', 'mAP', '0.50', '0.75'] in cells
    assert ['walk', '3', '4', '66.7', '83.3', '50.0'] in cells
    assert ['run', '0', '0', '-', '-', '-'] in cells
    assert ['sit', '1', '0', '0.0', '0.0', '0.0'] in cells
    assert ['all', '4', '4', '33.3', '41.7', '25.0'] in cells
    assert lines[-1] == (
        '2 videos, 4 ground truths, 4 detections counted; 1 of 3 classes have no ground truth and '
        "are left out of the means; 1 videos excluded: 'c'"
    )


def test_recall_at_multiples_by_hand(tmp_path):
    # Class 0: of b's two ground truths its two best find one, its best ten both; of a's one, found
    # at exactly 0.5. Class 2 is never found, class 1 has none.
    before = evaluate(by_hand())
    metrics = evaluate(by_hand(), recall_multiples=(1, 5), out_dir=str(tmp_path))
    names = ['Recall@1x@0.50', 'Recall@5x@0.50']
    assert list(metrics) == [*before, *names]
    assert {name: metrics[name] for name in before} == before
    assert [metrics[name] for name in names] == pytest.approx([(2 / 3) / 2, 1 / 2])
    report = json.loads((tmp_path / 'metrics.json').read_text())
    assert report['metrics'] == metrics
    assert report['per_class']['walk']['recall'] == pytest.approx({names[0]: 2 / 3, names[1]: 1})
    assert report['per_class']['run']['recall'] is None
    assert report['per_class']['sit']['recall'] == {names[0]: 0, names[1]: 0}
    assert report['protocol']['recall_multiples'] == [1, 5]
    assert report['protocol']['recall_tiou'] == 0.5


def test_recall_at_another_threshold():
    metrics = evaluate(by_hand(), recall_multiples=[5], recall_tiou=0.75)
    assert metrics['Recall@5x@0.75'] == pytest.approx((2 / 3) / 2)


def lengths(**options):
    """Two short and two long ground truths in videos of 10 and 100 s."""
    samples = [
        sample(
            'a',
            [(0, 2, 0), (5, 7, 0)],
            [(0, 2, 0.9, 0), (8, 9, 0.8, 0), (5, 7, 0.7, 0), (0, 8, 0.1, 0)],
        ),
        sample('b', [(0, 20, 0), (30, 50, 1)], [(60, 80, 0.95, 0), (0, 20, 0.6, 0)]),
    ]
    samples[0]['duration'] = 10.0
    return evaluate(samples, tiou_thresholds=[0.5], **options)


def test_ap_by_length_by_hand(tmp_path):
    before = lengths()
    metrics = lengths(length_edges=[1, 2, 8, 18], out_dir=str(tmp_path))
    assert metrics == before
    report = json.loads((tmp_path / 'metrics.json').read_text())
    rows = report['per_length']
    assert list(rows) == ['XS', 'S', 'M', 'L', 'XL']
    assert [rows[name]['ground_truths'] for name in rows] == [0, 2, 0, 0, 2]
    assert [rows[name]['detections'] for name in rows] == [1, 2, 1, 0, 2]
    assert [(rows[name]['above'], rows[name]['up_to']) for name in ('XS', 'XL')] == [
        (0, 1),
        (18, None),
    ]
    assert rows['XS']['ap'] is None
    # S: the wrong ones are shorter or longer. XL: wrong, then right; class 1 is not found.
    assert rows['S']['ap'] == {'mAP': 1.0, 'mAP@0.50': 1.0}
    assert rows['XL']['ap'] == {'mAP': 0.25, 'mAP@0.50': 0.25}
    assert report['protocol']['length_edges'] == [1, 2, 8, 18]
    assert report['protocol']['relative_lengths'] is False


def test_ap_by_relative_length_by_hand(tmp_path):
    # All four ground truths are a fifth of their video, and 8 to 9 s is a tenth.
    lengths(length_edges=[0.1, 0.2, 0.6, 0.8], relative_lengths=True, out_dir=str(tmp_path))
    rows = json.loads((tmp_path / 'metrics.json').read_text())['per_length']
    assert [rows[name]['ground_truths'] for name in rows] == [0, 4, 0, 0, 0]
    # 0.95 wrong, 0.9 right, 0.7 right (0.8 is shorter), 0.6 right: 3/4 at all of three; class 1: 0.
    assert rows['S']['ap']['mAP'] == pytest.approx(0.75 / 2)


def test_ap_by_length_and_recall_in_the_log(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.evaluation.metrics.tal_metric.print_log',
        lambda message, **_: lines.extend(message.splitlines()),
    )
    lengths(length_edges=[1, 2, 8, 18], recall_multiples=[1])
    cells = [line.split() for line in lines]
    assert ['class', 'GT', 'det', 'mAP', '0.50', 'Recall@1x@0.50'] in cells
    assert ['S', '2', '2', '100.0', '100.0', '-'] in cells
    assert ['M', '0', '1', '-', '-', '-'] in cells
    assert sum(line.startswith('---') for line in lines) == 3


def test_relative_lengths_need_a_duration():
    bad = sample('v', [(0, 1, 0)], [])
    del bad['duration']
    with pytest.raises(ValueError, match=r"video 'v': expected a duration > 0 .* but got None"):
        evaluate([bad], length_edges=[0.1, 0.2, 0.3, 0.4], relative_lengths=True)


@pytest.fixture
def fusion(tmp_path):
    content = {'class': CLASSES[::-1], 'results': {'a': [0.1, 0.2, 0.9], 'b': [0.8, 0.1, 0.3]}}
    (tmp_path / 'scores.json').write_text(json.dumps(content))
    return {'type': 'VideoScoreFusion', 'path': str(tmp_path / 'scores.json'), 'top_k': 1}


def test_video_scores_give_classes(tmp_path, fusion):
    # a is walk, which is right; b is sit, and one of its ground truths is.
    samples = [
        sample('a', [(0, 10, 0)], [(0, 10, 0.9, 0)]),
        sample('b', [(0, 10, 2), (20, 30, 1)], [(0, 10, 0.5, 0), (20, 30, 0.4, 0)]),
    ]
    metrics = evaluate(samples, score_fusion=fusion, out_dir=str(tmp_path / 'out'))
    assert metrics['mAP@0.50'] == pytest.approx((1 + 0 + 1) / 3)
    protocol = json.loads((tmp_path / 'out' / 'metrics.json').read_text())['protocol']
    assert protocol['score_fusion'] == {**fusion, 'top1_accuracy': 1.0}
    results = json.loads((tmp_path / 'out' / 'detections.json').read_text())['results']
    assert [found['label'] for found in results['b']] == ['sit', 'sit']
    assert results['b'][0]['score'] == pytest.approx((0.5 * 0.8) ** 0.5)


def test_accuracy_of_video_scores(monkeypatch, fusion):
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.evaluation.metrics.tal_metric.print_log',
        lambda message, **_: lines.extend(message.splitlines()),
    )
    samples = [sample('a', [(0, 10, 1)], []), sample('b', [(0, 10, 2)], [])]
    evaluate(samples, score_fusion=fusion)
    assert lines[-1].endswith('whose best is right in 50.0 percent of the videos')


def test_video_scores_are_for_detections_without_classes(fusion):
    with pytest.raises(ValueError, match=r"video 'a': expected class-agnostic .* labels \[1\]"):
        evaluate([sample('a', [], [(0, 10, 0.9, 1)])], score_fusion=fusion)
    with pytest.raises(ValueError, match="expected scores of video 'c'"):
        evaluate([sample('c', [], [])], score_fusion=fusion)


def test_samples_that_share_a_name_are_reported(monkeypatch):
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.evaluation.metrics.base_metric.print_log',
        lambda message, **_: lines.append(message),
    )
    evaluate([by_hand()[0]] * 2, size=2)
    assert 'counts 1 videos, one for each name, but the dataset has 2 samples' in lines[0]


@pytest.fixture
def warnings(monkeypatch):
    """Lines that the metric warns with."""
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.evaluation.metrics.base_metric.print_log',
        lambda message, **_: lines.append(message),
    )
    return lines


def test_what_the_limits_left_out_is_said_once(warnings):
    evaluate(by_hand())  # by a model that does not tell
    assert warnings == []
    evaluator = Evaluator(
        {'type': 'mmaction.TALMetric', 'tiou_thresholds': [0.5], 'recall_multiples': [1]}
    )
    evaluator.dataset_meta = {'classes': CLASSES}
    samples = random_samples(0, limited=True)
    for item in samples[:5] + samples:
        evaluator.process([item])
    evaluator.evaluate(len(samples))
    assert warnings == [
        'TALMetric: max_per_video=30 left out 66 detections that score above 0.1 in 11 of 12 '
        "videos, the most (11) in video 'v11'"
    ]


def test_recall_that_asks_for_more_than_the_limit(warnings):
    truths = [(10 * i, 10 * i + 5, 0) for i in range(4)]
    found = [(start, end, 0.5, label) for start, end, label in truths[:3]]
    limits = Limits(2000, 3, 3, 0, 0)
    for counts, named in (([1, 4], None), ([2, 4], None), ([4, 3], 'a'), ([3, 4], 'b')):
        # As many ground truths have a and b; b is full only in the last case.
        full = named == 'b'
        samples = [
            sample('a', truths[: counts[0]], found[: 3 if named == 'a' else 2], limits=limits),
            sample('b', truths[: counts[1]], found[: 3 if full else 2], limits=limits),
        ]
        warnings.clear()
        evaluate(samples, recall_multiples=[1])
        assert len(warnings) == (named is not None)
        if named is not None:
            assert (
                'expected up to 1 detections for each ground truth, for Recall@1x, but '
                'max_per_video=3 and pre_nms_topk=2000 give fewer in 1 of 2 videos, as 3 for 4 '
                f'ground truths in video {named!r}'
            ) in warnings[0]
    warnings.clear()
    evaluate(samples)  # mAP asks for no number
    assert warnings == []


def test_simulated_stays_said(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(
        'asl_mmaction.evaluation.metrics.tal_metric.print_log', lambda text, **_: lines.append(text)
    )
    for meta in ({'classes': CLASSES, 'simulated': True}, {'classes': CLASSES}):
        metric = TALMetric([0.5], out_dir=str(tmp_path))
        metric.dataset_meta = meta
        metric.process(None, by_hand())
        metric.evaluate(3)
        files = [
            json.loads((tmp_path / f'{name}.json').read_text())
            for name in ('metrics', 'detections')
        ]
        said = [files[0]['protocol'].get('simulated'), files[1].get('simulated')]
        assert said == [meta.get('simulated')] * 2
        assert ('SIMULATED' in lines[-1]) == ('simulated' in meta)


def test_nothing_to_score_gives_no_numbers(tmp_path, monkeypatch):
    lines = []
    for module in ('base_metric', 'tal_metric'):
        name = f'asl_mmaction.evaluation.metrics.{module}.print_log'
        monkeypatch.setattr(name, lambda text, **_: lines.append(text))
    assert evaluate([]) == {}
    options = {'recall_multiples': [1], 'length_edges': [1, 2, 3, 4], 'out_dir': str(tmp_path)}
    samples = [sample('a', [], [(0, 1, 0.5, 1)]), sample('b', [(0, 1, 0)], [])]
    assert evaluate(samples, exclude_videos=['b'], **options) == {}
    assert lines == [
        *(
            f'TALMetric: nothing to score, since none of {videos} videos has annotated actions'
            for videos in (0, 1)
        ),
        f'wrote {tmp_path}/detections.json, {tmp_path}/metrics.json',
    ]
    report = json.loads((tmp_path / 'metrics.json').read_text())
    assert report['metrics'] == {}
    rows = [*report['per_class'].values(), *report['per_length'].values()]
    assert [row['ap'] for row in rows] == [None] * (3 + 5)
    assert report['protocol']['videos'] == 1
    detections = json.loads((tmp_path / 'detections.json').read_text())['results']
    assert detections == {'a': [{'label': 'run', 'score': 0.5, 'segment': [0.0, 1.0]}], 'b': []}


@pytest.mark.parametrize(
    'options',
    [
        {},
        {'prefix': 'p', 'recall_multiples': [5, 1], 'recall_tiou': 0.125},
        {'tiou_thresholds': {'strict': [0.95, 0.9], 'mAP': [0.3, 0.9, 0.333]}},
    ],
)
def test_keys_are_those_of_the_metrics(options):
    metric = TALMetric(**{'tiou_thresholds': [0.5, 0.75], **options})
    metric.dataset_meta = {'classes': CLASSES}
    metric.process(None, by_hand())
    assert list(metric.evaluate(3)) == metric.keys


def test_two_videos_of_one_name_are_no_repetition():
    first, *_ = samples = by_hand()
    assert evaluate([*samples, first], size=4) == evaluate(samples)
    for change in ({'duration': 9.0}, {'scored_labels': first['scored_labels'] + 1}):
        with pytest.raises(ValueError, match=r"a name for each video, .* 'b' with different"):
            evaluate([*samples, {**first, **change}])


def test_half_precision_and_evaluator():
    """Through mmengine's Evaluator, which turns data samples into dicts."""
    evaluator = Evaluator({'type': 'mmaction.TALMetric', 'tiou_thresholds': [0.5], 'prefix': 'tal'})
    evaluator.dataset_meta = {'classes': CLASSES}
    data_sample = ActionDataSample()
    data_sample.set_metainfo(
        {
            'video_name': 'a',
            'scored_segments': np.array([[0.0, 1.0]]),
            'scored_labels': np.array([0]),
        }
    )
    data_sample.pred_instances = InstanceData(
        segments=torch.tensor([[0.0, 0.75]], dtype=torch.float16),
        scores=torch.tensor([0.5], dtype=torch.bfloat16),
        labels=torch.tensor([0]),
    )
    evaluator.process([data_sample])
    assert evaluator.evaluate(1) == {'tal/mAP': 1.0, 'tal/mAP@0.50': 1.0}


@pytest.mark.parametrize(
    ('bad', 'message'),
    [
        (sample('v', [(0, 1, 3)], []), r"video 'v': expected labels of ground truths in \[0, 3\)"),
        (sample('v', [], [(0, 1, 0.5, -1)]), r"video 'v': expected labels of detections .* \[-1\]"),
        (sample('v', [], [(0, 1, np.nan, 1)]), "video 'v': expected finite detections"),
        (sample('v', [(0, np.inf, 1)], []), "video 'v': expected finite ground truths"),
        (
            {**sample('v', [(0, 1, 1)], []), 'scored_labels': np.zeros(2)},
            r"video 'v': expected as many .* of ground truths but got \[2, 1\]",
        ),
    ],
)
def test_numbers_that_cannot_be_scored_name_the_video(bad, message):
    with pytest.raises(ValueError, match=message):
        evaluate([bad])


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r'thresholds in \(0, 1\] for mAP but got \[0.5, 1.5\]'):
        TALMetric([0.5, 1.5])
    with pytest.raises(ValueError, match=r'for strict but got \[\]'):
        TALMetric({'strict': []})
    with pytest.raises(TypeError, match="list of exclude_videos but got 'abc'"):
        TALMetric([0.5], exclude_videos='abc')
    with pytest.raises(ValueError, match=r'recall_multiples >= 1 but got \[0.5\]'):
        TALMetric([0.5], recall_multiples=[0.5])
    with pytest.raises(ValueError, match=r'recall_tiou in \(0, 1\] but got 0'):
        TALMetric([0.5], recall_tiou=0)
    with pytest.raises(ValueError, match='four rising length_edges'):
        TALMetric([0.5], length_edges=[1, 2, 3])
    with pytest.raises(ValueError, match='four rising length_edges'):
        TALMetric([0.5], length_edges=[1, 2, 2, 3])
    metric = TALMetric([0.5])
    metric.dataset_meta = {}
    with pytest.raises(ValueError, match="metainfo to have 'classes'"):
        metric.evaluate(0)
