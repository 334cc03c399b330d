"""What the engine says to a scan, which the scanner is told: every action in every state."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from deploy.local.embedded_services import Endpoints
from gateway.scans.batch import ACTIONS_OF, CHANGE_OF, ScanAction, Scanner
from models.events.hand_work import HoldPlaced
from models.events.stock import StockChange, StockChanged
from models.unit_states import Actor
from models.units import UnitStatus
from streams.ports.stock import RecordedUnit
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

A = ScanAction
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

AT_HOSPITAL = {S.ISSUED, S.IN_TRANSIT, S.RECEIVED}

_TO_WARD = (C.PICKED, C.ISSUED, C.DEPARTED, C.RECEIVED)
WAYS: dict[UnitStatus, tuple[StockChange, ...]] = {
    S.RESERVED: (),
    S.PICKED: _TO_WARD[:1],
    S.ISSUED: _TO_WARD[:2],
    S.IN_TRANSIT: _TO_WARD[:3],
    S.RECEIVED: _TO_WARD,
    S.TRANSFUSED: (*_TO_WARD, C.TRANSFUSED),
    S.RETURNED: (*_TO_WARD[:3], C.RETURNED),
    S.AVAILABLE: (*_TO_WARD[:3], C.RETURNED, C.RESTOCKED),
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
    is_released = status in WAYS or status is S.ON_HOLD
    await engine.feed(counted([build_unit("O+", unit_id=unit_id)], released=is_released))
    if status is S.ON_HOLD:
        held = HoldPlaced(station_id="shigatse", unit_id=unit_id, by="Tsering", reason="damp")
        await engine.feed(build_record(held, source="station/shigatse"))
    elif status in WAYS:
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


def list_expected(
    action: ScanAction, status: UnitStatus, scanner: Scanner
) -> frozenset[str | None]:
    """The codes of which the engine says one; None where it acts."""
    if scanner in {NEIGHBOUR, OTHER_WARD}:
        return frozenset({"unit_elsewhere", "unit_state_forbids", "unit_of_other_hospital"})
    if status not in FROM[action]:
        own = frozenset({"unit_actor_forbids", "unit_of_other_hospital"})
        return frozenset({"unit_state_forbids"}) | (own if scanner is WARD else frozenset())
    if scanner is WARD and status not in AT_HOSPITAL:
        return frozenset({"unit_actor_forbids", "unit_of_other_hospital"})
    return frozenset({None})


async def decide(
    engine: LifeEngine, action: ScanAction, unit: RecordedUnit, scanner: Scanner
) -> str | None:
    """What the engine says to the same scan: the code of its dead letter, or None."""
    event = StockChanged.model_validate(
        {
            "station_id": scanner.station_id,
            "unit_id": unit.unit_id,
            "change": CHANGE_OF[action],
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
    """Where the engine says another thing, for every action."""
    differing = []
    unit_id = await make_unit(engine, status)
    for action in ACTIONS_OF[scanner.actor]:
        unit = await read(engine, unit_id)
        decided = await decide(engine, action, unit, scanner)
        if decided not in list_expected(action, status, scanner):
            differing.append(f"{action} of {status} by {scanner.facility_id}: {decided}")
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
async def test_from_where_each_scan_leads(engine: LifeEngine, status: UnitStatus) -> None:
    for scanner in (STATION, WARD, NEIGHBOUR, OTHER_WARD):
        assert await compare(engine, status, scanner) == []
