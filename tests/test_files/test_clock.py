"""Seconds by hand; what is rounded up goes on to the next minute and hour."""

import pytest

from asl_mmaction.files.clock import clock


@pytest.mark.parametrize(
    ('seconds', 'tenths', 'whole'),
    [
        (0, '0:00.0', '0:00'),
        (9.04, '0:09.0', '0:09'),
        (59.96, '1:00.0', '1:00'),
        (83.44, '1:23.4', '1:23'),
        (3599.97, '1:00:00.0', '1:00:00'),
        (3683, '1:01:23.0', '1:01:23'),
        (36000, '10:00:00.0', '10:00:00'),
    ],
)
def test_clock(seconds, tenths, whole):
    assert clock(seconds) == tenths
    assert clock(seconds, 0) == whole


def test_as_many_decimals_as_are_wanted():
    assert clock(61.0625, 3) == '1:01.062'
