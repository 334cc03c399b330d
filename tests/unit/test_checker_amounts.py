"""The checker's own count of what was promised, against what was asked; on rows made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checker.bag_content import count_dose
from checker.checks.promises import find_over_promised, find_under_promised
from checker.database_rows import Promise, Scan
from checker.evidence import World
from checker.request_versions import _amend, read_histories
from models.components import Component
from models.doses import dose_for
from tests.support.seeding import minutes
from tests.unit.test_checker_waiting import ask, bag, build, decide


def promise(unit_id: str, status: str = "held", *, ended_at: float | None = None) -> Promise:
    return Promise(
        promise_id=f"p-{unit_id}",
        unit_id=unit_id,
        component="red_cells",
        blood_group="A+",
        epoch=1,
        request_id="r",
        line_no=1,
        transfer_id=None,
        status=status,
        held_at=minutes(-100),
        hold_until=minutes(200),
        ended_at=None if ended_at is None else minutes(ended_at),
    )


def judge(status: str, *bags: tuple[int, Promise], scans: tuple[Scan, ...] = ()) -> World:
    """A request for one unit, decided at -100, that has these bags."""
    units = [replace(bag(unit.unit_id, status="reserved"), volume_ml=ml) for ml, unit in bags]
    world = build(
        units,
        [ask("r", "urgent", status)],
        [decide("r", 1, -100, "reserved", 0)],
        promises=tuple(unit for _, unit in bags),
    )
    return replace(world, rows=replace(world.rows, scans=list(scans)))


def under(world: World) -> list[str]:
    return [found.told for found in find_under_promised(world, read_histories(world))]


@pytest.mark.parametrize("status", ["reserved", "fulfilled"])
def test_f07_a_request_that_is_whole_by_name_alone_is_found(status: str) -> None:
    """A bag of 100 ml is half of the unit that was asked."""
    (told,) = under(judge(status, (100, promise("u"))))
    assert told.endswith("0.5 < 1 unit")
    assert under(judge(status))
    assert not under(judge(status, (200, promise("u"))))
    assert not under(judge(status, (100, promise("u")), (100, promise("v"))))


def test_who_still_waits_is_not_said_to_be_whole() -> None:
    assert not under(judge("open", (100, promise("u"))))


def test_what_ends_after_the_request_was_there() -> None:
    back = promise("u", "released", ended_at=-50)
    assert not under(judge("fulfilled", (200, back)))
    assert under(judge("fulfilled", (200, promise("u", "released", ended_at=-150))))
    assert under(judge("reserved", (200, back)))


def test_what_arrived_and_was_not_needed_was_there() -> None:
    arrived = Scan(
        scan_no=1, unit_id="u", change="received", out_of_control_s=None, recorded_at=minutes(-60)
    )
    back = promise("u", "released", ended_at=-50)
    assert not under(judge("reserved", (200, back), scans=(arrived,)))


def test_a_bag_without_which_there_is_enough_is_found() -> None:
    world = judge("reserved", (200, promise("u")), (100, promise("v")))
    (found,) = find_over_promised(world, read_histories(world))
    assert found.subject == "r"


@pytest.mark.parametrize(
    "component", [component for component in Component if dose_for(component, 60) is not None]
)
def test_the_checker_counts_a_dose_by_weight(component: Component) -> None:
    """Whoever writes to Kafka may state the weight alone."""
    for kg in (1, 3, 60, 61, 300):
        assert count_dose(component, kg) == dose_for(component, kg), kg
    line: dict[str, Any] = {"line_no": 1, "component": component.value, "for_weight_kg": 60}
    known = {"lines": [{**line, "measure": "ml", "quantity": 400}]}
    for before in ({}, known):
        (told,) = _amend(before, {"lines": [line]}, counts="unit")["lines"]
        assert (told["measure"], told["quantity"]) == ("unit", dose_for(component, 60))
