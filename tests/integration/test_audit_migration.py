"""The way to chains and back: rows that stood before are linked in the order they were written."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.local.embedded_services import Endpoints
from streams.services.audit_verification import AuditWalk
from streams.store.audit import PgAuditRows
from streams.store.database import Database
from tests.support.database import with_database
from tests.support.seeding import MIGRATIONS

pytestmark = pytest.mark.integration

OURS = "20261126000000_audit_chain.sql"

_OLD_ROWS = """
INSERT INTO audit (subject_kind, subject, station_id, from_state, to_state, why, caused_by, at)
SELECT
    'unit', 'u-' || n, (ARRAY['shigatse', NULL, 'lhasa'])[n % 3 + 1], '', '可用', 'counted', 'e-1',
    '2025-01-07T01:05:16.000001Z'::timestamptz + n * interval '1 hour'
FROM generate_series(1, 30) AS n
"""


def read_parts(name: str) -> tuple[str, str]:
    """What a migration does, and how it is undone."""
    up, _, down = (MIGRATIONS / name).read_text(encoding="utf-8").partition("-- migrate:down")
    return up.split("-- migrate:up", 1)[1], down


@pytest.fixture
async def dsn(endpoints: Endpoints) -> AsyncIterator[str]:
    """A database as it was before, with thirty rows in its audit."""
    name = f"before_{os.getpid()}"
    server = await asyncpg.connect(with_database(endpoints.postgres_dsn, "postgres"))
    try:
        await server.execute(f"CREATE DATABASE {name}")
        own = with_database(endpoints.postgres_dsn, name)
        connection = await asyncpg.connect(own)
        for path in sorted(MIGRATIONS.glob("*.sql")):
            if path.name < OURS:
                await connection.execute(read_parts(path.name)[0])
        await connection.execute(_OLD_ROWS)
        await connection.close()
        yield own
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()


async def run(dsn: str, statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


async def test_old_rows_are_linked_and_new_ones_follow_them(dsn: str) -> None:
    up, down = read_parts(OURS)
    await run(dsn, up)
    await run(
        dsn,
        "SELECT append_audit(jsonb_build_array(jsonb_build_object('subject_kind', 'unit', "
        "'subject', 'u-1', 'station_id', 'lhasa', 'from_state', 'available', 'to_state', "
        "'expired', 'why', 'expired', 'actor', 'timer', 'caused_by', 't', 'at', now())))",
    )
    database = await Database.open(dsn, size=1, name="test")
    try:
        async with PgAuditRows(database).snapshot() as audit:
            walk = AuditWalk(heads=await audit.list_heads(None))
            rows = [row async for some in audit.follow(chain=None, since=1) for row in some]
        walk.take(rows)
        verdict = walk.finish()
    finally:
        await database.close()
    assert (verdict.breaches, verdict.rows, verdict.chains) == ((), 31, 3)
    by_chain = [row.audit_id for row in rows if row.chain == "lhasa"]
    assert by_chain == sorted(by_chain)
    assert {row.actor for row in rows} == {"unknown", "timer"}

    await run(dsn, down)
    await run(dsn, _OLD_ROWS)
    await run(dsn, up)
