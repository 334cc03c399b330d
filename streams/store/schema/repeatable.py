"""The repeatable part of the schema, no migration: functions, and tables filled from the rules.

`apply_repeatable` writes each part that is not as `schema_parts` says: a function file by its
digest, a table by its rows and the version of the rules. `ensure_repeatable` refuses a process
whose functions or rules are not those of the database, so that the engine and PostgreSQL never
follow different rules.

Both read the rows of the tables, so a row that somebody changed by hand is found. At the start of a
process only the tables that are made in no time are made again to compare them: a worker that
starts again after a crash must not wait for every kind of patient to be asked about. Of
`compatible_groups` it compares the version of the rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg

from models.errors import ConfigurationError
from models.rules.rulebook import Rulebook
from streams.store.schema.rule_tables import (
    RULE_TABLES,
    RuleTable,
    list_quick_tables,
    list_rule_tables,
)

if TYPE_CHECKING:
    from streams.store.database import Database

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('xuelian schema_parts', 0))"
_KNOWN = "SELECT name, digest, rules_version FROM schema_parts"
_SAY = """
INSERT INTO schema_parts (name, digest, rules_version, applied_at) VALUES ($1, $2, $3, now())
ON CONFLICT (name) DO UPDATE SET
    digest = excluded.digest, rules_version = excluded.rules_version, applied_at = now()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _FunctionFile:
    name: str
    content: str

    @property
    def digest(self) -> str:
        return sha256(self.content.encode()).hexdigest()


async def apply_repeatable(dsn: str, rules: Rulebook) -> list[str]:
    """Write every part that differs, in one transaction; return the names of those written.

    Two processes at once wait for each other.
    """
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(_LOCK)
            # A function may name one of a later file.
            await connection.execute("SET LOCAL check_function_bodies = off")
            known = {row["name"]: row for row in await connection.fetch(_KNOWN)}
            return [
                *await _write_functions(connection, known, rules),
                *await _write_tables(connection, known, rules),
            ]
    finally:
        await connection.close()


async def ensure_repeatable(database: Database, rules: Rulebook) -> None:
    """Refuse to go on where the database has other functions or follows other rules.

    Raises:
        ConfigurationError: `schema_parts_differ`.
        TransientError: PostgreSQL is away.
    """
    known = {row["name"]: row for row in await database.fetch(_KNOWN)}
    expected = [(file.name, "digest", file.digest) for file in _list_function_files()]
    expected += [(name, "rules_version", rules.version) for name in RULE_TABLES]
    expected += [(table.name, "digest", table.digest) for table in list_quick_tables(rules)]
    for name, columns in RULE_TABLES.items():
        rows = await database.fetch(_select(name, columns))
        expected.append((name, "digest", _digest_rows(name, columns, rows)))
    differing = {
        name: None
        for name, column, value in expected
        if name not in known or known[name][column] != value
    }
    if differing:
        raise ConfigurationError("schema_parts_differ", parts=", ".join(differing))


async def _write_functions(
    connection: asyncpg.Connection[asyncpg.Record],
    known: Mapping[str, asyncpg.Record],
    rules: Rulebook,
) -> list[str]:
    written = []
    for file in _list_function_files():
        if file.name not in known or known[file.name]["digest"] != file.digest:
            await connection.execute(file.content)
            await connection.execute(_SAY, file.name, file.digest, rules.version)
            written.append(file.name)
    return written


async def _write_tables(
    connection: asyncpg.Connection[asyncpg.Record],
    known: Mapping[str, asyncpg.Record],
    rules: Rulebook,
) -> list[str]:
    written = []
    for table in list_rule_tables(rules):
        before = known.get(table.name)
        version = rules.version
        rows = await connection.fetch(_select(table.name, table.columns))
        if _digest_rows(table.name, table.columns, rows) != table.digest:
            await connection.execute(f"DELETE FROM {table.name}")  # noqa: S608 - our own name
            await connection.copy_records_to_table(
                table.name, columns=table.columns, records=table.rows
            )
            written.append(table.name)
        if before is None or (before["digest"], before["rules_version"]) != (table.digest, version):
            await connection.execute(_SAY, table.name, table.digest, version)
    return written


def _select(name: str, columns: Sequence[str]) -> str:
    return f"SELECT {', '.join(columns)} FROM {name}"  # noqa: S608 - our own names


def _digest_rows(name: str, columns: tuple[str, ...], rows: Sequence[asyncpg.Record]) -> str:
    return RuleTable(name=name, columns=columns, rows=tuple(map(tuple, rows))).digest


def _list_function_files() -> Iterator[_FunctionFile]:
    folder = files("streams.store.schema").joinpath("functions")
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".sql"):
            content = entry.read_text(encoding="utf-8")
            yield _FunctionFile(name=f"functions/{entry.name}", content=content)
