"""Random lives on real PostgreSQL: one writer against the plain model, then several at once.

With several writers nobody can foretell who wins; then the independent checker judges what is left.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from checker.checks import expiry, patients, promises, unit_moves, unit_states
from checker.database_rows import Rows, read_rows
from checker.evidence import World
from checker.request_versions import read_histories
from deploy.local.embedded_services import Endpoints
from tests.life.drive import Drive
from tests.life.facilities import BEGIN
from tests.support.database import fresh_dsn
from tests.support.life_rival import Rival
from tests.support.life_system import PgSystem, build_engine_on
from tests.support.world import FixedClock

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("seed", range(12))
async def test_one_writer_does_as_foretold(endpoints: Endpoints, seed: int) -> None:
    async with (
        fresh_dsn(endpoints.postgres_dsn) as dsn,
        build_engine_on(dsn, FixedClock(BEGIN)) as engine,
    ):
        drive = Drive(PgSystem(engine), chance=Random(seed))
        await drive.run(60)
        assert drive.model.bags
        await ensure_sound(dsn)


async def ensure_sound(dsn: str) -> None:
    """Let the independent checker judge the rows."""
    world = World(rows=await read_rows(dsn))
    findings = [
        *unit_moves.find_moved_against_life(world),
        *unit_moves.find_issued_unreleased(world),
        *unit_moves.find_released_against_results(world),
        *unit_moves.find_used_after_recall(world),
        *unit_moves.find_missed_by_recall(world),
        *unit_states.find_bound_otherwise(world),
        *unit_states.find_used_expired(world),
        *unit_states.find_restocked_warm(world),
        *unit_states.find_made_of_nothing(world),
        *expiry.find_quarantined(world),
        *expiry.find_expired(world),
        *promises.find_promised_twice(world),
        *promises.find_mismatches(world),
    ]
    assert not findings, findings


def ensure_compatible(rows: Rows) -> None:
    """Nobody's patient changed: each promise, whatever became of it, is held against its group."""
    world = World(rows=rows)
    assert not list(patients.find_incompatible(world, read_histories(world)))


async def test_several_writers_at_once_leave_a_sound_world(endpoints: Endpoints) -> None:
    outcomes: Counter[str] = Counter()
    clock = FixedClock(BEGIN + timedelta(hours=1))
    async with (
        fresh_dsn(endpoints.postgres_dsn) as dsn,
        build_engine_on(dsn, clock) as first,
        build_engine_on(dsn, clock) as second,
    ):
        await first.fetch(
            "INSERT INTO timers VALUES ('unit_expiry:all', 'unit_expiry', 'all', $1)", BEGIN
        )
        rivals = [
            Rival(engine, name=f"{name}{twin}", seed=seed, outcomes=outcomes)
            for seed, (name, engine, twin) in enumerate(
                (name, engine, twin)
                for name, engine in (("a", first), ("b", second))
                for twin in (1, 2)
            )
        ]
        async with asyncio.TaskGroup() as group:
            for rival in rivals:
                group.create_task(rival.run(120))
        await ensure_sound(dsn)
        ensure_compatible(await read_rows(dsn))
        kinds = await first.fetch("SELECT DISTINCT to_state FROM audit WHERE subject_kind = 'unit'")
    assert outcomes["overlapping"] > 100, "nobody wrote at once, so nothing was shown"
    reached = {row["to_state"] for row in kinds}
    assert {"reserved", "picked", "issued", "received", "recalled", "expired"} <= reached, reached
