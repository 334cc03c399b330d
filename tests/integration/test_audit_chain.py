"""The audit's chains on real PostgreSQL: linked, only added to, and every breach found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import asyncpg
import pytest

from cli.audit_report import verify
from deploy.local.embedded_services import Endpoints
from models.audit import GENESIS, SYSTEM_CHAIN, AuditRow, ChainHead, hash_row
from streams.ports import Context, Transition
from streams.services.audit_verification import AuditVerdict, AuditWalk, BreachKind
from streams.store.audit import AuditLine, PgAuditRows, append_audit, audit_line
from tests.support.audit_breaches import BREACHES, DISARM, Planted
from tests.support.supply_engine import SupplyEngine, build_supply_engine
from tests.support.world import NOW, build_unit, counted

pytestmark = pytest.mark.integration

SEALED_AT = 9


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[SupplyEngine]:
    """Ten rows in the chain of Shigatse, three in Lhasa's."""
    async with build_supply_engine(endpoints.postgres_dsn) as built:
        await built.feed(counted(build_unit("A+", unit_id=f"u-{at}") for at in range(10)))
        units = [build_unit("A+", unit_id=f"l-{at}", station_id="lhasa") for at in range(3)]
        await built.feed(counted(units, station_id="lhasa"))
        yield built


async def read_rows(engine: SupplyEngine, chain: str | None = None) -> list[AuditRow]:
    async with PgAuditRows(engine.database).snapshot() as audit:
        return [row async for rows in audit.follow(chain=chain, since=1) for row in rows]


async def read_seal(engine: SupplyEngine) -> ChainHead:
    """The seal that was published when the chain had nine rows."""
    row = (await read_rows(engine, "shigatse"))[SEALED_AT - 1]
    return ChainHead(row.chain, row.sequence, row.hash)


async def walk(
    engine: SupplyEngine, *seals: ChainHead, chain: str | None = None, since: int = 1
) -> AuditVerdict:
    async with PgAuditRows(engine.database).snapshot() as audit:
        walking = AuditWalk(heads=await audit.list_heads(chain), seals=seals, since=since)
        async for rows in audit.follow(chain=chain, since=max(1, since - 1)):
            walking.take(rows)
    return walking.finish()


async def add(engine: SupplyEngine, *station_ids: str | None, subject: str = "u") -> None:
    async with engine.database.transaction() as connection:
        await append_audit(connection, [line(station_id, subject) for station_id in station_ids])


def line(station_id: str | None, subject: str) -> AuditLine:
    transition = Transition(
        subject_kind="unit",
        subject=subject,
        station_id=station_id,
        from_state="",
        to_state="可用 · available",
        why="",
    )
    return audit_line(transition, Context(now=NOW, cause="e", actor="system"))


async def test_each_row_follows_the_one_before_it(engine: SupplyEngine) -> None:
    await add(engine, "lhasa", None, "lhasa")
    rows = await read_rows(engine)
    by_chain = {
        chain: [row for row in rows if row.chain == chain] for chain in {row.chain for row in rows}
    }
    assert {chain: len(found) for chain, found in by_chain.items()} == {
        "shigatse": 10, "lhasa": 5, SYSTEM_CHAIN: 1,
    }  # fmt: skip
    for found in by_chain.values():
        assert [row.sequence for row in found] == list(range(1, len(found) + 1))
        assert found[0].previous_hash == GENESIS
        assert all(later.previous_hash == row.hash for row, later in pairwise(found))
    assert all(hash_row(row) == row.hash for row in rows)
    verdict = await walk(engine, await read_seal(engine))
    assert (verdict.holds, verdict.rows, verdict.chains, verdict.seals) == (True, 16, 3, 1)
    assert verdict.unsealed == 7  # one behind the seal, and the two chains that have none


async def test_rows_are_only_added(engine: SupplyEngine) -> None:
    for statement in (
        "UPDATE audit SET why = ''",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "DELETE FROM audit_heads",
        "TRUNCATE audit_heads",
    ):
        with pytest.raises(asyncpg.PostgresError, match="only ever added to"):
            await engine.fetch(statement)
    assert len(await read_rows(engine)) == 13


@pytest.mark.parametrize("planted", BREACHES, ids=lambda planted: planted.name)
async def test_a_planted_breach_is_found_and_placed(engine: SupplyEngine, planted: Planted) -> None:
    seal = await read_seal(engine)
    assert (await walk(engine, seal)).holds
    for statement in (DISARM, *planted.statements):
        await engine.fetch(statement)

    inside = await walk(engine)
    verdict = await walk(engine, seal)

    assert inside.holds == planted.needs_seal
    assert {breach.chain for breach in verdict.breaches} == {"shigatse"}
    found = [(breach.kind, breach.sequence) for breach in verdict.breaches]
    by_seal = {BreachKind.SEAL_DIFFERS, BreachKind.SEALED_MISSING}
    if not planted.needs_seal:
        # A seal may tell it too; that is no other breach.
        found = [breach for breach in found if breach[0] not in by_seal]
    assert found == list(planted.found)
    assert all(breach.expected and breach.found for breach in verdict.breaches)


async def test_a_part_is_verified_from_a_row_that_is_believed(engine: SupplyEngine) -> None:
    await engine.fetch(DISARM)
    for sequence in (3, 8):
        await engine.fetch(
            "UPDATE audit SET why = 'x' WHERE chain = 'shigatse' AND sequence = $1", sequence
        )
    whole = await walk(engine, chain="shigatse")
    assert [breach.sequence for breach in whole.breaches] == [3, 8]
    part = await walk(engine, chain="shigatse", since=5)
    assert (part.rows, [breach.sequence for breach in part.breaches]) == (6, [8])
    last = await walk(engine, chain="shigatse", since=11)
    assert (last.rows, last.holds) == (0, True)


async def test_writers_of_several_chains_never_wait_in_a_circle(engine: SupplyEngine) -> None:
    """Each takes the heads in its own order; PostgreSQL would report a circle as a deadlock."""

    async def write(number: int) -> None:
        names = ["lhasa", "shigatse", "nagqu", None, f"own-{number}"]
        order = names if number % 2 else names[::-1]
        for at in range(12):
            await add(engine, *order, subject=f"w-{number}-{at}")

    await asyncio.gather(*(write(number) for number in range(6)))
    verdict = await verify(engine.database, kafka_bootstrap=None)
    assert (verdict.holds, verdict.rows) == (True, 13 + 6 * 12 * 5)


async def test_what_is_undone_leaves_no_hole(engine: SupplyEngine) -> None:
    class UndoneError(Exception):
        pass

    async def undo() -> None:
        async with engine.database.transaction() as connection:
            await append_audit(connection, [line("lhasa", "undone")])
            raise UndoneError

    with pytest.raises(UndoneError):
        await undo()
    await add(engine, "lhasa")
    assert [row.sequence for row in await read_rows(engine, "lhasa")] == [1, 2, 3, 4]
    assert (await walk(engine)).holds


async def test_heads_that_moved_are_sealed_once(engine: SupplyEngine) -> None:
    await engine.fetch(
        "INSERT INTO timers (timer_id, kind, subject, due_at) "
        "VALUES ('audit_seal:all', 'audit_seal', 'all', $1) RETURNING 1",
        NOW,
    )
    assert await engine.fire_timers_of("audit_seal") == 1
    rows = await read_rows(engine)
    newest = {row.chain: row for row in rows}
    seals = await engine.events("blood.audit.sealed.v1")
    assert {(seal["chain"], seal["sequence"], seal["hash"]) for seal in seals} == {
        (chain, row.sequence, row.hash.hex()) for chain, row in newest.items()
    }
    await add(engine, "lhasa")
    engine.clock.move(seconds=60)
    assert await engine.fire_timers_of("audit_seal") == 1
    later = (await engine.events("blood.audit.sealed.v1"))[len(seals) :]
    assert [(seal["chain"], seal["sequence"]) for seal in later] == [("lhasa", 4)]
    # A chain that rests is sealed again before its seal can fall out of the log.
    engine.clock.move(days=1, seconds=1)
    await engine.fire_timers_of("audit_seal")
    again = (await engine.events("blood.audit.sealed.v1"))[len(seals) + 1 :]
    assert {seal["chain"] for seal in again} == {"lhasa", "shigatse"}
