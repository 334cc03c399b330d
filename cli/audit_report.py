"""Verifies and shows the audit: chains from PostgreSQL, seals from Kafka.

`verify` is for use inside an event loop; the others run one of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.audit import AuditRow
from streams.kafka.audit_seals import read_seals
from streams.services.audit_verification import AuditVerdict, AuditWalk
from streams.settings import Settings
from streams.store.audit import PgAuditRows
from streams.store.command_database import run_on_database
from streams.store.database import Database

Report = Callable[[int], None]
"""Called with the number of rows verified so far."""


async def verify(
    database: Database,
    *,
    kafka_bootstrap: str | None,
    station_id: str | None = None,
    since: int = 1,
    report: Report = lambda _: None,
) -> AuditVerdict:
    """Verify every chain, or the chain of one station.

    Args:
        database: Where the chains are.
        kafka_bootstrap: Where the seals are; None compares with no seal.
        station_id: The station whose chain is verified; None for all chains.
        since: The first sequence to verify.
        report: Called with the rows verified so far.

    Raises:
        TransientError: PostgreSQL or Kafka is away.
    """
    # The seals are read first: the rows that they fix were committed before the rows are read.
    seals = [] if kafka_bootstrap is None else await read_seals(kafka_bootstrap)
    async with PgAuditRows(database).snapshot() as audit:
        walk = AuditWalk(
            heads=await audit.list_heads(station_id),
            seals=[seal for seal in seals if station_id in {None, seal.chain}],
            since=since,
        )
        async for rows in audit.follow(chain=station_id, since=max(1, since - 1)):
            walk.take(rows)
            report(walk.rows)
    return walk.finish()


def verify_audit(
    settings: Settings,
    *,
    with_seals: bool,
    station_id: str | None,
    since: int,
    report: Report,
) -> AuditVerdict:
    async def act(database: Database) -> AuditVerdict:
        return await verify(
            database,
            kafka_bootstrap=settings.kafka_bootstrap if with_seals else None,
            station_id=station_id,
            since=since,
            report=report,
        )

    return run_on_database(settings, act)


def list_history(settings: Settings, subject: str, *, limit: int) -> list[AuditRow]:
    async def act(database: Database) -> list[AuditRow]:
        return await PgAuditRows(database).list_history(subject, limit=limit)

    return run_on_database(settings, act)


def verdict_to_json(verdict: AuditVerdict) -> dict[str, Any]:
    return {
        "holds": verdict.holds,
        "rows": verdict.rows,
        "chains": verdict.chains,
        "seals": verdict.seals,
        "unsealed": verdict.unsealed,
        "breached": verdict.breached,
        "breaches": [breach._asdict() for breach in verdict.breaches],
    }


def row_to_json(row: AuditRow) -> dict[str, Any]:
    return {
        **row._asdict(),
        "previous_hash": row.previous_hash.hex(),
        "hash": row.hash.hex(),
    }
