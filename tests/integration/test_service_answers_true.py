"""Answers never say more than is true: what is refused, what arrived, who cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.events.requests import RequestAmended, RequestCancelled
from models.events.stock import StockChange
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Amendment, Cancellation, RequestLine
from tests.support.life import LifeEngine, build_life_engine
from tests.support.world import DINGRI, build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

RED, FFP = Component.RED_CELLS, Component.FRESH_FROZEN_PLASMA
UNPROVEN = "temperature_not_proven"
"""Told of every journey here: no box is proven."""


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[LifeEngine]:
    async with build_life_engine(endpoints.postgres_dsn) as built:
        yield built


async def outcomes(engine: LifeEngine, request_id: str) -> list[str]:
    rows = await engine.fetch(
        "SELECT outcome FROM decisions WHERE request_id = $1 ORDER BY version", request_id
    )
    return [row["outcome"] for row in rows]


def list_codes(reasons: Iterable[dict[str, Any]]) -> list[str]:
    return [reason["code"] for reason in reasons]


async def test_f10_a_request_of_which_part_is_refused_is_not_reserved(engine: LifeEngine) -> None:
    await engine.feed(counted([build_unit("A+"), build_unit("A+", component=FFP)]))
    lines = (
        RequestLine(line_no=1, component=FFP, quantity=1),
        RequestLine(line_no=2, component=RED, quantity=1),
    )
    request = build_request(lines=lines, hospital=DINGRI)
    await engine.feed(opened(request))

    assert await engine.status_of(request.request_id) == "partly_refused"
    assert await outcomes(engine, request.request_id) == ["partly_refused"]


async def test_f10_one_of_ten_is_not_fulfilled(engine: LifeEngine) -> None:
    unit = build_unit("A+")
    await engine.feed(counted([unit]))
    request = build_request(group="A+", quantity=10)
    await engine.feed(opened(request))
    await engine.scan_all(unit.unit_id, StockChange.PICKED, StockChange.ISSUED)
    engine.clock.move(hours=6)
    await engine.fire_timers()
    assert await engine.status_of(request.request_id) == "partly_refused"
    await engine.scan_all(unit.unit_id, StockChange.RECEIVED, source="hospital/shigatse-people")

    assert await engine.status_of(request.request_id) == "partly_fulfilled"
    assert (await outcomes(engine, request.request_id))[-1] == "partly_fulfilled"


async def test_f18_a_dispatchers_cancellation_is_told_as_theirs(engine: LifeEngine) -> None:
    request = build_request(group="A+", quantity=1)
    await engine.feed(opened(request))
    cancellation = Cancellation(
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        reason="调度改派",
        cancelled_by="dispatcher/night-desk",
    )
    event = RequestCancelled(cancellation=cancellation)
    await engine.feed(build_record(event, source=f"hospital/{request.hospital_id}"))

    row = await engine.one(
        "SELECT body -> 'reasons' -> 0 AS reason FROM decisions WHERE outcome = 'cancelled'"
    )
    assert row["reason"]["code"] == "cancelled_by_person"
    assert row["reason"]["params"]["by"] == "dispatcher/night-desk"
    step = await engine.one("SELECT actor FROM audit WHERE to_state = 'cancelled'")
    assert step["actor"] == "dispatcher/night-desk"


async def test_f55_the_same_order_under_two_keys_names_the_first(engine: LifeEngine) -> None:
    await engine.feed(counted([build_unit("A+") for _ in range(4)]))
    patient = Patient(group=BloodGroup.A_POS, reference="bed-9")
    first = build_request(patient=patient, quantity=1)
    second = build_request(patient=patient.but(reference="Bed-9"), quantity=1)
    other = build_request(patient=patient.but(reference="bed-10"), quantity=1)
    for request in (first, second, other):
        await engine.feed(opened(request))

    rows = await engine.fetch("SELECT request_id, body -> 'reasons' AS reasons FROM decisions")
    told = {row["request_id"]: row["reasons"] for row in rows}
    assert list_codes(told[first.request_id]) == [UNPROVEN]
    assert list_codes(told[other.request_id]) == [UNPROVEN]
    assert list_codes(told[second.request_id]) == ["same_patient_open", UNPROVEN]
    reason, _ = told[second.request_id]
    assert reason["params"]["requests"] == first.request_id


async def test_f13_the_shelf_beyond_the_own_groups_is_read_for_what_would_help(
    engine: LifeEngine,
) -> None:
    await engine.feed(counted([build_unit("A-"), build_unit("A+"), build_unit("A+")]))
    patient = Patient(group=BloodGroup.A_NEG)
    request = build_request(patient=patient, quantity=2)
    await engine.feed(opened(request))
    row = await engine.one("SELECT body FROM decisions")
    codes = [reason["code"] for reason in row["body"]["lines"][0]["refusals"]]
    assert "stock_short" in codes


async def test_f55_a_second_click_in_the_same_batch_names_the_first(engine: LifeEngine) -> None:
    await engine.feed(counted([build_unit("A+") for _ in range(4)]))
    patient = Patient(group=BloodGroup.A_POS, reference="bed-9")
    first = build_request(patient=patient, quantity=1)
    second = build_request(patient=patient.but(reference="BED-9"), quantity=1)
    await engine.feed(opened(first), opened(second))

    rows = await engine.fetch("SELECT request_id, body -> 'reasons' AS reasons FROM decisions")
    told = {row["request_id"]: row["reasons"] for row in rows}
    assert list_codes(told[first.request_id]) == [UNPROVEN]
    assert list_codes(told[second.request_id]) == ["same_patient_open", UNPROVEN]
    reason, _ = told[second.request_id]
    assert reason["params"]["requests"] == first.request_id


async def test_f18_a_dispatchers_amendment_is_recorded_as_theirs(engine: LifeEngine) -> None:
    await engine.feed(counted([build_unit("A+") for _ in range(2)]))
    request = build_request(group="A+", quantity=3)
    await engine.feed(opened(request))
    amendment = Amendment(
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        lines=(RequestLine(line_no=1, component=RED, quantity=2),),
        amended_by="dispatcher/night-desk",
    )
    event = RequestAmended(amendment=amendment)
    await engine.feed(build_record(event, source=f"hospital/{request.hospital_id}"))

    step = await engine.one(
        "SELECT actor FROM audit WHERE subject = $1 AND to_state = 'reserved'", request.request_id
    )
    assert step["actor"] == "dispatcher/night-desk"


async def test_each_opening_of_a_batch_is_recorded_as_its_own_speakers(engine: LifeEngine) -> None:
    await engine.feed(counted([build_unit("A+") for _ in range(3)]))
    spoken = {
        build_request(group="A+", quantity=1): "dispatcher/night-desk",
        build_request(group="A+", quantity=1): None,
        build_request(group="A+", quantity=1, hospital=DINGRI): "dispatcher/day-desk",
    }
    await engine.feed(*(opened(request, opened_by=by) for request, by in spoken.items()))

    for request, by in spoken.items():
        steps = await engine.fetch(
            "SELECT subject_kind, actor FROM audit WHERE $1 IN (subject, why)", request.request_id
        )
        expected = by or f"hospital/{request.hospital_id}"
        assert sorted(map(tuple, steps)) == [("request", expected), ("unit", expected)]


async def test_f10_a_request_in_part_refused_stays_overdue_while_it_is_not_there(
    engine: LifeEngine,
) -> None:
    await engine.feed(counted([build_unit("A+"), build_unit("A+", component=FFP)]))
    lines = (
        RequestLine(line_no=1, component=FFP, quantity=1),
        RequestLine(line_no=2, component=RED, quantity=1),
    )
    request = build_request(lines=lines, hospital=DINGRI)
    await engine.feed(opened(request))
    engine.clock.move(hours=12)
    rows = await engine.fetch(
        "SELECT mark FROM list_overdue($1) WHERE request_id = $2",
        engine.clock.now(),
        request.request_id,
    )
    assert [row["mark"] for row in rows] == ["late"]
