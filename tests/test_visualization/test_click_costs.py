import numpy as np
import pytest

from asl_mmaction.visualization.click_costs import ClickCost, draw_click_costs


def test_means_and_deviations_by_hand():
    costs = [ClickCost(0.0, np.array([0.2])), ClickCost(3.5, np.array([0.5, 0.7]))]
    figure = draw_click_costs({'background clicks': costs, 'a$x$': costs[:1]}, 'mAP_strict')
    (axes,) = figure.axes
    assert [bars.get_label() for bars in axes.containers] == ['background clicks', r'a\$x\$']
    line, _, (bars,) = axes.containers[0].lines
    assert line.get_xdata().tolist() == [0, 3.5]
    assert line.get_ydata().tolist() == pytest.approx([20, 60])
    # of 50 and 70: the root of ((10^2 + 10^2) / (2 - 1)); of one seed none
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends[0] == pytest.approx([20, 20])
    assert ends[1] == pytest.approx([60 - 200**0.5, 60 + 200**0.5])
    assert 'mAP_strict (%)' in axes.get_ylabel()
    figure.canvas.draw()  # no formula
