from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mmaction.registry import TRANSFORMS

from asl_mmaction.datasets.transforms import PackTALInputs, RandomTruncate
from asl_mmaction.structures.feature_grid import FeatureGrid


def seed_numpy(seed):
    np.random.seed(seed)  # noqa: NPY002 (what mmengine seeds)


def sample(total, segments, grid):
    segments = np.asarray(segments, dtype=np.float64).reshape(-1, 2)
    return {
        'video_name': 'vid',
        'duration': 1e4,
        'grid': grid,
        'feature': np.arange(total, dtype=np.float32)[:, None] * [1, 10],
        'segments': segments,
        'labels': np.arange(len(segments)),
        'scored_segments': segments,
        'scored_labels': np.arange(len(segments)),
    }


def reference(segments, grid, start, length, min_overlap):
    """By ActionFormer's formulas, one segment at a time: {index: segment in seconds}."""
    offset = 0.5 * grid.clip_len / grid.feat_stride
    kept = {}
    for i, (left, right) in enumerate(segments):
        left = left * grid.fps / grid.feat_stride - offset
        right = right * grid.fps / grid.feat_stride - offset
        inner_left = max(left, start - offset)
        inner_right = min(right, start + length + offset)
        if (inner_right - inner_left) / (right - left) >= min_overlap:
            seconds = [
                (g + offset) * grid.feat_stride / grid.fps for g in (inner_left, inner_right)
            ]
            kept[i] = seconds
    return kept


@st.composite
def cases(draw):
    grid = FeatureGrid(
        draw(st.floats(1, 60)), draw(st.sampled_from([1, 2.5, 4, 16])), draw(st.floats(0, 64))
    )
    total = draw(st.integers(1, 60))
    end = grid.covered_seconds(total)[1]
    times = st.floats(0, end)
    pairs = draw(st.lists(st.tuples(times, times).map(sorted), max_size=5))
    segments = [pair for pair in pairs if pair[1] - pair[0] > 1e-3]
    settings = {
        'max_len': draw(st.integers(1, 60)),
        'crop_ratio': draw(st.sampled_from([None, (0.5, 1.0), (0.9, 0.9)])),
        'min_overlap': draw(st.sampled_from([0.3, 0.5, 0.75])),
    }
    return sample(total, segments, grid), settings, draw(st.integers(0, 10**6))


def cut(results, settings, seed):
    seed_numpy(seed)
    return RandomTruncate(**settings)(dict(results))


@given(cases())
def test_every_step_keeps_its_second(case):
    before, settings, seed = case
    after = cut(before, settings, seed)
    origin = int(after['feature'][0, 0])
    length = len(after['feature'])
    np.testing.assert_array_equal(after['feature'], before['feature'][origin : origin + length])
    np.testing.assert_allclose(
        after['grid'].to_seconds(np.arange(length)),
        before['grid'].to_seconds(np.arange(origin, origin + length)),
        rtol=1e-12,
    )


@given(cases())
def test_length(case):
    before, settings, seed = case
    total, length = len(before['feature']), len(cut(before, settings, seed)['feature'])
    if total > settings['max_len']:
        assert length == settings['max_len']
    elif settings['crop_ratio'] is None:
        assert length == total
    else:
        low, high = settings['crop_ratio']
        assert max(1, round(low * total)) <= length <= max(1, round(high * total))


@given(cases())
def test_kept_actions_are_those_of_the_definition(case):
    before, settings, seed = case
    after = cut(before, settings, seed)
    length, start = len(after['feature']), int(after['feature'][0, 0])
    if length == len(before['feature']):
        expected = dict(enumerate(before['segments'].tolist()))
    else:
        arguments = (before['segments'], before['grid'])
        expected = reference(*arguments, start, length, settings['min_overlap'])
        # on the very edge rounding decides
        for slack in (-1e-6, 1e-6):
            if reference(*arguments, start, length, settings['min_overlap'] + slack) != expected:
                return
    assert after['labels'].tolist() == list(expected)
    np.testing.assert_allclose(
        after['segments'], np.reshape(list(expected.values()), (-1, 2)), atol=1e-9
    )
    np.testing.assert_array_equal(after['scored_segments'], before['segments'])


def kept_with_a_step(before, start, length, min_overlap):
    """Indices of the actions that a crop keeps and inside which one of its steps lies."""
    segments, grid = before['segments'], before['grid']
    steps = np.arange(start, start + length)
    return {
        index
        for index in reference(segments, grid, start, length, min_overlap)
        if (
            (grid.to_grid(segments[index, 0]) < steps) & (steps < grid.to_grid(segments[index, 1]))
        ).any()
    }


@given(cases())
def test_an_action_is_kept_with_a_step_wherever_some_place_keeps_one(case):
    before, settings, seed = case
    after = cut(before, settings, seed)
    total, length = len(before['feature']), len(after['feature'])
    if length < total:
        strict, loose = settings['min_overlap'] + 1e-6, settings['min_overlap'] - 1e-6
        if any(kept_with_a_step(before, s, length, strict) for s in range(total - length + 1)):
            assert kept_with_a_step(before, int(after['feature'][0, 0]), length, loose)


@given(cases())
def test_what_some_crop_can_keep(case):
    before, settings, _ = case
    total, count = len(before['feature']), len(before['segments'])
    length = total
    if total > settings['max_len']:
        length = settings['max_len']
    elif settings['crop_ratio'] is not None:
        length = max(1, round(settings['crop_ratio'][1] * total))
    found = RandomTruncate(**settings).can_keep(before['segments'], before['grid'], total)
    if length == total:
        assert found.tolist() == [True] * count
        return
    surely, perhaps = (
        {
            index
            for start in range(total - length + 1)
            for index in kept_with_a_step(before, start, length, settings['min_overlap'] + slack)
        }
        for slack in (1e-6, -1e-6)
    )
    assert surely <= set(np.flatnonzero(found)) <= perhaps


@given(cases())
def test_the_places_to_draw_from_are_all_that_keep_an_action_with_a_step(case):
    before, settings, seed = case
    drawn = []

    def first(places):
        drawn.extend(places.tolist())
        return places[0]

    with patch('numpy.random.choice', first):
        length = len(cut(before, settings, seed)['feature'])
    places = range(len(before['feature']) - length + 1)
    if length == len(before['feature']):
        return
    # On the very edge rounding decides.
    surely, perhaps = (
        [
            start
            for start in places
            if kept_with_a_step(before, start, length, settings['min_overlap'] + slack)
        ]
        for slack in (1e-6, -1e-6)
    )
    if not perhaps:
        assert drawn == list(places)
    elif surely:
        assert set(surely) <= set(drawn) <= set(perhaps)
        assert len(set(drawn)) == len(drawn)


def test_places_are_uniform_over_the_allowed_ones():
    grid = FeatureGrid(1, 1, 0)
    # Crops of 4 of 20 steps; half of [3, 7] is in those that start at 1..5, half of [11.5, 12.5],
    # and its step 12, in 9..12; no step is inside [16, 17]
    before = sample(20, [[3, 7], [11.5, 12.5], [16, 17]], grid)
    transform = RandomTruncate(max_len=4)
    seed_numpy(0)
    draws = [int(transform(dict(before))['feature'][0, 0]) for _ in range(4500)]
    values, counts = np.unique(draws, return_counts=True)
    assert values.tolist() == [1, 2, 3, 4, 5, 9, 10, 11, 12]
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500)


def test_by_hand():
    # 2 steps a second, each of 1 s
    grid = FeatureGrid(fps=50, feat_stride=25, clip_len=50)
    before = sample(10, [[1, 2], [2.5, 5.5]], grid)
    transform = RandomTruncate(max_len=3, min_overlap=0.5)
    for seed in range(20):
        seed_numpy(seed)
        after = transform(dict(before))
        if after['feature'][0, 0] == 3:
            break
    # steps 3, 4, 5: the window is 1.5 .. 4.0 s (3 + 3 steps of 0.5 s, and a clip)
    assert after['feature'][:, 0].tolist() == [3, 4, 5]
    np.testing.assert_allclose(after['segments'], [[1.5, 2], [2.5, 4.0]])
    instances = PackTALInputs()(after)['data_samples'].gt_instances
    # step 3 stands at 2 s
    assert instances.segments.tolist() == [[-1, 0], [1, 4]]
    assert instances.labels.tolist() == [0, 1]


def test_an_impulse_stays_at_its_second():
    grid = FeatureGrid(fps=25, feat_stride=8, clip_len=16)
    seconds = 20.0
    before = sample(100, [[19, 21]], grid)
    before['feature'] = np.zeros((100, 1), np.float32)
    before['feature'][round(grid.to_grid(seconds))] = 1
    for seed in range(10):
        seed_numpy(seed)
        after = RandomTruncate(max_len=30)(dict(before))
        packed = PackTALInputs()(after)
        step = packed['inputs'][:, 0].argmax().item()
        found = packed['data_samples'].grid.to_seconds(step)
        assert packed['inputs'].sum() == 1
        assert found == pytest.approx(seconds, abs=0.5 * 8 / 25 + 1e-9)
        start, end = packed['data_samples'].gt_instances.segments[0].tolist()
        assert start < step < end


def test_clicks_are_cut_with_the_sequence():
    grid = FeatureGrid(fps=50, feat_stride=25, clip_len=50)  # step t stands at t / 2 + 0.5 s
    # Nearest to the steps 0 (before the first), 3, 5, 6 and 9 (behind the last).
    before = sample(10, [], grid) | {
        'video_labels': np.ones(1, np.float32),
        'click_times': np.array([0.0, 1.8, 3.2, 3.3, 6.0]),
        'click_labels': np.array([1, 0, 1, 1, 1]),
    }
    wanted = {0: [1], 3: [0], 5: [1], 6: [1], 9: [1]}
    found = set()
    for seed in range(40):
        seed_numpy(seed)
        after = RandomTruncate(max_len=4)(dict(before))
        steps = after['feature'][:, 0].tolist()
        clicks = PackTALInputs()(after)['data_samples'].gt_clicks
        clicked = [steps[i] for i in clicks.steps]
        assert clicked == [step for step in wanted if step in steps]
        assert clicks.labels.tolist() == [label for step in clicked for label in wanted[step]]
        found |= set(clicked)
    assert found == set(wanted)
    assert len(before['click_times']) == 5


def test_without_actions_any_place_is_taken():
    before = sample(6, [], FeatureGrid(1, 1, 1))
    seed_numpy(0)
    starts = {RandomTruncate(max_len=3)(dict(before))['feature'][0, 0] for _ in range(100)}
    assert starts == {0, 1, 2, 3}


def test_all_of_an_action_may_be_asked_for():
    before = sample(20, [[3, 7]], FeatureGrid(1, 1, 0))
    seed_numpy(0)
    for _ in range(20):
        after = RandomTruncate(max_len=5, min_overlap=1)(dict(before))
        assert after['feature'][0, 0] in (2, 3)
        assert after['segments'].tolist() == [[3, 7]]


def test_an_action_much_longer_than_the_crop_is_not_kept():
    before = sample(100, [[0, 100]], FeatureGrid(1, 1, 1))
    seed_numpy(0)
    after = RandomTruncate(max_len=10)(before)
    assert after['segments'].shape == (0, 2)
    assert after['labels'].shape == (0,)


def test_numpys_global_seed_decides():
    before = sample(50, [[3, 7], [12, 40]], FeatureGrid(1, 1, 1))
    settings = {'max_len': 60, 'crop_ratio': (0.5, 0.9)}
    runs = [
        [cut(before, settings, seed)['feature'][:, 0].tolist() for seed in range(5)]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len({tuple(run) for run in runs[0]}) > 1


def test_a_mapped_file_stays_mapped(tmp_path):
    before = sample(50, [[3, 7]], FeatureGrid(1, 1, 1))
    np.save(tmp_path / 'x.npy', before['feature'])
    before['feature'] = np.load(tmp_path / 'x.npy', mmap_mode='r')
    assert isinstance(RandomTruncate(max_len=10)(before)['feature'], np.memmap)


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        ({'max_len': 0}, 'expected max_len to be a whole number >= 1 but got 0'),
        ({'max_len': '9'}, "expected max_len to be a whole number >= 1 but got '9'"),
        ({'max_len': 9.0}, r'expected max_len to be a whole number >= 1 but got 9\.0'),
        ({'max_len': 9, 'crop_ratio': (0.9, 0.5)}, 'expected 0 < crop_ratio low <= high <= 1'),
        ({'max_len': 9, 'crop_ratio': (0, 0.5)}, 'expected 0 < crop_ratio low <= high <= 1'),
        ({'max_len': 9, 'min_overlap': 0}, r'expected 0 < min_overlap <= 1 but got 0'),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        TRANSFORMS.build({'type': 'RandomTruncate', **settings})
