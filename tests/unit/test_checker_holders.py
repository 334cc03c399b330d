"""Who held which unit, from the log alone, and which overlaps are only those of clocks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from checker.checks.expiry import find_quarantined
from checker.checks.holders import replay_bindings
from checker.checks.promises import find_promised_twice
from checker.database_rows import Promise, Rows, StateChange, Unit
from checker.evidence import World
from checker.intervals import Binding, list_overlaps
from checker.kafka_log import Log, LogRecord, to_record
from tests.support.seeding import minutes


def record(topic: str, offset: int, body: dict[str, Any]) -> LogRecord:
    return to_record(
        topic=topic,
        partition=0,
        offset=offset,
        key=b"nagqu",
        value=json.dumps(body).encode(),
        headers=[("ce_id", f"{topic}/{offset}".encode())],
    )


def decision(version: int, at: float, *lines: dict[str, Any], **more: object) -> dict[str, Any]:
    body = {
        "decision_id": f"r.v{version}",
        "request_id": "r",
        "version": version,
        "outcome": "reserved",
        "lines": list(lines),
        "decided_at": minutes(at).isoformat(),
    }
    return {"decision": body | more}


def line(
    *units: str, requested: int, uncovered: int = 0, volume_ml: int = 200, **more: object
) -> dict[str, Any]:
    """A line as it was told before its measure was; `more` tells that as well."""
    reserved = [
        {
            "promise_id": f"p-{unit_id}",
            "unit_id": unit_id,
            "component": "red_cells",
            "volume_ml": volume_ml,
        }
        for unit_id in units
    ]
    return {
        **more,
        "line_no": 1,
        "requested": requested,
        "uncovered": uncovered,
        "reserved": reserved,
    }


def given_back(*unit_ids: str) -> list[dict[str, Any]]:
    return [{"code": "unit_given_back", "params": {"unit_id": unit_id}} for unit_id in unit_ids]


def replay(*decisions: dict[str, Any], stock: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    topics = {
        "blood.decisions.v1": decisions,
        "blood.stock.v1": stock,
    }
    log = Log(
        topics={
            topic: tuple(record(topic, offset, body) for offset, body in enumerate(bodies))
            for topic, bodies in topics.items()
        }
    )
    bindings = replay_bindings(World(log=log))
    return {
        unit_id: [(hold.begins_at, hold.ends_at) for hold in found]
        for unit_id, found in bindings.items()
    }


def test_a_later_decision_that_adds_units_keeps_the_earlier_ones() -> None:
    bound = replay(
        decision(1, 1, line("U1", requested=2, uncovered=1)),
        decision(2, 5, line("U2", requested=2)),
    )
    assert bound == {"U1": [(minutes(1), None)], "U2": [(minutes(5), None)]}


def test_a_decision_that_has_no_room_gives_the_earlier_units_up() -> None:
    bound = replay(decision(1, 1, line("U1", requested=1)), decision(2, 5, line("U2", requested=1)))
    assert bound["U1"] == [(minutes(1), minutes(5))]


def test_a_unit_on_its_way_stays_when_the_others_are_given_up() -> None:
    issued = {"unit_id": "U1", "change": "issued", "happened_at": minutes(2).isoformat()}
    bound = replay(
        decision(1, 1, line("U1", "U2", requested=2)),
        decision(2, 5, line("U3", requested=2)),
        stock=(issued,),
    )
    assert bound["U1"] == [(minutes(1), None)]
    assert bound["U2"] == [(minutes(1), minutes(5))]


def test_f07_what_earlier_units_hold_tells_which_of_them_stay() -> None:
    """Three units: a bag of two, then another one, which holds more than is missing."""
    first = line("U1", requested=3, volume_ml=400, measure="unit", covered_hundredths=200)
    second = line("U2", requested=3, volume_ml=400, measure="unit", covered_hundredths=400)
    both = replay(decision(1, 1, first), decision(2, 2, second))
    assert both == {"U1": [(minutes(1), None)], "U2": [(minutes(2), None)]}
    alone = line("U2", requested=2, volume_ml=400, measure="unit", covered_hundredths=200)
    other = replay(decision(1, 1, first), decision(2, 2, alone))
    assert other == {"U1": [(minutes(1), minutes(2))], "U2": [(minutes(2), None)]}


def test_an_ended_request_holds_nothing() -> None:
    bound = replay(decision(1, 1, line("U1", requested=1)), decision(2, 5, outcome="cancelled"))
    assert bound["U1"] == [(minutes(1), minutes(5))]


@pytest.mark.parametrize(
    "code",
    [
        "unit_given_back",
        "unit_lost_recalled",
        "unit_lost_expired",
        "unit_too_late",
        "unit_put_on_hold",
        "taken_by_hand",
        "bag_taken_back",
    ],
)
def test_a_unit_that_a_decision_tells_lost_is_bound_no_longer(code: str) -> None:
    lost = {"code": code, "params": {"unit_id": "U1"}}
    told = decision(2, 5, outcome="partly_refused", reasons=[lost])
    bound = replay(decision(1, 1, line("U1", "U2", requested=2)), told)
    assert bound == {"U1": [(minutes(1), minutes(5))], "U2": [(minutes(1), None)]}


def test_a_lapse_beside_units_on_their_way_gives_up_the_units_it_names() -> None:
    bound = replay(
        decision(1, 1, line("U1", "U2", requested=2)),
        decision(2, 5, outcome="partly_refused", reasons=given_back("U2")),
    )
    assert bound == {"U1": [(minutes(1), None)], "U2": [(minutes(1), minutes(5))]}


def test_a_unit_given_back_and_reserved_again_is_bound_twice_one_after_the_other() -> None:
    again = line("U1", "U2", requested=2)
    again["reserved"][1]["promise_id"] = "p-again"
    bound = replay(
        decision(1, 1, line("U1", "U2", requested=2)),
        decision(2, 5, again, reasons=given_back("U2")),
    )
    assert bound["U1"] == [(minutes(1), None)]
    assert sorted(bound["U2"]) == [(minutes(1), minutes(5)), (minutes(5), None)]


def test_versions_count_not_places_on_the_log() -> None:
    bound = replay(decision(2, 5, outcome="cancelled"), decision(1, 1, line("U1", requested=1)))
    assert bound["U1"] == [(minutes(1), minutes(5))]


def test_a_unit_of_a_transfer_that_nobody_fetched_is_given_back() -> None:
    agreed = {
        "transfer_id": "t1",
        "status": "agreed",
        "unit_ids": ["U1", "U2"],
        "agreed_at": minutes(1).isoformat(),
    }
    log = Log(
        topics={"blood.transfers.v1": (record("blood.transfers.v1", 0, {"transfer": agreed}),)}
    )
    lent = replace(promise(1, 1, 4), request_id=None, transfer_id="t1")
    held_back = replace(lent, status="lost")
    for rows, ends_at in (
        (Rows(promises=[lent]), minutes(4)),
        (Rows(promises=[held_back]), minutes(4)),
        (Rows(), None),
    ):
        bindings = replay_bindings(World(rows=rows, log=log))
        assert [hold.ends_at for hold in bindings["U1"]] == [ends_at]
        assert [hold.ends_at for hold in bindings["U2"]] == [None]


def bind(holder: str, begins: float, ends: float | None) -> Binding:
    ends_at = None if ends is None else minutes(ends)
    return Binding(holder=holder, begins_at=minutes(begins), ends_at=ends_at)


def test_half_open_neighbours_do_not_overlap() -> None:
    assert list(list_overlaps([bind("a", 1, 2), bind("b", 2, None)])) == []


def test_a_long_binding_overlaps_every_later_one() -> None:
    bindings = [bind("a", 1, None), bind("b", 2, 3), bind("c", 4, 5)]
    assert [(a.holder, b.holder) for a, b in list_overlaps(bindings)] == [("a", "b"), ("a", "c")]


def test_a_binding_that_was_over_at_once_overlaps_nothing() -> None:
    assert list(list_overlaps([bind("a", 1, None), bind("b", 2, 2)])) == []


def promise(epoch: int, held_at: float, ended_at: float | None) -> Promise:
    return Promise(
        promise_id=f"p{epoch}",
        unit_id="U1",
        component="red_cells",
        blood_group="A+",
        epoch=epoch,
        request_id=f"r{epoch}",
        line_no=1,
        transfer_id=None,
        status="held" if ended_at is None else "released",
        held_at=minutes(held_at),
        hold_until=minutes(held_at) + timedelta(hours=4),
        ended_at=None if ended_at is None else minutes(ended_at),
    )


def twice(first_ended_at: float, *states: str) -> int:
    trail = [
        StateChange(audit_id=at, subject="U1", from_state="", to_state=state, at=minutes(at))
        for at, state in enumerate(states)
    ]
    rows = Rows(promises=[promise(1, 1, first_ended_at), promise(2, 5, None)], trail=trail)
    return len(list(find_promised_twice(World(rows=rows))))


def test_a_moment_of_clock_skew_is_excused_by_the_audit_and_by_nothing_else() -> None:
    in_order = ("reserved", "available", "reserved")
    assert twice(5.01, *in_order) == 0
    assert twice(5.01, "reserved", "reserved", "available") == 1
    assert twice(5.01) == 1
    assert twice(7, *in_order) == 1


def quarantined(released_at: float, *states: str) -> int:
    unit = Unit(
        unit_id="U1",
        donation_id="d1",
        component="red_cells",
        blood_group="A+",
        volume_ml=200,
        attested_by="quality",
        collected_at=minutes(-60),
        expires_at=minutes(6000),
        released_at=minutes(released_at),
        status="reserved",
        parent_id=None,
        traits={},
    )
    trail = [
        StateChange(audit_id=at, subject="U1", from_state="", to_state=state, at=minutes(at))
        for at, state in enumerate(states)
    ]
    rows = Rows(units=[unit], promises=[promise(1, 1, None)], trail=trail)
    return len(list(find_quarantined(World(rows=rows))))


def test_a_release_within_the_skew_counts_only_if_the_audit_has_it_first() -> None:
    assert quarantined(0.5) == 0
    assert quarantined(1.01, "available", "reserved") == 0
    assert quarantined(1.01, "reserved", "available") == 1
    assert quarantined(1.01) == 1
    assert quarantined(3, "available", "reserved") == 1
