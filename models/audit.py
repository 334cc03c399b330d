"""Audit rows and their hash chains: the fields of a row, and how its hash is computed.

Pure. PostgreSQL computes the hashes (`append_audit`); this module computes them again, from the
same description (`docs/decisions/0014-audit-chains.md`), to verify them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import NamedTuple

SYSTEM_CHAIN = "_system"
"""The chain of rows without a station. No identifier begins with an underscore."""

GENESIS = bytes(32)
"""The previous hash in the first row of a chain."""

_VERSION = b"15:xuelian-audit-1"


class ChainHead(NamedTuple):
    """The newest row of a chain, or the newest row of its sealed part."""

    chain: str
    sequence: int
    hash: bytes


class AuditRow(NamedTuple):
    """One row of the audit as it stands in PostgreSQL. A tuple: millions of them are read.

    Attributes:
        chain: The station, or `SYSTEM_CHAIN`.
        sequence: Position in the chain, from 1 without gaps.
        audit_id: Rises over all chains, in the order in which the rows' subjects were locked.
        from_state: State before the change; empty for a new subject.
        actor: Who made the change: `hospital/<id>`, `station/<id>`, `dispatcher/<key id>`, `timer`,
            `system`.
        caused_by: Identifier of the event, timer or key.
        previous_hash: 32 bytes, the hash of the row before it in its chain.
        hash: 32 bytes, over `previous_hash` and all other fields.
    """

    chain: str
    sequence: int
    audit_id: int
    subject_kind: str
    subject: str
    station_id: str | None
    from_state: str
    to_state: str
    why: str
    actor: str
    caused_by: str
    at: datetime
    previous_hash: bytes
    hash: bytes


def encode_row(row: AuditRow) -> bytes:
    """Return the bytes of a row that are hashed, after the hash of the row before it.

    Each field is written as its length in bytes, a colon and its UTF-8 text; a missing field is a
    hyphen. So no two rows have the same bytes.
    """
    at = row.at.astimezone(UTC).isoformat(timespec="microseconds")
    parts = [_VERSION]
    for text in (
        row.chain, str(row.sequence), str(row.audit_id), row.subject_kind, row.subject,
        row.station_id, row.from_state, row.to_state, row.why, row.actor, row.caused_by, at,
    ):  # fmt: skip
        if text is None:
            parts.append(b"-")
        else:
            raw = text.encode()
            parts.append(b"%d:%b" % (len(raw), raw))
    return b"".join(parts)


def hash_row(row: AuditRow) -> bytes:
    """Return the hash that a row must have, 32 bytes."""
    return sha256(row.previous_hash + encode_row(row)).digest()
