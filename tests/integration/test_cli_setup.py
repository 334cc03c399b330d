"""migrate, topics, keys and doctor on real servers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from deploy.local.embedded_services import Endpoints
from models.rules.rulebook import PACKAGED
from models.topics import TOPICS
from streams.store.api_keys import is_secret, split_key
from streams.store.database import Database
from streams.store.directory import PgDirectory
from tests.support.commands import xuelian
from tests.support.database import fresh_dsn, with_database
from tests.support.world import PEOPLES, SHIGATSE

pytestmark = pytest.mark.integration

Env = Mapping[str, str]


def build_env(endpoints: Endpoints, dsn: str, folder: Path) -> dict[str, str]:
    return {
        "XUELIAN_KAFKA_BOOTSTRAP": endpoints.kafka_bootstrap,
        "XUELIAN_POSTGRES_DSN": dsn,
        "XUELIAN_STATE_DIR": str(folder),
        "XUELIAN_GATEWAY_URL": "http://127.0.0.1:1",
    }


@pytest.fixture
async def env(endpoints: Endpoints, tmp_path: Path) -> AsyncIterator[Env]:
    """A migrated database of its own."""
    async with fresh_dsn(endpoints.postgres_dsn) as dsn:
        yield build_env(endpoints, dsn, tmp_path)


@pytest.fixture
async def bare_env(endpoints: Endpoints, tmp_path: Path) -> AsyncIterator[Env]:
    """A database that is not there yet."""
    name = f"bare_{os.getpid()}"
    yield build_env(endpoints, with_database(endpoints.postgres_dsn, name), tmp_path)
    server = await asyncpg.connect(with_database(endpoints.postgres_dsn, "postgres"))
    try:
        await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    finally:
        await server.close()


_RENAMED = "UPDATE schema_migrations SET version = '{new}' WHERE version = '{old}'"


async def test_migrate_makes_the_database_and_may_be_repeated(bare_env: Env) -> None:
    first = await xuelian("migrate", "--json", env=bare_env)
    assert first.exit_code == 0
    assert first.document["applied"][0].endswith("_baseline.sql")
    again = await xuelian("migrate", "--json", env=bare_env)
    assert again.document == {"applied": []}
    listed = await xuelian("keys", "list", "--json", env=bare_env)
    assert listed.document == {"keys": []}
    await _run_sql(bare_env, _RENAMED.format(old="20261215000000", new="20261214000000"))
    older = await xuelian("migrate", env=bare_env)
    assert older.exit_code == 4
    assert "with the program of that version" in " ".join(older.stderr.split())
    await _run_sql(bare_env, _RENAMED.format(old="20261214000000", new="20261215000000"))
    # As in a database that went through the migrations that the baseline replaced.
    await _run_sql(bare_env, "INSERT INTO schema_migrations VALUES ('20261101000000')")
    assert (await xuelian("migrate", "--json", env=bare_env)).document == {"applied": []}
    doctor = await xuelian("doctor", "--json", env=bare_env)
    (tables,) = [row for row in doctor.document["checks"] if "tables" in row["name"]]
    assert tables["ok"], tables


async def _run_sql(env: Env, statement: str) -> None:
    connection = await asyncpg.connect(env["XUELIAN_POSTGRES_DSN"])
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_f32_a_key_for_a_name_that_nobody_has_is_made_with_a_loud_note(env: Env) -> None:
    database = await Database.open(env["XUELIAN_POSTGRES_DSN"], size=1, name="test")
    try:
        directory = PgDirectory(database, PACKAGED)
        await directory.put_station(SHIGATSE)
        await directory.put_hospital(PEOPLES)
    finally:
        await database.close()
    known = await xuelian("keys", "create", "hospital", "shigatse-people", "--json", env=env)
    assert (known.document["registered"], known.stderr) == (True, "")

    near = await xuelian("keys", "create", "hospital", "shigatse-peopel", "--json", env=env)
    assert near.document["registered"] is False
    assert near.document["close_names"] == ["shigatse-people"]
    assert "没有登记 shigatse-peopel" in near.stderr
    assert "shigatse-people" in near.stderr
    # A station's name is no hospital's.
    other = await xuelian("keys", "create", "station", "shigatse-people", "--json", env=env)
    assert other.document["registered"] is False


async def test_a_database_without_tables_is_told_so(endpoints: Endpoints, tmp_path: Path) -> None:
    env = build_env(endpoints, with_database(endpoints.postgres_dsn, "postgres"), tmp_path)
    ran = await xuelian("dlq", "list", "--json", env=env)
    assert ran.exit_code == 4
    assert ran.document["error"]["code"] == "not_migrated"


async def test_topics_apply_then_check(env: Env) -> None:
    applied = await xuelian("topics", "apply", "--json", env=env)
    assert applied.exit_code == 0
    assert {topic.name.value for topic in TOPICS} <= set(applied.document["verified"])
    checked = await xuelian("topics", "check", "--json", env=env)
    assert checked.exit_code == 0
    assert checked.document["created"] == []


async def test_a_wrong_topic_is_code_4_and_named(env: Env) -> None:
    await xuelian("topics", "apply", env=env)
    ran = await xuelian("topics", "check", "--json", env={**env, "XUELIAN_KAFKA_REPLICATION": "3"})
    assert ran.exit_code == 4
    error = ran.document["error"]
    assert error["code"] == "topic_config_wrong"
    assert error["params"]["key"] == "min.insync.replicas"


async def test_keys_are_made_listed_and_revoked(env: Env) -> None:
    made = await xuelian("keys", "create", "hospital", "dingri-county", "--json", env=env)
    assert made.exit_code == 0
    key_id, text = made.document["key_id"], made.document["key"]
    server = await asyncpg.connect(env["XUELIAN_POSTGRES_DSN"])
    try:
        row = await server.fetchrow("SELECT * FROM api_keys")
    finally:
        await server.close()
    parts = split_key(text)
    assert row is not None
    assert parts is not None
    assert is_secret(parts[1], row["secret_hash"])
    assert parts[1] not in str(dict(row))
    assert (await xuelian("keys", "revoke", key_id, env=env)).exit_code == 0
    listed = await xuelian("keys", "list", "--json", env=env)
    (key,) = listed.document["keys"]
    assert (key["scope"], key["facility_id"]) == ("hospital", "dingri-county")
    assert key["revoked_at"] is not None
    assert text not in listed.stdout


async def test_the_table_of_keys_is_for_people(env: Env) -> None:
    await xuelian("keys", "create", "dispatcher", "--label", "值班", "--id", "duty", env=env)
    table = (await xuelian("keys", "list", env=env)).stdout
    assert "duty" in table
    assert "值班" in table


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["create", "hospital"], "key_scope_invalid"),
        (["create", "dispatcher", "shigatse"], "key_scope_invalid"),
        (["revoke", "nobody"], "api_key_unknown"),
        (["create", "dispatcher", "--id", "no spaces"], "key_id_invalid"),
    ],
)
async def test_refused_keys_are_code_1(env: Env, words: list[str], code: str) -> None:
    ran = await xuelian("keys", *words, "--json", env=env)
    assert ran.exit_code == 1
    assert ran.document["error"]["code"] == code


async def test_a_key_id_is_taken_once(env: Env) -> None:
    words = ("keys", "create", "dispatcher", "--id", "one", "--json")
    assert (await xuelian(*words, env=env)).exit_code == 0
    again = await xuelian(*words, env=env)
    assert again.document["error"]["code"] == "api_key_id_taken"


async def test_doctor_tells_what_holds_and_what_to_do(env: Env) -> None:
    await xuelian("topics", "apply", env=env)
    ran = await xuelian("doctor", "--json", env={**env, "XUELIAN_POSTGRES_DNS": "x"})
    assert ran.exit_code == 1
    checks = {check["name"].split(" · ")[-1]: check for check in ran.document["checks"]}
    fine = {name for name, check in checks.items() if check["ok"]}
    # Whether anything waits for the workers, which do not run here, is up to what other tests sent.
    assert checks["unread"]["detail"]
    assert fine - {"unread"} == {
        "Python", "Faust", "settings", "rules", "Kafka", "topics", "PostgreSQL", "tables", "clock",
        "processes", "identifiers",
    }  # fmt: skip
    assert "XUELIAN_POSTGRES_DSN" in checks["variables"]["detail"]
    assert "xuelian up" in checks["gateway"]["fix"]
    assert "未检查" in checks["key"]["detail"]


async def test_doctor_says_migrate(endpoints: Endpoints, tmp_path: Path) -> None:
    env = build_env(endpoints, with_database(endpoints.postgres_dsn, "postgres"), tmp_path)
    ran = await xuelian("doctor", "--json", env=env)
    checks = {check["name"].split(" · ")[-1]: check for check in ran.document["checks"]}
    assert not checks["tables"]["ok"]
    assert checks["tables"]["fix"] == "xuelian migrate"


_CHANGED = """
INSERT INTO stations (station_id, body) VALUES ('shigatse', '{{}}');
INSERT INTO units (
    unit_id, donation_id, station_id, component, blood_group, volume_ml, collected_at, expires_at,
    status, source, released_at, attested_by
)
SELECT
    i.u, i.d, 'shigatse', 'red_cells', 'O+', 200, now() - interval '2 days',
    now() + interval '20 days', 'available', 'stock', now() - interval '1 day', 'quality'
FROM (VALUES ('{0}', '{1}')) AS i (u, d);
UPDATE units SET status = '{2}' WHERE status <> '{2}';
"""


@pytest.mark.parametrize(
    ("bags", "ok", "named"),
    [
        (["G1-RC", "G1", "available"], True, ()),
        (["1E12", "G1", "available"], False, ("1E12（G1，shigatse，available）",)),
        (["G1-RC", "654329579194E1", "available"], False, ("G1-RC（654329579194E1，",)),
        (["G1-RC", "123.0", "available"], False, ("G1-RC（123.0，",)),
        (["NULL", "G1", "available"], False, ("NULL（G1，",)),
        (["1E12-RC", "12E", "available"], True, ()),
        (["1E12", "G1", "discarded"], True, ("1E12（G1，shigatse，discarded）",)),
    ],
)
async def test_doctor_shows_bags_under_what_a_spreadsheet_made_of_their_numbers(
    env: Env,
    bags: list[str],
    ok: bool,
    named: tuple[str, ...],
) -> None:
    server = await asyncpg.connect(env["XUELIAN_POSTGRES_DSN"])
    try:
        await server.execute(_CHANGED.format(*bags))
    finally:
        await server.close()
    await xuelian("topics", "apply", env=env)
    ran = await xuelian("doctor", "--json", env=env)
    (check,) = [check for check in ran.document["checks"] if check["name"] == "编号 · identifiers"]
    assert check["ok"] is ok, check
    assert all(text in check["detail"] for text in named), check
    assert ("按标签上的编号重新盘点" in check["fix"]) is not ok
