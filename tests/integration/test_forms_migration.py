"""Identifiers that were taken in before there was one form of them get it, wherever they stand."""

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

OURS = "20261204000000_one_written_form.sql"

_OLD = """
INSERT INTO stations (station_id, body) VALUES ('shigatse', '{}'), ('lhasa', '{}');
INSERT INTO units (
    unit_id, donation_id, station_id, component, blood_group, volume_ml, collected_at, expires_at,
    status, source, released_at, attested_by
)
SELECT
    i, split_part(i, '-', 1), 'shigatse', 'red_cells', 'O+', 200, now() - interval '2 days',
    now() + interval '20 days', 'available', 'stock', now() - interval '1 day', 'quality'
FROM unnest(ARRAY['G1-RC', 'g1-rc', 'g2-rc', '777.0', 'G3-RC']) AS i;
INSERT INTO unit_scans (
    unit_id, change, actor, facility_id, done_by, happened_at, caused_by, recorded_at
) VALUES ('g2-rc', 'picked', 'station', 'shigatse', 'x', now(), 'e', now());
INSERT INTO recalls (
    recall_id, donation_id, station_id, reason, recalled_by, caused_by, recalled_at, recorded_at
) VALUES ('r-1', 'g2', 'shigatse', 'x', 'y', 'e', now(), now());
INSERT INTO test_results (
    result_id, donation_id, station_id, test, outcome, method, run_id, performed_at, performed_by,
    note, caused_by, recorded_at
) VALUES ('t-1', 'g2', 'shigatse', 'nat', 'nonreactive', 'm', 'r', now(), 'l', '', 'e', now());
"""


def read_up(name: str) -> str:
    up = (MIGRATIONS / name).read_text(encoding="utf-8").partition("-- migrate:down")[0]
    return up.split("-- migrate:up", 1)[1]


@pytest.fixture
async def dsn(endpoints: Endpoints) -> AsyncIterator[str]:
    """A database as it was before, with identifiers of every kind."""
    name = f"forms_{os.getpid()}"
    server = await asyncpg.connect(with_database(endpoints.postgres_dsn, "postgres"))
    try:
        await server.execute(f"CREATE DATABASE {name}")
        own = with_database(endpoints.postgres_dsn, name)
        connection = await asyncpg.connect(own)
        for path in sorted(MIGRATIONS.glob("*.sql")):
            if path.name < OURS:
                await connection.execute(read_up(path.name))
        await connection.execute(_OLD)
        await connection.close()
        yield own
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()


async def test_f40_old_identifiers_get_the_one_form(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(read_up(OURS))
        rows = await connection.fetch("SELECT unit_id, donation_id, status FROM units ORDER BY 1")
        assert [tuple(row) for row in rows] == [
            ("777", "777", "available"),
            ("G1-RC", "G1", "available"),
            ("G1-RC:2", "G1", "discarded"),
            ("G2-RC", "G2", "available"),
            ("G3-RC", "G3", "available"),
        ]
        assert await connection.fetchval("SELECT unit_id FROM unit_scans") == "G2-RC"
        assert await connection.fetchval("SELECT donation_id FROM recalls") == "G2"
        assert await connection.fetchval("SELECT donation_id FROM test_results") == "G2"
        steps = await connection.fetch(
            "SELECT from_state, to_state FROM audit WHERE subject_kind = 'unit_spelling' ORDER BY 1"
        )
        assert [tuple(row) for row in steps] == [
            ("777.0", "777"),
            ("g1-rc", "G1-RC:2"),
            ("g2-rc", "G2-RC"),
        ]
        with pytest.raises(asyncpg.UniqueViolationError, match="units_spelling_uq"):
            await connection.execute("UPDATE units SET unit_id = 'g3-rc' WHERE unit_id = 'G1-RC:2'")
        for statement in ("DELETE FROM unit_scans", "UPDATE test_results SET note = 'x'"):
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(statement)
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await connection.execute("UPDATE units SET unit_id = 'NEW' WHERE unit_id = 'G2-RC'")
    finally:
        await connection.close()
    database = await Database.open(dsn, size=2, name="test")
    try:
        async with PgAuditRows(database).snapshot() as audit:
            walk = AuditWalk(heads=await audit.list_heads(None))
            walk.take([row async for some in audit.follow(chain=None, since=1) for row in some])
        assert walk.finish().breaches == ()
    finally:
        await database.close()
