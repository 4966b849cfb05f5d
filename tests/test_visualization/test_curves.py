import numpy as np

from asl_mmaction.visualization.curves import Curve, draw_curves


def test_seeds_are_a_band_around_their_mean():
    epochs = np.array([1.0, 2])
    curve = Curve(epochs, np.array([[0.25, 0.5], [0.75, 1.0]]))
    single = Curve(epochs, np.array([[0.5, 0.25]]))
    figure = draw_curves({'mAP': {'a': curve, 'b': single}, 'loss': {'b': single}}, percent=['mAP'])
    first, second = figure.axes
    assert first.get_title() == 'mAP (%)'
    assert [line.get_label() for line in first.lines] == ['a (2 seeds)', 'b']
    assert first.lines[0].get_ydata().tolist() == [50, 75]
    (band,) = first.collections
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
    assert corners == {(1, 25), (2, 50), (2, 100), (1, 75)}
    # A training has one colour in all panels, and other units leave the values alone.
    assert second.lines[0].get_color() == first.lines[1].get_color() != first.lines[0].get_color()
    assert second.lines[0].get_ydata().tolist() == [0.5, 0.25]
    # Nothing is above 100 %; what is no share has room above it.
    assert first.get_ylim()[1] == 100
    assert second.get_ylim()[1] > 0.5


def test_more_trainings_than_colours_and_a_name_like_a_formula():
    curve = Curve(np.array([1.0, 2]), np.zeros((1, 2)))
    figure = draw_curves({'loss': {f'run_{index}$x$': curve for index in range(9)}})
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines}
    assert len(looks) == 9
    figure.canvas.draw()  # no formula
