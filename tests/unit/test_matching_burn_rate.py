"""How fast a place is used, and how long what it holds will last."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.components import Component
from models.groups import BloodGroup
from models.rules.rulebook import PACKAGED
from models.shortages import Shortage, ShortageLevel
from streams.matching.burn_rate import Burn, Surge, find_burn
from streams.matching.shortage import CellCount, ShortageStep, decide_shortage, measure
from tests.support.supply import AT, make_station

RULES = PACKAGED.shortages
QUIET = make_station(daily_demand={})


def cell(available: int, **counts: Any) -> CellCount:  # noqa: ANN401 - any count
    return CellCount(
        component=Component.RED_CELLS, group=BloodGroup.A_POS, available=available, **counts
    )


def promised(in_surge: int, *, recently: int = 0, in_window: int = 0) -> dict[str, int]:
    recently = max(recently, in_surge)
    return {
        "promised": max(in_window, recently),
        "promised_recently": recently,
        "promised_in_surge": in_surge,
    }


def test_c85_sixty_promised_in_two_hours_and_sixty_left_are_two_hours_of_supply() -> None:
    found = measure(cell(60, **promised(60)), station=QUIET, rules=RULES)
    assert found.days_of_supply == pytest.approx(2 / 24)
    assert found.burn_per_d == pytest.approx(720)
    assert (found.level, found.is_surging) == (ShortageLevel.RED, True)
    # 60 once more in the next hours, and the mean of a week from then on; no multiple of 720.
    assert found.missing == 56


def test_c85_sixty_promised_in_a_day_and_sixty_left_are_one_day_of_supply() -> None:
    found = measure(cell(60, **promised(0, recently=60)), station=QUIET, rules=RULES)
    assert (found.days_of_supply, found.level) == (1.0, ShortageLevel.RED)


def test_c85_sixty_promised_over_a_week_are_seven_days_of_supply() -> None:
    found = measure(cell(60, **promised(0, in_window=60)), station=QUIET, rules=RULES)
    assert found.days_of_supply == pytest.approx(7)
    assert (found.level, found.is_surging) == (ShortageLevel.GREEN, False)


def test_c85_one_request_is_no_emergency_at_a_green_place() -> None:
    for units, surging in ((9, False), (10, True)):
        found = measure(cell(12, **promised(units)), station=QUIET, rules=RULES)
        assert found.is_surging is surging


def test_c85_a_surge_ends_when_it_has_gone_and_does_not_flap_on_the_way() -> None:
    steps: list[ShortageStep] = []
    current: Shortage | None = None
    # Ten in two hours; then one after the other leaves the window, and none is promised.
    for left in range(10, -1, -1):
        count = cell(9, **promised(left, recently=left, in_window=10))
        change = decide_shortage(count, station=QUIET, current=current, now=AT, rules=PACKAGED)
        if change:
            steps.append(change.step)
            current = None if change.step is ShortageStep.CLEARED else change.shortage
    assert steps[0] is ShortageStep.DECLARED
    assert steps.count(ShortageStep.DECLARED) == 1
    assert ShortageStep.CLEARED not in steps[:-1]


surges = st.lists(
    st.builds(Surge, units=st.integers(1, 200), days=st.sampled_from([2 / 24, 1.0])), max_size=2
)
burns = st.builds(Burn, mean_per_d=st.floats(0.2, 50), surges=surges.map(tuple)).filter(
    lambda burn: all(surge.per_d > burn.mean_per_d for surge in burn.surges)
)


@given(burn=burns, units=st.integers(0, 500))
def test_what_lasts_so_long_is_what_is_used_in_that_time(burn: Burn, units: int) -> None:
    days = burn.last(units)
    assert days is not None
    assert burn.use_within(days) == pytest.approx(units, abs=1e-6)


@given(burn=burns, less=st.integers(0, 500), more=st.integers(0, 500))
def test_more_blood_lasts_longer_and_a_surge_never_longer_than_the_mean(
    burn: Burn, less: int, more: int
) -> None:
    days, longer = burn.last(less), burn.last(less + more)
    assert days is not None
    assert longer is not None
    assert days <= longer
    assert days <= less / burn.mean_per_d


@given(
    available=st.integers(0, 300),
    surge=st.integers(0, 200),
    recent=st.integers(0, 100),
    window=st.integers(0, 100),
)
def test_a_delivery_of_what_is_missing_ends_the_shortage(
    available: int, surge: int, recent: int, window: int
) -> None:
    counts = promised(surge, recently=surge + recent, in_window=surge + recent + window)
    # As a place that is short already: it counts smaller surges than a green one.
    found = measure(
        cell(available, **counts), station=QUIET, level_before=ShortageLevel.RED, rules=RULES
    )
    if found.level is ShortageLevel.GREEN:
        assert found.missing == 0
        return
    after = measure(
        cell(available + found.missing, **counts),
        station=QUIET,
        level_before=found.level,
        rules=RULES,
    )
    assert (after.level, after.missing) == (ShortageLevel.GREEN, 0)


def test_a_short_window_counts_from_so_many_units_or_from_half_while_short() -> None:
    def find(units: int, *, is_short: bool) -> Burn:
        return find_burn(
            usual_per_d=0,
            in_window=units,
            recent=units,
            surge=units,
            is_short=is_short,
            rule=RULES.burn,
        )

    assert find(9, is_short=False).surges == ()
    assert [surge.units for surge in find(10, is_short=False).surges] == [10, 10]
    assert [surge.units for surge in find(5, is_short=True).surges] == [5, 5]
    assert find(4, is_short=True).surges == ()
    assert find(0, is_short=True).last(5) is None
