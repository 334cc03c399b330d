"""Publish the heads of the audit's chains, so that they cannot be rewritten unseen.

A seal says: this chain had so many rows, and the last of them this hash. It fixes all rows before
it, so the newest seal of a chain is enough to prove any older row; the older seals say how far back
a rewritten chain was still whole.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from models.audit import SYSTEM_CHAIN
from models.events.audit import AuditSealed
from streams.ports import Outgoing, Timer, UnitOfWork

SEAL_EVERY = timedelta(seconds=60)
"""Rows that are younger than this may be rewritten with their hashes and no seal tells."""

SEAL_AGAIN_AFTER = timedelta(days=1)
"""A chain that rests is sealed once a day, so that its newest seal is always on the log."""


async def fire_seal(work: UnitOfWork, timer: Timer, now: datetime) -> None:
    """Seal every chain that moved since its last seal, and come again."""
    for head in await work.audit.seal(now=now, again_before=now - SEAL_AGAIN_AFTER):
        sealed = AuditSealed(
            chain=head.chain, sequence=head.sequence, hash=head.hash.hex(), sealed_at=now
        )
        work.emit(
            Outgoing(
                event=sealed,
                caused_by=timer.timer_id,
                made_at=now,
                station_id=None if head.chain == SYSTEM_CHAIN else head.chain,
            )
        )
    work.schedule(Timer(kind=timer.kind, subject=timer.subject, due_at=now + SEAL_EVERY))
