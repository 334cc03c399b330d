"""Registers of before there were bounds stay readable, and names that stand twice stay."""

from __future__ import annotations

import json
import os
from typing import Any

import asyncpg
import pytest

from deploy.local.embedded_services import Endpoints
from models.facilities import Station
from tests.integration.test_forms_migration import read_up
from tests.support.database import with_database
from tests.support.seeding import MIGRATIONS
from tests.support.world import SHIGATSE

pytestmark = pytest.mark.integration

OURS = "20261209000000_sound_registers.sql"


def build_body(station_id: str, **policy: object) -> dict[str, Any]:
    body: dict[str, Any] = SHIGATSE.but(station_id=station_id).model_dump(mode="json")
    body["policy"] |= policy
    return body


async def test_old_registers_are_brought_within_bounds(endpoints: Endpoints) -> None:
    name = f"registers_{os.getpid()}"
    sound = build_body("sound")
    wild = build_body("HQ1", activation_radius_km=1e9, no_show_grace_s=10**9)
    wild["daily_demand"] = {"red_cells": 1e308, "platelets": -3, "fresh_frozen_plasma": 2.5}
    wild["policy"]["thresholds"]["yellow_below_d"] = 1e12
    server = await asyncpg.connect(with_database(endpoints.postgres_dsn, "postgres"))
    try:
        await server.execute(f"CREATE DATABASE {name}")
        connection = await asyncpg.connect(with_database(endpoints.postgres_dsn, name))
        for path in sorted(MIGRATIONS.glob("*.sql")):
            if path.name < OURS:
                await connection.execute(read_up(path.name))
        for station_id, body in (("sound", sound), ("HQ1", wild), ("hq1", build_body("hq1"))):
            await connection.execute(
                "INSERT INTO stations (station_id, body) VALUES ($1, $2)",
                station_id,
                json.dumps(body),
            )
        await connection.execute(read_up(OURS))
        rows = await connection.fetch("SELECT station_id, body, spelled_twice FROM stations")
        found = {row["station_id"]: json.loads(row["body"]) for row in rows}
        twice = {row["station_id"] for row in rows if row["spelled_twice"]}
        await connection.execute("INSERT INTO stations (station_id, body) VALUES ('S', '{}')")
        with pytest.raises(asyncpg.UniqueViolationError, match="stations_spelling_uq"):
            await connection.execute("INSERT INTO stations (station_id, body) VALUES ('s', '{}')")
        await connection.close()
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await server.close()
    assert found["sound"] == sound
    assert twice == {"HQ1", "hq1"}
    read = Station.model_validate(found["HQ1"])
    assert read.daily_demand == {
        "red_cells": 100_000,
        "platelets": 0,
        "fresh_frozen_plasma": 2.5,
    }
    assert read.policy.activation_radius_km == 20_100
    assert read.policy.no_show_grace_s == 604_800
    assert read.policy.thresholds.yellow_below_d == 365
    assert read.policy.thresholds.red_below_d == SHIGATSE.policy.thresholds.red_below_d
