"""Daily records by their timer, and the figures over HTTP, on real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from models.events.stock import Attestation, CountedUnit, StockCounted
from models.figures import Coverage
from models.laboratory import LabTest
from models.rules.rulebook import PACKAGED
from streams.ports import Timer, TimerKind
from streams.store.read_models.figures import PgFigures
from streams.store.unit_of_work import PgBegin
from tests.support.engine import Engine, build_engine
from tests.support.gateway import RunningGateway, add_stock, running_gateway
from tests.support.laboratory import build_result, from_laboratory, list_clear
from tests.support.world import NOW, build_record, build_unit, counted

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


@pytest_asyncio.fixture
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway:
        yield gateway


async def _set_timer(engine: Engine) -> None:
    async with PgBegin(engine.database, PACKAGED)() as work:
        work.schedule(Timer(kind=TimerKind.STOCK_DAY, subject="all", due_at=engine.clock.now()))


async def test_a_day_is_recorded_once_and_the_next_is_set(engine: Engine) -> None:
    await engine.feed(counted([build_unit("A+", expires_in_h=600) for _ in range(7)]))
    await _set_timer(engine)
    assert await engine.fire_timers_of("stock_day") == 1
    rows = await engine.fetch("SELECT * FROM stock_days WHERE station_id = 'shigatse'")
    (place,) = (
        row for row in rows if (row["component"], row["blood_group"]) == ("red_cells", "A+")
    )
    assert (place["day"].isoformat(), place["available"]) == ("2025-01-07", 7)
    assert place["burn_per_d"] == pytest.approx(12 * 0.2872 * 0.995)
    assert place["level"] == "red"
    assert len(rows) == 8, "every group of what the station usually issues"
    timer = await engine.one("SELECT due_at FROM timers WHERE kind = 'stock_day'")
    assert timer["due_at"] == datetime(2025, 1, 8, tzinfo=UTC)

    await engine.feed(counted([build_unit("A+", expires_in_h=600)]))
    await _set_timer(engine)  # as a worker that starts again does
    assert await engine.fire_timers_of("stock_day") == 1
    assert await engine.fetch("SELECT * FROM stock_days WHERE station_id = 'shigatse'") == rows
    engine.clock.move(days=1)
    assert await engine.fire_timers_of("stock_day") == 1
    (later,) = await engine.fetch(
        "SELECT available FROM stock_days WHERE station_id = 'shigatse' AND day = '2025-01-08' "
        "AND component = 'red_cells' AND blood_group = 'A+'"
    )
    assert later["available"] == 8


def _bag(unit_id: str, donation_id: str, *, attested: bool = False) -> CountedUnit:
    unit = build_unit("A+", unit_id=unit_id).but(donation_id=donation_id)
    word = Attestation(released_by="质管科", released_at=NOW - timedelta(hours=1))
    return CountedUnit(unit=unit, released=attested, attestation=word if attested else None)


async def _rate(engine: Engine, *, day: int = 7, station_id: str | None = None) -> Coverage:
    at_from = datetime(2025, 1, day, tzinfo=UTC)
    figures = PgFigures(engine.database)
    return await figures.rate_testing(
        station_id, at_from=at_from, at_until=at_from + timedelta(days=1)
    )


async def test_coverage_reads_the_results_and_counts_donations(engine: Engine) -> None:
    bags = [
        _bag("tested-rc", "TESTED"),
        _bag("tested-ffp", "TESTED"),
        _bag("WORD", "WORD", attested=True),
        _bag("WAITING", "WAITING"),
    ]
    event = StockCounted(station_id="shigatse", counted_at=NOW, units=tuple(bags))
    await engine.feed(build_record(event, source="station/shigatse"))
    await engine.feed(
        *from_laboratory("TESTED", list_clear("A+")),
        *from_laboratory("WAITING", list_clear("A+", without=[LabTest.NAT])),
    )
    assert not await engine.dead_letter_codes()
    found = await _rate(engine, station_id="shigatse")
    assert (found.released, found.covered) == (2, 1), "two bags of one donation, one on a word"
    assert found.rate == pytest.approx(0.5)
    before = await _rate(engine, day=6)
    assert (before.released, before.rate) == (0, None)
    assert (await _rate(engine, station_id="lhasa")).released == 0

    # Results that came after the station's own release do not make it one of ours.
    await engine.feed(*from_laboratory("WORD", list_clear("A+")))
    assert (await _rate(engine)).covered == 1
    await engine.feed(*from_laboratory("WAITING", [build_result(LabTest.NAT)]))
    found = await _rate(engine)
    assert (found.released, found.covered) == (3, 2)


async def test_a_correction_after_the_release_does_not_undo_what_was_known_then(
    engine: Engine,
) -> None:
    event = StockCounted(station_id="shigatse", counted_at=NOW, units=(_bag("b", "D"),))
    await engine.feed(build_record(event, source="station/shigatse"))
    results = list_clear("A+")
    await engine.feed(*from_laboratory("D", results))
    engine.clock.move(hours=1)
    first = next(result for result in results if result.test is LabTest.NAT)
    again = build_result(LabTest.NAT, supersedes=first.result_id, note="method misread")
    await engine.feed(*from_laboratory("D", [again], at=engine.clock.now()))
    assert not await engine.dead_letter_codes()
    found = await _rate(engine)
    assert (found.released, found.covered) == (1, 1)


async def test_a_release_without_a_needed_result_is_not_covered(engine: Engine) -> None:
    """PostgreSQL refuses such a release; were its guard gone, the figure would tell."""
    event = StockCounted(station_id="shigatse", counted_at=NOW, units=(_bag("b", "D"),))
    await engine.feed(build_record(event, source="station/shigatse"))
    await engine.feed(*from_laboratory("D", list_clear("A+")))
    assert (await _rate(engine)).covered == 1
    async with engine.database.connection() as connection, connection.transaction():
        await connection.execute("ALTER TABLE test_results DISABLE TRIGGER ALL")
        await connection.execute("DELETE FROM test_results WHERE test = 'syphilis'")
    found = await _rate(engine)
    assert (found.released, found.covered) == (1, 0)


async def test_figures_over_http(world: RunningGateway) -> None:
    await add_stock(world.database, station_id="shigatse", units=3)
    await world.database.fetch(
        "INSERT INTO stock_days (station_id, day, component, blood_group, available, burn_per_d, "
        "days_of_supply, uncovered, level, taken_at) SELECT 'shigatse', '2025-01-01'::date + n, "
        "'red_cells', 'A+', CASE WHEN n = 0 THEN 1 ELSE 100 END, 10, 10, 0, 'green', $1 "
        "FROM generate_series(0, 6) AS n",
        NOW,
    )
    client = world.client("station")
    told = (await client.get("/v1/figures")).json()
    assert (told["day_from"], told["day_until"]) == ("2024-12-09", "2025-01-08")
    assert told["station_id"] == "shigatse"
    safe = told["safe_stock"]
    assert (safe["safe"], safe["counted"], safe["days_recorded"], safe["days"]) == (6, 7, 7, 30)
    assert safe["worst"] == [{"component": "red_cells", "group": "A+", "unsafe": 1, "counted": 7}]
    assert told["testing_coverage"] == {"released": 0, "covered": 0, "rate": None}
    assert told["emergency_releases"] == {"units": 0, "requests": 0}
    assert [rule["rule"] for rule in told["rules"]] == [
        "figures.safe_stock_rate", "figures.safe_stock_places", "figures.testing_coverage",
        "figures.emergency_releases",
    ]  # fmt: skip
    period = {"day_from": "2025-01-02", "day_until": "2025-01-05"}
    inside = (await client.get("/v1/figures", params=period)).json()["safe_stock"]
    assert (inside["safe"], inside["counted"]) == (3, 3)
    wrong = await client.get("/v1/figures", params={**period, "day_until": "2025-01-02"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "period_invalid")
    other = await client.get("/v1/figures", params={"station_id": "lhasa"})
    assert other.status_code == 403
    everywhere = (await world.client("dispatcher").get("/v1/figures")).json()
    assert everywhere["station_id"] is None
