from itertools import pairwise

import numpy as np
import pytest

from asl_mmaction.evaluation.functional import ERRORS, KINDS
from asl_mmaction.visualization.diagnosis import draw_diagnosis


def axes_of_costs(*costs):
    profile = np.eye(1, len(KINDS))
    costs = dict(zip(ERRORS, costs, strict=True))
    groups = {name: {str(group): (0.5, 0.5) for group in range(5)} for name in ('a', 'b', 'c')}
    return draw_diagnosis(KINDS, profile, costs, groups, 'all').axes[1]


def test_costs_are_bars_with_their_numbers():
    axes = axes_of_costs(0.123, 0.101, 0.151, 0.0, 0.2, 0.1)
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == pytest.approx([12.3, 10.1, 15.1, 0, 20, 10])
    shown = [text.get_text() for text in axes.texts]
    assert shown == ['12.3', '10.1', '15.1', '0.0', '20.0', '10.0']
    low, high = axes.get_ylim()
    assert low == 0
    assert high > 20
    axes.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


@pytest.mark.parametrize(('cost', 'limits'), [(0.0, (0, 1)), (0.004, (0, 1)), (-0.002, (-0.2, 1))])
def test_the_axis_of_small_costs_does_not_make_them_large(cost, limits):
    """An error that is taken away may cost a little: then the axis begins below 0."""
    axes = axes_of_costs(cost, *[0.0] * 5)
    assert axes.get_ylim() == pytest.approx(limits)
