"""A day that changes everything the audit is about, and a witness of what really changed.

The witness stands in PostgreSQL, outside of our code: row triggers on the tables write down what
each transaction did. What the audit says is then held against it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from models.components import Component
from models.donors import Answer
from models.events.requests import RequestAmended, RequestCancelled
from models.events.stock import StockChange, StockChanged
from models.groups import BloodGroup
from models.requests import Amendment, Cancellation, RequestLine
from tests.support.laboratory import from_laboratory, list_clear
from tests.support.supply import make_donor
from tests.support.supply_engine import SupplyEngine
from tests.support.world import (
    LHASA,
    NOW,
    PEOPLES,
    SHIGATSE,
    build_record,
    build_request,
    build_unit,
    counted,
    opened,
)

WATCHED = {
    "units": "unit_id",
    "requests": "request_id",
    "donors": "donor_id",
    "activations": "activation_id",
    "shortages": "shortage_id",
    "call_outs": "call_out_id",
    "transfers": "transfer_id",
}


async def set_witness(engine: SupplyEngine) -> None:
    """Write every change of the watched tables into `witnessed`, with its transaction."""
    await engine.fetch(
        "CREATE TABLE witnessed (nth bigint GENERATED ALWAYS AS IDENTITY, tx text, kind text, "
        "subject text, was jsonb, became jsonb)"
    )
    await engine.fetch(
        "CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO witnessed (tx, kind, subject, was, became) SELECT "
        "pg_current_xact_id()::text, TG_TABLE_NAME, "
        "coalesce(to_jsonb(NEW), to_jsonb(OLD)) ->> TG_ARGV[0], to_jsonb(OLD), to_jsonb(NEW); "
        "RETURN NULL; END $$"
    )
    for table, key in WATCHED.items():
        await engine.fetch(
            f"CREATE TRIGGER witness AFTER INSERT OR UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION witness('{key}')"
        )


async def live_a_day(engine: SupplyEngine) -> None:
    """Everything that changes a unit, a request, a donor or an activation, at least once."""
    await engine.put_station(SHIGATSE.but(daily_demand={}))
    await engine.put_station(LHASA.but(daily_demand={}))
    await engine.put_reserve(12, staff=True)
    await engine.put_donors([make_donor("d-00", staff=True, contact="test:2")])
    await _serve_patients(engine)
    await _share_blood(engine)
    await _call_donors(engine)
    await _let_time_pass(engine)


async def _serve_patients(engine: SupplyEngine) -> None:
    units = [build_unit("A+", unit_id=f"a-{at}", expires_in_h=200 + at) for at in range(9)]
    await engine.feed(counted(units))
    await engine.feed(counted([build_unit("A+", unit_id="q-1")], released=False))
    await engine.feed(*from_laboratory("d-q-1", list_clear(BloodGroup.A_POS)))
    requests = [build_request(request_id=f"r-{at}", quantity=2) for at in range(3)]
    await engine.feed(*(opened(request) for request in requests))
    amendment = Amendment(
        request_id="r-1",
        hospital_id=PEOPLES.hospital_id,
        station_id="shigatse",
        lines=(RequestLine(line_no=1, component=Component.RED_CELLS, quantity=3),),
    )
    await engine.feed(hospital_says(RequestAmended(amendment=amendment)))
    cancellation = Cancellation(
        request_id="r-2", hospital_id=PEOPLES.hospital_id, station_id="shigatse", reason="died"
    )
    await engine.feed(hospital_says(RequestCancelled(cancellation=cancellation)))
    for unit_id in await promised_to(engine, "r-0"):
        await change(engine, unit_id, StockChange.ISSUED)
        await change(engine, unit_id, StockChange.RECEIVED)
    broken, *_ = await promised_to(engine, "r-1")
    await change(engine, broken, StockChange.DISCARDED, reason="leaks")


async def _share_blood(engine: SupplyEngine) -> None:
    units = [build_unit("B+", unit_id=f"b-{at}", station_id="lhasa") for at in range(4)]
    await engine.feed(counted(units, station_id="lhasa"))
    await engine.ask(group="B+", quantity=2)
    row = await engine.one("SELECT shortage_id FROM shortages WHERE blood_group = 'B+'")
    await engine.offer(row["shortage_id"], quantity=2, group="B+")
    sent = await engine.fetch("SELECT unit_id FROM promises WHERE transfer_id IS NOT NULL")
    for unit_id in [row["unit_id"] for row in sent]:
        await change(engine, unit_id, StockChange.ISSUED, station_id="lhasa")
        await change(engine, unit_id, StockChange.RECEIVED)
    await engine.fire_timers()


async def _call_donors(engine: SupplyEngine) -> None:
    await engine.alert(injured=80)
    gives, comes_not, declines, *_ = await engine.calls("called")
    await engine.answer(Answer.ACCEPTED, gives, comes_not)
    await engine.answer(Answer.DECLINED, declines)
    await engine.answer(Answer.ARRIVED, gives)
    unit = build_unit("O+", unit_id="given", collected_ago_h=0)
    donation = unit.model_dump(exclude={"station_id", "traits"})
    await engine.answer(Answer.DONATED, gives, donation=donation)
    engine.clock.move(hours=3)
    await engine.fire_timers()
    await engine.alert(revision=2, injured=100)
    await engine.alert(revision=3, injured=100, kind="cancel")


async def _let_time_pass(engine: SupplyEngine) -> None:
    """Holds lapse, what is still open ends, and the shelf expires."""
    await engine.fetch(
        "INSERT INTO timers (timer_id, kind, subject, due_at) "
        "VALUES ('unit_expiry:all', 'unit_expiry', 'all', $1) RETURNING 1",
        NOW + timedelta(hours=220),
    )
    for hours in (8, 24, 190):
        engine.clock.move(hours=hours)
        await engine.fire_timers()


def hospital_says(event: RequestAmended | RequestCancelled) -> Any:  # noqa: ANN401 - a record
    return build_record(event, source=f"hospital/{PEOPLES.hospital_id}")


async def promised_to(engine: SupplyEngine, request_id: str) -> list[str]:
    rows = await engine.fetch(
        "SELECT unit_id FROM promises WHERE request_id = $1 AND status = 'held' ORDER BY unit_id",
        request_id,
    )
    return [row["unit_id"] for row in rows]


async def change(
    engine: SupplyEngine,
    unit_id: str,
    what: StockChange,
    *,
    station_id: str = "shigatse",
    **fields: object,
) -> None:
    row = await engine.one("SELECT epoch FROM units WHERE unit_id = $1", unit_id)
    event = StockChanged.model_validate(
        {
            "station_id": station_id,
            "unit_id": unit_id,
            "change": what,
            "happened_at": NOW,
            "epoch": row["epoch"] or None,
            **fields,
        }
    )
    await engine.feed(build_record(event, source=f"station/{station_id}"))
