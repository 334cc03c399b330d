"""Migrations, run by dbmate, then what is written again when it changes.

Safe to run again, and by two processes at once (dbmate locks, and so does the rest).
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

from models.errors import ConfigurationError, TransientError
from models.rules.rulebook import Rulebook
from streams.store.schema.repeatable import apply_repeatable


def migrate(dsn: str, rules: Rulebook, *, timeout_s: int = 60) -> str:
    """Bring a database to the newest schema and return what dbmate said.

    Args:
        dsn: `postgresql://user@host:port/database`; the database is made if it is missing.
        rules: The rulebook that PostgreSQL is to repeat.
        timeout_s: Seconds to wait for the server and for the migration, each.

    Raises:
        TransientError: The server does not answer in time.
        ConfigurationError: dbmate is not installed, or a migration failed; its words are kept.
    """
    with as_file(files("streams.store.schema").joinpath("migrations")) as folder:
        command = [
            _find_dbmate(), "--no-dump-schema", "--wait", "--wait-timeout", f"{timeout_s}s",
            "--migrations-dir", str(folder), "up",
        ]  # fmt: skip
        try:
            done = subprocess.run(  # noqa: S603 - our own binary, our own arguments
                command,
                env={"DATABASE_URL": _for_dbmate(dsn)},
                capture_output=True,
                text=True,
                timeout=2 * timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise TransientError("migration_timed_out", timeout_s=timeout_s) from error
    said = f"{done.stdout}{done.stderr}".strip()
    if done.returncode:
        raise ConfigurationError("migration_failed", detail=said[-1500:])
    # In a thread, which has no event loop, whoever calls.
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, apply_repeatable(dsn, rules)).result()
    return said


def _find_dbmate() -> str:
    beside = Path(sys.executable).with_name("dbmate")
    found = str(beside) if beside.exists() else shutil.which("dbmate")
    if found is None:
        raise ConfigurationError("dbmate_missing", looked_in=str(beside.parent))
    return found


def _for_dbmate(dsn: str) -> str:
    """Dbmate asks for TLS unless told; loopback servers have none, others say so in the DSN."""
    parts = urlsplit(dsn)
    query = parts.query
    if "sslmode" not in query and parts.hostname in {"127.0.0.1", "localhost", "::1"}:
        query = "&".join(filter(None, (query, urlencode({"sslmode": "disable"}))))
    return urlunsplit(("postgres", parts.netloc, parts.path, query, parts.fragment))
