"""Vital signs of the system at work: what is overdue, refused, waiting, short.

Reads only. For people who look and for alarms; never the ground of a decision. Safe for concurrent
tasks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from models.base import BAG_ID_PATTERN, NO_CODES
from streams.ports import Clock
from streams.store.dead_letters import STATION_TOPICS, restore_bytes
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database, PooledConnection

_QUERIES = load_queries("vitals")

Row = dict[str, Any]

MARKS = ("waiting", "late", "unacknowledged", "may_have_left")

_HEADERS_TOLD = {"ce_id": "event_id", "ce_type": "event_type", "ce_source": "source",
                 "ce_subject": "about"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """How things stand at one moment; ages in seconds, None where there is nothing to be old.

    Attributes:
        open_requests: Per priority: how many wait, and the age of the oldest.
        letters: Reader and code to how many wait to be replayed.
        life_threatening_letters: All that are kept, and those of them that wait.
        stock: Station and component to free units and days of supply (None: nothing is used).
        calls: Station and status to live calls.
    """

    open_requests: dict[str, tuple[int, float]]
    overdue: dict[str, int]
    letters: dict[tuple[str, str], int]
    life_threatening_letters: tuple[int, int]
    outbox_rows: int
    outbox_oldest_s: float
    timers_late_s: float
    shortages: dict[str, int]
    calls: dict[tuple[str, str], int]
    stock: dict[tuple[str, str], tuple[int, float | None]]


class PgVitals:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list_strange_units(self) -> list[Row]:
        """List units whose own or donation's identifier is none, those still in use first.

        What has ended goes to nobody. It is told all the same: a recall does not find it.
        """
        async with self._database.connection() as connection:
            return await _rows(
                connection, "list_strange_units", pattern=BAG_ID_PATTERN, codes=sorted(NO_CODES)
            )

    async def list_overdue(
        self,
        *,
        mark: str | None,
        station_id: str | None,
        hospital_id: str | None,
        limit: int,
    ) -> list[Row]:
        """List what should be looked after, lives first, then what began longest ago.

        `of_mark` of each row is how many have its mark, listed or not.
        """
        async with self._database.connection() as connection:
            return await _rows(
                connection,
                "list_overdue",
                now=self._clock.now(),
                mark=mark,
                station_id=station_id,
                hospital_id=hospital_id,
                limit=limit,
            )

    async def list_dead_letters(
        self,
        *,
        station_id: str | None,
        with_replayed: bool,
        after: str | None,
        limit: int,
    ) -> list[Row]:
        """List refused records without their content; go on behind the id `after`.

        Life-threatening requests stand first, as far as the records tell, then the newest.
        """
        async with self._database.connection() as connection:
            rows = await _rows(
                connection,
                "list_dead_letters",
                station_id=station_id,
                station_topics=STATION_TOPICS,
                with_replayed=with_replayed,
                after=after,
                limit=limit,
            )
        return [_without_content(row) for row in rows]

    async def measure(self) -> Vitals:
        """Take all figures, one after the other on one connection."""
        now = self._clock.now()
        async with self._database.connection() as connection:
            requests = await _rows(connection, "count_open_requests")
            overdue = await _rows(connection, "count_overdue", now=now)
            letters = await _rows(connection, "count_waiting_letters")
            grave = await _QUERIES.count_life_threatening_letters(connection)
            outbox = await _QUERIES.measure_outbox(connection)
            timer_at = await _QUERIES.find_oldest_timer(connection)
            shortages = await _rows(connection, "count_shortages")
            calls = await _rows(connection, "count_live_calls")
            stock = await _rows(connection, "measure_stock", now=now)

        def age_s(instant: datetime | None) -> float:
            return max((now - instant).total_seconds(), 0.0) if instant else 0.0

        return Vitals(
            open_requests={
                row["priority"]: (row["requests"], age_s(row["oldest_at"])) for row in requests
            },
            overdue={row["mark"]: row["rows"] for row in overdue},
            letters={(row["reader"], row["code"]): row["letters"] for row in letters},
            life_threatening_letters=(grave["kept"], grave["waiting"]),
            outbox_rows=outbox["rows"],
            outbox_oldest_s=age_s(outbox["oldest_at"]),
            timers_late_s=age_s(timer_at),
            shortages={row["level"]: row["shortages"] for row in shortages},
            calls={(row["station_id"], row["status"]): row["calls"] for row in calls},
            stock={
                (row["station_id"], row["component"]): (
                    int(row["units"]),
                    int(row["units"]) / row["burn_per_d"] if row["burn_per_d"] else None,
                )
                for row in stock
            },
        )


def _without_content(row: Row) -> Row:
    headers = {name: restore_bytes(text) for name, text in row.pop("headers")}
    key: bytes | None = row.pop("key")
    return {
        **row,
        "key": None if key is None else key.decode("utf-8", errors="replace")[:200],
        **{
            told: headers[name].decode("utf-8", errors="replace")[:200] if name in headers else None
            for name, told in _HEADERS_TOLD.items()
        },
    }


async def _rows(connection: PooledConnection, query: str, **params: Any) -> list[Row]:  # noqa: ANN401
    return [dict(row) async for row in getattr(_QUERIES, query)(connection, **params)]
