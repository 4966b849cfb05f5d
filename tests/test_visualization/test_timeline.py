import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asl_mmaction.files.clicks import Click
from asl_mmaction.visualization import ClassGaussians, Recording, draw_timeline
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


def recording(truth=TRUTH, found=FOUND, duration=10.0, name='v', **more):
    results = found if isinstance(found, dict) else {'ASL': found}
    return Recording(name, duration, results, truth, **more)


def title(figure):
    return figure.get_suptitle()


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_bars_stand_at_their_seconds_and_none_hides_another():
    figure = draw_timeline(recording())
    axes = figure.axes[0]
    found = bars(axes)
    expected = sorted((*item['segment'],) for item in TRUTH + FOUND[:2])
    np.testing.assert_allclose([bar[:2] for bar in found], expected)
    for i, a in enumerate(found):
        for b in found[:i]:
            assert a[0] >= b[1] or b[0] >= a[1] or a[2] >= b[3] or b[2] >= a[3]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ['jump', 'wave']
    assert axes.get_xlim() == (0, 10)
    assert axes.get_xlabel() == 'time (s)'
    assert title(figure) == 'v: 3 ground truths; ASL: 2 detections'
    assert legend(figure) == ['ground truth', 'ASL']


CLICKS = [Click(0.5, None), Click(7.0, 'jump'), Click(9.5, None)]


def test_clicks_are_marks_on_the_lane_of_the_ground_truths():
    figure = draw_timeline(recording(clicks=CLICKS))
    axes = figure.axes[0]
    marks = {
        tuple(float(x[0]) for x in line.get_data()): line.get_marker()
        for line in axes.get_lines()
        if line.get_marker() in 'XD'
    }
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    places = dict(zip(names, axes.get_yticks(), strict=True))
    assert names == ['jump', 'wave', 'background']
    truth = next(bar for bar in bars(axes) if bar[:2] == (5.0, 9.0))
    assert marks[7.0, (truth[2] + truth[3]) / 2] == 'D'
    assert {place for place, mark in marks.items() if mark == 'X'} == {
        (0.5, places['background']),
        (9.5, places['background']),
    }
    assert len(marks) == len(CLICKS)
    counts = '3 ground truths; 2 background clicks; 1 action click'
    assert title(figure) == f'v: {counts}; ASL: 2 detections'
    assert legend(figure) == ['ground truth', 'background click', 'action click', 'ASL']
    part = draw_timeline(recording(clicks=CLICKS), start=6.5, end=8)
    assert title(part) == 'v: 1 ground truth; 1 action click; ASL: 0 detections'


def test_clicks_are_neither_found_nor_missed():
    found = [{**row, 'match': None} for row in FOUND[2:]]
    figure = draw_timeline(verdict(found, clicks=CLICKS))
    assert '0 wrong, 3 missed' in title(figure)


def test_classes_stand_in_the_order_of_the_data_set():
    axes = draw_timeline(recording(classes=('wave', 'jump'))).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ['wave', 'jump']


def test_without_annotation_no_ground_truth_is_claimed():
    figure = draw_timeline(recording(truth=None))
    assert title(figure) == 'v: 2 detections'
    assert legend(figure) == ['ASL']
    assert len(bars(figure.axes[0])) == 2


def test_a_part_shows_what_reaches_into_it():
    figure = draw_timeline(recording(), start=5.0, end=9.5)
    assert figure.axes[0].get_xlim() == (5.0, 9.5)
    assert [bar[:2] for bar in bars(figure.axes[0])] == [(3.0, 6.0), (5.0, 9.0)]
    assert title(figure) == 'v: 2 ground truths; ASL: 0 detections'


def verdict(found, truth=TRUTH, **more):
    return recording(truth, found, verdict_tiou=0.5, **more)


def test_a_verdict_is_told_by_colour_and_by_pattern():
    matched = [{**FOUND[0], 'match': None}, {**FOUND[1], 'match': 0}, {**FOUND[2], 'match': None}]
    figure = draw_timeline(verdict(matched))
    assert title(figure) == 'v: 3 ground truths; ASL: 1 correct, 1 wrong, 2 missed (tIoU 0.5)'
    assert legend(figure) == ['ground truth', 'correct', 'wrong', 'missed']
    drawn = {}
    for bar in figure.axes[0].collections:
        look = (bar.get_hatch(), bar.get_linestyle()[0][1] is not None, bar.get_facecolor()[0, :3])
        box = bar.get_paths()[0].get_extents()
        drawn.setdefault((look[0], look[1], tuple(look[2])), []).append((box.x0, box.x1))
    patterns = sorted(
        (str(hatch), dashed, len(where)) for (hatch, dashed, _), where in drawn.items()
    )
    # Ground truths and what is correct differ in lightness, the others in their pattern as well.
    assert patterns == [
        ('/////', False, 1),
        ('None', False, 1),
        ('None', False, 3),
        ('None', True, 2),
    ]
    missed = next(where for (_, dashed, _), where in drawn.items() if dashed)
    assert missed == [(5.0, 9.0), (3.0, 6.0)]


def test_what_lies_below_the_threshold_finds_nothing():
    rows = [{**FOUND[1], 'match': 0}]
    figure = draw_timeline(verdict(rows, TRUTH[:1]), score_threshold=0.95)
    assert title(figure) == 'v: 1 ground truth; ASL: 0 correct, 0 wrong, 1 missed (tIoU 0.5)'


def test_results_lie_below_one_another_with_their_names():
    figure = draw_timeline(recording(found={'ASL': FOUND[1:2], 'BMN': FOUND[:1]}))
    axes = figure.axes[0]
    names = [(text.get_text(), text.get_position()[1]) for text in axes.texts]
    assert [name for name, _ in names] == ['ASL', 'BMN', 'ASL', 'BMN']
    (asl,) = [bar for bar in bars(axes) if bar[:2] == (1.0, 4.0) and bar[2] > names[2][1] - 0.6]
    (bmn,) = [bar for bar in bars(axes) if bar[:2] == (1.1, 4.2)]
    assert asl[3] < bmn[2]
    assert asl[2] < names[2][1] < asl[3]
    assert bmn[2] < names[3][1] < bmn[3]
    assert legend(figure) == ['ground truth', 'ASL', 'BMN']


def test_a_long_title_ends_its_lines_between_results():
    found = {name: [{**FOUND[1], 'match': 0}] for name in ('ASL', 'ActionFormer', 'BMN')}
    first, second = title(draw_timeline(verdict(found))).split('\n')
    said = '1 correct, 0 wrong, 2 missed'
    assert first == f'v: 3 ground truths; ASL: {said};'
    assert second == f'ActionFormer: {said}; BMN: {said} (tIoU 0.5)'


def test_proposals_lie_beside_all_ground_truths():
    rows = [{'segment': [1.0, 4.0], 'score': 0.9, 'match': 0}]
    figure = draw_timeline(verdict({'BMN': rows}))
    labels = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert labels == ['jump', 'wave', 'any class']
    assert title(figure) == 'v: 3 ground truths; BMN: 1 correct, 0 wrong, 2 missed (tIoU 0.5)'
    assert len(bars(figure.axes[0])) == 3 + 3 + 1 + 2  # the ground truths twice


def test_the_best_detection_lies_next_to_the_ground_truth():
    axes = draw_timeline(recording([], FOUND[:2])).axes[0]
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
    bottom = draw_timeline(recording(), gaussians=gaussians).axes[1]
    peaks = [
        line.get_xdata()[line.get_ydata().argmax()]
        for line in bottom.get_lines()
        if line.get_color() == CLS_COLOR
    ]
    assert peaks == pytest.approx([2.5, 4.5, 8.0])
    *_, borders = bottom.get_lines()
    expected = 1 + np.exp(-1 / 0.2)  # at its start, the one Gaussian and the tail of the other
    assert borders.get_ydata()[[0, -1]].tolist() == pytest.approx([expected] * 2)
    assert bottom.get_xlabel() == 'time (s)'


@pytest.mark.parametrize(
    ('end', 'ticks', 'label'),
    [
        (10.0, ['0', '1', '2'], 'time (s)'),
        (360.0, ['0:00', '0:30', '1:00'], 'time (m:ss)'),
        (3600.0, ['0:00', '5:00', '10:00'], 'time (h:mm:ss)'),
        (36000.0, ['0:00', '1:00:00', '2:00:00'], 'time (h:mm:ss)'),
    ],
)
def test_ticks_stand_at_round_times(end, ticks, label):
    figure = draw_timeline(recording(duration=end))
    figure.canvas.draw()
    (axes,) = figure.axes
    shown = [text for text in axes.get_xticklabels() if text.get_position()[0] >= 0]
    assert [text.get_text() for text in shown[:3]] == ticks
    assert axes.get_xlabel() == label
    boxes = [text.get_window_extent() for text in shown if 0 <= text.get_position()[0] <= end]
    assert all(a.x1 < b.x0 for a, b in itertools.pairwise(boxes))


@pytest.mark.parametrize(('width', 'font'), [(10.0, 12.0), (6.0, 9.0)])
def test_size_and_font_are_those_asked_for_and_nothing_sticks_out(width, font):
    truth = [{'label': f'CLASS_NUMBER_{i}', 'segment': [i, i + 1]} for i in range(12)]
    results = {
        name: [{**row, 'score': 0.5, 'match': 0} for row in truth] for name in ('ASL', 'BMN')
    }
    figure = draw_timeline(verdict(results, truth, duration=20.0), width=width, font=font)
    assert figure.get_figwidth() == width
    figure.canvas.draw()
    (axes,) = figure.axes
    assert {text.get_fontsize() for text in axes.get_yticklabels()} == {font}
    texts = [*axes.get_yticklabels(), *axes.texts, *figure.texts, *figure.legends[0].get_texts()]
    assert len(texts) > 12 + 24
    page = figure.bbox
    for text in texts:
        box = text.get_window_extent()
        assert page.x0 <= box.x0 and box.x1 <= page.x1, text.get_text()  # noqa: PT018
        assert page.y0 <= box.y0 and box.y1 <= page.y1, text.get_text()  # noqa: PT018


def test_a_score_at_the_threshold_is_shown_and_one_above_1_is_no_darker():
    rows = [{**FOUND[0], 'score': score} for score in (0.3, 1.0, 7.0)]
    axes = draw_timeline(recording([], rows)).axes[0]
    assert title(draw_timeline(recording([], rows))) == 'v: 0 ground truths; ASL: 3 detections'
    highest, full, lowest = (bar.get_facecolor()[0].tolist() for bar in axes.collections)
    assert highest == full != lowest
    assert not list(axes.texts)  # one result needs no name


def test_results_have_the_colours_of_the_legend():
    figure = draw_timeline(recording([], {'ASL': FOUND[1:2], 'BMN': FOUND[:1]}))
    drawn = [bar.get_edgecolor()[0].tolist() for bar in figure.axes[0].collections]
    names = dict(zip(legend(figure), figure.legends[0].legend_handles, strict=True))
    assert drawn == [list(names[name].get_edgecolor()) for name in ('ASL', 'BMN')]


def test_nothing_to_show_is_still_a_picture():
    figure = draw_timeline(recording([], [], 5.0))
    figure.canvas.draw()
    assert bars(figure.axes[0]) == []


def test_a_segment_without_length_stays_visible():
    axes = draw_timeline(recording([{'label': 'a', 'segment': [2.0, 2.0]}], [])).axes[0]
    (bar,) = axes.collections
    assert bar.get_linewidth()[0] > 0
    assert bar.get_edgecolor()[0, 3] == 1


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'start': 4.0, 'end': 3.0}, r'the 10 s of v but got \[4, 3\]'),
        ({'end': 11.0}, r'but got \[0, 11\]'),
        ({'start': 3.0, 'end': 3.0}, r'but got \[3, 3\]'),
        ({'start': -1.0}, r'but got \[-1, 10\]'),
        ({'font': 0.0}, 'expected a width and a font above 0 but got 10 and 0'),
        ({'width': 0.0}, 'expected a width and a font above 0 but got 0 and 12'),
    ],
)
def test_a_part_or_size_that_is_none_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        draw_timeline(recording(), **options)


def test_names_are_no_formulas():
    truth = [{'label': '$x^$', 'segment': [1.0, 2.0]}]
    found = {'$y^$': [], '_z': [{**truth[0], 'score': 0.9}]}
    figure = draw_timeline(recording(truth, found, name='a$_$'))
    figure.canvas.draw()
    assert title(figure).startswith(r'a\$_\$: 1 ground truth; \$y^\$: 0 detections')
    assert legend(figure) == ['ground truth', r'\$y^\$', '_z']
