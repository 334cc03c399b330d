"""What somebody with the database in hand could do to the audit, and what must be said of it.

Each breach is SQL that works on the chain `shigatse` of a database whose guards were taken away.
"""

from __future__ import annotations

from dataclasses import dataclass

from streams.services.audit_verification import BreachKind

DISARM = "ALTER TABLE audit DISABLE TRIGGER audit_append_only"

_HASH = (
    "sha256(previous_hash || audit_content(chain, sequence, audit_id, subject_kind, subject, "
    "station_id, from_state, to_state, why, actor, caused_by, at))"
)
_MEND = f"UPDATE audit SET hash = {_HASH} WHERE chain = 'shigatse' AND sequence = 5"  # noqa: S608 - our words
_REWRITE = """
DO $$
DECLARE
    row record;
    before bytea := decode(repeat('00', 32), 'hex');
BEGIN
    FOR row IN SELECT sequence FROM audit WHERE chain = 'shigatse' ORDER BY sequence LOOP
        UPDATE audit SET previous_hash = before, hash = sha256(before || audit_content(
            chain, sequence, audit_id, subject_kind, subject, station_id, from_state, to_state, why,
            actor, caused_by, at
        )) WHERE chain = 'shigatse' AND sequence = row.sequence RETURNING hash INTO before;
    END LOOP;
    UPDATE audit_heads AS h SET (sequence, hash) = (
        SELECT sequence, hash FROM audit AS a WHERE a.chain = h.chain ORDER BY sequence DESC LIMIT 1
    ) WHERE chain = 'shigatse';
END $$
"""
"""Makes every hash of the chain again, and the head: only what was published still knows better."""

_EXCHANGE = """
UPDATE audit AS a SET
    subject_kind = b.subject_kind, subject = b.subject, from_state = b.from_state,
    to_state = b.to_state, why = b.why, actor = b.actor, caused_by = b.caused_by, at = b.at
FROM audit AS b
WHERE
    a.chain = 'shigatse' AND b.chain = a.chain
    AND (a.sequence, b.sequence) IN ((4, 7), (7, 4))
"""
_PUT_IN = """
INSERT INTO audit (
    chain, sequence, subject_kind, subject, station_id, from_state, to_state, why, actor, caused_by,
    at, previous_hash, hash
)
SELECT
    chain, sequence + 1, subject_kind, 'made-up', station_id, from_state, to_state, why, actor,
    caused_by, at, hash, sha256('made up')
FROM audit WHERE chain = 'shigatse' ORDER BY sequence DESC LIMIT 1
"""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """A breach.

    Attributes:
        found: Kind and sequence of each thing that must be told.
        needs_seal: Nothing inside the database can tell; the seal at 9 can.
    """

    name: str
    statements: tuple[str, ...]
    found: tuple[tuple[BreachKind, int], ...]
    needs_seal: bool = False


def _field(name: str, value: str) -> Planted:
    change = f"{name} = {value}"
    sql = f"UPDATE audit SET {change} WHERE chain = 'shigatse' AND sequence = 5"  # noqa: S608 - our words
    return Planted(name=f"{name} changed", statements=(sql,), found=((BreachKind.CHANGED, 5),))


BREACHES = (
    _field("subject_kind", "'request'"),
    _field("subject", "'other'"),
    _field("from_state", "'quarantined'"),
    _field("to_state", "'discarded'"),
    _field("why", "why || ' '"),
    _field("actor", "'station/nagqu'"),
    _field("caused_by", "'e-0'"),
    _field("at", "at + interval '1 microsecond'"),
    _field("audit_id", "audit_id + 1000"),
    Planted(
        name="a hash changed",
        statements=(
            "UPDATE audit SET hash = sha256('x') WHERE chain = 'shigatse' AND sequence = 5",
        ),
        found=((BreachKind.UNLINKED, 6), (BreachKind.CHANGED, 5)),
    ),
    Planted(
        name="a row replaced together with its hash",
        statements=(
            "UPDATE audit SET to_state = 'discarded' WHERE chain = 'shigatse' AND sequence = 5",
            _MEND,
        ),
        found=((BreachKind.UNLINKED, 6),),
    ),
    Planted(
        name="a row deleted",
        statements=("DELETE FROM audit WHERE chain = 'shigatse' AND sequence = 5",),
        found=((BreachKind.MISSING, 5),),
    ),
    Planted(
        name="the first row deleted",
        statements=("DELETE FROM audit WHERE chain = 'shigatse' AND sequence = 1",),
        found=((BreachKind.MISSING, 1),),
    ),
    Planted(
        name="a row deleted and the rest moved up",
        statements=(
            "DELETE FROM audit WHERE chain = 'shigatse' AND sequence = 9",
            "UPDATE audit SET sequence = 9 WHERE chain = 'shigatse' AND sequence = 10",
        ),
        found=(
            (BreachKind.UNLINKED, 9),
            (BreachKind.CHANGED, 9),
            (BreachKind.HEAD_DIFFERS, 10),
        ),
    ),
    Planted(
        name="two rows exchanged with their hashes",
        statements=(
            "UPDATE audit SET sequence = 1000 WHERE chain = 'shigatse' AND sequence = 4",
            "UPDATE audit SET sequence = 4 WHERE chain = 'shigatse' AND sequence = 7",
            "UPDATE audit SET sequence = 7 WHERE chain = 'shigatse' AND sequence = 1000",
        ),
        found=(
            (BreachKind.UNLINKED, 4),
            (BreachKind.UNLINKED, 5),
            (BreachKind.UNLINKED, 7),
            (BreachKind.UNLINKED, 8),
            (BreachKind.MOVED, 4),
            (BreachKind.MOVED, 7),
        ),
    ),
    Planted(
        name="the contents of two rows exchanged",
        statements=(_EXCHANGE,),
        found=((BreachKind.MOVED, 4), (BreachKind.MOVED, 7)),
    ),
    Planted(
        name="a row put in",
        statements=(_PUT_IN,),
        found=((BreachKind.CHANGED, 11), (BreachKind.HEAD_DIFFERS, 10)),
    ),
    Planted(
        name="the tail cut off",
        statements=("DELETE FROM audit WHERE chain = 'shigatse' AND sequence > 8",),
        found=((BreachKind.HEAD_DIFFERS, 10),),
    ),
    Planted(
        name="the tail cut off and the head with it",
        statements=("DELETE FROM audit WHERE chain = 'shigatse' AND sequence > 8", _REWRITE),
        found=((BreachKind.SEALED_MISSING, 9),),
        needs_seal=True,
    ),
    Planted(
        name="the tail rewritten with all its hashes and the head",
        statements=(
            "UPDATE audit SET to_state = 'discarded' WHERE chain = 'shigatse' AND sequence = 5",
            _REWRITE,
        ),
        found=((BreachKind.SEAL_DIFFERS, 9),),
        needs_seal=True,
    ),
    Planted(
        name="the whole chain gone",
        statements=("DELETE FROM audit WHERE chain = 'shigatse'",),
        found=((BreachKind.HEAD_DIFFERS, 10),),
    ),
    Planted(
        name="the whole chain and its head gone",
        statements=(
            "DELETE FROM audit WHERE chain = 'shigatse'",
            "ALTER TABLE audit_heads DISABLE TRIGGER audit_heads_kept",
            "DELETE FROM audit_heads WHERE chain = 'shigatse'",
        ),
        found=((BreachKind.SEALED_MISSING, 9),),
        needs_seal=True,
    ),
)
