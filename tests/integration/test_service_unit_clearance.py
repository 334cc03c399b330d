"""A promised unit leaves only if the safety kernel clears it again, for what then stands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.events.requests import RequestAmended
from models.events.stock import StockChange, StockChanged
from models.groups import BloodGroup
from models.patients import Patient, Sex
from models.requests import Amendment, HardAttributes, Priority, RequestLine
from models.units import UnitTraits
from streams.ports import Received
from tests.support.engine import Engine, build_engine
from tests.support.supply_engine import SupplyEngine, build_supply_engine
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

pytestmark = pytest.mark.integration


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


@pytest.fixture
async def supply(endpoints: Endpoints) -> AsyncIterator[SupplyEngine]:
    async with build_supply_engine(endpoints.postgres_dsn) as built:
        yield built


def issued(
    unit_id: str,
    *,
    epoch: int = 1,
    station_id: str = "shigatse",
    thawed_at: datetime | None = None,
) -> Received:
    event = StockChanged(
        station_id=station_id,
        unit_id=unit_id,
        change=StockChange.ISSUED,
        happened_at=NOW,
        epoch=epoch,
        thawed_at=thawed_at,
    )
    return build_record(event, source=f"station/{station_id}")


def scanned(unit_id: str, change: StockChange) -> Received:
    """By the station until it leaves, by the hospital's ward afterwards."""
    event = StockChanged(
        station_id="shigatse", unit_id=unit_id, change=change, happened_at=NOW, epoch=1
    )
    is_ward = change in {StockChange.RECEIVED, StockChange.TRANSFUSED}
    source = f"hospital/{PEOPLES.hospital_id}" if is_ward else "station/shigatse"
    return build_record(event, source=source)


async def reserve(
    engine: Engine,
    *,
    donor: str = "A+",
    expires_in_h: float = 48,
    component: Component = Component.RED_CELLS,
    attributes: HardAttributes | None = None,
    traits: UnitTraits | None = None,
) -> str:
    unit = build_unit(
        donor,
        expires_in_h=expires_in_h,
        collected_ago_h=24,
        component=component,
        traits=traits,
    )
    await engine.feed(counted([unit]))
    line = RequestLine(
        line_no=1, component=component, quantity=1, attributes=attributes or HardAttributes()
    )
    await engine.feed(opened(build_request(request_id="r-1", group="A+", lines=(line,))))
    row = await engine.one("SELECT unit_id FROM promises WHERE status = 'held'")
    assert row["unit_id"] == unit.unit_id
    return unit.unit_id


async def refusal_of(engine: Engine) -> tuple[str, str]:
    row = await engine.one("SELECT code, params FROM dead_letters")
    return row["code"], row["params"].get("codes", "")


async def status_of_unit(engine: Engine, unit_id: str) -> str:
    row = await engine.one("SELECT status FROM units WHERE unit_id = $1", unit_id)
    return str(row["status"])


async def test_what_is_still_fit_leaves(engine: Engine) -> None:
    unit_id = await reserve(engine)
    await engine.feed(issued(unit_id))

    assert await status_of_unit(engine, unit_id) == "issued"
    assert await engine.dead_letter_codes() == []


async def test_an_expired_unit_does_not_leave(engine: Engine) -> None:
    unit_id = await reserve(engine, expires_in_h=9)
    engine.clock.move(hours=10)
    await engine.feed(issued(unit_id))

    assert await refusal_of(engine) == ("unit_not_cleared", "expired expires_before_arrival")
    assert await status_of_unit(engine, unit_id) == "reserved"


async def test_a_unit_that_would_expire_on_the_way_does_not_leave(engine: Engine) -> None:
    unit_id = await reserve(engine, expires_in_h=9)
    engine.clock.move(hours=8.9)
    await engine.feed(issued(unit_id))

    assert await refusal_of(engine) == ("unit_not_cleared", "expires_before_arrival")


async def test_a_unit_that_would_expire_in_use_does_not_leave(engine: Engine) -> None:
    unit_id = await reserve(engine, expires_in_h=9)
    engine.clock.move(hours=6)
    await engine.feed(issued(unit_id))

    assert await refusal_of(engine) == ("unit_not_cleared", "expires_during_use")


async def test_a_unit_that_grew_too_old_meanwhile_does_not_leave(engine: Engine) -> None:
    unit_id = await reserve(engine, attributes=HardAttributes(max_age_d=2))
    engine.clock.move(hours=25)
    await engine.feed(issued(unit_id))

    assert await refusal_of(engine) == ("unit_not_cleared", "too_old")


async def test_a_request_that_reads_otherwise_by_then_is_the_one_that_counts(
    engine: Engine,
) -> None:
    """Past the engine, which gives held units back when a request is amended."""
    unit_id = await reserve(engine)
    await engine.fetch(
        "UPDATE requests SET patient_group = 'B+', body = jsonb_set("
        "jsonb_set(body, '{patient,group}', '\"B+\"'), "
        "'{lines,0,attributes}', '{\"irradiated\": true}')"
    )
    await engine.feed(issued(unit_id))

    assert await refusal_of(engine) == ("unit_not_cleared", "other_group lacks_attribute")


async def test_a_hospital_that_cannot_use_it_any_more_does_not_get_it(engine: Engine) -> None:
    unit_id = await reserve(engine, component=Component.FRESH_FROZEN_PLASMA)
    changed = PEOPLES.but(can_thaw=False, cannot_use=(Component.FRESH_FROZEN_PLASMA,))
    await engine.services.directory.put_hospital(changed)
    await engine.services.directory.refresh()
    await engine.feed(issued(unit_id))

    assert await refusal_of(engine) == (
        "unit_not_cleared",
        "hospital_cannot_thaw hospital_cannot_use",
    )


async def test_what_the_scan_itself_says_of_the_unit_counts(engine: Engine) -> None:
    unit_id = await reserve(engine, component=Component.FRESH_FROZEN_PLASMA)
    await engine.services.directory.put_hospital(PEOPLES.but(can_thaw=False))
    await engine.services.directory.refresh()
    await engine.feed(issued(unit_id))
    assert await refusal_of(engine) == ("unit_not_cleared", "hospital_cannot_thaw")

    await engine.feed(issued(unit_id, thawed_at=NOW))
    assert await engine.dead_letter_codes() == ["unit_not_cleared"]
    assert await status_of_unit(engine, unit_id) == "issued"


async def test_a_line_that_is_gone_gets_nothing(engine: Engine) -> None:
    unit_id = await reserve(engine)
    await engine.fetch("UPDATE requests SET body = jsonb_set(body, '{lines,0,line_no}', '2')")
    await engine.feed(issued(unit_id))

    assert await refusal_of(engine) == ("unit_not_cleared", "line_gone")


async def test_the_refusal_says_every_reason_in_both_languages(engine: Engine) -> None:
    unit_id = await reserve(engine, expires_in_h=9)
    engine.clock.move(hours=10)
    await engine.feed(issued(unit_id))
    row = await engine.one("SELECT params FROM dead_letters")

    assert row["params"]["reasons"].startswith("已过期；送达前过期 · expired; ")


async def test_a_unit_for_a_neighbour_is_cleared_again_too(supply: SupplyEngine) -> None:
    for station in (SHIGATSE, LHASA):
        await supply.put_station(station.but(daily_demand={}))
    unit = build_unit("A+", station_id="lhasa", expires_in_h=10)
    await supply.feed(counted([unit], station_id="lhasa"))
    await supply.ask(group="A+", quantity=1)
    shortage = await supply.one("SELECT shortage_id FROM shortages")
    await supply.offer(shortage["shortage_id"], quantity=1)
    assert await status_of_unit(supply, unit.unit_id) == "reserved"
    supply.clock.move(hours=9.5)
    await supply.feed(issued(unit.unit_id, station_id="lhasa"))

    assert await refusal_of(supply) == ("unit_not_cleared", "expires_before_arrival")


async def test_a_unit_on_its_way_to_a_neighbour_is_given_to_nobody(supply: SupplyEngine) -> None:
    for station in (SHIGATSE, LHASA):
        await supply.put_station(station.but(daily_demand={}))
    unit = build_unit("A+", station_id="lhasa")
    await supply.feed(counted([unit], station_id="lhasa"))
    await supply.ask(group="A+", quantity=1)
    shortage = await supply.one("SELECT shortage_id FROM shortages")
    await supply.offer(shortage["shortage_id"], quantity=1)
    await supply.feed(issued(unit.unit_id, station_id="lhasa"))
    given = StockChanged(
        station_id="lhasa",
        unit_id=unit.unit_id,
        change=StockChange.TRANSFUSED,
        happened_at=NOW,
        epoch=1,
    )
    await supply.feed(build_record(given, source="station/lhasa"))

    assert (await refusal_of(supply))[0] == "unit_state_forbids"
    assert await status_of_unit(supply, unit.unit_id) == "issued"


UNKNOWN = Patient(sex=Sex.FEMALE, age_years=30)


async def capped(engine: Engine) -> int:
    rows = await engine.fetch("SELECT 1 FROM promises WHERE capped AND status = 'held'")
    return len(rows)


async def test_the_cap_holds_for_a_patient_whom_no_reference_names(engine: Engine) -> None:
    """A request that is decided again goes on counting, not from nothing."""
    await engine.feed(counted([build_unit("O-") for _ in range(3)]))
    await engine.feed(opened(build_request(patient=UNKNOWN, quantity=8)))
    assert await capped(engine) == 3
    await engine.feed(counted([build_unit("O-") for _ in range(5)]))
    await engine.fire_timers_of("rematch")

    assert await capped(engine) == 4


async def test_the_cap_holds_over_all_requests_of_a_batch(engine: Engine) -> None:
    patient = UNKNOWN.but(reference="bed-1")
    await engine.feed(counted([build_unit("O-") for _ in range(8)]))
    await engine.feed(*[opened(build_request(patient=patient, quantity=3)) for _ in range(2)])

    assert await capped(engine) == 4


async def test_the_fourth_unit_under_the_cap_may_leave(engine: Engine) -> None:
    units = [build_unit("O-") for _ in range(5)]
    await engine.feed(counted(units))
    await engine.feed(opened(build_request(patient=UNKNOWN, quantity=4)))
    rows = await engine.fetch("SELECT unit_id FROM promises WHERE status = 'held'")
    for row in rows:
        await engine.feed(issued(row["unit_id"]))

    assert await engine.dead_letter_codes() == []
    assert len(rows) == 4


async def test_an_amendment_that_names_the_group_reserves_and_issues_under_it(
    engine: Engine,
) -> None:
    unit = build_unit("B+")
    await engine.feed(counted([build_unit("O-"), unit]))
    request = build_request(request_id="r-1", patient=UNKNOWN, quantity=1)
    await engine.feed(opened(request))
    amendment = Amendment(
        request_id="r-1",
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        patient=Patient(group=BloodGroup.B_POS),
        priority=Priority.ROUTINE,
    )
    source = f"hospital/{request.hospital_id}"
    await engine.feed(build_record(RequestAmended(amendment=amendment), source=source))
    await engine.feed(issued(unit.unit_id))

    assert await status_of_unit(engine, unit.unit_id) == "issued"


async def test_f13_a_bag_that_left_and_fits_no_more_is_named_and_not_given(engine: Engine) -> None:
    unit_id = await reserve(engine)
    await engine.feed(issued(unit_id))
    told = {"request_id": "r-1", "hospital_id": PEOPLES.hospital_id, "station_id": "shigatse"}
    source = f"hospital/{PEOPLES.hospital_id}"
    amendment = Amendment.model_validate({**told, "patient": {"group": "O+"}})
    await engine.feed(build_record(RequestAmended(amendment=amendment), source=source))
    last = "SELECT body -> 'reasons' AS told FROM decisions ORDER BY version DESC LIMIT 1"
    reason = (await engine.one(last))["told"][0]
    assert (reason["code"], reason["params"]["unit_id"]) == ("sent_unit_unfit", unit_id)
    assert "血型不在允许之列" in reason["params"]["why"]

    await engine.feed(scanned(unit_id, StockChange.RECEIVED))
    assert (await engine.one(last))["told"][-1]["code"] == "sent_unit_unfit"
    await engine.feed(scanned(unit_id, StockChange.TRANSFUSED))
    assert await engine.dead_letter_codes() == ["unit_unfit"]
    assert await status_of_unit(engine, unit_id) == "received"


async def test_f13_a_bag_that_left_and_fits_is_given(engine: Engine) -> None:
    unit_id = await reserve(engine)
    for change in (StockChange.ISSUED, StockChange.RECEIVED, StockChange.TRANSFUSED):
        await engine.feed(scanned(unit_id, change))
    assert await engine.dead_letter_codes() == []
    assert await status_of_unit(engine, unit_id) == "transfused"
