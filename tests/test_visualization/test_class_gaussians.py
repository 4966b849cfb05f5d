import math
from dataclasses import replace

import numpy as np
import pytest

from asl_mmaction.visualization import ClassGaussians, draw_gaussians


def gaussians(count=3, n=1, m=2):
    rng = np.random.default_rng(0)
    return ClassGaussians(
        classes=tuple(f'class_{i}' for i in range(count)),
        mu_cls=rng.uniform(-0.4, 0.4, (count, n)),
        sigma_cls=rng.uniform(0.1, 1, (count, n)),
        variance_cls=rng.uniform(0.1, 1, (count, n)),
        mu_loc=np.tile(np.linspace(-0.5, 0.5, m), (count, 1)),
        sigma_loc=rng.uniform(0.1, 1, (count, m)),
        variance_loc=rng.uniform(0.1, 1, (count, m)),
    )


def test_curves_are_gaussians_of_height_one():
    g = gaussians()
    for d in (-0.5, 0.1, 0.5):
        p_cls, p_loc = g.cls([d]), g.loc([d])
        assert p_cls.shape == (3, 1, 1)
        assert p_loc.shape == (3, 2, 1)
        for c in range(3):
            mu, variance = g.mu_cls[c, 0], g.variance_cls[c, 0]
            assert p_cls[c, 0, 0] == pytest.approx(math.exp(-((d - mu) ** 2) / (2 * variance)))
            for side in range(2):
                mu, below = g.mu_loc[c, side], 2 * g.variance_loc[c, side]
                assert p_loc[c, side, 0] == pytest.approx(math.exp(-((d - mu) ** 2) / below))


def test_each_class_has_a_panel_with_its_curves_and_its_planted_moment():
    g = gaussians(count=5)
    figure = draw_gaussians(g, {'class_1': 0.2})
    panels = [axes for axes in figure.axes if axes.axison]
    assert [panel.get_title().split(':')[0] for panel in panels] == list(g.classes)
    for index, panel in enumerate(panels):
        lines = {line.get_label(): line for line in panel.get_lines()}
        curve = lines['$p_{cls}$ (class)']
        np.testing.assert_allclose(curve.get_ydata(), g.cls(curve.get_xdata())[index, 0])
        assert curve.get_xdata()[0] == -0.5
        assert curve.get_xdata()[-1] == 0.5
        assert ('planted moment' in lines) == (index == 1)
    assert list(panels[1].get_lines()[0].get_xdata()) == [0.2, 0.2]
    assert len(figure.legends[0].get_texts()) == 4  # each name once


@pytest.mark.parametrize(('count', 'n', 'm'), [(1, 1, 2), (4, 0, 1), (12, 2, 0), (0, 1, 2)])
def test_every_number_of_gaussians_and_classes_is_drawn(count, n, m):
    g = gaussians(count, n, m)
    figure = draw_gaussians(g)
    figure.canvas.draw()
    panels = [axes for axes in figure.axes if axes.axison]
    assert [len(panel.get_lines()) for panel in panels] == [n + m] * count


def test_the_lowest_panel_of_each_column_has_tick_labels():
    figure = draw_gaussians(gaussians(count=5))  # 3 columns; the last place is empty
    labelled = [
        any(label.get_visible() for label in axes.get_xticklabels())
        for axes in figure.axes
        if axes.axison
    ]
    assert labelled == [False, False, True, True, True]


@pytest.mark.parametrize(
    ('count', 'n', 'm', 'columns'), [(13, 1, 2, 1), (75, 2, 1, 1), (76, 0, 2, 2), (300, 1, 2, 4)]
)
def test_many_classes_have_a_row_each_on_one_page(count, n, m, columns):
    g = gaussians(count, n, m)
    g = replace(g, mu_loc=g.mu_loc + np.linspace(0, 0.1, count)[:, None])
    planted = {'class_7': 0.2, 'class_10': -0.1}
    figure = draw_gaussians(g, planted)
    figure.canvas.draw()
    assert figure.get_figheight() < 12
    panels = [axes for axes in figure.axes if axes.get_images()]
    assert len(panels) == columns
    names = [[text.get_text() for text in panel.get_yticklabels()] for panel in panels]
    assert sorted(name for rows in names for name in rows) == sorted(g.classes)
    d = np.linspace(-0.5, 0.5, 101)
    peaks = []
    for panel, rows in zip(panels, names, strict=True):
        indices = [g.classes.index(name) for name in rows]
        expected = (g.cls(d) if n else g.loc(d))[indices].sum(axis=1)
        np.testing.assert_allclose(panel.get_images()[0].get_array(), expected)
        peaks += expected.argmax(axis=1).tolist()
        marks = {line.get_label(): line.get_xdata() for line in panel.get_lines()}
        for number in range(m):
            name = (r'$\mu_{sot}$ (start)', r'$\mu_{eot}$ (end)')[number] if m == 2 else None
            found = marks[name or r'$\mu_{loc}$ (boundaries)']
            np.testing.assert_array_equal(found, g.mu_loc[indices, number])
        moments = [[planted[name], row] for row, name in enumerate(rows) if name in planted]
        lines = [x for x in panel.get_lines() if x.get_label() == 'planted moment']
        assert [line.get_xydata().tolist() for line in lines] == ([moments] if moments else [])
    assert peaks == sorted(peaks)
    page = figure.bbox
    for text in (*figure.legends[0].get_texts(), *panels[0].get_yticklabels()):
        box = text.get_window_extent()
        assert page.x0 <= box.x0 <= box.x1 <= page.x1


def test_a_centre_that_rounds_to_0_has_no_sign_of_its_own():
    g = replace(gaussians(count=1), mu_cls=np.array([[-0.001]]))
    assert r'$\mu$ +0.00' in draw_gaussians(g).axes[0].get_title()


def test_mistakes_name_what_was_expected():
    g = gaussians()
    with pytest.raises(ValueError, match=r"planted classes among .* but got \['other'\]"):
        draw_gaussians(g, {'other': 0.0})
    with pytest.raises(ValueError, match=r'shape \(2, n\) for 2 classes but got \(3, 1\)'):
        replace(g, classes=('a', 'b'))
    with pytest.raises(ValueError, match=r'variance_loc .* but got \(3, 2\), \(3, 2\), \(3, 1\)'):
        replace(g, variance_loc=g.variance_loc[:, :1])


@pytest.mark.parametrize('n', [1, 2])
def test_names_are_no_formulas(n):
    figure = draw_gaussians(replace(gaussians(count=1, n=n), classes=('$x^$',)))
    figure.canvas.draw()
    assert figure.axes[0].get_title().startswith(r'\$x^\$')
