"""The encoding of an audit row is fixed for good: a changed byte breaks every chain there is."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from models.audit import GENESIS, AuditRow, ChainHead, encode_row, hash_row
from streams.services.audit_verification import AuditWalk, BreachKind

AT = datetime(2025, 1, 7, 1, 5, 16, tzinfo=UTC)
ROW = AuditRow(
    chain="nagqu",
    sequence=1,
    audit_id=7,
    subject_kind="unit",
    subject="u-1",
    station_id="nagqu",
    from_state="",
    to_state="可用",
    why="counted",
    actor="station/nagqu",
    caused_by="e-1",
    at=AT,
    previous_hash=GENESIS,
    hash=b"",
)
WRITTEN = (
    "15:xuelian-audit-1" "5:nagqu" "1:1" "1:7" "4:unit" "3:u-1" "5:nagqu" "0:" "6:可用" "7:counted"
    "13:station/nagqu" "3:e-1" "32:2025-01-07T01:05:16.000000+00:00"
)  # fmt: skip


def chain(length: int) -> list[AuditRow]:
    rows: list[AuditRow] = []
    for number in range(length):
        before = rows[-1].hash if rows else GENESIS
        row = ROW._replace(sequence=number + 1, audit_id=number + 7, previous_hash=before)
        rows.append(row._replace(hash=hash_row(row)))
    return rows


def head_of(rows: list[AuditRow]) -> ChainHead:
    return ChainHead(rows[-1].chain, rows[-1].sequence, rows[-1].hash)


def test_the_bytes_are_those_of_the_decision_record() -> None:
    assert encode_row(ROW) == WRITTEN.encode()
    assert hash_row(ROW) == hashlib.sha256(bytes(32) + WRITTEN.encode()).digest()
    elsewhere = ROW._replace(at=AT.astimezone(timezone(timedelta(hours=8))))
    assert encode_row(elsewhere) == encode_row(ROW)


def test_nothing_is_not_the_empty_text() -> None:
    assert encode_row(ROW._replace(station_id=None)) != encode_row(ROW._replace(station_id=""))


def test_a_field_cannot_lend_to_its_neighbour() -> None:
    first = ROW._replace(why="a", actor="bc")
    assert encode_row(first) != encode_row(ROW._replace(why="ab", actor="c"))
    assert encode_row(first) != encode_row(ROW._replace(why="a2:bc", actor=""))


@pytest.mark.parametrize("name", [name for name in AuditRow._fields if name != "hash"])
def test_every_field_is_in_the_hash(name: str) -> None:
    value = getattr(ROW, name)
    other: Any = f"{value}x"
    if isinstance(value, int):
        other = value + 1
    elif isinstance(value, bytes):
        other = bytes([1]) * 32
    elif isinstance(value, datetime):
        other = value + timedelta(microseconds=1)
    assert hash_row(ROW._replace(**{name: other})) != hash_row(ROW)


def test_breaches_are_counted_beyond_what_is_kept() -> None:
    rows = chain(1500)
    spoilt = [row._replace(why="other") for row in rows]
    walk = AuditWalk(heads=[head_of(rows)])
    walk.take(spoilt)
    verdict = walk.finish()
    assert (verdict.breached, len(verdict.breaches), verdict.rows) == (1500, 1000, 1500)
    assert {breach.kind for breach in verdict.breaches} == {BreachKind.CHANGED}


def test_a_row_that_stands_twice_is_told() -> None:
    rows = chain(3)
    walk = AuditWalk(heads=[head_of(rows)])
    walk.take([*rows[:2], rows[1], rows[2]])
    (breach,) = walk.finish().breaches
    assert (breach.kind, breach.sequence) == (BreachKind.REPEATED, 2)


def test_a_chain_without_rows_or_without_a_head_is_told() -> None:
    rows = chain(2)
    walk = AuditWalk(heads=[ChainHead("lhasa", 4, b"x")])
    walk.take(rows)
    assert [(breach.kind, breach.chain) for breach in walk.finish().breaches] == [
        (BreachKind.HEAD_DIFFERS, "nagqu"),
        (BreachKind.HEAD_DIFFERS, "lhasa"),
    ]


def test_rows_may_come_in_any_portions() -> None:
    rows = chain(10)
    whole, by_one = AuditWalk(heads=[head_of(rows)]), AuditWalk(heads=[head_of(rows)])
    whole.take(rows)
    for row in rows:
        by_one.take([row])
    assert whole.finish() == by_one.finish()
