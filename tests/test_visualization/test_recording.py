import math

import pytest

from asl_mmaction.files.clicks import Click
from asl_mmaction.visualization import Recording

ROW = {'label': 'a', 'segment': (1.0, 2.0), 'score': 0.5}


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'duration': 0.0}, 'expected v to have a positive duration but got 0.0'),
        ({'duration': math.inf}, 'positive duration but got inf'),
        ({'ground_truths': [{**ROW, 'segment': (2, 1)}]}, r'v: expected a segment .* got \(2, 1\)'),
        ({'results': {'m': [{**ROW, 'segment': (0, math.nan)}]}}, r'but got \(0, nan\)'),
        (
            {'results': {'m': [{**ROW, 'score': math.nan}]}},
            'expected a finite score but got nan',
        ),
        ({'clicks': [Click(math.nan, None)], 'ground_truths': []}, 'at a finite time but got nan'),
        ({'clicks': [Click(1.0, None)]}, 'v: expected ground truths with clicks but got none'),
        ({'verdict_tiou': 0.5, 'ground_truths': []}, 'v: expected ground truths, and a match'),
        ({'verdict_tiou': 0.5, 'results': {}}, 'v: expected ground truths, and a match'),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, message):
    values = {'video_name': 'v', 'duration': 9.0, 'results': {'m': [ROW]}, **change}
    with pytest.raises(ValueError, match=message):
        Recording(**values)


def test_classes_come_in_the_order_asked_for_then_by_name():
    recording = Recording('v', 9.0, {}, classes=('c', 'b', 'unused'))
    labels = ['d', 'a', 'background', 'any class', 'c', 'b', 'd', 'x']
    expected = ['c', 'b', 'a', 'd', 'x', 'any class', 'background']
    assert recording.in_order(labels) == expected
