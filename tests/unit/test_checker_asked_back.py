"""The checker's own rules on what is asked back of an order, on rows made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from checker.checks.asked_back import find_danger_asked_back, find_given_unasked
from checker.checks.waiting_at_end import find_waiting_beside_blood
from checker.database_rows import Decision, Line, Promise, Request, Unit
from checker.evidence import World
from checker.request_versions import read_histories
from tests.support.seeding import minutes
from tests.unit.test_checker_waiting import ask, bag, build, decide

DYING, URGENT = "life_threatening", "urgent"


def order(
    request_id: str,
    priority: str,
    quantity: int,
    *,
    status: str = "open",
    **changes: Any,  # noqa: ANN401 - of a body
) -> Request:
    """An order for a patient of the ward: its `reference`, and `by` whom it is confirmed."""
    request = ask(request_id, priority, status)
    patient = {**request.body["patient"], "reference": changes.get("reference", "bed-9")}
    line = {**request.body["lines"][0], "quantity": quantity}
    body = {**request.body, "patient": patient, "lines": [line]}
    if "by" in changes:
        body["quantity_confirmed_by"] = changes["by"]
    return replace(request, body=body)


def hold(request_id: str, *, bags: int, status: str = "held") -> list[tuple[Unit, Promise]]:
    found = []
    for number in range(bags):
        unit = bag(f"{request_id}-{number}-{status}", status="reserved")
        promise = Promise(
            promise_id=f"p-{unit.unit_id}",
            unit_id=unit.unit_id,
            component=unit.component,
            blood_group=unit.blood_group,
            epoch=1,
            request_id=request_id,
            line_no=1,
            transfer_id=None,
            status=status,
            held_at=minutes(-100),
            hold_until=minutes(500),
            ended_at=None,
        )
        found.append((unit, promise))
    return found


def judge(
    *orders: tuple[Request, int],
    held: list[tuple[Unit, Promise]] | None = None,
    free: bool = True,
    eta_s: int = 600,
    rules: str = "2026-3",
) -> World:
    """A world of orders, each with what is asked back of it; one A+ bag lies free."""
    pairs = held or []
    requests = [request for request, _ in orders]
    decisions: list[Decision] = []
    for request in requests:
        told = decide(request.request_id, 1, -100, "partly_reserved", 0)
        decisions.append(replace(told, body={**told.body, "eta_s": eta_s, "rules_version": rules}))
    units = [*([bag("free")] if free else []), *(unit for unit, _ in pairs)]
    promises = tuple(promise for _, promise in pairs)
    world = build(units, requests, decisions, promises=promises)
    lines = [
        Line(
            request_id=request.request_id,
            line_no=1,
            component="red_cells",
            measure="unit",
            quantity=request.body["lines"][0]["quantity"],
            unconfirmed=unconfirmed,
        )
        for request, unconfirmed in orders
    ]
    return replace(world, rows=replace(world.rows, lines=lines))


def danger(world: World) -> list[str]:
    return [found.subject for found in find_danger_asked_back(world, read_histories(world))]


def unasked(world: World) -> list[str]:
    return [found.subject for found in find_given_unasked(world)]


@pytest.mark.parametrize(
    ("priority", "bags", "status", "is_found"),
    [
        (DYING, 19, "open", True),
        (DYING, 20, "open", False),
        (DYING, 0, "reserved", False),
        (URGENT, 0, "open", False),
    ],
)
def test_who_is_dying_and_waits_for_a_word_is_found(
    priority: str, bags: int, status: str, *, is_found: bool
) -> None:
    request = order("r", priority, 60, status=status)
    world = judge((request, 60 - bags), held=hold("r", bags=bags))
    assert danger(world) == (["r"] if is_found else [])
    assert danger(judge((request, 60 - bags), held=hold("r", bags=bags), free=False)) == []
    # What is asked back is no lack beside blood: who can wait waits for a word.
    assert not list(find_waiting_beside_blood(world, read_histories(world)))


def test_an_order_without_a_name_is_given_as_much_as_three() -> None:
    nobody = order("r", DYING, 200, reference=None)
    assert danger(judge((nobody, 150), held=hold("r", bags=50))) == ["r"]
    assert danger(judge((nobody, 140), held=hold("r", bags=60))) == []


@pytest.mark.parametrize(
    ("held", "reference", "status", "is_found"),
    [(6, "BED-9", "open", False), (5, "bed-9", "open", True), (6, "bed-1", "open", True),
     (6, "bed-9", "cancelled", True)],
)  # fmt: skip
def test_what_another_order_holds_for_the_patient_is_there(
    held: int, reference: str, status: str, *, is_found: bool
) -> None:
    first = order("a", DYING, 6, reference=reference, status=status)
    second = order("r", DYING, 6)
    world = judge((first, 0), (second, 6), held=hold("a", bags=held))
    assert danger(world) == (["r"] if is_found else [])


@pytest.mark.parametrize(
    ("priority", "bags", "changes", "is_found"),
    [
        (URGENT, 21, {}, False),
        (URGENT, 22, {}, True),
        (URGENT, 22, {"by": "Dr Tashi"}, False),
        (URGENT, 22, {"status": "cancelled"}, False),
        (DYING, 41, {}, False),
        (DYING, 42, {}, True),
    ],
)
def test_more_than_a_part_without_a_word_is_found(
    priority: str, bags: int, changes: dict[str, Any], *, is_found: bool
) -> None:
    request = order("r", priority, 90, **changes)
    assert unasked(judge((request, 0), held=hold("r", bags=bags))) == (["r"] if is_found else [])


def test_what_has_left_counts_for_who_can_wait_alone() -> None:
    bags = [*hold("r", bags=12), *hold("r", bags=12, status="issued")]
    assert unasked(judge((order("r", URGENT, 90), 0), held=bags)) == ["r"]
    many = [*hold("r", bags=30), *hold("r", bags=30, status="issued")]
    assert unasked(judge((order("r", DYING, 90), 0), held=many)) == []


def test_a_journey_of_hours_and_a_stations_own_rules_allow_more() -> None:
    dying, urgent = order("r", DYING, 90), order("r", URGENT, 90)
    held = hold("r", bags=60)
    assert unasked(judge((dying, 0), held=held, eta_s=2 * 3600)) == []
    assert unasked(judge((urgent, 0), held=held, eta_s=2 * 3600)) == ["r"]
    assert unasked(judge((urgent, 0), held=held, rules="2026-3+3fa9c2d1")) == []


@pytest.mark.parametrize(("usual", "is_found"), [(11, True), (12, False)])
def test_what_the_hospital_ordered_before_is_no_surprise(usual: int, *, is_found: bool) -> None:
    before = order("b", URGENT, usual, status="fulfilled")
    request = order("r", URGENT, 60)
    world = judge((before, 0), (request, 0), held=hold("r", bags=25))
    assert unasked(world) == (["r"] if is_found else [])
