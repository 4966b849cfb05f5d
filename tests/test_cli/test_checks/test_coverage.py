import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.dataset import RepeatDataset
from torch import nn
from torch.utils.data import ConcatDataset

from asl_mmaction.cli.checks import coverage
from asl_mmaction.cli.checks.coverage import as_trained, find_uncovered, warn_of_uncovered
from asl_mmaction.datasets import TALDataset
from asl_mmaction.datasets.transforms import (
    LoadFeature,
    PackTALInputs,
    RandomTruncate,
    ResizeFeature,
)
from asl_mmaction.models.task_modules import PointAssigner, PointGenerator, SimOTAAssigner
from asl_mmaction.structures.feature_grid import FeatureGrid

#: Grid values are seconds.
SECONDS = FeatureGrid(fps=1, feat_stride=1, clip_len=0)
RANGES = ((0, 4), (4, 8), (8, 10000))


def make_head(ranges=RANGES, radius=1.5, match='shortest', half=False):
    return SimpleNamespace(
        point_generator=PointGenerator(
            strides=[1, 2, 4], regress_ranges=ranges, half_stride_offset=half
        ),
        assigner=PointAssigner(num_classes=3, center_sampling_radius=radius, match=match),
    )


def sample(steps, segments, labels=None, grid=SECONDS, name='v'):
    segments = np.array(segments, dtype=np.float64).reshape(-1, 2)
    labels = np.zeros(len(segments), np.int64) if labels is None else np.array(labels)
    # a step at 0, 1, ..., steps - 1: as long as durations and grid make
    duration = grid.to_seconds(steps - 1) + 0.5 * grid.clip_len / grid.fps
    return {
        'video_name': name,
        'duration': duration,
        'grid': grid,
        'segments': segments,
        'labels': labels,
    }


def covered_by_loop(steps, segments, ranges, radius, match, half):
    """Indices of the segments that some point is assigned to, by METHOD's words."""
    found = set()
    for stride, (low, high) in zip((1, 2, 4), ranges, strict=True):
        for first in range(0, steps, stride):
            point = first + (stride / 2 if half else 0)
            fitting = {}
            for index, (start, end) in enumerate(segments):
                middle, reach = (start + end) / 2, max(point - start, end - point)
                near = radius is None or abs(point - middle) < radius * stride
                if start < point < end and near and low <= reach < high:
                    fitting[index] = end - start
            shortest = min(fitting.values(), default=0)
            found |= {i for i, size in fitting.items() if match == 'all' or size <= shortest + 1e-3}
    return found


# Multiples of 1/8 are exact in float32.
times = st.integers(-16, 8 * 310).map(lambda value: value / 8)


@st.composite
def some_segments(draw):
    starts = draw(st.lists(times, max_size=8))
    lengths = st.one_of(st.integers(1, 40), st.integers(1, 1200)).map(lambda value: value / 8)
    return [(start, start + draw(lengths)) for start in starts]


@settings(deadline=None, max_examples=60)
@given(
    videos=st.lists(st.tuples(st.integers(1, 300), some_segments()), max_size=4),
    ranges=st.sampled_from([RANGES, ((0, 4), (2, 8), (4, 10000)), ((0, 3), (5, 8), (8, 20))]),
    radius=st.sampled_from([None, 0.4, 1.5]),
    match=st.sampled_from(['shortest', 'all']),
    half=st.booleans(),
)
def test_uncovered_are_those_of_a_loop_over_all_points(videos, ranges, radius, match, half):
    found = find_uncovered(
        [as_trained(sample(t, s, range(len(s)), name=i), []) for i, (t, s) in enumerate(videos)],
        make_head(ranges, radius, match, half),
    )
    expected = {
        (index, label)
        for index, (steps, segments) in enumerate(videos)
        for label in set(range(len(segments)))
        - covered_by_loop(steps, segments, ranges, radius, match, half)
    }
    assert {(item.video, item.label) for item in found} == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize(
    ('segments', 'reason', 'head'),
    [
        ([(-2, 0)], 'before the first step', {}),
        ([(0, 0.4)], 'before the first step', {'half': True}),
        ([(19, 22)], 'behind the last step', {}),
        ([(3.1, 3.9)], 'between two steps', {}),
        ([(3, 4)], 'between two steps', {}),  # a step on the edge is not inside
        # reaches 5 to 6 at most, with a range from 8 on
        ([(3, 9)], 'of a length in no regress_range', {'ranges': ((0, 3), (8, 9), (9, 10000))}),
        ([(1, 18)], 'of a length in no regress_range', {'ranges': ((0, 2), (2, 4), (4, 8))}),
        # its middle is between two steps of every level that may learn it
        ([(5, 6.5)], 'missed by center sampling', {'radius': 0.2}),
        ([(2, 4), (2.5, 3.5)], 'hidden by shorter ones', {}),
    ],
)
def test_reasons(segments, reason, head):
    (item,) = find_uncovered(
        [as_trained(sample(20, segments, [2] * len(segments)), [])], make_head(**head)
    )
    assert item.reason == reason
    assert (item.video, item.label, item.segment.tolist()) == ('v', 2, list(segments[0]))
    assert item.length == segments[0][1] - segments[0][0]


def test_those_of_one_length_share_their_points():
    segments = [(2, 4), (2, 4), (2, 3.9995)]
    assert find_uncovered([as_trained(sample(20, segments), [])], make_head()) == []
    assert (
        len(find_uncovered([as_trained(sample(20, [*segments, (2.5, 3.5)]), [])], make_head())) == 3
    )
    hidden = as_trained(sample(20, [(2, 4), (2.5, 3.5)]), [])
    assert find_uncovered([hidden], make_head(match='all')) == []


def test_an_assigner_by_predictions_may_choose_all_that_fit():
    head = make_head()
    head.assigner = SimOTAAssigner(num_classes=3)
    segments = [(2, 4), (2.5, 3.5), (5.1, 5.9)]  # the first is hidden from the other assigner
    (item,) = find_uncovered([as_trained(sample(20, segments), [])], head)
    assert item.reason == 'between two steps'


def test_nothing_to_look_at():
    assert find_uncovered([], make_head()) == []
    assert find_uncovered([as_trained(sample(5, []), [])], make_head()) == []


def test_the_steps_are_the_files_where_they_are_known():
    behind = sample(20, [(15, 18)])
    assert find_uncovered([as_trained(behind, [])], make_head()) == []
    (item,) = find_uncovered([as_trained(behind, [], 16)], make_head())
    assert item.reason == 'behind the last step'


def test_a_segment_that_no_crop_keeps():
    segments = [(10, 90), (40, 44)]
    crop = RandomTruncate(max_len=30, min_overlap=0.5)
    (item,) = find_uncovered([as_trained(sample(100, segments), [crop])], make_head())
    assert (item.reason, item.segment.tolist()) == ('too long for every crop', [10, 90])
    longer = RandomTruncate(max_len=50, min_overlap=0.5)
    assert find_uncovered([as_trained(sample(100, segments), [longer])], make_head()) == []


def test_a_video_is_looked_at_as_it_is_resized():
    video = sample(400, [(100.5, 103.5)])  # with three steps inside
    assert find_uncovered([as_trained(video, [])], make_head()) == []
    trained = as_trained(video, [ResizeFeature(length=40)])  # steps at 4.5, 14.5, ...
    assert (trained.num_steps, trained.grid.to_seconds(10.0)) == (40, 104.5)
    (item,) = find_uncovered([trained], make_head())
    assert (item.reason, round(item.length, 6)) == ('between two steps', 0.3)


@pytest.fixture
def logged(monkeypatch):
    lines = []
    monkeypatch.setattr(coverage, 'print_log', lambda text, **_: lines.append(text))
    return lines


def make_dataset(folder, name, *segments):
    annotations = [{'segment': list(segment), 'label': 'run'} for segment in segments]
    video = {'subset': 'training', 'duration': 20.0, 'annotations': annotations}
    (folder / name).write_text(json.dumps({'database': {'v': video}}))
    (folder / 'v.npy').touch()  # never read
    return TALDataset(
        name,
        subset='training',
        data_root=str(folder),
        data_prefix={'feature': ''},
        grid={'fps': 10, 'feat_stride': 4, 'clip_len': 8},
        pipeline=[LoadFeature(feat_dim=3), PackTALInputs()],
    )


def test_each_data_set_of_a_training_is_told_in_one_line(tmp_path, logged):
    model = SimpleNamespace(head=make_head())
    one = make_dataset(tmp_path, 'one.json', (1.25, 1.55), (0, 0.3), (2.05, 2.35), (2, 5))
    fine = make_dataset(tmp_path, 'fine.json', (2, 5))
    warn_of_uncovered(model, ConcatDataset([RepeatDataset(one, 2), fine]))
    assert logged == [
        f'{tmp_path}/one.json: nothing can be learned of 3 of 4 segments, which have no point: 2 '
        'between two steps, 1 before the first step; `python tools/data/check.py CONFIG` names them'
    ]
    warn_of_uncovered(model, fine)
    assert len(logged) == 1


def test_models_without_an_assigner_and_other_data_are_passed_by(tmp_path, logged):
    lost = make_dataset(tmp_path, 'one.json', (1.25, 1.55))
    for model in (SimpleNamespace(), SimpleNamespace(head=nn.Linear(1, 1))):
        warn_of_uncovered(model, lost)
    warn_of_uncovered(SimpleNamespace(head=make_head()), [{'inputs': 1}])
    assert logged == []
