"""Sums and products of floats are compared as people count."""

from __future__ import annotations

import pytest

from streams.matching.float_sums import is_enough, round_up


def test_an_error_of_arithmetic_asks_for_no_unit_more() -> None:
    assert 29 / 7 * 7 > 29
    assert round_up(29 / 7 * 7) == 29


@pytest.mark.parametrize(("expected", "units"), [(0.0, 0), (0.1, 1), (11.0, 11), (11.01, 12)])
def test_a_fraction_asks_for_a_whole_one(expected: float, units: int) -> None:
    assert round_up(expected) == units


def test_ten_fifths_are_two_and_no_less_is() -> None:
    total = 0.0
    for _ in range(10):
        total += 0.2
    assert total < 2
    assert is_enough(total, wanted=2)
    assert not is_enough(1.999, wanted=2)
