"""Points of a pyramid."""

import pytest
import torch

from asl_mmaction.models.task_modules import PointGenerator, point_generator

STRIDES, RANGES = [1, 2, 4], [(0, 4), (4, 8), (8, 100)]


@pytest.mark.parametrize('half', [False, True])
def test_points_by_loop(half):
    make = PointGenerator(strides=STRIDES, regress_ranges=RANGES, half_stride_offset=half)
    points = make((8, 4, 2), torch.device('cpu'))
    expected = [
        (step * stride + (stride / 2 if half else 0), stride, RANGES[level], level)
        for level, (stride, steps) in enumerate(zip(STRIDES, (8, 4, 2), strict=True))
        for step in range(steps)
    ]
    assert points.centers.tolist() == [row[0] for row in expected]
    assert points.strides.tolist() == [row[1] for row in expected]
    assert [tuple(row) for row in points.regress_ranges.tolist()] == [row[2] for row in expected]
    assert points.levels.tolist() == [row[3] for row in expected]
    assert points.levels.dtype == torch.int64


INF = float('inf')


@pytest.mark.parametrize(
    ('ranges', 'gaps', 'text'),
    [
        ([(0, 4), (4, 8), (8, 10000)], [], None),
        ([(0, 4), (2, 8), (4, INF)], [], None),
        ([(4, INF), (0, 4), (2, 3)], [], None),  # in any order
        ([(0, 4), (8, 16), (16, 10000)], [(4, 8)], r'[4, 8)'),
        ([(0, 4), (4, 8), (8, 16)], [(16, INF)], r'[16, inf)'),
        ([(1, 4), (5, 6), (5, 9)], [(0, 1), (4, 5), (9, INF)], r'[0, 1), [4, 5), [9, inf)'),
    ],
)
def test_distances_that_no_range_holds_are_warned_of(monkeypatch, ranges, gaps, text):
    logged = []
    monkeypatch.setattr(point_generator, 'print_log', lambda text, **_: logged.append(text))
    assert PointGenerator(strides=STRIDES, regress_ranges=ranges).gaps == gaps
    assert logged == [
        'expected regress_ranges that hold every distance from 0 to 10000 steps but got '
        f'none for {text}: segments of such lengths are not learned'
        for _ in gaps[:1]
    ]


def test_users_mistakes():
    for wrong in ((4, 0), (4, 4), (-1, 4), 4, (0, 4, 8)):
        with pytest.raises(ValueError, match=r'pairs \(low, high\) with 0 <= low < high but got'):
            PointGenerator(strides=[1, 2], regress_ranges=[wrong, (4, 10000)])
    with pytest.raises(ValueError, match='one range for each of the 3 levels but got 2'):
        PointGenerator(strides=STRIDES, regress_ranges=RANGES[:2])
    make = PointGenerator(strides=STRIDES, regress_ranges=RANGES)
    with pytest.raises(ValueError, match=r'expected a pyramid of 3 levels .* but got 2'):
        make((8, 4), torch.device('cpu'))
