"""Splits by chance keep what they promise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asl_mmaction.datasets.preparation.splitting import split_by_chance

videos = st.lists(st.sets(st.sampled_from('xyz')), min_size=2, max_size=12).map(
    lambda labels: {f'v{index}': found for index, found in enumerate(labels)}
)


@given(videos, st.floats(0.01, 0.99), st.integers(0, 99))
def test_every_class_stays_in_training(labels, fraction, seed):
    counts = {c: sum(c in found for found in labels.values()) for c in 'xyz'}
    if not any(found and all(counts[c] > 1 for c in found) for found in labels.values()):
        with pytest.raises(ValueError, match='whose classes others have too'):
            split_by_chance(labels, fraction, seed)
        return
    tested = split_by_chance(labels, fraction, seed)
    trained = set(labels) - tested
    assert trained
    assert 1 <= len(tested) <= max(1, round(fraction * len(labels)))
    assert set().union(*labels.values()) == set().union(*(labels[name] for name in trained))
    assert tested == split_by_chance(dict(reversed(labels.items())), fraction, seed)


def test_the_test_has_every_class_that_can_be_spared():
    labels = {f'a{n}': {'common'} for n in range(20)} | {'r0': {'rare'}, 'r1': {'rare'}}
    for seed in range(20):
        tested = split_by_chance(labels, 0.1, seed)
        assert {'rare', 'common'} == set().union(*(labels[name] for name in tested))


@pytest.mark.parametrize('fraction', [0, 1, -0.5, float('nan')])
def test_a_fraction_that_is_none(fraction):
    with pytest.raises(ValueError, match='expected a fraction to test on in'):
        split_by_chance({'a': {'x'}, 'b': {'x'}}, fraction, 0)
