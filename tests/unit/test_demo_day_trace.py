"""The trace of a day: what was asked, which bags there were, and what was promised."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import cast

import pytest

from demo.actor_context import DrillStage
from demo.casualties import PlannedRequest
from demo.day_record import Board, Given, LookBack, RequestView
from demo.day_trace import (
    DayRequest,
    Promised,
    RequestAtEnd,
    read_requests,
    trace_day,
)
from demo.donation_outcomes import DonatedLife
from demo.event_lines import Storyteller
from demo.scenario import Scenario, read_scenario
from models.components import Component
from models.decisions import Decision, Outcome
from models.events.stock import CountedUnit
from models.groups import BloodGroup
from models.rules.rulebook import PACKAGED
from models.units import Unit, UnitStatus
from tests.support.demo_days import FAR, make_ask

KEY = ("r-1", 1)
A_POS, O_POS = BloodGroup.A_POS, BloodGroup.O_POS


@pytest.fixture(scope="module")
def dingri() -> Scenario:
    return read_scenario("dingri")


def _decision(scenario: Scenario, outcome: Outcome, at_h: float) -> Decision:
    return Decision(
        decision_id="d",
        request_id="r-1",
        hospital_id=FAR,
        station_id="shigatse",
        version=1,
        outcome=outcome,
        decided_at=scenario.at(at_h),
        rules_version=PACKAGED.version,
    )


def _stage(scenario: Scenario, *decisions: Decision) -> DrillStage:
    board = Board(storyteller=Storyteller(scenario))
    board.decisions["r-1"] = list(decisions)
    board.requests["r-1"] = RequestView(
        hospital_id=FAR,
        outcome=decisions[-1].outcome,
        waiting_for="",
        decided_at=decisions[-1].decided_at,
    )
    return cast("DrillStage", SimpleNamespace(scenario=scenario, board=board, stock=()))


def _at_end(ask: DayRequest) -> Mapping[str, RequestAtEnd]:
    promised = (Promised(key=KEY, unit_id="u-1"),)
    return {"r-1": RequestAtEnd(request=ask.request, promised=promised)}


def test_a_day_is_traced_by_its_decisions_and_what_was_planned(dingri: Scenario) -> None:
    asked = make_ask(dingri, group=None)
    plan = PlannedRequest(
        at=dingri.at(1.9),
        request=asked.request.but(needed_by=dingri.at(8)),
        straight=True,
        typed=A_POS,
        typed_after_s=3600,
    )
    stage = _stage(
        dingri, _decision(dingri, Outcome.WAITING, 2), _decision(dingri, Outcome.EXPIRED, 6)
    )
    trace = trace_day(stage, [plan], [], _at_end(asked))
    (ask,) = trace.asks
    # What was asked at first counts: the ward may have asked sooner only to take what lay there.
    assert (ask.opened_at, ask.closes_at) == (dingri.at(2), dingri.at(9))
    assert [(at, patient.group) for at, patient in ask.known] == [
        (dingri.at(2), None),
        (dingri.at(2.9), A_POS),
    ]
    assert trace.promised == (Promised(key=KEY, unit_id="u-1"),)
    late = _stage(
        dingri, _decision(dingri, Outcome.WAITING, 2), _decision(dingri, Outcome.EXPIRED, 11)
    )
    assert trace_day(late, [plan], [], _at_end(asked)).asks[0].closes_at == dingri.at(11)


def test_what_a_patients_other_request_told_is_known(dingri: Scenario) -> None:
    asked = make_ask(dingri, group=None)
    told = asked.request.but(patient=asked.request.patient.but(group=A_POS))
    plans = [
        PlannedRequest(at=dingri.at(2), request=asked.request, straight=True),
        PlannedRequest(
            at=dingri.at(2.5),
            request=told.but(request_id="r-3"),
        ),
        PlannedRequest(
            at=dingri.at(1),
            request=asked.request.but(request_id="r-0"),
            typed=A_POS,
            typed_after_s=7200,
        ),
    ]
    stage = _stage(dingri, _decision(dingri, Outcome.WAITING, 2))
    (ask,) = trace_day(stage, plans, [], {"r-1": RequestAtEnd(request=told, promised=())}).asks
    assert [(at, patient.group) for at, patient in ask.known] == [
        (dingri.at(2), None),
        (dingri.at(2.5), A_POS),
    ]


def test_a_cancelled_request_asks_for_nothing(dingri: Scenario) -> None:
    stage = _stage(dingri, _decision(dingri, Outcome.CANCELLED, 2))
    trace = trace_day(stage, [], [], _at_end(make_ask(dingri)))
    assert (trace.asks, trace.promised) == ((), ())


def test_the_bags_of_a_day_are_those_counted_and_those_given_and_released(
    dingri: Scenario,
) -> None:
    unit = Unit(
        unit_id="U-1",
        donation_id="D-1",
        station_id="lhasa",
        component=Component.RED_CELLS,
        group=O_POS,
        volume_ml=200,
        collected_at=dingri.at(-24),
        expires_at=dingri.at(240),
    )
    lives = [
        DonatedLife(
            unit_id=unit_id,
            station_id="shigatse",
            component=Component.RED_CELLS,
            group=A_POS,
            volume_ml=300,
            status=UnitStatus.RECALLED,
            collected_at=dingri.at(2),
            expires_at=dingri.at(800),
            released=released_at is not None,
            recalled=True,
            epoch=3,
            clear=8,
            against=0,
            released_at=released_at,
            place=None,
        )
        for unit_id, released_at in (("U-2", dingri.at(7)), ("U-3", None))
    ]
    stage = _stage(dingri, _decision(dingri, Outcome.WAITING, 2))
    stage.stock = [CountedUnit(unit=unit, released=True)]
    stage.board.donated = {
        life.unit_id: Given(station_id="nagqu", staff=True, volume_ml=300) for life in lives
    }
    stage.board.look_back = LookBack(
        donation_id="D-1", recalled_at=dingri.at(5), units={"U-1": "recalled"}, requests=()
    )
    counted, given = trace_day(stage, [], lives, {}).bags
    assert (counted.unit_id, counted.lies.unit.station_id) == ("U-1", "lhasa")
    assert counted.until == dingri.at(5)
    assert (given.unit_id, given.lies.unit.station_id) == ("U-2", "nagqu")
    assert (given.lies.since, given.until) == (dingri.at(7), None)
    # What befell it later does not count before.
    assert (given.lies.unit.status, given.lies.unit.recalled) == (UnitStatus.AVAILABLE, False)


async def test_only_promises_that_stand_are_read(dingri: Scenario) -> None:
    request = make_ask(dingri).request
    timeline = [
        {"kind": "promise", "promise": {"unit_id": unit_id, "line_no": 1, "status": status}}
        for unit_id, status in (
            ("u-1", "held"),
            ("u-2", "issued"),
            ("u-3", "received"),
            ("u-4", "released"),
            ("u-5", "lost"),
        )
    ]
    body = {
        "request": request.model_dump(mode="json"),
        "timeline": [*timeline, {"kind": "decision"}],
    }

    async def call(method: str, path: str) -> SimpleNamespace:
        assert (method, path) == ("GET", "/v1/requests/r-1")
        return SimpleNamespace(body=body)

    board = _stage(dingri, _decision(dingri, Outcome.WAITING, 2)).board
    dispatcher = {"dispatcher": SimpleNamespace(call=call)}
    stage = SimpleNamespace(board=board, door=dispatcher.__getitem__)
    found = await read_requests(cast("DrillStage", stage))
    assert found["r-1"].request == request
    assert [promise.unit_id for promise in found["r-1"].promised] == ["u-1", "u-2", "u-3"]
