"""Which of a neighbour's bags come, and how much, by who waits for them; on real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.requests import HardAttributes, RequestLine
from models.rules.rulebook import PACKAGED
from models.units import UnitTraits
from tests.support.supply_engine import SupplyEngine, build_supply_engine
from tests.support.world import (
    LHASA,
    NOW,
    PEOPLES,
    SHIGATSE,
    build_request,
    build_unit,
    counted,
    opened,
)

pytestmark = pytest.mark.integration

NGARI = LHASA.but(
    station_id="ngari",
    name_zh="阿里地区中心血站",
    name_en="Ngari blood station",
    location=LHASA.location.but(lat=32.5, lon=80.1),
)
"""Sixteen hours from Shigatse; Lhasa is four hours away."""


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[SupplyEngine]:
    async with build_supply_engine(endpoints.postgres_dsn) as built:
        for station in (SHIGATSE, LHASA, NGARI):
            await built.put_station(station.but(daily_demand={}))
        hours = {("lhasa", "shigatse"): 4, ("ngari", "shigatse"): 16}
        await built.services.directory.put_routes(
            {road: hour * 3600 for road, hour in hours.items()}
        )
        yield built


async def _lay(engine: SupplyEngine, station_id: str, *traits: UnitTraits) -> None:
    units = [
        build_unit(
            "A+",
            unit_id=f"{station_id.upper()}-{at}",
            station_id=station_id,
            expires_in_h=240 + at,
            traits=made,
        )
        for at, made in enumerate(traits)
    ]
    await engine.feed(counted(units, station_id=station_id))


async def _ask(engine: SupplyEngine, *, quantity: int, **demands: object) -> None:
    line = RequestLine(
        line_no=1,
        component=Component.RED_CELLS,
        quantity=quantity,
        attributes=HardAttributes.model_validate(demands),
    )
    await engine.feed(opened(build_request(lines=(line,), needed_in_h=10, now=NOW)))
    await engine.assess()


async def _offer(engine: SupplyEngine, station_id: str, *, quantity: int) -> None:
    row = await engine.one("SELECT shortage_id FROM shortages WHERE station_id = 'shigatse'")
    await engine.offer(
        str(row["shortage_id"]),
        quantity=quantity,
        offer_id=f"o-{station_id}",
        from_station_id=station_id,
    )


async def _list_held(engine: SupplyEngine) -> list[str]:
    rows = await engine.fetch("SELECT unit_id FROM promises WHERE status = 'held' ORDER BY unit_id")
    return [row["unit_id"] for row in rows]


async def test_c90_the_bag_that_comes_is_one_that_the_patient_can_have(
    engine: SupplyEngine,
) -> None:
    plain, typed = UnitTraits(), UnitTraits(antigen_negative=("Jka",))
    await _lay(engine, "lhasa", plain, plain, typed)
    await _ask(engine, quantity=1, antigen_negative=["Jka"])
    await _offer(engine, "lhasa", quantity=1)
    assert await _list_held(engine) == ["LHASA-2"]


async def test_what_comes_too_late_spares_no_bag_that_comes_in_time(
    engine: SupplyEngine,
) -> None:
    await _lay(engine, "ngari", UnitTraits(), UnitTraits())
    await _lay(engine, "lhasa", UnitTraits(), UnitTraits())
    await _ask(engine, quantity=2)
    await _offer(engine, "ngari", quantity=2)
    assert await _list_held(engine) == ["NGARI-0", "NGARI-1"]
    await _offer(engine, "lhasa", quantity=2)
    assert await _list_held(engine) == ["LHASA-0", "LHASA-1", "NGARI-0", "NGARI-1"]


async def test_what_comes_in_time_leaves_nothing_missing(engine: SupplyEngine) -> None:
    await _lay(engine, "lhasa", UnitTraits(), UnitTraits())
    await _lay(engine, "ngari", UnitTraits(), UnitTraits())
    await _ask(engine, quantity=2)
    await _offer(engine, "lhasa", quantity=2)
    await _offer(engine, "ngari", quantity=2)
    assert await _list_held(engine) == ["LHASA-0", "LHASA-1"]


@pytest.mark.parametrize(("station_id", "are_spared"), [("ngari", False), ("lhasa", True)])
async def test_what_comes_too_late_spares_no_donor_whose_blood_would_be_in_time(
    engine: SupplyEngine, station_id: str, are_spared: bool
) -> None:
    await engine.put_reserve(10, staff=True, group="A+")
    await _lay(engine, station_id, UnitTraits(), UnitTraits())
    await _ask(engine, quantity=2)
    called = await engine.calls("called")
    assert called
    await _offer(engine, station_id, quantity=2)
    await engine.fire_timers()
    assert await engine.calls("called") == ([] if are_spared else called)


async def test_an_offer_is_acted_on_by_a_worker_that_has_not_yet_read_of_the_hospital(
    engine: SupplyEngine,
) -> None:
    await _lay(engine, "lhasa", UnitTraits())
    reads_later = await engine.under(PACKAGED)
    assert isinstance(reads_later, SupplyEngine)
    registered_now = PEOPLES.but(
        hospital_id="lhatse-county", name_zh="拉孜县人民医院", name_en="Lhatse County Hospital"
    )
    await engine.services.directory.put_hospital(registered_now)
    await engine.services.directory.refresh()
    await engine.feed(opened(build_request(hospital=registered_now, quantity=1, needed_in_h=10)))
    await engine.assess()
    assert "lhatse-county" not in reads_later.services.directory.current().hospitals
    await _offer(reads_later, "lhasa", quantity=1)
    assert await _list_held(engine) == ["LHASA-0"]
