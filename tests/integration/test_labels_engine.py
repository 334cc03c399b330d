"""What the scanner is told at once is what the engine says later: every action in every state.

Kept apart, the two could drift: a scan accepted that is always refused, or a bag refused that may
go. Each pair is asked of both, on a real database.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from deploy.local.embedded_services import Endpoints
from gateway.labels.actions import (
    ACTIONS_OF,
    STEPS,
    ScanAction,
    Scanner,
    ensure_may,
    ensure_own,
)
from models.errors import DomainRefusal
from models.events.stock import StockChange, StockChanged
from models.rules.rulebook import PACKAGED
from models.unit_states import Actor
from models.units import RecordedUnit, UnitStatus
from streams.store.read_models.scans import PgScans
from tests.support.life import LifeEngine, build_life_engine
from tests.support.world import build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

S = UnitStatus
C = StockChange
STATION = Scanner(actor=Actor.STATION, facility_id="shigatse", station_id="shigatse")
NEIGHBOUR = Scanner(actor=Actor.STATION, facility_id="lhasa", station_id="lhasa")
WARD = Scanner(actor=Actor.HOSPITAL, facility_id="shigatse-people", station_id="shigatse")
OTHER_WARD = Scanner(actor=Actor.HOSPITAL, facility_id="dingri-county", station_id="shigatse")

_TO_WARD = (C.PICKED, C.ISSUED, C.DEPARTED, C.RECEIVED)
WAYS: dict[UnitStatus, tuple[StockChange, ...]] = {
    S.RESERVED: (),
    S.PICKED: _TO_WARD[:1],
    S.ISSUED: _TO_WARD[:2],
    S.IN_TRANSIT: _TO_WARD[:3],
    S.RECEIVED: _TO_WARD,
    S.TRANSFUSED: (*_TO_WARD, C.TRANSFUSED),
    S.RETURNED: (*_TO_WARD, C.RETURNED),
    S.AVAILABLE: (*_TO_WARD, C.RETURNED, C.RESTOCKED),
    S.DISCARDED: (*_TO_WARD[:1], C.DISCARDED),
}
"""Scans that lead there from the reservation; the other states are reached without one."""

_NUMBERS = itertools.count(1)


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[LifeEngine]:
    async with build_life_engine(endpoints.postgres_dsn) as built:
        yield built


async def make_unit(engine: LifeEngine, status: UnitStatus) -> str:
    """A unit in a state, the only one of the shelf while it is promised."""
    unit_id = f"U-{next(_NUMBERS)}"
    if status is S.COLLECTED:
        await engine.fetch(
            "INSERT INTO units (unit_id, donation_id, station_id, component, blood_group, "
            "volume_ml, collected_at, expires_at, status, source) VALUES ($1, $1, 'shigatse', "
            "'whole_blood', 'O+', 400, $2::timestamptz, $2::timestamptz + interval '10 days', "
            "'collected', 'donor')",
            unit_id,
            engine.clock.now(),
        )
        return unit_id
    await engine.feed(counted([build_unit("O+", unit_id=unit_id)], released=status in WAYS))
    if status in WAYS:
        await engine.feed(opened(build_request(group="O+", quantity=1)))
        await engine.scan_all(unit_id, *WAYS[status])
    elif status is S.RECALLED:
        await engine.recall(f"d-{unit_id}", recall_id=f"recall-{unit_id}")
    elif status is S.EXPIRED:
        await engine.fetch("UPDATE units SET status = 'expired' WHERE unit_id = $1", unit_id)
    elif status is S.SPLIT:
        await engine.fetch("UPDATE units SET status = 'split' WHERE unit_id = $1", unit_id)
    assert await engine.state(unit_id) == status
    return unit_id


async def read(engine: LifeEngine, unit_id: str) -> RecordedUnit:
    return (await PgScans(engine.database).list_units([unit_id]))[unit_id]


def tell(
    engine: LifeEngine, action: ScanAction, unit: RecordedUnit, scanner: Scanner
) -> str | None:
    """What the scanner is told at once: the code, or None."""
    try:
        ensure_own(unit, scanner)
        ensure_may(
            action, unit, scanner=scanner, request_id=None, now=engine.clock.now(), rules=PACKAGED
        )
    except DomainRefusal as refusal:
        return refusal.code
    return None


async def decide(
    engine: LifeEngine, action: ScanAction, unit: RecordedUnit, scanner: Scanner
) -> str | None:
    """What the engine says to the same scan: the code of its dead letter, or None."""
    event = StockChanged.model_validate(
        {
            "station_id": scanner.station_id,
            "unit_id": unit.unit_id,
            "change": STEPS[action].change,
            "happened_at": engine.clock.now(),
            "epoch": unit.epoch or 1,
            "out_of_control_s": 600 if action is ScanAction.RETURN else None,
        }
    )
    before = len(await engine.dead_letter_codes())
    source = f"{scanner.actor}/{scanner.facility_id}"
    await engine.feed(build_record(event, source=source))
    codes = (await engine.dead_letter_codes())[before:]
    return codes[0] if codes else None


async def compare(engine: LifeEngine, status: UnitStatus, scanner: Scanner) -> list[str]:
    """Where the two differ, for every action."""
    differing = []
    unit_id = await make_unit(engine, status)
    for action in ACTIONS_OF[scanner.actor]:
        unit = await read(engine, unit_id)
        told = tell(engine, action, unit, scanner)
        decided = await decide(engine, action, unit, scanner)
        if (told is None) != (decided is None):
            differing.append(f"{action} of {status} by {scanner.facility_id}: {told}, {decided}")
        if await engine.state(unit_id) != status:
            await set_aside(engine, unit_id)
            unit_id = await make_unit(engine, status)
    await set_aside(engine, unit_id)
    return differing


async def set_aside(engine: LifeEngine, unit_id: str) -> None:
    """So that the next unit is the one that the next request gets."""
    if await engine.state(unit_id) == S.AVAILABLE:
        await engine.scan_all(unit_id, C.DISCARDED)


@pytest.mark.parametrize("status", UnitStatus)
async def test_the_scanner_is_told_what_the_engine_says(
    engine: LifeEngine, status: UnitStatus
) -> None:
    for scanner in (STATION, WARD, NEIGHBOUR, OTHER_WARD):
        assert await compare(engine, status, scanner) == []
