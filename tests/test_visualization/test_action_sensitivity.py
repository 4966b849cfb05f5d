import numpy as np
import pytest

from asl_mmaction.visualization import ActionSensitivity, Recording, draw_action_sensitivity


def action(label, start, end, p=0.5):
    times = np.linspace(start, end, 5)
    return ActionSensitivity(
        label=label,
        segment=(start, end),
        p_times=times,
        p=np.stack([np.full(5, p), np.full(5, p + 1)], axis=-1),
        q_times=times[1:4],
        q=np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]),
        h_times=times[2:3],
        h=np.array([[p + 0.3, p + 1.4]]),
    )


ACTIONS = [action('wave', 1.0, 5.0), action('jump', 4.0, 8.0, p=0.7)]
RECORDING = Recording('v$x$', 10.0, {})


def panels(figure):
    figure.canvas.draw()
    return figure.axes


def test_p_q_and_h_stand_at_their_seconds():
    _, *tasks = panels(draw_action_sensitivity(RECORDING, ACTIONS))
    assert [axes.get_ylabel() for axes in tasks] == ['classification', 'localization']
    for task, axes in enumerate(tasks):
        lines = axes.get_lines()
        assert len(lines) == 6
        for number, x in enumerate(ACTIONS):
            p, q, h = lines[3 * number : 3 * number + 3]
            for line, times, values in (
                (p, x.p_times, x.p),
                (q, x.q_times, x.q),
                (h, x.h_times, x.h),
            ):
                np.testing.assert_array_equal(line.get_xdata(), times)
                np.testing.assert_array_equal(line.get_ydata(), values[:, task])
        assert axes.get_ylim()[0] == 0
        assert axes.get_ylim()[1] > 2.1  # h of jump, the same scale for both
    assert tasks[-1].get_xlim() == (0, 10)
    assert tasks[-1].get_xlabel() == 'time (s)'


def test_actions_that_overlap_lie_in_lanes_of_their_own():
    top, *_ = panels(draw_action_sensitivity(RECORDING, ACTIONS))
    boxes = [bar.get_paths()[0].get_extents() for bar in top.collections]
    assert [(box.x0, box.x1) for box in boxes] == [(1, 5), (4, 8)]
    assert boxes[0].y1 <= boxes[1].y0
    assert [text.get_text() for text in top.texts if text.get_visible()] == ['wave', 'jump']


def test_a_part_shows_what_reaches_into_it_with_frames_above():
    frames = [np.zeros((9, 16, 3), np.uint8)] * 3
    figure = draw_action_sensitivity(RECORDING, ACTIONS, start=6.0, end=9.0, frames=frames)
    strip, top, *tasks = panels(figure)
    assert len(strip.artists) == 3
    assert len(top.collections) == 1
    assert len(tasks[0].get_lines()) == 3
    assert figure.get_suptitle().startswith(r'v\$x\$: ')


def test_what_no_evaluator_says_is_left_out():
    empty = action('a', 1.0, 2.0)
    nothing = np.full_like(empty.p, np.nan)
    bare = ActionSensitivity(
        'a', (1.0, 2.0), empty.p_times, nothing, *[np.empty(0), np.empty((0, 2))] * 2
    )
    *_, loc = panels(draw_action_sensitivity(RECORDING, [bare]))
    assert loc.get_ylim() == pytest.approx((0, 1.08))
    panels(draw_action_sensitivity(RECORDING, []))


def test_a_part_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r'of the 10 s of v\$x\$ but got \[3, 12\]'):
        draw_action_sensitivity(RECORDING, ACTIONS, start=3, end=12)
