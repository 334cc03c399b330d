"""Publish the heads of the audit chains, so that a rewritten chain is detected.

A seal states how many rows a chain had, and the hash of the last row. It fixes all rows before it,
so the newest seal of a chain is enough to prove any older row; the older seals show up to which row
a rewritten chain is still intact.
"""

from __future__ import annotations

from datetime import timedelta

from models.audit import SYSTEM_CHAIN
from models.events.audit import AuditSealed
from streams.ports import Timer, UnitOfWork

SEAL_EVERY = timedelta(seconds=60)
"""A rewrite of rows younger than this, with their hashes, is not detected by any seal."""

SEAL_AGAIN_AFTER = timedelta(days=1)
"""A chain without new rows is sealed once a day, so that its newest seal is always in the log."""


async def fire_seal(work: UnitOfWork, timer: Timer) -> None:
    """Seal every chain that grew since its last seal, and schedule the next run."""
    for head in await work.audit.seal(
        now=work.context.now, again_before=work.context.now - SEAL_AGAIN_AFTER
    ):
        sealed = AuditSealed(
            chain=head.chain,
            sequence=head.sequence,
            hash=head.hash.hex(),
            sealed_at=work.context.now,
        )
        work.emit(sealed, station_id=None if head.chain == SYSTEM_CHAIN else head.chain)
    work.schedule(
        Timer(kind=timer.kind, subject=timer.subject, due_at=work.context.now + SEAL_EVERY)
    )
