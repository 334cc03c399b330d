"""Functions and rule tables are written again when they change; a stranger's are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.local.embedded_services import Endpoints
from gateway.bootstrap import run_gateway
from models.errors import ConfigurationError
from models.rules.rulebook import PACKAGED
from streams.bootstrap import Role, run_process
from streams.settings import Settings
from streams.store.database import Database
from streams.store.schema.repeatable import apply_repeatable, ensure_repeatable
from streams.store.schema.rule_tables import RULE_TABLES, RuleTable, list_rule_tables
from tests.support.database import fresh_database, fresh_dsn
from tests.support.record_sql_schema import SCHEMA, dump_schema
from tests.support.rules import accept

pytestmark = pytest.mark.integration

TIGHTER = {"rhd.asian_del": {"served_as_positive": False}}
"""A station that serves nobody of type DEL as RhD positive."""


@pytest.fixture
async def dsn(endpoints: Endpoints) -> AsyncIterator[str]:
    async with fresh_dsn(endpoints.postgres_dsn) as own:
        yield own


async def fetch(dsn: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def test_what_is_the_same_is_not_written_again(dsn: str) -> None:
    assert await apply_repeatable(dsn, PACKAGED) == []


async def test_a_changed_function_is_written_again(dsn: str) -> None:
    await fetch(dsn, "UPDATE schema_parts SET digest = 'old' WHERE name = 'functions/units.sql'")
    await fetch(
        dsn,
        "CREATE OR REPLACE FUNCTION unit_stations(the_unit text) RETURNS text[] LANGUAGE sql STABLE"
        " AS $$ SELECT '{}'::text[] $$",
    )
    assert await apply_repeatable(dsn, PACKAGED) == ["functions/units.sql"]
    (row,) = await fetch(dsn, "SELECT prosrc FROM pg_proc WHERE proname = 'unit_stations'")
    assert "audit" in row["prosrc"]


async def test_the_tables_follow_a_stations_own_rules(dsn: str) -> None:
    before = await fetch(dsn, "SELECT * FROM compatible_groups WHERE needs = 'asian_del'")
    assert before
    assert await apply_repeatable(dsn, accept(TIGHTER)) == ["compatible_groups"]
    assert not await fetch(dsn, "SELECT * FROM compatible_groups WHERE needs = 'asian_del'")
    (row,) = await fetch(dsn, "SELECT * FROM schema_parts WHERE name = 'compatible_groups'")
    assert "+" in row["rules_version"]


async def test_every_needed_test_is_in_the_table(dsn: str) -> None:
    rows = await fetch(dsn, "SELECT test FROM needed_tests")
    assert {row["test"] for row in rows} == {test for test, _ in PACKAGED.testing.needed}


async def test_a_database_of_other_rules_is_refused(endpoints: Endpoints) -> None:
    async with fresh_database(endpoints.postgres_dsn) as database:
        await ensure_repeatable(database, PACKAGED)
        with pytest.raises(ConfigurationError, match="compatible_groups") as caught:
            await ensure_repeatable(database, accept(TIGHTER))
    assert caught.value.code == "schema_parts_differ"


BY_HAND = {
    "unit_transitions": "INSERT INTO unit_transitions"
    " SELECT 'transfused', 'available', cause, actors, needs_release, promise"
    " FROM unit_transitions WHERE from_state = 'returned' AND to_state = 'available'",
    "needed_tests": "DELETE FROM needed_tests WHERE test = 'nat_hiv'",
    "compatible_groups": "DELETE FROM compatible_groups WHERE needs = 'consent'",
}
"""What nobody should do; two of them open a way that the rules close."""


@pytest.mark.parametrize("table", BY_HAND)
async def test_a_row_that_was_changed_by_hand_is_refused_and_written_again(
    table: str, dsn: str
) -> None:
    database = await Database.open(dsn, size=1, name="test")
    try:
        await database.fetch(BY_HAND[table])
        with pytest.raises(ConfigurationError) as caught:
            await ensure_repeatable(database, PACKAGED)
        assert caught.value.params["parts"] == table
        assert await apply_repeatable(dsn, PACKAGED) == [table]
        await ensure_repeatable(database, PACKAGED)
    finally:
        await database.close()


@pytest.mark.parametrize("table", ["unit_transitions", "needed_tests"])
async def test_what_another_program_made_of_the_same_rules_is_refused(
    table: str, endpoints: Endpoints
) -> None:
    """A move of a unit stands in the code: the version of the rules does not tell it."""
    async with fresh_database(endpoints.postgres_dsn) as database:
        await database.fetch(BY_HAND[table])
        columns = RULE_TABLES[table]
        rows = await database.fetch(f"SELECT {', '.join(columns)} FROM {table}")  # noqa: S608
        other = RuleTable(name=table, columns=columns, rows=tuple(map(tuple, rows)))
        told = "UPDATE schema_parts SET digest = $2 WHERE name = $1"
        await database.fetch(told, table, other.digest)
        with pytest.raises(ConfigurationError, match=table):
            await ensure_repeatable(database, PACKAGED)


@pytest.mark.parametrize("role", Role)
async def test_no_worker_starts_on_a_database_of_other_functions(
    role: Role, dsn: str, endpoints: Endpoints
) -> None:
    await fetch(dsn, "UPDATE schema_parts SET digest = 'old' WHERE name = 'functions/units.sql'")
    settings = Settings(postgres_dsn=dsn, kafka_bootstrap=endpoints.kafka_bootstrap)
    with pytest.raises(ConfigurationError, match=r"functions/units\.sql"):
        await run_process(settings, role)


async def test_no_gateway_starts_on_a_database_of_other_functions(
    dsn: str, endpoints: Endpoints
) -> None:
    await fetch(dsn, "UPDATE schema_parts SET digest = 'old' WHERE name = 'functions/units.sql'")
    settings = Settings(postgres_dsn=dsn, kafka_bootstrap=endpoints.kafka_bootstrap)
    with pytest.raises(ConfigurationError, match=r"functions/units\.sql"):
        await asyncio.to_thread(run_gateway, settings)


async def test_the_schema_that_stands_in_the_repository_is_the_one_in_use(dsn: str) -> None:
    """Another one: `python -m tests.support.record_sql_schema`, and read the difference."""
    assert dump_schema(dsn) == SCHEMA.read_text(encoding="utf-8")


def test_the_tables_that_are_compared_are_those_that_are_filled() -> None:
    assert {table.name for table in list_rule_tables(PACKAGED)} == RULE_TABLES.keys()


def test_rows_of_rule_tables_are_told_apart() -> None:
    for table in list_rule_tables(PACKAGED):
        assert len({str(row) for row in table.rows}) == len(table.rows)
        assert all(len(row) == len(table.columns) for row in table.rows)
