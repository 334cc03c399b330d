"""Checks whether the audit chains are complete and agree with the published seals.

The encoding follows its description, not the engine's code: each field is its length in UTF-8
bytes, a colon and the text; a missing field is a hyphen; the hash of a row is SHA-256 over the hash
of the row before it and those fields.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from checker.database_rows import Link
from checker.evidence import World
from checker.report import Finding

AUDIT = "blood.audit.v1"
SEALED = "blood.audit.sealed.v1"

_NOTHING = b"\0" * 32
"""The previous hash of the first row of a chain."""


def find_broken(world: World) -> Iterator[Finding]:
    """Find changed, removed, added and exchanged rows, and chains that do not end at their head."""
    heads = {head.chain: head for head in world.rows.audit_heads}
    chains = _part(world)
    for chain in sorted(chains.keys() | heads.keys()):
        links = chains.get(chain, [])
        yield from _follow(chain, links)
        head = heads.get(chain)
        last = links[-1] if links else None
        if head is None or last is None or (head.sequence, head.hash) != (last.sequence, last.hash):
            told = f"链尾 · ends at {last.sequence if last else 'nothing'}"
            yield Finding(
                subject=chain, told=f"{told}, head {head.sequence if head else 'missing'}"
            )


def _follow(chain: str, links: list[Link]) -> Iterator[Finding]:
    before, place = _NOTHING, 0
    for link in links:
        place += 1
        if link.sequence != place:
            told = f"{place} 缺失 · {place} is missing, {link.sequence} follows"
            yield Finding(subject=chain, told=told)
            place = link.sequence
        elif link.previous_hash != before:
            yield Finding(
                subject=chain, told=f"{place} 不接前一行 · does not follow the row before"
            )
        if _hash(link) != link.hash:
            yield Finding(subject=chain, told=f"{place} 内容被改 · its fields do not give its hash")
        before = link.hash


def find_rewritten(world: World) -> Iterator[Finding]:
    """Find published heads that are no longer in the database, or have another hash there."""
    standing = {(link.chain, link.sequence): link.hash for link in world.rows.links}
    for record in world.log.of(AUDIT):
        if record.type != SEALED or not isinstance(record.body, dict):
            continue
        chain, told = str(record.body.get("chain")), record.body.get("sequence")
        sequence = told if isinstance(told, int) else 0
        found = standing.get((chain, sequence))
        if found is None:
            yield Finding(subject=chain, told=f"已封印的 {sequence} 不见了 · sealed and gone")
        elif found.hex() != record.body.get("hash"):
            yield Finding(subject=chain, told=f"已封印的 {sequence} 被改写 · sealed and rewritten")


def _part(world: World) -> dict[str, list[Link]]:
    chains: dict[str, list[Link]] = defaultdict(list)
    for link in sorted(world.rows.links, key=lambda link: (link.chain, link.sequence)):
        chains[link.chain].append(link)
    return chains


def _hash(link: Link) -> bytes:
    fields = (
        "xuelian-audit-1",
        link.chain,
        f"{link.sequence}",
        f"{link.audit_id}",
        link.subject_kind,
        link.subject,
        link.station_id,
        link.from_state,
        link.to_state,
        link.why,
        link.actor,
        link.caused_by,
        _describe_instant(link.at),
    )
    written = hashlib.sha256(link.previous_hash)
    for field in fields:
        if field is None:
            written.update(b"-")
        else:
            text = field.encode("utf-8")
            written.update(str(len(text)).encode("ascii") + b":" + text)
    return written.digest()


def _describe_instant(at: datetime) -> str:
    """Return the instant in UTC with six digits of microseconds."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}+00:00"
