"""The named queries of `queries/*.sql`, loaded once. aiosql binds `:name` to `$n`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from importlib.resources import as_file, files
from typing import Any

import aiosql
from aiosql.adapters.asyncpg import AsyncPGAdapter


class _OnConnection(AsyncPGAdapter):
    """Runs on the connection it is given.

    The adapter it builds on also takes pools, and finds out by listing all attributes of its
    argument at every call: a tenth of a millisecond each, six times a decision.
    """

    def _bind(self, query_name: str, parameters: Mapping[str, Any]) -> list[Any]:
        return [parameters[name] for name in self.var_sorted[query_name]]

    async def select(
        self,
        conn: Any,  # noqa: ANN401
        query_name: str,
        sql: str,
        parameters: Mapping[str, Any],
        record_class: None = None,
    ) -> AsyncIterator[Any]:
        del record_class
        for row in await conn.fetch(sql, *self._bind(query_name, parameters)):
            yield row

    async def select_one(
        self,
        conn: Any,  # noqa: ANN401
        query_name: str,
        sql: str,
        parameters: Mapping[str, Any],
        record_class: None = None,
    ) -> Any:  # noqa: ANN401
        del record_class
        return await conn.fetchrow(sql, *self._bind(query_name, parameters))

    async def select_value(
        self,
        conn: Any,  # noqa: ANN401
        query_name: str,
        sql: str,
        parameters: Mapping[str, Any],
    ) -> Any:  # noqa: ANN401
        return await conn.fetchval(sql, *self._bind(query_name, parameters))

    async def insert_update_delete(
        self,
        conn: Any,  # noqa: ANN401
        query_name: str,
        sql: str,
        parameters: Mapping[str, Any],
    ) -> str:
        done: str = await conn.execute(sql, *self._bind(query_name, parameters))
        return done


def load_queries(name: str) -> Any:  # noqa: ANN401 - aiosql makes its methods at run time
    """Load `queries/<name>.sql`; each `-- name:` is a method that takes a connection first."""
    with as_file(files("streams.store.queries").joinpath(f"{name}.sql")) as path:
        adapter: Any = _OnConnection  # its protocol wants one signature for both kinds of driver
        return aiosql.from_path(path, adapter, mandatory_parameters=False)
