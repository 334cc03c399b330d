"""No plan flips: a decision reads the few rows that it needs, however the shelf lies and grows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random

import pytest

from deploy.local.embedded_services import Endpoints
from models.groups import BloodGroup
from models.rules.rulebook import PACKAGED
from streams.ports import Context
from streams.ports.requests import OpenedRequest
from streams.services.request_decisions import RequestDecisions
from streams.store.unit_of_work import PgBegin
from tests.support.engine import Engine, build_engine
from tests.support.sharing import build_sharing
from tests.support.world import NOW, build_request, opened

pytestmark = pytest.mark.integration

DECISIONS = 8
"""More than the five after which PostgreSQL may settle on one plan for all parameters."""

WAITING = 60
"""Requests that wait at one station."""

MOST_ROWS = 60
"""Of units that one decision may read: two wanted, and some spare ones in each of its places."""


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


async def fill(engine: Engine, count: int, *, in_order: bool) -> None:
    numbers = list(range(count))
    if not in_order:
        Random(13).shuffle(numbers)
    groups = [group.value for group in BloodGroup]
    rows = [
        (
            f"u-{number:07d}", f"d-{number:07d}", "shigatse", "red_cells", groups[number % 8], 200,
            NOW - timedelta(days=3), NOW + timedelta(days=10, seconds=number), "available", "stock",
            NOW - timedelta(days=1), "quality",
        )
        for number in numbers
    ]  # fmt: skip
    columns = (
        "unit_id", "donation_id", "station_id", "component", "blood_group", "volume_ml",
        "collected_at", "expires_at", "status", "source", "released_at", "attested_by",
    )  # fmt: skip
    async with engine.database.connection() as connection:
        await connection.copy_records_to_table("units", records=rows, columns=columns)
        await connection.execute("ANALYZE units")


async def test_the_look_at_who_waits_reads_a_few_units(engine: Engine) -> None:
    """However many wait, and whatever a decision has told them."""
    for number in range(WAITING):
        group = list(BloodGroup)[number % 8]
        await engine.feed(opened(build_request(group=group.value, quantity=2)))
    await fill(engine, 100_000, in_order=False)
    await engine.fetch("ANALYZE requests, request_lines, decisions")
    async with PgBegin(engine.database, PACKAGED)() as work:
        for _ in range(DECISIONS):
            assert await work.requests.list_waiting_stations(now=NOW) == ["shigatse"]
            found = await work.requests.list_servable("shigatse", after=None, limit=999, now=NOW)
            assert len(found) == WAITING
        (row,) = await work._connection.fetch(
            "SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_xact_user_tables "
            "WHERE relname = 'units'"
        )
    read = row["seq_tup_read"] + row["idx_tup_fetch"]
    assert read <= DECISIONS * WAITING * 3, dict(row)


@pytest.mark.parametrize("count", [10_000, 100_000])
@pytest.mark.parametrize("in_order", [True, False], ids=["in order of expiry", "shuffled"])
async def test_a_decision_reads_a_few_units(engine: Engine, count: int, *, in_order: bool) -> None:
    await fill(engine, count, in_order=in_order)
    decisions = RequestDecisions(
        directories=engine.services.directory, sharing=build_sharing(), hold_s=3600
    )
    async with PgBegin(engine.database, PACKAGED)() as work:
        for number in range(DECISIONS):
            group = list(BloodGroup)[number]
            request = build_request(group=group.value, quantity=2)
            record = opened(request)
            context = Context.of_record(record, now=NOW)
            work.enter(context)
            opening = OpenedRequest(request=request, context=context, digest=record.digest)
            await decisions.open(work, [opening])
        (row,) = await work._connection.fetch(
            "SELECT seq_tup_read, idx_tup_fetch FROM pg_stat_xact_user_tables "
            "WHERE relname = 'units'"
        )
    read = row["seq_tup_read"] + row["idx_tup_fetch"]
    assert read <= DECISIONS * MOST_ROWS, dict(row)
