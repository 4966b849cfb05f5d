import numpy as np
import pytest

from asl_mmaction.datasets.preparation.simulation import SIGNAL, FeatureSimulator
from asl_mmaction.structures.feature_grid import FeatureGrid

GRID = FeatureGrid(30, 4, 16)


def test_shape_and_seed():
    simulator = FeatureSimulator(3, 64)
    feature = simulator.make('a', GRID, 20.0, [(1, 5)], [2])
    assert feature.shape == (GRID.num_steps(20.0), 64)
    assert feature.dtype == np.float32
    again = FeatureSimulator(3, 64).make('a', GRID, 20.0, [(1, 5)], [2])
    np.testing.assert_array_equal(feature, again)
    for other in (
        simulator.make('b', GRID, 20.0, [(1, 5)], [2]),
        FeatureSimulator(3, 64, seed=1).make('a', GRID, 20.0, [(1, 5)], [2]),
    ):
        assert not np.array_equal(feature, other)
    assert not np.array_equal(FeatureSimulator(3, 64, seed=1).means, simulator.means)
    assert simulator.make('a', GRID, 0.01, [], []).shape == (1, 64)


def test_noise_outside_class_and_phase_inside():
    simulator = FeatureSimulator(2, 256)
    plain = simulator.make('a', GRID, 60.0, [], [])
    assert plain.mean() == pytest.approx(0, abs=0.01)
    assert plain.std() == pytest.approx(1, abs=0.01)
    # The first one starts on a step, and ends between two.
    segments, labels = [(10.0, 29.95), (20.0, 40.0), (50.0, 50.0), (70.0, 80.0)], [0, 1, 0, 1]
    added = simulator.make('a', GRID, 60.0, segments, labels) - plain
    times = GRID.to_seconds(np.arange(len(plain), dtype=np.float64))
    assert not added[(times < 10) | (times > 40)].any()
    # one step at a time, from the definition
    for step in range(len(plain)):
        expected = np.zeros(256)
        for (start, end), label in list(zip(segments, labels, strict=True))[:2]:
            if start <= times[step] <= end:
                phase = (times[step] - start) / (end - start)
                first, middle, last = simulator.means[label].astype(np.float64)
                if phase <= 0.5:
                    expected += (1 - 2 * phase) * first + 2 * phase * middle
                else:
                    expected += (2 - 2 * phase) * middle + (2 * phase - 1) * last
        np.testing.assert_allclose(added[step], expected, atol=1e-4)
    norms = np.linalg.norm(simulator.means, axis=2)
    np.testing.assert_allclose(norms, SIGNAL * 16, rtol=1e-5)
