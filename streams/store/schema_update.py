"""Brings the schema up to date; tells a server that is away from a schema that is broken.

Blocks. Safe to repeat and to run twice at once.
"""

from __future__ import annotations

import re
import socket

from models.errors import ConfigurationError, TransientError
from streams.rules_file import load_rulebook
from streams.settings import Settings
from streams.store.migrate import migrate

_CONNECT_S = 2.0

# `Applied: 20261215000000_baseline.sql in 100.09ms`
_APPLIED = re.compile(r"^Applied: (\S+)", re.MULTILINE)


def apply_migrations(settings: Settings, *, wait_s: int) -> list[str]:
    """Bring the database to the newest schema; return the migrations that were applied now.

    Args:
        settings: `postgres_dsn`; the database is made if it is missing. `rules_file`: whose rules
            PostgreSQL is to repeat.
        wait_s: Seconds to wait for the server.

    Raises:
        TransientError: The server does not answer.
        ConfigurationError: It does, and a migration failed.
    """
    try:
        rules = load_rulebook(settings.rules_file, law_file=settings.law_file)
        said = migrate(str(settings.postgres_dsn), rules, timeout_s=wait_s)
    except ConfigurationError as error:
        _ensure_answers(settings, error)
        raise
    return _APPLIED.findall(said)


def _ensure_answers(settings: Settings, failed: ConfigurationError) -> None:
    host = settings.postgres_dsn.hosts()[0]
    try:
        with socket.create_connection(
            (host["host"] or "127.0.0.1", host["port"] or 5432), timeout=_CONNECT_S
        ):
            return
    except OSError as error:
        raise TransientError("postgres_away", detail=str(error)) from failed
