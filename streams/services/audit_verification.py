"""Walk the audit chains and report where they were tampered with.

Pure: rows, heads and seals in, breaches out. A wrong row is reported once; the walk goes on
from the hash that the row has, so one breach does not make all later rows wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from models.audit import GENESIS, AuditRow, ChainHead, hash_row

_COMPARED = 64
"""Wrong rows of a chain that are compared with each other to find exchanged rows."""

MAX_BREACHES = 1000
"""Breaches kept; later ones are only counted, since the first describe a chain wrong throughout."""


class BreachKind(StrEnum):
    CHANGED = "changed"
    """The fields of a row do not give its hash."""
    MOVED = "moved"
    """A row stands at another place than the place it was written at."""
    MISSING = "missing"
    """Rows between two others are gone."""
    REPEATED = "repeated"
    """A sequence number occurs twice."""
    UNLINKED = "unlinked"
    """A row does not follow the row before it, which was replaced together with its hash."""
    HEAD_DIFFERS = "head_differs"
    """The newest row is not the row that the head names."""
    SEAL_DIFFERS = "seal_differs"
    """A sealed row has another hash now: the chain was rewritten before or at it."""
    SEALED_MISSING = "sealed_missing"
    """A sealed row is gone: the tail was cut off."""


class Breach(NamedTuple):
    """A breach of a chain.

    Attributes:
        sequence: Place in the chain.
        expected: What should stand there, in terms of the kind.
        found: What stands there.
    """

    kind: BreachKind
    chain: str
    sequence: int
    expected: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerdict:
    """The result of a walk.

    Attributes:
        seals: Seals that were compared.
        unsealed: Rows after the newest seal of their chain: nothing outside proves them yet.
        breached: Breaches in all; `breaches` holds the first of them.
    """

    rows: int
    chains: int
    seals: int
    unsealed: int
    breached: int
    breaches: tuple[Breach, ...]

    @property
    def holds(self) -> bool:
        return not self.breached


@dataclass(slots=True)
class _Chain:
    """How far one chain was walked."""

    name: str
    sequence: int
    hash: bytes | None
    rows: int = 0
    newest_seal: int = 0
    wrong: list[AuditRow] = field(default_factory=list)


class AuditWalk:
    """Takes rows chain by chain in the order of their sequence, then reports what was wrong.

    Args:
        heads: Heads of every chain that is walked.
        seals: Published heads, in any order; those before `since` are ignored.
        since: The first sequence to verify. The row before it must be given too, and is trusted.
    """

    def __init__(
        self, *, heads: Iterable[ChainHead], seals: Iterable[ChainHead] = (), since: int = 1
    ) -> None:
        self._heads = {head.chain: head for head in heads}
        self._since = since
        self._seals: dict[tuple[str, int], set[bytes]] = defaultdict(set)
        for seal in seals:
            if seal.sequence >= since:
                self._seals[seal.chain, seal.sequence].add(seal.hash)
        self._breaches: list[Breach] = []
        self._breached = self._rows = self._chains = self._compared = self._unsealed = 0
        self._at: _Chain | None = None

    @property
    def rows(self) -> int:
        return self._rows

    def take(self, rows: Sequence[AuditRow]) -> None:
        for row in rows:
            at = self._at
            if at is None or at.name != row.chain:
                at = self._enter(row.chain)
            if row.sequence < self._since:
                at.sequence, at.hash = row.sequence, row.hash
                continue
            self._follow(at, row)

    def finish(self) -> AuditVerdict:
        self._leave()
        for head in list(self._heads.values()):
            self._leave_unwalked(head)
        for chain, sequence in sorted(self._seals):
            self._report(BreachKind.SEALED_MISSING, chain, sequence, "a sealed row", "none")
        return AuditVerdict(
            rows=self._rows,
            chains=self._chains,
            seals=self._compared,
            unsealed=self._unsealed,
            breached=self._breached,
            breaches=tuple(self._breaches),
        )

    def _enter(self, chain: str) -> _Chain:
        self._leave()
        self._chains += 1
        before = self._since - 1
        self._at = _Chain(chain, before, GENESIS if before == 0 else None)
        return self._at

    def _follow(self, at: _Chain, row: AuditRow) -> None:
        self._rows += 1
        at.rows += 1
        if row.sequence <= at.sequence:
            self._report(
                BreachKind.REPEATED, row.chain, row.sequence, str(at.sequence + 1), "again"
            )
        elif row.sequence > at.sequence + 1:
            self._report_gap(at, row)
        elif at.hash is not None and row.previous_hash != at.hash:
            found = row.previous_hash.hex()
            self._report(BreachKind.UNLINKED, row.chain, row.sequence, at.hash.hex(), found)
        if hash_row(row) != row.hash:
            at.wrong.append(row)
        self._compare_seal(at, row)
        at.sequence, at.hash = row.sequence, row.hash

    def _report_gap(self, at: _Chain, row: AuditRow) -> None:
        last = row.sequence - 1
        gone = f"{at.sequence + 1}" if last == at.sequence + 1 else f"{at.sequence + 1}-{last}"
        self._report(BreachKind.MISSING, row.chain, at.sequence + 1, gone, "none")

    def _compare_seal(self, at: _Chain, row: AuditRow) -> None:
        sealed = self._seals.pop((row.chain, row.sequence), None)
        if sealed is None:
            return
        self._compared += len(sealed)
        at.newest_seal, at.rows = row.sequence, 0
        for wanted in sorted(sealed - {row.hash}):
            kind = BreachKind.SEAL_DIFFERS
            self._report(kind, row.chain, row.sequence, wanted.hex(), row.hash.hex())

    def _leave(self) -> None:
        at, self._at = self._at, None
        if at is None:
            return
        self._unsealed += at.rows
        for row in at.wrong:
            self._report_wrong(row, at.wrong[:_COMPARED])
        head = self._heads.pop(at.name, None)
        found = _name_place(at.sequence, at.hash)
        if head is None:
            self._report(BreachKind.HEAD_DIFFERS, at.name, at.sequence, "a head", "none")
        elif (head.sequence, head.hash) != (at.sequence, at.hash):
            wanted = _name_place(head.sequence, head.hash)
            self._report(BreachKind.HEAD_DIFFERS, at.name, head.sequence, wanted, found)

    def _leave_unwalked(self, head: ChainHead) -> None:
        """Report a chain of which no row was given, unless it ends before the walk begins."""
        if head.sequence >= self._since:
            self._chains += 1
            wanted = _name_place(head.sequence, head.hash)
            self._report(BreachKind.HEAD_DIFFERS, head.chain, head.sequence, wanted, "no rows")

    def _report_wrong(self, row: AuditRow, wrong: Sequence[AuditRow]) -> None:
        for other in wrong:
            if other is not row and _is_moved(row, other):
                found = f"the row written as {other.sequence}"
                self._report(BreachKind.MOVED, row.chain, row.sequence, "another row", found)
                return
        found = hash_row(row).hex()
        self._report(BreachKind.CHANGED, row.chain, row.sequence, row.hash.hex(), found)

    def _report(
        self, kind: BreachKind, chain: str, sequence: int, expected: str, found: str
    ) -> None:
        self._breached += 1
        if len(self._breaches) < MAX_BREACHES:
            self._breaches.append(Breach(kind, chain, sequence, expected, found))


def _is_moved(row: AuditRow, other: AuditRow) -> bool:
    """Return whether `row` was written where `other` stands, with its own or the other's hash."""
    whole = row._replace(sequence=other.sequence)
    if hash_row(whole) == row.hash:
        return True
    under = row._replace(
        sequence=other.sequence, audit_id=other.audit_id, previous_hash=other.previous_hash
    )
    return hash_row(under) == other.hash


def _name_place(sequence: int, hash_: bytes | None) -> str:
    return f"{sequence} {hash_.hex() if hash_ else ''}".strip()
