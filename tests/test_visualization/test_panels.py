import itertools

import numpy as np
import pytest

from asl_mmaction.visualization import Recording, draw_timeline, frame_times
from asl_mmaction.visualization.panels import stacked_panels

FRAMES = [np.full((30, 60, 3), 50 * index, np.uint8) for index in range(4)]


def test_frames_are_those_in_the_middle_of_equal_parts():
    np.testing.assert_allclose(frame_times(10.0, 18.0, 4), [11, 13, 15, 17])


def test_frames_stand_at_their_times_with_their_shape():
    figure = draw_timeline(Recording('v', 20.0, {'m': []}), start=10, end=18, frames=FRAMES)
    figure.canvas.draw()
    strip, bars = figure.axes
    assert strip.get_position().y0 > bars.get_position().y1
    boxes = []
    for number, artist in enumerate(strip.artists):
        image = artist.offsetbox
        np.testing.assert_array_equal(image.get_data(), FRAMES[number])
        box = image.get_window_extent()
        boxes.append(box)
        middle = bars.transData.inverted().transform(((box.x0 + box.x1) / 2, 0))[0]
        assert middle == pytest.approx(11 + 2 * number, abs=0.1)
        assert box.width / box.height == pytest.approx(2, rel=0.05)  # whole pixels
        area = strip.get_window_extent()
        assert area.y0 - 1 <= box.y0 <= box.y1 <= area.y1 + 1
    assert len(boxes) == 4
    assert all(a.x1 <= b.x0 for a, b in itertools.pairwise(boxes))


def test_a_panel_without_height_is_left_out():
    figure, panels = stacked_panels({'a': 1.0, 'b': 0.0, 'c': 3.0}, 5.0, 1.0)
    assert list(panels) == ['a', 'c']
    assert figure.get_figheight() == 5
    figure.canvas.draw()
    assert panels['a'].get_position().y0 > panels['c'].get_position().y1
    heights = [panel.get_position().height for panel in panels.values()]
    assert heights[1] / heights[0] == pytest.approx(3, rel=1e-6)
