"""What each scan may do: its row against the life of a unit, and what is told at the scanner."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.labels.actions import (
    ACTIONS_OF,
    STEPS,
    ScanAction,
    Scanner,
    ensure_actor,
    ensure_may,
    ensure_own,
    find_bound,
    get_epoch,
    is_kept,
    list_unfilled,
)
from models.components import Component
from models.errors import DomainRefusal, InvariantViolation
from models.events.stock import UNDER_PROMISE, StockChange
from models.groups import BloodGroup
from models.rules.rulebook import PACKAGED
from models.unit_states import Actor
from models.units import RecordedUnit, UnitStatus, UnitTraits

A = ScanAction
S = UnitStatus
NOW = datetime(2025, 1, 7, tzinfo=UTC)
STATION = Scanner(actor=Actor.STATION, facility_id="shigatse", station_id="shigatse")
LHASA = Scanner(actor=Actor.STATION, facility_id="lhasa", station_id="lhasa")
WARD = Scanner(actor=Actor.HOSPITAL, facility_id="dingri", station_id="shigatse")
UNIT = RecordedUnit(
    unit_id="G123425000001-EX001V00",
    station_id="shigatse",
    component=Component.RED_CELLS,
    group=BloodGroup.O_POS,
    volume_ml=200,
    expires_at=NOW + timedelta(days=1),
    traits=UnitTraits(),
    status=S.RESERVED,
    epoch=3,
    request_id="r-1",
    hospital_id="dingri",
)
TRANSFER: dict[str, Any] = {
    "request_id": None,
    "hospital_id": None,
    "transfer_id": "t-1",
    "to_station_id": "lhasa",
}

FROM = {
    A.QUARANTINE: {S.COLLECTED},
    A.PICK: {S.RESERVED},
    A.ISSUE: {S.RESERVED, S.PICKED},
    A.DEPART: {S.ISSUED},
    A.RECEIVE: {S.ISSUED, S.IN_TRANSIT},
    A.TRANSFUSE: {S.RECEIVED},
    A.RETURN: {S.ISSUED, S.IN_TRANSIT, S.RECEIVED},
    A.RESTOCK: {S.RETURNED},
    A.DISCARD: set(S) - {S.SPLIT, S.TRANSFUSED, S.DISCARDED, S.EXPIRED},
}
"""From where each leads, written by hand: a change of the life of a unit is to be seen here."""

LABELS_PAGE = Path(__file__).resolve().parents[2] / "docs" / "labels.md"
AT_HOSPITAL = {S.ISSUED, S.IN_TRANSIT, S.RECEIVED}


def change(**fields: Any) -> RecordedUnit:  # noqa: ANN401 - any field
    return dataclasses.replace(UNIT, **fields)


def find_fault(
    action: ScanAction,
    unit: RecordedUnit,
    *,
    scanner: Scanner = STATION,
    request_id: str | None = None,
) -> str | None:
    try:
        ensure_may(action, unit, scanner=scanner, request_id=request_id, now=NOW, rules=PACKAGED)
    except DomainRefusal as refusal:
        return refusal.code
    return None


def test_every_step_of_a_scanner_is_one_row() -> None:
    assert set(STEPS) == set(ScanAction) == set(FROM)
    assert {step.change for step in STEPS.values()} == set(StockChange)


@pytest.mark.parametrize("action", ScanAction)
@pytest.mark.parametrize("status", UnitStatus)
def test_from_where_each_leads(action: ScanAction, status: UnitStatus) -> None:
    unit = change(status=status)
    fits = status in FROM[action]
    assert find_fault(action, unit) == (None if fits else "unit_state_forbids")
    expected = None if fits else "unit_state_forbids"
    if fits and not (action in ACTIONS_OF[Actor.HOSPITAL] and status in AT_HOSPITAL):
        expected = "unit_actor_forbids"
    assert find_fault(action, unit, scanner=WARD) == expected


def test_who_may_scan_what_at_all() -> None:
    assert set(ACTIONS_OF[Actor.STATION]) == set(ScanAction)
    allowed = {A.RECEIVE, A.TRANSFUSE, A.RETURN, A.DISCARD}
    assert set(ACTIONS_OF[Actor.HOSPITAL]) == allowed
    for action in ScanAction:
        ensure_actor(action, Actor.STATION)
        if action in allowed:
            ensure_actor(action, Actor.HOSPITAL)
            continue
        with pytest.raises(DomainRefusal, match="scan_action_forbidden"):
            ensure_actor(action, Actor.HOSPITAL)


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (A.PICK, S.RESERVED),
        (A.ISSUE, S.PICKED),
        (A.TRANSFUSE, S.RECEIVED),
        (A.RESTOCK, S.RETURNED),
    ],
)
def test_an_expired_bag_goes_to_nobody(action: ScanAction, status: UnitStatus) -> None:
    assert find_fault(action, change(status=status, expires_at=NOW)) == "unit_expired"


@pytest.mark.parametrize(
    ("action", "status"), [(A.RETURN, S.RECEIVED), (A.DISCARD, S.RETURNED), (A.RECEIVE, S.ISSUED)]
)
def test_an_expired_bag_can_be_set_aside(action: ScanAction, status: UnitStatus) -> None:
    assert find_fault(action, change(status=status, expires_at=NOW)) is None


def test_a_unit_is_scanned_where_it_is() -> None:
    assert find_fault(A.ISSUE, UNIT, scanner=LHASA) == "unit_not_here"
    assert find_fault(A.RECEIVE, change(status=S.ISSUED), scanner=LHASA) == "unit_not_here"
    moved = change(status=S.ISSUED, station_id="lhasa")
    assert find_fault(A.RECEIVE, moved, scanner=WARD) == "unit_not_here"


@pytest.mark.parametrize("status", [S.ISSUED, S.IN_TRANSIT])
def test_a_neighbour_alone_receives_what_goes_to_it(status: UnitStatus) -> None:
    unit = change(status=status, **TRANSFER)
    assert find_fault(A.RECEIVE, unit, scanner=LHASA) is None
    assert find_fault(A.RECEIVE, unit, scanner=STATION) == "received_elsewhere"
    assert find_fault(A.RETURN, unit, scanner=STATION) is None
    assert find_fault(A.RETURN, unit, scanner=LHASA) == "unit_not_here"
    arrived = change(status=S.AVAILABLE, **{**TRANSFER, "station_id": "lhasa"})
    assert find_fault(A.RECEIVE, arrived, scanner=LHASA) == "unit_state_forbids"


def test_a_bag_that_is_meant_for_another() -> None:
    assert find_fault(A.ISSUE, UNIT, request_id="r-1") is None
    assert find_fault(A.ISSUE, UNIT, request_id="r-2") == "bag_for_another"
    transfer = change(**TRANSFER)
    assert find_fault(A.ISSUE, transfer, request_id="t-1") is None
    for status, meant in ((S.RECEIVED, "r-1"), (S.RETURNED, None), (S.AVAILABLE, None)):
        assert find_bound(change(status=status)) == meant
    assert find_fault(A.RESTOCK, change(status=S.RETURNED), request_id="r-1") == "bag_for_another"


def test_a_hospital_speaks_of_its_own_patients_units() -> None:
    ensure_own(UNIT, WARD)
    ensure_own(change(hospital_id="lhatse"), STATION)
    for hospital_id in ("lhatse", None):
        with pytest.raises(DomainRefusal, match="unit_of_other_hospital"):
            ensure_own(change(hospital_id=hospital_id), WARD)


def test_what_was_warm_too_long_is_not_restocked() -> None:
    limit_s = 30 * 60
    returned = change(status=S.RETURNED, out_of_control_s=limit_s)
    assert find_fault(A.RESTOCK, returned) is None
    warm = dataclasses.replace(returned, out_of_control_s=limit_s + 1)
    assert find_fault(A.RESTOCK, warm) == "out_of_control_too_long"
    platelets = dataclasses.replace(returned, component=Component.PLATELETS)
    assert find_fault(A.RESTOCK, platelets) == "return_not_allowed"


@pytest.mark.parametrize(
    ("action", "status", "kept"),
    [
        (A.TRANSFUSE, S.RECALLED, True),
        (A.TRANSFUSE, S.DISCARDED, True),
        (A.TRANSFUSE, S.IN_TRANSIT, False),
        (A.TRANSFUSE, S.TRANSFUSED, False),
        (A.RECEIVE, S.RECALLED, True),
        (A.RECEIVE, S.RECEIVED, False),
        (A.RECEIVE, S.RESERVED, False),
        (A.RETURN, S.TRANSFUSED, True),
        (A.RETURN, S.RETURNED, False),
        (A.ISSUE, S.RECALLED, False),
        (A.DISCARD, S.TRANSFUSED, False),
    ],
)
def test_what_was_done_to_a_unit_is_kept_though_refused(
    action: ScanAction, status: UnitStatus, *, kept: bool
) -> None:
    def is_kept_as(unit: RecordedUnit) -> bool:
        with pytest.raises(DomainRefusal) as caught:
            ensure_may(action, unit, scanner=STATION, request_id=None, now=NOW, rules=PACKAGED)
        return is_kept(action, unit, caught.value)

    assert is_kept_as(change(status=status)) is kept
    assert not is_kept_as(change(status=status, epoch=None)), "it was never promised"
    assert not is_kept_as(change(status=status, station_id="lhasa")), "another's"


def test_an_arrival_that_is_scanned_twice_is_not_kept() -> None:
    arrived = change(status=S.AVAILABLE, **{**TRANSFER, "station_id": "lhasa"})
    with pytest.raises(DomainRefusal) as caught:
        ensure_may(A.RECEIVE, arrived, scanner=LHASA, request_id=None, now=NOW, rules=PACKAGED)
    assert not is_kept(A.RECEIVE, arrived, caught.value)


def test_a_transfusion_after_the_expiry_is_kept() -> None:
    late = change(status=S.RECEIVED, expires_at=NOW)
    with pytest.raises(DomainRefusal) as caught:
        ensure_may(A.TRANSFUSE, late, scanner=WARD, request_id=None, now=NOW, rules=PACKAGED)
    assert is_kept(A.TRANSFUSE, late, caught.value)


def test_the_epoch_goes_with_what_is_under_a_promise() -> None:
    for action, step in STEPS.items():
        expected = UNIT.epoch if step.change in UNDER_PROMISE else None
        assert get_epoch(action, UNIT) == expected
    with pytest.raises(InvariantViolation, match="unit_without_promise"):
        get_epoch(A.ISSUE, change(epoch=None))


@pytest.mark.parametrize(
    ("action", "reason", "out_of_control_s", "wrong"),
    [
        (A.RETURN, "", None, ["reason", "out_of_control_s"]),
        (A.RETURN, "unused", 0, []),
        (A.DISCARD, "", None, ["reason"]),
        (A.DISCARD, "leaking", 60, ["out_of_control_s"]),
        (A.RECEIVE, "", 60, ["out_of_control_s"]),
        (A.RECEIVE, "", None, []),
    ],
)
def test_the_fields_that_an_action_needs(
    action: ScanAction, reason: str, out_of_control_s: int | None, wrong: list[str]
) -> None:
    found = list_unfilled(action, reason=reason, out_of_control_s=out_of_control_s)
    assert [name for name, _ in found] == wrong


def test_the_page_tells_the_actions() -> None:
    page = LABELS_PAGE.read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` [^|]*\| (\w+) \| ([\w, ]+) \| (.*) \|$", page, re.MULTILINE)
    told = {action: (change, by, needed) for action, change, by, needed in rows}
    expected = {}
    for action, step in STEPS.items():
        who = [actor for actor, actions in ACTIONS_OF.items() if action in actions]
        found = list_unfilled(action, reason="", out_of_control_s=None)
        needed = ", ".join(f"`{name}`" for name, _ in found)
        expected[action.value] = (step.change.value, ", ".join(who), needed or "–")
    assert told == expected
