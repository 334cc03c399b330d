"""What a request is told to be sought, over HTTP: calls and transfers that serve it alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from models.donors import Answer
from models.patients import Patient, Sex
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from streams.composition import build_services
from tests.support.gateway import RunningGateway, running_gateway
from tests.support.kafka import unique
from tests.support.supply import make_donor
from tests.support.supply_engine import SupplyEngine
from tests.support.world import build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway:
        yield gateway


@pytest_asyncio.fixture(scope="module")
async def engine(world: RunningGateway) -> SupplyEngine:
    """The engine on the gateway's database, fed by hand."""
    services = build_services(
        database=world.database, clock=world.clock, hold_s=3600, rules=PACKAGED
    )
    await services.directory.refresh()
    return SupplyEngine(database=world.database, clock=world.clock, services=services)


async def read_sought(world: RunningGateway, request_id: str) -> dict[str, dict[str, Any]]:
    told = await world.client("dispatcher").get(f"/v1/requests/{request_id}")
    return {step["code"]: step["params"] for step in told.json()["sought"]}


async def offer_of_lhasa(engine: SupplyEngine, request_id: str, group: str, place: str) -> str:
    """A transfer agreed for the shortage that a request made; its id."""
    shortage = await engine.one(
        "SELECT s.shortage_id FROM shortages AS s JOIN requests AS r USING (station_id) "
        "WHERE r.request_id = $1 AND s.component = 'red_cells' AND s.blood_group = $2 "
        "AND s.status = 'open'",
        request_id,
        place,
    )
    units = [build_unit(group, station_id="lhasa", unit_id=unique("U").upper()) for _ in range(30)]
    await engine.feed(counted(units, station_id="lhasa"))
    offer_id = unique("offer")
    await engine.offer(
        shortage["shortage_id"],
        group=group,
        quantity=3,
        offer_id=offer_id,
        below_floor=True,
        confirmed_by="Dawa",
    )
    row = await engine.one("SELECT transfer_id FROM transfers WHERE offer_id = $1", offer_id)
    return str(row["transfer_id"])


async def test_what_is_sought_is_told_of_what_serves_the_request_alone(
    world: RunningGateway, engine: SupplyEngine
) -> None:
    unknown = Patient(group=None, sex=Sex.FEMALE, age_years=30)
    other = build_request(group="A+", quantity=60, priority=Priority.URGENT)
    woman = build_request(patient=unknown, quantity=60, priority=Priority.LIFE_THREATENING)
    routine = build_request(group="A+", quantity=3, priority=Priority.ROUTINE)
    await engine.feed(opened(other), opened(woman), opened(routine))
    await engine.assess()
    await offer_of_lhasa(engine, other.request_id, "A+", "A+")
    assert (await read_sought(world, other.request_id))["sought_transfer"]["count"] == 3
    assert "sought_transfer" not in await read_sought(world, woman.request_id)

    transfer_id = await offer_of_lhasa(engine, woman.request_id, "O+", "O+")
    assert (await read_sought(world, woman.request_id))["sought_transfer"]["count"] == 3
    await engine.fetch(
        "UPDATE promises SET status = 'released', ended_at = held_at WHERE promise_id = "
        "(SELECT min(promise_id) FROM promises WHERE transfer_id = $1) RETURNING 1",
        transfer_id,
    )
    assert (await read_sought(world, woman.request_id))["sought_transfer"]["count"] == 2

    assert "sought_routine_calls_nobody" in await read_sought(world, routine.request_id)
    donors = [make_donor(f"ap-{at}", group="A+", staff=True) for at in range(2)]
    await engine.put_donors([*donors, make_donor("op", group="O+", staff=True)])
    assert (await read_sought(world, other.request_id))["sought_called"]["calls"] == 2
    assert (await read_sought(world, woman.request_id))["sought_called"]["calls"] == 1
    calls = await engine.fetch("SELECT call_out_id FROM call_outs WHERE donor_id LIKE 'ap-%'")
    await engine.answer(Answer.DECLINED, *(row["call_out_id"] for row in calls))
    told = await read_sought(world, other.request_id)
    assert told["sought_calls_came_to_nothing"] == {"calls": 2}
    # The one O+ donor who is left is out for her.
    assert told["sought_donors_on_other_calls"] == {"donors": 1}
    page = (await world.client("dispatcher").get(f"/v1/requests/{other.request_id}")).json()
    assert [(call_out["status"], call_out["calls"]) for call_out in page["call_outs"]] == [
        ("declined", 2)
    ]
    assert "donor_id" not in page["call_outs"][0]
