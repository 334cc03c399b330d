"""Requests on real PostgreSQL: decided, repeated, amended, cancelled, lost, expired."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.errors import ContractError
from models.events.requests import RequestAmended, RequestCancelled
from models.events.stock import StockChange, StockChanged
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Amendment, Cancellation, HardAttributes, Priority, RequestLine
from models.units import UnitTraits
from streams.ports import Received, Unreadable
from tests.support.engine import Engine, build_engine
from tests.support.laboratory import from_laboratory, list_clear
from tests.support.world import (
    DINGRI,
    NOW,
    PEOPLES,
    build_record,
    build_request,
    build_unit,
    counted,
    opened,
)

pytestmark = pytest.mark.integration


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


def changed(unit_id: str, change: StockChange, **fields: object) -> Received:
    event = StockChanged.model_validate(
        {
            "station_id": "shigatse",
            "unit_id": unit_id,
            "change": change,
            "happened_at": NOW,
            **fields,
        }
    )
    return build_record(event, source="station/shigatse")


async def decision_of(engine: Engine, request_id: str) -> dict[str, Any]:
    rows = await engine.fetch(
        "SELECT body FROM outbox WHERE subject = $1 ORDER BY sequence DESC LIMIT 1", request_id
    )
    found: dict[str, Any] = orjson.loads(rows[0]["body"])["decision"]
    return found


async def test_reserves_identical_group_first_expiry_first(engine: Engine) -> None:
    late, soon, other = (
        build_unit("A+", expires_in_h=300),
        build_unit("A+", expires_in_h=100),
        build_unit("O+", expires_in_h=20),
    )
    await engine.feed(counted([late, soon, other]))
    first, second = build_request(group="A+", quantity=1), build_request(group="A+", quantity=1)
    assert await engine.feed(opened(first)), "shards of the outbox to be woken"
    await engine.feed(opened(second))
    assert await engine.status_of(first.request_id) == "reserved"
    assert (await decision_of(engine, first.request_id))["outcome"] == "reserved"
    rows = await engine.fetch("SELECT request_id, unit_id FROM promises")
    assert {row["request_id"]: row["unit_id"] for row in rows} == {
        first.request_id: soon.unit_id,
        second.request_id: late.unit_id,
    }


async def test_compatible_group_when_identical_is_short(engine: Engine) -> None:
    await engine.feed(counted([build_unit("A+"), build_unit("O+"), build_unit("B+")]))
    request = build_request(group="A+", quantity=3)
    await engine.feed(opened(request))
    assert await engine.status_of(request.request_id) == "open"
    rows = await engine.fetch("SELECT blood_group, reason FROM promises ORDER BY blood_group")
    assert [row["blood_group"] for row in rows] == ["A+", "O+"]
    assert rows[1]["reason"]["code"] == "compatible_group"
    assert rows[1]["reason"]["rule"].startswith("red_cells.abo@")


async def test_repeat_changes_nothing_and_reuse_is_quarantined(engine: Engine) -> None:
    await engine.feed(counted([build_unit("A+") for _ in range(6)]))
    request = build_request(group="A+", quantity=2)
    record = opened(request, event_id="same")
    await engine.feed(record, record)
    await engine.feed(record)
    assert (await engine.one("SELECT count(*) AS n FROM promises"))["n"] == 2
    other = build_request(group="A+", quantity=4, request_id=request.request_id)
    await engine.feed(opened(other, event_id="same"))
    assert await engine.dead_letter_codes() == ["event_id_reused"]
    await engine.feed(opened(other, event_id="another"))
    assert await engine.dead_letter_codes() == ["event_id_reused", "request_id_reused"]
    assert (await engine.one("SELECT count(*) AS n FROM promises"))["n"] == 2


async def test_wrong_hospital_and_wrong_station_are_quarantined(engine: Engine) -> None:
    request = build_request()
    ghost = request.but(hospital_id="nobody")
    elsewhere = request.but(station_id="lhasa", request_id="r-else")
    await engine.feed(opened(ghost), opened(elsewhere))
    assert await engine.dead_letter_codes() == ["hospital_unknown", "station_does_not_supply"]
    row = await engine.one("SELECT topic FROM outbox WHERE event_type LIKE '%quarantined%' LIMIT 1")
    assert row["topic"] == "blood.requests.v1.xuelian-urgent.dlq"


async def test_unreadable_record_is_kept_whole(engine: Engine) -> None:
    raw = bytes(range(256))
    record = Unreadable(
        topic="blood.requests.v1",
        partition=3,
        offset=77,
        key=b"shigatse",
        value=raw,
        headers=(("ce_id", b"\x00\xff\\0"),),
        error=ContractError("body_not_json"),
    )
    await engine.feed(record)
    await engine.feed(record)
    row = await engine.one("SELECT body, headers, code FROM dead_letters")
    assert row["body"] == raw
    assert row["code"] == "body_not_json"
    # Kept once, and told once: to whoever replays it, and to the station.
    rows = await engine.fetch("SELECT topic FROM outbox ORDER BY topic")
    assert [row["topic"] for row in rows] == [
        "blood.refusals.v1",
        "blood.requests.v1.xuelian-urgent.dlq",
    ]


async def test_batch_serves_life_threatening_first(engine: Engine) -> None:
    await engine.feed(counted([build_unit("O-"), build_unit("O-")]))
    routine = build_request(group="O-", priority=Priority.ROUTINE)
    dying = build_request(group="O-", priority=Priority.LIFE_THREATENING)
    await engine.feed(opened(routine), opened(dying))
    assert await engine.status_of(dying.request_id) == "reserved"
    assert await engine.status_of(routine.request_id) == "open"


async def test_expiry_before_arrival_and_attributes_are_refused_with_reasons(
    engine: Engine,
) -> None:
    await engine.feed(
        counted(
            [
                build_unit("O+", expires_in_h=0.1),
                build_unit("O+"),
                build_unit("O+", traits=UnitTraits(irradiated=True)),
            ]
        )
    )
    line = RequestLine(
        line_no=1,
        component=Component.RED_CELLS,
        quantity=3,
        attributes=HardAttributes(irradiated=True),
    )
    request = build_request(group="O+", lines=(line,))
    await engine.feed(opened(request))
    decision = await decision_of(engine, request.request_id)
    assert decision["outcome"] == "partly_reserved"
    (told,) = decision["lines"]
    codes = {reason["code"]: reason["params"] for reason in told["refusals"]}
    assert codes["expires_before_arrival"]["units"] == 1
    assert codes["lacks_attribute"] == {"attribute": "irradiated", "units": 2}
    assert codes["stock_short"]["units"] == 2


async def test_unknown_patients_share_the_cap_of_o_negative(engine: Engine) -> None:
    await engine.feed(counted([build_unit("O-") for _ in range(10)]))
    patient = Patient(reference="unknown-7", sex="female", age_years=30)
    first = build_request(patient=patient, quantity=3)
    second = build_request(patient=patient, quantity=3)
    await engine.feed(opened(first))
    await engine.feed(opened(second))
    assert (await engine.one("SELECT count(*) AS n FROM promises WHERE capped"))["n"] == 4
    decision = await decision_of(engine, second.request_id)
    codes = [reason["code"] for reason in decision["lines"][0]["refusals"]]
    assert "o_negative_cap" in codes


async def test_hospital_without_thawing_is_refused_plasma_only(engine: Engine) -> None:
    plasma = Component.FRESH_FROZEN_PLASMA
    await engine.feed(counted([build_unit("A+"), build_unit("A+", component=plasma)]))
    lines = (
        RequestLine(line_no=1, component=Component.RED_CELLS, quantity=1),
        RequestLine(line_no=2, component=plasma, quantity=1),
    )
    request = build_request(group="A+", hospital=DINGRI, lines=lines)
    await engine.feed(opened(request))
    decision = await decision_of(engine, request.request_id)
    assert decision["outcome"] == "partly_refused"
    assert decision["lines"][1]["refusals"][0]["code"] == "hospital_cannot_thaw"


async def test_massive_transfusion_pack_becomes_lines(engine: Engine) -> None:
    request = build_request(group="A+", lines=(), packs=2)
    await engine.feed(opened(request))
    rows = await engine.fetch(
        "SELECT component, quantity FROM request_lines WHERE request_id = $1 ORDER BY component",
        request.request_id,
    )
    assert [tuple(row) for row in rows] == [
        ("fresh_frozen_plasma", 8),
        ("platelets", 2),
        ("red_cells", 8),
    ]


async def test_too_many_packs_are_quarantined_and_break_nothing(engine: Engine) -> None:
    huge = PEOPLES.but(pack=PEOPLES.pack.but(name="huge", units={Component.RED_CELLS: 50}))
    await engine.services.directory.put_hospital(huge)
    engine.clock.move(seconds=2)
    await engine.services.directory.refresh()
    await engine.feed(opened(build_request(lines=(), packs=20)), opened(build_request()))
    assert await engine.dead_letter_codes() == ["packs_too_many"]
    assert (await engine.one("SELECT count(*) AS n FROM requests"))["n"] == 1


async def test_scarce_read_is_widened_until_it_is_exact(engine: Engine) -> None:
    """The first read takes a few units per place; useless ones in front must not hide the rest."""
    useless = [build_unit("O-", expires_in_h=0.2) for _ in range(30)]
    await engine.feed(counted([*useless, build_unit("O-"), build_unit("O-")]))
    request = build_request(group="O-", quantity=2)
    await engine.feed(opened(request))
    assert await engine.status_of(request.request_id) == "reserved"


async def test_amendment_gives_back_and_chooses_again(engine: Engine) -> None:
    await engine.feed(counted([build_unit("A+"), build_unit("A+"), build_unit("O-")]))
    request = build_request(group="A+", quantity=2)
    await engine.feed(opened(request))
    amendment = Amendment(
        request_id=request.request_id,
        hospital_id=PEOPLES.hospital_id,
        station_id="shigatse",
        patient=Patient(group=BloodGroup("O-")),
    )
    await engine.feed(
        build_record(RequestAmended(amendment=amendment), source="hospital/shigatse-people")
    )
    rows = await engine.fetch("SELECT blood_group FROM promises WHERE status = 'held'")
    assert [row["blood_group"] for row in rows] == ["O-"]
    assert await engine.status_of(request.request_id) == "open"
    free = await engine.one("SELECT count(*) AS n FROM units WHERE status = 'available'")
    assert free["n"] == 2


async def test_cancellation_gives_back_and_ends(engine: Engine) -> None:
    await engine.feed(counted([build_unit("A+"), build_unit("A+")]))
    request = build_request(group="A+", quantity=2)
    await engine.feed(opened(request))
    cancellation = Cancellation(
        request_id=request.request_id,
        hospital_id=PEOPLES.hospital_id,
        station_id="shigatse",
        reason="patient died",
    )
    event = RequestCancelled(cancellation=cancellation)
    await engine.feed(build_record(event, source="hospital/shigatse-people"))
    assert await engine.status_of(request.request_id) == "cancelled"
    free = await engine.one("SELECT count(*) AS n FROM units WHERE status = 'available'")
    assert free["n"] == 2
    await engine.feed(build_record(event, source="hospital/shigatse-people"))
    assert await engine.dead_letter_codes() == ["request_ended"]


async def test_other_hospitals_cannot_change_a_request(engine: Engine) -> None:
    request = build_request(group="A+")
    await engine.feed(opened(request))
    event = RequestCancelled(
        cancellation=Cancellation(
            request_id=request.request_id,
            hospital_id=DINGRI.hospital_id,
            station_id="shigatse",
            reason="x",
        )
    )
    await engine.feed(build_record(event, source="hospital/dingri-county"))
    assert await engine.dead_letter_codes() == ["request_of_other_hospital"]
    assert await engine.status_of(request.request_id) == "open"


async def test_a_request_stays_with_its_station_when_its_hospital_moves(engine: Engine) -> None:
    await engine.feed(counted([build_unit("A+"), build_unit("A+")]))
    amended, cancelled = (build_request(group="A+", quantity=1) for _ in range(2))
    await engine.feed(opened(amended), opened(cancelled))
    await engine.services.directory.put_hospital(PEOPLES.but(station_id="lhasa"))
    await engine.services.directory.refresh()
    ids = {"hospital_id": PEOPLES.hospital_id, "station_id": "shigatse"}
    line = RequestLine(line_no=1, component=Component.RED_CELLS, quantity=2)
    change = Amendment(request_id=amended.request_id, lines=(line,), **ids)
    end = Cancellation(request_id=cancelled.request_id, reason="x", **ids)
    source = f"hospital/{PEOPLES.hospital_id}"

    await engine.feed(build_record(RequestCancelled(cancellation=end), source=source))
    await engine.feed(build_record(RequestAmended(amendment=change), source=source))

    assert await engine.dead_letter_codes() == []
    assert await engine.status_of(cancelled.request_id) == "cancelled"
    assert await engine.status_of(amended.request_id) == "reserved"
    rows = await engine.fetch("SELECT request_id FROM promises WHERE status = 'held'")
    assert [row["request_id"] for row in rows] == [amended.request_id] * 2

    elsewhere = end.but(request_id=amended.request_id, station_id="lhasa")
    await engine.feed(build_record(RequestCancelled(cancellation=elsewhere), source=source))
    assert await engine.dead_letter_codes() == ["request_of_other_station"]
    # A new request goes to whoever supplies it now.
    await engine.feed(opened(build_request(group="A+")))
    assert (await engine.dead_letter_codes())[-1] == "station_does_not_supply"


async def test_released_donation_serves_the_waiting_request(engine: Engine) -> None:
    unit = build_unit("B+")
    await engine.feed(counted([unit], released=False))
    request = build_request(group="B+", quantity=1)
    await engine.feed(opened(request))
    assert await engine.status_of(request.request_id) == "open"
    *early, last = from_laboratory(unit.donation_id, list_clear("B+"))
    await engine.feed(*early)
    assert (await engine.one("SELECT status FROM units"))["status"] == "quarantined"
    await engine.feed(last)
    await engine.fire_timers_of("rematch")
    assert await engine.status_of(request.request_id) == "reserved"


async def test_issue_needs_the_epoch_and_receipt_fulfils(engine: Engine) -> None:
    unit = build_unit("B+")
    await engine.feed(counted([unit]))
    request = build_request(group="B+", quantity=1)
    await engine.feed(opened(request))
    await engine.feed(changed(unit.unit_id, StockChange.ISSUED, epoch=2))
    assert await engine.dead_letter_codes() == ["epoch_stale"]
    await engine.feed(changed(unit.unit_id, StockChange.ISSUED, epoch=1))
    row = await engine.one("SELECT status, waiting_for FROM requests")
    assert tuple(row) == ("reserved", "delivery")
    await engine.feed(changed(unit.unit_id, StockChange.RECEIVED, epoch=1))
    assert await engine.status_of(request.request_id) == "fulfilled"


async def test_lost_unit_is_replaced(engine: Engine) -> None:
    units = [build_unit("B+", expires_in_h=50), build_unit("B+", expires_in_h=90)]
    await engine.feed(counted(units))
    request = build_request(group="B+", quantity=1)
    await engine.feed(opened(request))
    await engine.feed(changed(units[0].unit_id, StockChange.DISCARDED, reason="bag broken"))
    row = await engine.one("SELECT unit_id FROM promises WHERE status = 'held'")
    assert row["unit_id"] == units[1].unit_id
    assert await engine.status_of(request.request_id) == "reserved"


async def test_c80_a_lapsed_hold_puts_the_request_back_until_its_need_is_over(
    engine: Engine,
) -> None:
    await engine.feed(counted([build_unit("B+")]))
    request = build_request(group="B+", quantity=1, needed_in_h=1)
    await engine.feed(opened(request))
    engine.clock.move(hours=3)
    row = await engine.one("SELECT kind FROM timers WHERE kind = 'hold_lapse'")
    assert row["kind"] == "hold_lapse"
    await engine.fire_timers()
    assert await engine.status_of(request.request_id) == "open"
    decision = await decision_of(engine, request.request_id)
    assert [reason["code"] for reason in decision["reasons"]][:2] == [
        "hold_lapsed",
        "unit_given_back",
    ]
    engine.clock.move(seconds=1)
    await engine.fire_timers()
    assert await engine.status_of(request.request_id) == "reserved"
    engine.clock.move(hours=5)
    await engine.fire_timers()
    assert await engine.status_of(request.request_id) == "expired"
    assert (await engine.one("SELECT status FROM units"))["status"] == "available"


async def test_open_request_expires_with_a_reason(engine: Engine) -> None:
    request = build_request(group="B+", quantity=1, needed_in_h=1)
    await engine.feed(opened(request))
    engine.clock.move(hours=2.1)
    await engine.fire_timers_of("request_expiry")
    assert await engine.status_of(request.request_id) == "expired"
    decision = await decision_of(engine, request.request_id)
    assert decision["reasons"][0]["code"] == "needed_by_passed"


async def test_sequences_are_gapless_per_key(engine: Engine) -> None:
    await engine.feed(counted([build_unit("A+") for _ in range(20)]))
    for _ in range(4):
        await engine.feed(*[opened(build_request(group="A+", quantity=1)) for _ in range(5)])
    rows = await engine.fetch("SELECT sequence FROM outbox WHERE key = 'shigatse' ORDER BY row_id")
    assert [row["sequence"] for row in rows] == list(range(1, 21))


async def test_a_number_that_slips_through_is_a_dead_letter_of_its_request(engine: Engine) -> None:
    request = build_request()
    lines = (request.lines[0].model_copy(update={"line_no": 2**31}),)
    await engine.feed(opened(request.model_copy(update={"lines": lines})))
    assert await engine.dead_letter_codes() == ["value_unstorable"]
    after = build_request()
    await engine.feed(opened(after))
    assert await engine.status_of(after.request_id) == "open"
