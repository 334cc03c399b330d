"""What each scan makes of a bag, who may scan it, and what is told without asking the engine."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.intake.acceptance import Caller
from gateway.labels.bags import Bag
from gateway.scans.batch import (
    ACTIONS_OF,
    CHANGE_OF,
    BagVerdict,
    NewScan,
    ScanAction,
    ScanBatch,
    Scanner,
)
from gateway.scans.scan_intake import (
    _add_event,
    ensure_actor,
    ensure_meant,
    ensure_own,
    find_bound,
    list_unfilled,
)
from models.components import Component
from models.errors import DomainRefusal
from models.events.stock import UNDER_PROMISE, StockChange
from models.groups import BloodGroup
from models.unit_states import Actor
from models.units import UnitStatus
from streams.ports.stock import RecordedUnit

A = ScanAction
S = UnitStatus
NOW = datetime(2025, 1, 7, tzinfo=UTC)
STATION = Scanner(actor=Actor.STATION, facility_id="shigatse", station_id="shigatse")
WARD = Scanner(actor=Actor.HOSPITAL, facility_id="dingri", station_id="shigatse")
UNIT = RecordedUnit(
    unit_id="G123425000001-EX001V00",
    station_id="shigatse",
    component=Component.RED_CELLS,
    group=BloodGroup.O_POS,
    volume_ml=200,
    collected_at=NOW - timedelta(days=1),
    expires_at=NOW + timedelta(days=1),
    released=True,
    recalled=False,
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

BAG = Bag(lines=(1,), label=None, fault=None)
ALLOWED_AT_HOSPITAL = {A.RECEIVE, A.TRANSFUSE, A.RETURN, A.DISCARD}
LABELS_PAGE = Path(__file__).resolve().parents[2] / "docs" / "labels.md"


def change(**fields: Any) -> RecordedUnit:  # noqa: ANN401 - any field
    return dataclasses.replace(UNIT, **fields)


def ask(action: ScanAction) -> ScanBatch:
    out_of_control_s = 60 if action is A.RETURN else None
    asked = NewScan(action=action, barcodes=("x",), out_of_control_s=out_of_control_s)
    caller = Caller(source="station/shigatse")
    return ScanBatch(asked=asked, scanner=STATION, scanned_at=NOW, caller=caller)


def find_fault(action: ScanAction, unit: RecordedUnit, *, request_id: str) -> str | None:
    try:
        ensure_meant(action, unit, request_id=request_id)
    except DomainRefusal as refusal:
        return refusal.code
    return None


def test_every_step_of_a_scanner_is_one_row() -> None:
    assert set(CHANGE_OF) == set(ScanAction)
    assert set(CHANGE_OF.values()) == set(StockChange)


def test_who_may_scan_what_at_all() -> None:
    assert set(ACTIONS_OF[Actor.STATION]) == set(ScanAction)
    assert set(ACTIONS_OF[Actor.HOSPITAL]) == ALLOWED_AT_HOSPITAL
    for action in ScanAction:
        ensure_actor(action, Actor.STATION)
        if action in ALLOWED_AT_HOSPITAL:
            ensure_actor(action, Actor.HOSPITAL)
            continue
        with pytest.raises(DomainRefusal, match="scan_action_forbidden"):
            ensure_actor(action, Actor.HOSPITAL)


def test_a_bag_that_is_meant_for_another() -> None:
    assert find_fault(A.ISSUE, UNIT, request_id="r-1") is None
    assert find_fault(A.ISSUE, UNIT, request_id="r-2") == "bag_for_another"
    ensure_meant(A.ISSUE, UNIT, request_id=None)
    transfer = change(**TRANSFER)
    assert find_fault(A.ISSUE, transfer, request_id="t-1") is None
    for status, meant in ((S.RECEIVED, "r-1"), (S.RETURNED, None), (S.AVAILABLE, None)):
        assert find_bound(change(status=status)) == meant
    returned = change(status=S.RETURNED)
    assert find_fault(A.RESTOCK, returned, request_id="r-1") == "bag_for_another"
    assert find_fault(A.ISSUE, returned, request_id="r-1") is None, "the engine says why not"


def test_a_hospital_speaks_of_its_own_patients_units() -> None:
    ensure_own(UNIT, WARD)
    ensure_own(change(hospital_id="lhatse"), STATION)
    for hospital_id in ("lhatse", None):
        with pytest.raises(DomainRefusal, match="unit_of_other_hospital"):
            ensure_own(change(hospital_id=hospital_id), WARD)


def test_the_epoch_goes_with_what_is_under_a_promise() -> None:
    for action, made in CHANGE_OF.items():
        expected = UNIT.epoch if made in UNDER_PROMISE else None
        event = _add_event(BagVerdict(bag=BAG), UNIT, ask(action)).event
        assert event is not None
        assert (event.change, event.epoch) == (made, expected)
    with pytest.raises(DomainRefusal, match="epoch_without_promise"):
        _add_event(BagVerdict(bag=BAG), change(epoch=0), ask(A.ISSUE))


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
    assert [error.field for error in found] == wrong


def test_the_page_tells_the_actions() -> None:
    page = LABELS_PAGE.read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` [^|]*\| (\w+) \| ([\w, ]+) \| (.*) \|$", page, re.MULTILINE)
    told = {action: (change, by, needed) for action, change, by, needed in rows}
    expected = {}
    for action, made in CHANGE_OF.items():
        who = [actor for actor, actions in ACTIONS_OF.items() if action in actions]
        found = list_unfilled(action, reason="", out_of_control_s=None)
        needed = ", ".join(f"`{error.field}`" for error in found)
        expected[action.value] = (made.value, ", ".join(who), needed or "–")
    assert told == expected
