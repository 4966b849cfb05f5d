"""Statistics of recordings beside a loop over their steps."""

import numpy as np
import pytest

from asl_mmaction.datasets.preparation.statistics import Recording, Statistics

EMPTY = Recording(1000, np.zeros((0, 2)))


def test_statistics_by_hand_and_by_a_loop():
    rng = np.random.default_rng(0)
    start = rng.integers(0, 80, (3, 9))
    parts = [np.stack([s, s + rng.integers(1, 20, 9)], axis=1) for s in start]
    parts[0][1] = parts[0][0]  # the same under another class: it is not a second action
    stats = Statistics.of([Recording(100, part) for part in parts] + [EMPTY], 7)
    once, twice, shares = 0, 0, []
    for part in parts:
        different = {tuple(segment) for segment in part.tolist()}
        running = [sum(s <= step < e for s, e in different) for step in range(100)]
        once += sum(n > 0 for n in running)
        twice += sum(n > 1 for n in running)
        shares.append(sum(n > 0 for n in running) / 100)
    assert stats.overlap == pytest.approx(twice / once, rel=1e-12)
    assert stats.covered == pytest.approx(np.mean(shares), rel=1e-12)
    assert (stats.recordings, stats.actions, stats.most_actions) == (3, 27, 9)
    with pytest.raises(ValueError, match='expected actions to train on but got none'):
        Statistics.of([EMPTY], 7)
