"""PGM of BSN by arrays: mmaction2's numbers on one window, slow loops on several."""

import numpy as np
import pytest
from mmaction.models.localizers.utils import generate_bsp_feature, generate_candidate_proposals

from asl_mmaction.baselines.pgm import (
    boundary_steps,
    find_pairs,
    generate_proposals,
    sample_actionness,
)
from asl_mmaction.structures.windows import window_starts


def make_tem(steps, seed, step=0.5):
    """Random scores of steps of half a second, (T, 5)."""
    scores = np.random.default_rng(seed).uniform(0, 1, (steps, 3)).astype(np.float32)
    edges = step * np.arange(steps + 1.0)
    return np.column_stack([scores, edges[:-1], edges[1:]])


def theirs(tem, tmp_path, top_k):
    """mmaction2's proposals and features of a video of length 1."""
    steps = len(tem)
    edges = np.arange(steps + 1) / steps
    table = np.column_stack([tem[:, :3], edges[:-1], edges[1:]])
    header = {'delimiter': ',', 'header': 'action,start,end,tmin,tmax', 'comments': ''}
    np.savetxt(tmp_path / 'v.csv', table, **header)
    info = dict(video_name='v', duration_frame=1, duration_second=1.0, feature_frame=1)
    infos = [{**info, 'annotations': [{'segment': [0.2, 0.6]}]}]
    found = generate_candidate_proposals([0], infos, str(tmp_path), steps, 0.5)['v']
    (tmp_path / 'pgm').mkdir()
    np.savetxt(tmp_path / 'pgm' / 'v.csv', found, **header)
    folders = (str(tmp_path), str(tmp_path / 'pgm'))
    return found, generate_bsp_feature([0], infos, *folders, top_k=top_k)['v']


@pytest.mark.parametrize(('steps', 'seed'), [(100, 0), (100, 1), (37, 2)])
def test_one_window_is_mmaction2(steps, seed, tmp_path):
    tem = make_tem(steps, seed)
    top_k = 50
    expected, features = theirs(tem, tmp_path, top_k)
    ours, left_out = generate_proposals(
        tem, window=steps, overlap=0.5, peak_threshold=0.5, top_k=len(expected) + 1
    )
    assert left_out == 0
    assert len(ours) == len(expected) > top_k
    # Random scores have no equal products, so the order is theirs too.
    assert np.allclose(ours[:, :2], expected[:, :2] * steps * 0.5, rtol=0, atol=1e-9)
    assert np.allclose(ours[:, 2:4], expected[:, 2:4], rtol=0, atol=1e-7)
    assert ours.shape[1] == 4 + features.shape[1]
    # Theirs pass a csv file as float32, in which a step of the window is right to eps * steps.
    allowed = 4 * np.finfo(np.float32).eps * steps
    assert np.allclose(ours[:top_k, 4:], features, rtol=0, atol=allowed)


def test_boundaries_by_hand():
    # Peaks at 2 and 5; 6 is above half of the highest; the ends always.
    scores = np.array([0.0, 0.1, 0.3, 0.2, 0.1, 0.9, 0.6, 0.4, 0.1])
    assert boundary_steps(scores, 0.5).tolist() == [0, 2, 5, 6, 8]
    assert boundary_steps(scores[:1], 0.5).tolist() == [0]


def test_pairs_of_several_windows_are_those_of_a_slow_loop():
    start, end = np.random.default_rng(3).uniform(0, 1, (2, 53))
    expected = set()
    for first in window_starts(53, 20, 0.6):
        for low in boundary_steps(start[first : first + 20], 0.7):
            for high in boundary_steps(end[first : first + 20], 0.7):
                if low < high:
                    expected.add((int(first + low), int(first + high)))
    found, left_out = find_pairs(start, end, 20, 0.6, 0.7, top_k=1000)
    assert left_out == 0
    assert [tuple(pair) for pair in found.tolist()] == sorted(expected)
    assert max(high - low for low, high in expected) == 19
    assert max(high for _, high in expected) == 52


def test_each_window_keeps_its_best_pairs():
    start, end = np.random.default_rng(3).uniform(0, 1, (2, 53))
    expected, left_out = set(), 0
    for first in window_starts(53, 20, 0.6):
        pairs = []
        for low in boundary_steps(start[first : first + 20], 0.7):
            for high in boundary_steps(end[first : first + 20], 0.7):
                if low < high:
                    pair = int(first + low), int(first + high)
                    pairs.append((start[pair[0]] * end[pair[1]], pair))
        pairs.sort(reverse=True)
        expected |= {pair for _, pair in pairs[:4]}
        left_out += sum(score > 0.1 for score, _ in pairs[4:])
    found, count = find_pairs(start, end, 20, 0.6, 0.7, top_k=4)
    assert [tuple(pair) for pair in found.tolist()] == sorted(expected)
    assert count == left_out > 0


def test_features_are_those_of_a_slow_loop():
    action = np.random.default_rng(5).uniform(0, 1, 40)

    def at(time):
        low = int(np.floor(time))
        value = [action[i] if 0 <= i < 40 else 0.0 for i in (low, low + 1)]
        return value[0] + (time - low) * (value[1] - value[0])

    for pair in ([3, 17], [0, 39], [38, 39]):
        (feature,) = sample_actionness(action, np.array([pair]))
        low, high = pair
        reach = 0.2 * (high - low)
        expected = []
        for first, last, samples in (
            (low, high, 16),
            (low - reach, low + reach, 8),
            (high - reach, high + reach, 8),
        ):
            gap = (last - first) / (samples - 1)
            for sample in range(samples):
                # From half a gap before the sample to half a gap behind it
                moments = [first + gap * (sample + share / 6) for share in (-3, -1, 1, 3)]
                expected.append(sum(map(at, moments)) / 4)
        assert np.allclose(feature, expected, rtol=0, atol=1e-12)


def test_the_best_come_first_and_their_seconds_are_of_the_steps_middles():
    tem = make_tem(30, 7)
    tem[:, 3:] += 10.0
    found, left_out = generate_proposals(tem, window=30, overlap=0.5, peak_threshold=0.5, top_k=9)
    products = found[:, 2] * found[:, 3]
    assert len(found) == 9
    assert (np.diff(products) <= 0).all()
    everything, _ = generate_proposals(tem, window=30, overlap=0.5, peak_threshold=0.5, top_k=999)
    assert len(everything) > 9
    assert np.array_equal(everything[:9], found)
    assert left_out == (everything[9:, 2] * everything[9:, 3] > 0.1).sum() > 0
    first, last = ((found[0, :2] - 10.25) / 0.5).round(9)
    assert first == int(first)
    assert found[0, 2] == tem[int(first), 1]
    assert found[0, 3] == tem[int(last), 2]
