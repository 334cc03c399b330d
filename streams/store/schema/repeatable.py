"""What of the schema is not a migration: functions, and tables that are filled from the rules.

Each part is known by a digest. `apply_repeatable` writes the parts whose digest differs from what
`schema_parts` says; `ensure_repeatable` refuses a process whose parts are not those of the
database, so that the engine and PostgreSQL never follow different rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg
import orjson

from models.errors import ConfigurationError
from models.rules.rulebook import rulebook
from streams.store.schema.rule_tables import RuleTable, list_rule_tables

if TYPE_CHECKING:
    from streams.store.database import Database

_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('xuelian schema_parts', 0))"
_KNOWN = "SELECT name, digest FROM schema_parts"
_SAY = """
INSERT INTO schema_parts (name, digest, rules_version, applied_at) VALUES ($1, $2, $3, now())
ON CONFLICT (name) DO UPDATE SET
    digest = excluded.digest, rules_version = excluded.rules_version, applied_at = now()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    name: str
    digest: str
    content: str | RuleTable


async def apply_repeatable(dsn: str) -> list[str]:
    """Write every part that differs, in one transaction; return their names.

    The rules are those in force in this process. Two processes at once wait for each other.
    """
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await connection.execute(_LOCK)
            # A function may name one of a later file.
            await connection.execute("SET LOCAL check_function_bodies = off")
            known = {row["name"]: row["digest"] for row in await connection.fetch(_KNOWN)}
            changed = [part for part in _list_parts() if known.get(part.name) != part.digest]
            for part in changed:
                await _write(connection, part)
        return [part.name for part in changed]
    finally:
        await connection.close()


async def ensure_repeatable(database: Database) -> None:
    """Refuse to go on where the database has other functions or follows other rules.

    Raises:
        ConfigurationError: `schema_parts_differ`.
        TransientError: PostgreSQL is away.
    """
    known: Mapping[str, str] = {row["name"]: row["digest"] for row in await database.fetch(_KNOWN)}
    differing = [part.name for part in _list_parts() if known.get(part.name) != part.digest]
    if differing:
        raise ConfigurationError("schema_parts_differ", parts=", ".join(differing))


async def _write(connection: asyncpg.Connection[asyncpg.Record], part: _Part) -> None:
    if isinstance(part.content, RuleTable):
        table = part.content
        await connection.execute(f"DELETE FROM {table.name}")  # noqa: S608 - our own name
        await connection.copy_records_to_table(
            table.name, columns=table.columns, records=table.rows
        )
    else:
        await connection.execute(part.content)
    await connection.execute(_SAY, part.name, part.digest, rulebook().version)


def _list_parts() -> Iterator[_Part]:
    folder = files("streams.store.schema").joinpath("functions")
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".sql"):
            content = entry.read_text(encoding="utf-8")
            digest = sha256(content.encode()).hexdigest()
            yield _Part(name=f"functions/{entry.name}", digest=digest, content=content)
    for table in list_rule_tables():
        rows = orjson.dumps([table.columns, sorted(table.rows)])
        yield _Part(name=table.name, digest=sha256(rows).hexdigest(), content=table)
