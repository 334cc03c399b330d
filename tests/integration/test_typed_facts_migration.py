"""Promises of before are judged by their columns as they were judged by their documents."""

from __future__ import annotations

import itertools
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping

import asyncpg
import pytest

from deploy.local.embedded_services import Endpoints
from models.events.requests import RequestAmended
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Amendment
from models.units import UnitTraits
from tests.integration.test_forms_migration import read_up
from tests.support.audit_story import hospital_says, live_a_day
from tests.support.database import with_database
from tests.support.kernel_tables import CONSENT
from tests.support.record_sql_schema import FUNCTIONS
from tests.support.seeding import MIGRATIONS
from tests.support.supply_engine import build_supply_engine
from tests.support.world import build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

OURS = "20261214000000_typed_facts.sql"
"""The functions that the migrations before it left read documents."""

PATIENTS: tuple[Mapping[str, object], ...] = (
    {},
    {"group": None, "antibodies": []},
    {"group": "A+"},
    {"group": "A+", "antibodies": ["K"]},
    {"group": "A+", "antibodies": ["K", "D"]},
    {"group": "A-", "asian_del": False},
    {"group": "A-", "asian_del": True},
    {"group": "A-", "rhd_consent": {"physician": "a", "signed_by": "b"}},
)
TRAITS: tuple[Mapping[str, object], ...] = ({}, {"low_titre": False}, {"low_titre": True})
RULES = (
    "red_cells.abo",
    "platelets.abo@2026-2",
    "rhd.asian_del@1",
    "rhd.consented_fallback@1",
    None,
)

_UNIT = """
INSERT INTO units (
    unit_id, donation_id, station_id, component, blood_group, volume_ml, collected_at, expires_at,
    traits, status, source, released_at, attested_by
) VALUES ($1, 'D-1', 'shigatse', $2, $3, 200, now(), now() + interval '1 day', $4::text::jsonb,
    'available', 'stock', now(), 'quality')
"""
_REQUEST = """
WITH request AS (
    INSERT INTO requests VALUES ($1, 'peoples', 'shigatse', 'life_threatening', now(), 'reserved',
        'picking', 1, $4::text::jsonb, now(), now())
), line AS (
    INSERT INTO request_lines VALUES ($1, 1, $2, 1, 0)
), decision AS (
    INSERT INTO decisions VALUES ($1, $1, 1, 'reserved', $6::text::jsonb, now())
)
INSERT INTO promises (
    promise_id, unit_id, component, blood_group, epoch, request_id, line_no, status, reason,
    held_at, hold_until
) VALUES ($1, $1, $2, $3, 1, $1, 1, 'held', $5::text::jsonb, now(), now())
"""
_TRANSFER = """
WITH shortage AS (
    INSERT INTO shortages VALUES ($1, 'lhasa', $2, $3, 'red', 'cleared', 0, 1, $4::text::jsonb,
        now(), now())
), offer AS (
    INSERT INTO offers VALUES ($1, $1, 'shigatse', 'lhasa', 'accepted', '{}', now())
), transfer AS (
    INSERT INTO transfers VALUES ($1, $1, 'shigatse', 'lhasa', 'agreed', $5::text::jsonb,
        now(), now())
)
INSERT INTO promises (
    promise_id, unit_id, component, blood_group, epoch, transfer_id, status, reason, held_at,
    hold_until
) VALUES ($1, $1, $2, $3, 1, $1, 'held', '{"code": "transfer"}', now(), now())
"""
_FAULTS = """
SELECT
    promise_id,
    CASE
        WHEN request_id IS NULL THEN find_fault_for_station(promise_id)
        ELSE find_fault_for_patient(promise_id)
    END
FROM promises ORDER BY promise_id
"""


@pytest.fixture
async def before(endpoints: Endpoints) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A database as it was before, with promises of every kind, sound and unsound."""
    name = f"typed_{os.getpid()}"
    server = await asyncpg.connect(with_database(endpoints.postgres_dsn, "postgres"))
    try:
        await server.execute(f"CREATE DATABASE {name}")
        connection = await asyncpg.connect(with_database(endpoints.postgres_dsn, name))
        for path in sorted(MIGRATIONS.glob("*.sql")):
            if path.name < OURS:
                await connection.execute(read_up(path.name))
        await connection.execute("ALTER TABLE promises DISABLE TRIGGER promises_safe")
        await connection.execute(
            "INSERT INTO stations (station_id, body) VALUES ('shigatse', '{}'), ('lhasa', '{}');"
            "INSERT INTO hospitals (hospital_id, station_id, body) "
            "VALUES ('peoples', 'shigatse', '{}')"
        )
        async with connection.transaction():
            await fill(connection)
        yield connection
        await connection.close()
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()


async def fill(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    numbers = itertools.count(1)

    async def add_unit(component: str, group: str, traits: Mapping[str, object]) -> str:
        unit_id = f"U-{next(numbers)}"
        await connection.execute(_UNIT, unit_id, component, group, json.dumps(traits))
        await connection.execute(
            "UPDATE units SET status = 'reserved', epoch = 1 WHERE unit_id = $1", unit_id
        )
        return unit_id

    asked = itertools.product(
        PATIENTS, TRAITS, RULES, ("O-", "A+", "B+"), ("red_cells", "platelets"), (None, 60, 10**6)
    )
    for patient, traits, rule, group, component, eta_s in asked:
        if eta_s is not None and (patient, traits) != (PATIENTS[2], {}):
            continue  # the way is judged apart from the group
        place = await add_unit(component, group, traits)
        body, reason = json.dumps({"patient": patient}), json.dumps({"rule": rule} if rule else {})
        way = json.dumps({} if eta_s is None else {"eta_s": eta_s})
        await connection.execute(_REQUEST, place, component, group, body, reason, way)
    for groups, group, eta_s in itertools.product(
        ([], ["A+"], ["O-", "A+"]), ("A+", "O-"), (60, 10**6)
    ):
        place = await add_unit("red_cells", group, {})
        told, way = json.dumps({"donor_groups": groups}), json.dumps({"eta_s": eta_s})
        await connection.execute(_TRANSFER, place, "red_cells", group, told, way)


async def test_promises_of_before_are_judged_as_they_were(
    before: asyncpg.Connection[asyncpg.Record],
) -> None:
    by_documents = [tuple(row) for row in await before.fetch(_FAULTS)]
    async with before.transaction():
        await before.execute(read_up(OURS))
    await before.execute((FUNCTIONS / "promises.sql").read_text(encoding="utf-8"))
    # What is judged by columns does not look at a document any more.
    await before.execute(
        "UPDATE requests SET body = '{}'; UPDATE decisions SET body = '{}';"
        "UPDATE transfers SET body = '{}'; UPDATE shortages SET body = '{}';"
        "UPDATE units SET traits = '{}'; UPDATE promises SET reason = '{}'"
    )

    assert [tuple(row) for row in await before.fetch(_FAULTS)] == by_documents
    assert {fault for _, fault in by_documents} == {
        None, "promises_group_ck", "promises_unit_expiry_ck",
    }  # fmt: skip


_BOTH = """
SELECT 'request', ARRAY[
    patient_group, patient_has_anti_d::text, patient_is_asian_del::text,
    patient_has_consented::text
] AS by_columns, ARRAY[
    coalesce(body #>> '{patient,group}', 'unknown'),
    coalesce(body #> '{patient,antibodies}' ? 'D', false)::text,
    coalesce(body #>> '{patient,asian_del}', 'false'),
    (body #> '{patient,rhd_consent}' IS NOT NULL)::text
] AS by_documents
FROM requests
UNION ALL
SELECT 'decision', ARRAY[eta_s::text], ARRAY[body ->> 'eta_s'] FROM decisions
UNION ALL
SELECT 'promise', ARRAY[rule], ARRAY[split_part(reason ->> 'rule', '@', 1)] FROM promises
UNION ALL
SELECT 'transfer', ARRAY[eta_s::text], ARRAY[body ->> 'eta_s'] FROM transfers
UNION ALL
SELECT 'shortage', donor_groups::text[],
    ARRAY(SELECT jsonb_array_elements_text(body -> 'donor_groups'))
FROM shortages
UNION ALL
SELECT 'unit', ARRAY[low_titre::text], ARRAY[coalesce(traits ->> 'low_titre', 'false')]
FROM units
"""


async def test_what_is_written_says_the_same_in_columns_and_documents(
    endpoints: Endpoints,
) -> None:
    known = Patient(group=BloodGroup.A_NEG, antibodies=("D",), asian_del=True, rhd_consent=CONSENT)
    request = build_request(request_id="r-known", group=None)
    amendment = Amendment(
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        patient=known,
    )
    async with build_supply_engine(endpoints.postgres_dsn) as engine:
        await live_a_day(engine)
        await engine.feed(counted([build_unit("O-", traits=UnitTraits(low_titre=True))]))
        await engine.feed(opened(request))
        await engine.feed(hospital_says(RequestAmended(amendment=amendment)))
        rows = await engine.fetch(_BOTH)

    told: dict[str, set[tuple[str | None, ...]]] = defaultdict(set)
    for table, by_columns, by_documents in rows:
        assert by_columns == by_documents, table
        told[table].add(tuple(by_columns))
    assert told["request"] == {
        ("A+", "false", "false", "false"),
        ("B+", "false", "false", "false"),
        ("A-", "true", "true", "true"),
    }
    assert told["unit"] == {("false",), ("true",)}
    assert all(told[table] for table in ("decision", "promise", "transfer", "shortage"))
