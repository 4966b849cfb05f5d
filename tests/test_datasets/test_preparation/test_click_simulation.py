"""Drawn clicks: where they lie, how many there are, and that one seed draws the same."""

import json

import numpy as np
import pytest
from scipy.stats import kstest

from asl_mmaction.datasets.preparation.click_simulation import (
    MOST_DEEP,
    ClickRule,
    background_stretches,
    simulate_clicks,
)
from asl_mmaction.files.clicks import write_click_file


def video(duration, *actions):
    items = [{'segment': [start, end], 'label': label} for start, end, label in actions]
    return {'duration': duration, 'annotations': items}


VIDEO = video(100.0, (20.0, 40.0, 'a'), (30.0, 50.0, 'b'), (50.0, 60.0, 'a'), (90.0, 120.0, 'a'))


@pytest.mark.parametrize(
    ('segments', 'expected'),
    [
        ([], [[0, 10]]),
        ([[2, 3]], [[0, 2], [3, 10]]),
        ([[5, 7], [0, 2], [1, 4]], [[4, 5], [7, 10]]),
        ([[1, 9], [2, 3]], [[0, 1], [9, 10]]),
        ([[-1, 12]], []),
        ([[2, 4], [4, 6]], [[0, 2], [6, 10]]),
        ([[11, 12], [3, 3]], [[0, 10]]),
    ],
)
def test_stretches_are_what_no_action_covers(segments, expected):
    found = background_stretches(10.0, np.array(segments))
    assert found.tolist() == expected


def test_one_click_in_each_stretch():
    for seed in range(20):
        clicks = simulate_clicks({'v': VIDEO}, ClickRule(seed=seed))['v']
        times = [click.time for click in clicks]
        assert [click.label for click in clicks] == [None, None]
        assert 0 <= times[0] <= 20
        assert 60 <= times[1] <= 90
    assert len(simulate_clicks({'v': VIDEO}, ClickRule(min_gap=20.5))['v']) == 1


def test_places_are_uniform():
    database = {f'v{i}': video(10.0, (0.0, 4.0, 'a')) for i in range(2000)}
    for rule in (ClickRule(), ClickRule(keep='human')):
        times = [c.time for some in simulate_clicks(database, rule).values() for c in some]
        assert kstest([(time - 4) / 6 for time in times], 'uniform').pvalue > 0.01


def test_people_leave_out_short_stretches():
    """With chance exp(-length / 1.5 s); five standard deviations of the count are allowed."""
    database = {f'v{i}': video(1.5) for i in range(2000)}
    count = sum(map(len, simulate_clicks(database, ClickRule(keep='human')).values()))
    share = 1 - np.exp(-1)
    assert abs(count - 2000 * share) < 5 * np.sqrt(2000 * share * (1 - share))


@pytest.mark.parametrize('per_stretch', [0.25, 1.0, 2.0, 2.5])
def test_clicks_per_stretch(per_stretch):
    database = {f'v{i}': video(9.0) for i in range(2000)}
    clicks = simulate_clicks(database, ClickRule(per_stretch=per_stretch))
    counts = np.array([len(some) for some in clicks.values()])
    assert set(counts) <= {int(per_stretch), int(np.ceil(per_stretch))}
    share = per_stretch % 1
    assert abs(counts.mean() - per_stretch) <= 5 * np.sqrt(share * (1 - share) / 2000)


def test_misplaced_clicks_lie_just_inside_of_an_action():
    database = {f'v{i}': VIDEO for i in range(200)}
    clicks = simulate_clicks(database, ClickRule(noise=1.0))
    for some in clicks.values():
        first, second = (click.time for click in some)
        assert 20 <= first <= 20 + MOST_DEEP
        assert 60 - MOST_DEEP <= second <= 60 or 90 <= second <= 90 + MOST_DEEP
    few = simulate_clicks(database, ClickRule(noise=0.1))
    inside = sum(click.time > 20 for some in few.values() for click in some[:1])
    assert abs(inside - 20) < 5 * np.sqrt(200 * 0.1 * 0.9)
    # in a video that is all background there is no action to slip into
    assert 0 <= simulate_clicks({'v': video(5.0)}, ClickRule(noise=1.0))['v'][0].time <= 5


@pytest.mark.parametrize('law', ['uniform', 'gaussian'])
def test_one_click_in_each_action(law):
    database = {f'v{i}': VIDEO for i in range(300)}
    clicks = simulate_clicks(database, ClickRule(per_stretch=0, action=law))
    segments = [(20, 40, 'a'), (30, 50, 'b'), (50, 60, 'a'), (90, 100, 'a')]
    for some in clicks.values():
        assert sorted(click.label for click in some) == ['a', 'a', 'a', 'b']
        assert all(any(s <= c.time <= e and c.label == n for s, e, n in segments) for c in some)
        assert [c.time for c in some] == sorted(c.time for c in some)
    of_b = np.array([c.time for some in clicks.values() for c in some if c.label == 'b'])
    width = 20 / 6 if law == 'gaussian' else 20 / np.sqrt(12)
    assert abs(of_b.mean() - 40) < 5 * width / np.sqrt(300)
    assert abs(of_b.std() - width) < 0.15 * width


def test_clicks_on_everything():
    clicks = simulate_clicks({'v': VIDEO}, ClickRule(every=10.0))['v']
    labels = {}
    for click in clicks:
        labels.setdefault(click.time, []).append(click.label)
    assert labels == {
        5: [None], 15: [None], 25: ['a'], 35: ['a', 'b'], 45: ['b'],
        55: ['a'], 65: [None], 75: [None], 85: [None], 95: ['a'],
    }  # fmt: skip


def test_one_seed_draws_the_same_whatever_the_other_videos(tmp_path):
    rule = ClickRule(seed=3, keep='human', noise=0.1, action='uniform')
    alone = simulate_clicks({'v': VIDEO}, rule)
    both = simulate_clicks({'u': video(30.0), 'v': VIDEO}, rule)
    assert alone['v'] == both['v']
    for name in ('first', 'second'):
        clicks = simulate_clicks({'v': VIDEO}, rule)
        write_click_file(tmp_path / name, clicks, source='x', simulated=rule.description)
    assert (tmp_path / 'first').read_bytes() == (tmp_path / 'second').read_bytes()
    assert simulate_clicks({'v': VIDEO}, ClickRule(seed=4))['v'] != alone['v']
    # with background clicks and without, the action clicks are the same
    actions = simulate_clicks({'v': VIDEO}, ClickRule(seed=3, per_stretch=0, action='uniform'))
    assert [c for c in alone['v'] if c.label] == actions['v']


def test_as_many_as_people_click_in_thumos14(real_data):
    """Three annotators: 2071, 2283 and 2182 clicks in 2880 stretches."""
    path = real_data('clicks/thumos14/gt/backtal_gt_thumos14.json')
    database = json.loads(path.read_text())['database']
    training = {name: v for name, v in database.items() if v['subset'] == 'val'}
    lengths = np.concatenate(
        [
            np.diff(background_stretches(v['duration'], [x['segment'] for x in v['annotations']]))
            for v in training.values()
        ]
    )
    assert len(training) == 200
    assert len(lengths) == 2880
    clicks = simulate_clicks(training, ClickRule(keep='human'))
    assert 2071 < sum(map(len, clicks.values())) < 2283


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(seed=-1), 'seed >= 0 but got -1'),
        (dict(keep='most'), "keep to be one of .* but got 'most'"),
        (dict(action='middle'), "action to be one of .* but got 'middle'"),
        (dict(noise=1.5), r'noise in \[0, 1\] but got'),
        (dict(per_stretch=-1.0), 'per_stretch >= 0'),
        (dict(per_stretch=0), 'expected background or action clicks to draw but got neither'),
        (dict(every=0.0), 'every > 0 seconds but got 0.0'),
    ],
)
def test_rules_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        ClickRule(**settings)
