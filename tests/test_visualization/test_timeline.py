import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asl_mmaction.visualization import ClassGaussians, draw_timeline
from asl_mmaction.visualization.figures import CLS_COLOR
from asl_mmaction.visualization.timeline import assign_lanes

TRUTH = [
    {'label': 'wave', 'segment': [1.0, 4.0]},
    {'label': 'wave', 'segment': [3.0, 6.0]},
    {'label': 'jump', 'segment': [5.0, 9.0]},
]
FOUND = [
    {'label': 'wave', 'segment': [1.1, 4.2], 'score': 0.5},
    {'label': 'wave', 'segment': [1.0, 4.0], 'score': 0.9},
    {'label': 'jump', 'segment': [0.0, 2.0], 'score': 0.29},
]


def bars(axes):
    """(x start, x end, y low, y high) of every bar."""
    boxes = [path.get_extents() for bar in axes.collections for path in bar.get_paths()]
    return sorted((box.x0, box.x1, box.y0, box.y1) for box in boxes)


segments = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 8)).map(lambda s: (s[0], s[0] + s[1])),
    max_size=12,
).map(lambda s: np.array(s, dtype=float).reshape(-1, 2))


@given(segments)
def test_lanes_hold_no_overlap_and_none_is_wasted(segments):
    lanes = assign_lanes(segments)
    for i, (start, end) in enumerate(segments):
        clashes = {lanes[j] for j in range(i) if segments[j, 0] < end and start < segments[j, 1]}
        assert lanes[i] not in clashes
        assert set(range(lanes[i])) <= clashes


def test_bars_stand_at_their_seconds_and_none_hides_another():
    axes = draw_timeline('v', 10.0, TRUTH, FOUND).axes[0]
    found = bars(axes)
    expected = sorted((*item['segment'],) for item in TRUTH + FOUND[:2])
    np.testing.assert_allclose([bar[:2] for bar in found], expected)
    for i, a in enumerate(found):
        for b in found[:i]:
            assert a[0] >= b[1] or b[0] >= a[1] or a[2] >= b[3] or b[2] >= a[3]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ['jump', 'wave']
    assert axes.get_xlim() == (0, 10)
    assert axes.get_xlabel() == 'time (s)'
    assert '3 ground truths, 2 detections of score 0.3 or more' in axes.get_title()


def test_the_best_detection_lies_next_to_the_ground_truth():
    axes = draw_timeline('v', 10.0, [], FOUND[:2]).axes[0]
    best, worse = bars(axes)  # the best one starts first
    assert best[3] < worse[2]  # the axis points down
    assert axes.yaxis_inverted()


def test_sensitivity_peaks_at_mu_within_each_ground_truth():
    gaussians = ClassGaussians(
        ('jump', 'wave'),
        np.array([[0.25], [0.0]]),
        np.array([[0.2], [0.2]]),
        np.array([[0.04], [0.04]]),
        np.array([[-0.5, 0.5]] * 2),
        np.array([[0.1, 0.1]] * 2),
        np.array([[0.1, 0.1]] * 2),
    )
    bottom = draw_timeline('v', 10.0, TRUTH, FOUND, gaussians=gaussians).axes[1]
    peaks = [
        line.get_xdata()[line.get_ydata().argmax()]
        for line in bottom.get_lines()
        if line.get_color() == CLS_COLOR
    ]
    assert peaks == pytest.approx([2.5, 4.5, 8.0])
    assert bottom.get_xlabel() == 'time (s)'


def test_nothing_to_show_is_still_a_picture():
    figure = draw_timeline('v', 5.0, [], [])
    figure.canvas.draw()
    assert bars(figure.axes[0]) == []


def test_a_segment_without_length_stays_visible():
    axes = draw_timeline('v', 5.0, [{'label': 'a', 'segment': [2.0, 2.0]}], []).axes[0]
    (bar,) = axes.collections
    assert bar.get_linewidth()[0] > 0
    assert bar.get_edgecolor()[0, 3] == 1


def test_a_duration_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r'v to have a positive duration but got 0\.0'):
        draw_timeline('v', 0.0, [], [])


def test_names_are_no_formulas():
    truth = [{'label': '$x^$', 'segment': [1.0, 2.0]}]
    figure = draw_timeline('a$_$', 5.0, truth, [])
    figure.canvas.draw()
    assert figure.axes[0].get_title().startswith(r'a\$_\$: 1 ground truths')
