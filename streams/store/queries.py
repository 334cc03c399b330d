"""The named queries of `sql/*.sql`, loaded once. aiosql binds `:name` to `$n`."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import Any

import aiosql


def load_queries(name: str) -> Any:  # noqa: ANN401 - aiosql makes its methods at run time
    """Load `sql/<name>.sql`; each `-- name:` becomes a method that takes the connection first."""
    with as_file(files("streams.store.sql").joinpath(f"{name}.sql")) as path:
        return aiosql.from_path(path, "asyncpg", mandatory_parameters=False)
