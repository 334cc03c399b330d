"""What the demo's neighbours offer and what its wards do with an answer, without a system."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from demo.actor_context import DrillStage
from demo.actors.hospitals import run_hospitals
from demo.actors.neighbours import Neighbour
from demo.casualties import PlannedRequest
from demo.day_record import Board
from demo.event_lines import Storyteller
from demo.http_clients import HttpAnswer, SentLog
from demo.scenario import Scenario, read_scenario
from models.components import Component
from models.envelope import Envelope
from models.events.shortages import ShortageDeclared
from models.requests import RequestLine, UrgentRequest
from models.shortages import Shortage


@pytest.fixture(scope="module")
def dingri() -> Scenario:
    return read_scenario("dingri")


class _Door:
    """Answers as told and keeps what was asked."""

    def __init__(self, answers: Mapping[str, list[Any]]) -> None:
        self._answers = {method: list(bodies) for method, bodies in answers.items()}
        self.bodies: list[dict[str, Any]] = []

    async def call(
        self, method: str, path: str, *, body: dict[str, Any] | None = None, **_: object
    ) -> HttpAnswer:
        del path
        if method != "GET":
            self.bodies.append(dict(body or {}))
        queue = self._answers[method]
        told = queue.pop(0) if len(queue) > 1 else queue[0]
        return HttpAnswer(status=202, body=told, ms=1.0)


class _Stage(SimpleNamespace):
    """A stage whose clock stands still but for its sleeps."""

    def door(self, *_: str) -> _Door:
        return cast("_Door", self.the_door)

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    async def sleep_until(self, _: object) -> None:
        """Do nothing: it is time."""


@pytest.fixture
def sent(tmp_path: Path) -> Iterator[SentLog]:
    log = SentLog(tmp_path / "sent.jsonl")
    yield log
    log.close()


def _build_stage(dingri: Scenario, door: _Door, sent: SentLog) -> DrillStage:
    stage = _Stage(
        scenario=dingri,
        the_door=door,
        at=dingri.at(3),
        board=Board(storyteller=Storyteller(dingri)),
        sent=sent,
        kafka_bootstrap="127.0.0.1:1",
    )
    stage.clock = SimpleNamespace(now=lambda: stage.at)
    return cast("DrillStage", stage)


async def _offer(
    dingri: Scenario, sent: SentLog, *, have: int, **waiting: int
) -> list[dict[str, Any]]:
    shelf = [{"component": "red_cells", "group": "O+", "status": "available", "units": have}]
    door = _Door({"GET": [{"stock": shelf}], "POST": [{}]})
    lhasa = next(station for station in dingri.stations if station.station_id == "lhasa")
    neighbour = Neighbour(_build_stage(dingri, door, sent), lhasa)
    shortage = Shortage.model_validate(
        {
            "shortage_id": "s-1",
            "station_id": "shigatse",
            "component": "red_cells",
            "group": "O+",
            "level": "red",
            "status": "open",
            "units_missing": 20,
            "uncovered_units": 20,
            "donor_groups": ["O+"],
            "version": 1,
            "assessed_at": dingri.at(3),
            **waiting,
        }
    )
    event = ShortageDeclared(shortage=shortage)
    neighbour._hear(
        Envelope(
            id="e-1",
            type=event.TYPE,
            source="engine",
            subject=event.subject,
            time=dingri.at(3),
            key=event.key,
            data=event.to_body(),
        )
    )
    await neighbour._look()
    return door.bodies


@pytest.mark.parametrize(
    ("have", "waiting", "offered"),
    [
        # Lhasa uses 9.5 O+ a day: 43 are its floor, 10 are one day, 2 are six hours.
        (43, {}, None),
        (50, {}, (7, False)),
        (43, {"urgent_units": 4}, (4, True)),
        (50, {"urgent_units": 4}, (7, False)),
        (12, {"urgent_units": 4}, (2, True)),
        (10, {"urgent_units": 4}, None),
        (10, {"urgent_units": 4, "endangered_units": 4}, (4, True)),
        (3, {"urgent_units": 4, "endangered_units": 4}, (1, True)),
    ],
)
async def test_c86_the_director_names_what_the_steps_of_the_floor_leave(
    dingri: Scenario,
    sent: SentLog,
    have: int,
    waiting: dict[str, int],
    offered: tuple[int, bool] | None,
) -> None:
    bodies = await _offer(dingri, sent, have=have, **waiting)
    found = [(body["quantity"], body.get("below_floor", False)) for body in bodies]
    assert found == ([offered] if offered else [])
    for body in bodies:
        assert bool(body.get("confirmed_by")) is body.get("below_floor", False)


def _answer(*codes: str, uncovered: int) -> dict[str, Any]:
    line = {"uncovered": uncovered, "refusals": [{"code": code} for code in codes]}
    return {"request_id": "r", "event_ids": [], "decision": {"lines": [line]}}


async def _ask(dingri: Scenario, sent: SentLog, *answers: dict[str, Any]) -> list[dict[str, Any]]:
    first, *amended = answers
    door = _Door({"POST": [first], "PATCH": amended or [{}]})
    request = UrgentRequest.model_validate(
        {
            "request_id": "r",
            "hospital_id": "shigatse-people",
            "station_id": "shigatse",
            "patient": {"group": "A+"},
            "priority": "urgent",
            "needed_by": dingri.at(17),
            "lines": [RequestLine(line_no=1, component=Component.WASHED_RED_CELLS, quantity=1)],
        }
    )
    plan = PlannedRequest(at=dingri.at(3), request=request)
    await run_hospitals(_build_stage(dingri, door, sent), (plan,), cast("Any", None))
    return door.bodies[1:]


async def test_c90_a_ward_takes_sooner_what_does_not_last(
    dingri: Scenario, sent: SentLog, tmp_path: Path
) -> None:
    (amended,) = await _ask(
        dingri,
        sent,
        _answer("time_would_open", uncovered=1),
        _answer(uncovered=0),
    )
    assert list(amended) == ["needed_by"]
    assert dingri.at(3.4).isoformat() < amended["needed_by"] < dingri.at(3.8).isoformat()
    lines = (tmp_path / "sent.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[-1])["body"]["amendment"]["needed_by"]


async def test_c90_what_is_not_won_by_it_is_taken_back(dingri: Scenario, sent: SentLog) -> None:
    _, back = await _ask(
        dingri,
        sent,
        _answer("time_would_open", uncovered=1),
        _answer(uncovered=1),
        _answer(uncovered=1),
    )
    assert back == {"needed_by": dingri.at(17).isoformat()}


@pytest.mark.parametrize(
    "answer", [_answer("stock_short", uncovered=1), _answer("time_would_open", uncovered=0)]
)
async def test_a_ward_amends_nothing_where_the_time_opens_nothing(
    dingri: Scenario, sent: SentLog, answer: dict[str, Any]
) -> None:
    assert await _ask(dingri, sent, answer) == []
