"""Days of supply, colours, and when neighbours are told."""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.alerts import Activation
from models.components import Component
from models.facilities import StationPolicy
from models.groups import BloodGroup, RhD
from models.rules.rulebook import PACKAGED
from models.shortages import Shortage, ShortageLevel, ShortageStatus
from streams.matching.burn_rate import Burn
from streams.matching.shortage import (
    CellCount,
    ShortageChange,
    ShortageStep,
    decide_shortage,
    estimate_burn,
    expect_of_disasters,
    list_called_groups,
    list_serving_groups,
    measure,
)
from tests.support.supply import AT, make_station

# 100 a day x 0.342 x 0.995 = 34.029 O+ red cells: green from 204.2 units.
STATION = make_station(daily_demand={"red_cells": 100.0})


def cell(available: int = 0, **changes: object) -> CellCount:
    fields = {"component": Component.RED_CELLS, "group": BloodGroup.O_POS, **changes}
    return CellCount(available=available, **fields)  # type: ignore[arg-type] # told by keyword


def decide(count: CellCount, current: Shortage | None = None) -> ShortageChange | None:
    return decide_shortage(count, station=STATION, current=current, now=AT, rules=PACKAGED)


def declared(count: CellCount) -> Shortage:
    change = decide(count)
    assert change is not None
    assert change.step is ShortageStep.DECLARED
    return change.shortage


def test_the_frequencies_are_those_of_a_population() -> None:
    assert isclose(sum(PACKAGED.shortages.groups.share_of(group) for group in BloodGroup), 1.0)


def test_burn_is_the_usual_demand_or_what_was_promised_if_more() -> None:
    usual = estimate_burn(cell(), station=STATION, rules=PACKAGED.shortages)
    assert usual.fastest_per_d == pytest.approx(34.029)
    promised = estimate_burn(cell(promised=700), station=STATION, rules=PACKAGED.shortages)
    assert promised == Burn(mean_per_d=100.0)


@pytest.mark.parametrize(
    ("available", "level"),
    [(205, "green"), (204, "yellow"), (154, "yellow"), (153, "orange"), (102, "red"), (0, "red")],
)
def test_days_of_supply_give_the_colour(available: int, level: str) -> None:
    found = measure(cell(available), station=STATION, rules=PACKAGED.shortages)
    assert found.level == level
    assert found.days_of_supply == pytest.approx(available / 34.029)


def test_missing_is_what_patients_wait_for_and_what_lifts_to_green() -> None:
    # 6 d x 1.1 x 34.029 = 224.6: a delivery of what is missing ends the shortage.
    assert (
        measure(cell(100, uncovered=4), station=STATION, rules=PACKAGED.shortages).missing
        == 4 + 125
    )
    assert measure(cell(300, uncovered=4), station=STATION, rules=PACKAGED.shortages).missing == 4


def test_a_waiting_patient_is_at_least_orange_and_red_without_stock() -> None:
    assert (
        measure(cell(300, uncovered=1), station=STATION, rules=PACKAGED.shortages).level
        is ShortageLevel.ORANGE
    )
    idle = make_station(daily_demand={})
    found = measure(cell(0, uncovered=1), station=idle, rules=PACKAGED.shortages)
    assert (found.level, found.days_of_supply, found.missing) == (ShortageLevel.RED, None, 1)


def test_an_empty_place_for_a_rare_group_is_no_shortage_until_a_patient_comes() -> None:
    small = make_station(daily_demand={"red_cells": 10.0})
    rare = {"group": BloodGroup.AB_NEG}
    assert (
        measure(cell(0, **rare), station=small, rules=PACKAGED.shortages).level
        is ShortageLevel.GREEN
    )
    found = measure(cell(0, uncovered=2, **rare), station=small, rules=PACKAGED.shortages)
    assert (found.level, found.missing) == (ShortageLevel.RED, 2)


def test_declared_once_then_quiet() -> None:
    count = cell(100)
    shortage = declared(count)
    assert (shortage.version, shortage.units_missing, shortage.status) == (1, 125, "open")
    assert decide(count, shortage) is None
    assert decide(cell(300)) is None


@pytest.mark.parametrize(
    ("count", "news"),
    [
        (cell(101), False),  # one of 125
        (cell(88), False),  # 12 more of 125
        (cell(87), True),  # 13 more
        (cell(100, uncovered=1), True),
        (cell(160), True),  # another colour
    ],
)
def test_neighbours_are_told_what_matters_only(count: CellCount, *, news: bool) -> None:
    change = decide(count, declared(cell(100)))
    assert (change is not None) is news
    if change:
        assert (change.step, change.shortage.version) == (ShortageStep.CHANGED, 2)


def test_no_flapping_at_the_threshold() -> None:
    shortage = declared(cell(204))
    # Green by the plain threshold, but not above the margin: nothing is said either way.
    assert decide(cell(205), shortage) is None
    assert decide(cell(224), shortage) is not None  # yellow still, but little is missing
    cleared = decide(cell(225), shortage)
    assert cleared is not None
    assert (cleared.step, cleared.shortage.status, cleared.shortage.units_missing) == (
        ShortageStep.CLEARED,
        ShortageStatus.CLEARED,
        0,
    )


def test_not_cleared_while_a_patient_waits() -> None:
    shortage = declared(cell(100, uncovered=3))
    change = decide(cell(400, uncovered=3), shortage)
    assert change is not None
    assert change.step is ShortageStep.CHANGED
    assert decide(cell(400), change.shortage).step is ShortageStep.CLEARED  # type: ignore[union-attr] # fails if None


def test_the_next_shortage_of_a_place_has_another_name() -> None:
    first, second = declared(cell(0)), declared(cell(0, past_shortages=1))
    assert first.shortage_id != second.shortage_id
    assert declared(cell(0)).shortage_id == first.shortage_id


def test_what_may_serve_is_compatible_and_without_special_terms() -> None:
    policy = STATION.policy
    assert list_serving_groups(Component.RED_CELLS, BloodGroup.A_POS, policy, PACKAGED) == (
        BloodGroup.A_POS,
        BloodGroup.O_POS,
        BloodGroup.A_NEG,
        BloodGroup.O_NEG,
    )
    assert list_serving_groups(Component.RED_CELLS, BloodGroup.O_NEG, policy, PACKAGED) == (
        BloodGroup.O_NEG,
    )
    assert set(list_serving_groups(Component.PLATELETS, BloodGroup.AB_POS, policy, PACKAGED)) == {
        BloodGroup.AB_POS,
        BloodGroup.AB_NEG,
    }


@given(steps=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 5)), min_size=1, max_size=20))
def test_every_history_is_one_of_declared_changed_cleared(steps: list[tuple[int, int]]) -> None:
    current: Shortage | None = None
    for available, uncovered in steps:
        change = decide(cell(available, uncovered=uncovered), current)
        if change is None:
            continue
        assert (change.step is ShortageStep.DECLARED) == (current is None)
        if change.step is ShortageStep.CLEARED:
            assert uncovered == 0
            assert available >= 225
            current = None
        else:
            assert change.shortage.units_missing >= uncovered
            assert change.shortage.level is not ShortageLevel.GREEN
            current = change.shortage
    if current is None:
        assert steps[-1][1] == 0


def test_c75_a_shelf_of_rhd_positive_asks_for_no_rhd_negative_red_cells() -> None:
    shelf = declared(cell(100))
    assert shelf.donor_groups == (BloodGroup.O_POS,)
    waited_for = declared(cell(100, uncovered=1, donor_groups=(BloodGroup.O_POS, BloodGroup.O_NEG)))
    assert waited_for.donor_groups == (BloodGroup.O_POS, BloodGroup.O_NEG)
    assert declared(cell(0, group=BloodGroup.O_NEG, uncovered=1)).donor_groups == (
        BloodGroup.O_NEG,
    )
    # RhD does not matter in plasma.
    plasma = declared(cell(0, component=Component.FRESH_FROZEN_PLASMA, uncovered=1))
    assert BloodGroup.O_NEG in plasma.donor_groups


def test_who_waits_how_urgently_is_part_of_a_shortage_and_news() -> None:
    count = cell(300, uncovered=4, urgent=3, endangered=2)
    shortage = declared(count)
    assert (shortage.urgent_units, shortage.endangered_units) == (3, 2)
    assert decide(count, shortage) is None
    change = decide(cell(300, uncovered=4, urgent=3, endangered=3), shortage)
    assert change is not None
    assert change.step is ShortageStep.CHANGED


def test_c84_what_a_disaster_is_expected_to_need_is_missing_before_anybody_waits() -> None:
    needs = [{"component": "red_cells", "units": 115, "basis": "reported"}]
    led = Activation.model_validate(
        {
            "activation_id": "a-1", "event_key": "e", "station_id": "shigatse", "revision": 1,
            "status": "open", "lead": True, "distance_km": 1, "needs": needs, "decided_at": AT,
        }
    )  # fmt: skip
    expected = expect_of_disasters([led], PACKAGED.shortages)
    assert {group.value: units for (_, group), units in expected.items()} == {
        "O+": 40, "A+": 34, "B+": 33, "AB+": 11,
    }  # fmt: skip
    twice = expect_of_disasters([led, led], PACKAGED.shortages)
    assert twice[Component.RED_CELLS, BloodGroup.O_POS] == 80

    idle = make_station(daily_demand={})
    found = measure(cell(12, expected=40), station=idle, rules=PACKAGED.shortages)
    assert (found.level, found.missing) == (ShortageLevel.ORANGE, 28)
    assert measure(cell(40, expected=40), station=idle, rules=PACKAGED.shortages).missing == 0
    shortage = declared(cell(12, expected=40))
    assert shortage.expected_units == 28
    # Who waits already is counted once, beside those who are still to come.
    waiting = measure(cell(0, uncovered=5, expected=35), station=idle, rules=PACKAGED.shortages)
    assert (waiting.level, waiting.missing) == (ShortageLevel.RED, 40)


def test_f60_no_rhd_negative_group_is_called_where_a_positive_one_serves() -> None:
    policy = StationPolicy()
    for component, group, called in (
        (Component.RED_CELLS, BloodGroup.A_POS, ["A+", "O+"]),
        (Component.RED_CELLS, BloodGroup.O_POS, ["O+"]),
        (Component.RED_CELLS, BloodGroup.A_NEG, ["A-", "O-"]),
        (Component.RED_CELLS, BloodGroup.O_NEG, ["O-"]),
    ):
        serving = list_serving_groups(component, group, policy, PACKAGED)
        assert [group.value for group in list_called_groups(serving)] == called
    # RhD does not matter in plasma: an RhD- patient's need is served by RhD+ donors.
    plasma = list_serving_groups(Component.FRESH_FROZEN_PLASMA, BloodGroup.A_NEG, policy, PACKAGED)
    assert {group.rhd for group in list_called_groups(plasma)} == {RhD.POSITIVE}
