"""The checker's own rule that nobody waits beside blood that fits, on rows made by hand (C71)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checker.checks.waited_during_run import find_waited_beside_blood
from checker.checks.waiting_at_end import find_danger_beside_promised, find_waiting_beside_blood
from checker.database_rows import (
    Decision,
    Facility,
    Line,
    Promise,
    Request,
    Rows,
    StateChange,
    Unit,
)
from checker.evidence import World
from checker.request_versions import read_histories
from tests.support.seeding import minutes

HOSPITAL = Facility(facility_id="h", body={"can_thaw": True, "cannot_use": []})


def bag(unit_id: str, group: str = "A+", status: str = "available") -> Unit:
    return Unit(
        unit_id=unit_id,
        donation_id=f"d-{unit_id}",
        component="red_cells",
        blood_group=group,
        collected_at=minutes(-1440),
        expires_at=minutes(20 * 1440),
        released_at=minutes(-600),
        attested_by="q",
        status=status,
        parent_id=None,
        traits={},
        volume_ml=200,
        station_id="s",
    )


def ask(request_id: str, priority: str, status: str, *, group: str = "A+") -> Request:
    body: dict[str, Any] = {
        "patient": {"group": group, "sex": "male", "age_years": 40},
        "lines": [{"line_no": 1, "component": "red_cells", "measure": "unit", "quantity": 1}],
    }
    return Request(
        request_id=request_id,
        hospital_id="h",
        station_id="s",
        priority=priority,
        needed_by=minutes(200),
        status=status,
        waiting_for="",
        version=1,
        body=body,
        decided_at=minutes(-100),
    )


def decide(request_id: str, version: int, at: float, outcome: str, uncovered: int) -> Decision:
    told = {"line_no": 1, "component": "red_cells", "uncovered": uncovered}
    return Decision(
        decision_id=f"{request_id}.{version}",
        request_id=request_id,
        version=version,
        outcome=outcome,
        body={"lines": [told]},
        decided_at=minutes(at),
    )


def build(
    units: list[Unit],
    requests: list[Request],
    decisions: list[Decision],
    *,
    trail: tuple[StateChange, ...] = (),
    promises: tuple[Promise, ...] = (),
) -> World:
    lines = [
        Line(
            request_id=request.request_id,
            line_no=1,
            component="red_cells",
            measure="unit",
            quantity=1,
        )
        for request in requests
    ]
    rows = Rows(
        units=units,
        requests=requests,
        lines=lines,
        decisions=decisions,
        hospitals=[HOSPITAL],
        stations=[Facility(facility_id="s", body={})],
        trail=list(trail),
        promises=list(promises),
    )
    return World(rows=rows, as_of=minutes(100))


def test_c71_who_waits_beside_a_free_bag_is_found() -> None:
    world = build([bag("u")], [ask("r", "urgent", "open")], [decide("r", 1, -100, "waiting", 1)])
    (found,) = find_waiting_beside_blood(world, read_histories(world))
    assert found.subject == "r"
    other = build(
        [bag("u", "B+")], [ask("r", "urgent", "open")], [decide("r", 1, -100, "waiting", 1)]
    )
    assert not list(find_waiting_beside_blood(other, read_histories(other)))


@pytest.mark.parametrize(("served_at", "is_found"), [(60, True), (-98, False)])
def test_c71_who_waited_beside_a_free_bag_is_found_afterwards(
    served_at: float, *, is_found: bool
) -> None:
    """Served at last, so that nothing is wrong at the end of the run."""
    step = StateChange(
        audit_id=1,
        subject="u",
        from_state="available",
        to_state="reserved",
        at=minutes(served_at),
        station_id="s",
    )
    world = build(
        [bag("u", status="reserved")],
        [ask("r", "urgent", "reserved"), ask("other", "urgent", "reserved")],
        [
            decide("r", 1, -100, "waiting", 1),
            decide("other", 1, 0, "reserved", 0),
            decide("r", 2, served_at, "reserved", 0),
        ],
        trail=(step,),
    )
    found = list(find_waited_beside_blood(world, read_histories(world)))
    assert [finding.subject for finding in found] == (["r"] if is_found else [])


@pytest.mark.parametrize(
    ("loser", "status", "is_found"),
    [
        ("routine", "reserved", True),
        ("urgent", "reserved", True),
        ("life_threatening", "reserved", False),
        ("routine", "picked", False),
    ],
)
def test_c72_who_is_dying_beside_what_another_could_give_up_is_found(
    loser: str, status: str, *, is_found: bool
) -> None:
    promise = Promise(
        promise_id="p",
        unit_id="u",
        component="red_cells",
        blood_group="A+",
        epoch=1,
        request_id="has",
        line_no=1,
        transfer_id=None,
        status="held",
        held_at=minutes(-99),
        hold_until=minutes(300),
        ended_at=None,
    )
    world = build(
        [bag("u", status=status)],
        [ask("has", loser, "reserved"), ask("dying", "life_threatening", "open")],
        [decide("has", 1, -99, "reserved", 0), decide("dying", 1, -98, "waiting", 1)],
        promises=(promise,),
    )
    found = list(find_danger_beside_promised(world, read_histories(world)))
    assert [finding.subject for finding in found] == (["dying"] if is_found else [])


KEPT = {"code": "kept_for_expected", "params": {}, "rule": ""}
DAY = 1440


def put_off(request_id: str, at: float, *, code: str = "kept_for_expected") -> Decision:
    decision = decide(request_id, 1, at, "deferred", 1)
    decision.body["lines"][0]["refusals"] = [KEPT | {"code": code}]
    return decision


def watched(
    priority: str, *, free: int = 2, days: float = 2, need_at: float = 3000, graver: int = 3
) -> World:
    """Somebody was put off an hour ago beside free bags; the station is watched for some days."""
    waiting = replace(ask("r", priority, "open"), needed_by=minutes(need_at))
    first = ask("first", "life_threatening", "fulfilled", group="B+")
    others = [ask(f"g{at}", "life_threatening", "fulfilled") for at in range(graver)]
    return build(
        [bag(f"u{at}") for at in range(free)],
        [waiting, first, *others],
        [
            put_off("r", -60),
            decide("first", 1, -days * DAY - 60, "fulfilled", 0),
            *(decide(other.request_id, 1, -200, "fulfilled", 0) for other in others),
        ],
    )


def find_beside(world: World) -> list[str]:
    world = replace(world, as_of=minutes(0))
    return [found.subject for found in find_waiting_beside_blood(world, read_histories(world))]


def test_what_is_kept_for_expected_need_is_nobodys_fault() -> None:
    assert find_beside(watched("routine")) == []
    assert find_beside(watched("urgent")) == []


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(watched("life_threatening"), id="nobody keeps from who dies"),
        pytest.param(watched("urgent", need_at=359), id="six hours before the need"),
        pytest.param(watched("routine", days=0.9), id="not watched for a day"),
        pytest.param(watched("routine", graver=0, free=7), id="more than is expected"),
        pytest.param(watched("routine", free=15), id="far more than was ever asked"),
    ],
)
def test_nothing_is_kept_against_the_rules(world: World) -> None:
    assert find_beside(world) == ["r"]
