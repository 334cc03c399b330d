"""Read models of the gateway: plain rows for people, never the ground of a decision.

Reads only, but for the access record of donors' contacts. Safe for concurrent tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from streams.matching.donor_eligibility import DonorRecord
from streams.ports import Clock, Context
from streams.store.audit import append_audit, audit_line
from streams.store.call_outs import list_reserve
from streams.store.dead_letters import STATION_TOPICS
from streams.store.donors import audit_donor_read
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Database, PooledConnection

_QUERIES = load_queries("pages")

Row = dict[str, Any]

_HELD_STATUSES = (
    "collected",
    "quarantined",
    "available",
    "on_hold",
    "reserved",
    "picked",
    "issued",
    "in_transit",
    "returned",
    "recalled",
)
"""What a station still answers for; ended units, and those a hospital has, only grow the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilter:
    """Which requests; None for no limit.

    Attributes:
        before: (opened_at, request_id) of the last one seen; the list goes on behind it.
    """

    hospital_id: str | None = None
    station_id: str | None = None
    statuses: tuple[str, ...] | None = None
    priority: str | None = None
    opened_from: datetime | None = None
    before: tuple[datetime, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOutFilter:
    """Which calls of a station's donors; None for no limit."""

    station_id: str
    statuses: tuple[str, ...] | None = None
    cause_id: str | None = None
    call_out_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventName:
    """An event as its reader knows it, and what it is about."""

    reader: str
    source: str
    event_id: str
    request_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFate:
    """What became of an event that was taken in.

    Attributes:
        digest: SHA-256 (hex) of the body that was taken in under its id.
        code: Why it was quarantined; None if it was acted on.
        status: Of its request now; None if there is none.
        decision: The latest one on its request.
        taken_at: When it was taken in, by the clock of the worker that did so.
    """

    digest: str
    taken_at: datetime
    code: str | None
    params: Row | None
    status: str | None
    decision: Row | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDetail:
    """A request with everything that happened to it; bodies are JSON as it was stored.

    Attributes:
        calls: For shortages of its components at its station, whether or not they serve it.
        transfers: Likewise; `shortages` and `offers` too.
    """

    request: Row | None
    lines: list[Row]
    decisions: list[Row]
    promises: list[Row]
    calls: list[Row]
    transfers: list[Row]
    shortages: list[Row]
    offers: list[Row]
    quarantined: list[Row]

    def list_bags(self) -> list[Row]:
        """List the promises whose bags the request has, on the shelf, on the way or there."""
        return [row for row in self.promises if row["status"] in {"held", "issued", "received"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingLetters:
    """Refused records not replayed: how many, how many lives hung on, since when the oldest."""

    letters: int
    life_threatening: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """What goes on now, worst first; `dead_letters` None where they are not for the caller."""

    as_of: datetime
    requests: list[Row]
    shortages: list[Row] = field(default_factory=list)
    activations: list[Row] = field(default_factory=list)
    calls: list[Row] = field(default_factory=list)
    transfers: list[Row] = field(default_factory=list)
    dead_letters: WaitingLetters | None = None


class PgPages:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def ping(self) -> None:
        """Ask for a sign of life; raises TransientError while there is none."""
        await self._list("ping")

    async def list_fates(self, names: Sequence[EventName]) -> dict[EventName, EventFate]:
        """Return what became of events; those not taken in yet are missing."""
        rows = await self._list(
            "list_fates",
            readers=[name.reader for name in names],
            sources=[name.source for name in names],
            event_ids=[name.event_id for name in names],
            request_ids=[name.request_id for name in names],
        )
        return {
            EventName(
                reader=row.pop("reader"),
                source=row.pop("source"),
                event_id=row.pop("event_id"),
                request_id=row.pop("request_id"),
            ): EventFate(**row)
            for row in rows
        }

    async def find_request(self, request_id: str) -> Row | None:
        return await self._find("find_request", request_id=request_id)

    async def find_patient(self, hospital_id: str, reference: str) -> Row | None:
        """Return a patient's record as kept, or None if nothing is remembered."""
        row = await self._find("find_patient", hospital_id=hospital_id, reference=reference)
        if row is None:
            return None
        return {**row["body"], "version": row["version"], "changed_at": row["changed_at"]}

    async def list_requests(self, wanted: RequestFilter, *, limit: int) -> list[Row]:
        """List newest first."""
        before_at, before_id = wanted.before or (None, None)
        return await self._list(
            "list_requests",
            hospital_id=wanted.hospital_id,
            station_id=wanted.station_id,
            statuses=list(wanted.statuses) if wanted.statuses else None,
            priority=wanted.priority,
            opened_from=wanted.opened_from,
            before_at=before_at,
            before_id=before_id,
            limit=limit,
        )

    async def read_overview(
        self, *, station_id: str | None, hospital_id: str | None, limit: int
    ) -> Overview:
        """Read what goes on now, at one moment.

        Args:
            station_id: Of one station; None for all.
            hospital_id: Of one hospital: its requests alone; None for all.
            limit: Rows of each list at most.
        """
        now = self._clock.now()
        own = {"station_id": station_id, "limit": limit}
        open_ones = {**own, "status": "open"}
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            requests = await _rows(
                connection, "list_waiting_requests", now=now, hospital_id=hospital_id, **own
            )
            if hospital_id is not None:
                return Overview(as_of=now, requests=requests)
            on_the_way = [
                row
                for status in ("in_transit", "agreed")
                for row in await _rows(connection, "list_transfers", **own, status=status)
            ]
            letters = await _QUERIES.count_waiting_letters(
                connection, station_id=station_id, station_topics=STATION_TOPICS
            )
            return Overview(
                as_of=now,
                requests=requests,
                shortages=await _rows(connection, "list_shortages", component=None, **open_ones),
                activations=await _rows(
                    connection, "list_activations", event_key=None, **open_ones
                ),
                calls=await _rows(connection, "count_live_calls", station_id=station_id),
                transfers=on_the_way,
                dead_letters=WaitingLetters(**letters),
            )

    async def read_request(self, request_id: str, *, source: str | None) -> RequestDetail:
        """Read a request at one moment.

        Args:
            request_id: May be unknown; then only quarantined records may be found.
            source: Quarantined records of this event source only; None for all.
        """
        # One snapshot, so that a decision never stands beside promises of another moment.
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            requests = await _rows(connection, "find_request", request_id=request_id)
            quarantined = await _rows(
                connection, "list_quarantined", request_id=request_id, source=source
            )
            detail = {
                name: await _rows(connection, query, request_id=request_id) if requests else []
                for name, query in (
                    ("lines", "list_lines"),
                    ("decisions", "list_decisions"),
                    ("promises", "list_promises"),
                    ("calls", "list_place_calls"),
                    ("transfers", "list_place_transfers"),
                    ("shortages", "list_place_shortages"),
                    ("offers", "list_place_offers"),
                )
            }
        return RequestDetail(
            request=requests[0] if requests else None, quarantined=quarantined, **detail
        )

    async def list_reserve(self, station_id: str) -> list[DonorRecord]:
        """List every donor of a station, to be counted: nobody is named by what is told of it."""
        async with self._database.connection() as connection:
            return await list_reserve(connection, station_id)

    async def count_stock(self, station_id: str) -> list[Row]:
        """Count bags per component, group, status and volume; past its expiry a bag is expired."""
        return await self._list(
            "count_stock",
            station_id=station_id,
            statuses=list(_HELD_STATUSES),
            now=self._clock.now(),
        )

    async def list_activations(
        self, *, station_id: str | None, status: str | None, event_key: str | None, limit: int
    ) -> list[Row]:
        return await self._list(
            "list_activations",
            station_id=station_id,
            status=status,
            event_key=event_key,
            limit=limit,
        )

    async def list_alerts(
        self, *, event_key: str | None, outcomes: Sequence[str] | None, limit: int
    ) -> list[Row]:
        """List newest first."""
        return await self._list(
            "list_alerts",
            event_key=event_key,
            outcomes=list(outcomes) if outcomes else None,
            limit=limit,
        )

    async def find_alert(self, alert_id: str) -> Row | None:
        return await self._find("find_alert", alert_id=alert_id)

    async def find_newest_alert(self, event_key: str) -> Row | None:
        """Return the newest alert of a disaster that was not held."""
        return await self._find("find_newest_alert", event_key=event_key)

    async def list_uncovered_lines(self, *, station_id: str | None) -> list[Row]:
        """List the lines of open requests that wait for blood."""
        return await self._list("list_uncovered_lines", station_id=station_id)

    async def count_open_elsewhere(self, *, hospital_id: str, station_id: str) -> list[Row]:
        """Count a hospital's open requests at every station but one."""
        return await self._list(
            "count_open_elsewhere", hospital_id=hospital_id, station_id=station_id
        )

    async def list_shortages(
        self, *, station_id: str | None, status: str | None, component: str | None, limit: int
    ) -> list[Row]:
        """List by colour, then the oldest first."""
        return await self._list(
            "list_shortages",
            station_id=station_id,
            status=status,
            component=component,
            limit=limit,
        )

    async def find_shortage(self, shortage_id: str) -> Row | None:
        return await self._find("find_shortage", shortage_id=shortage_id)

    async def find_offer(self, offer_id: str) -> Row | None:
        """Return how an offer was decided, and why; None if it was not yet."""
        return await self._find("find_offer", offer_id=offer_id)

    async def list_transfers(
        self, *, station_id: str | None, status: str | None, limit: int
    ) -> list[Row]:
        return await self._list("list_transfers", station_id=station_id, status=status, limit=limit)

    async def find_call_out(self, call_out_id: str) -> Row | None:
        return await self._find("find_call_out", call_out_id=call_out_id)

    async def list_call_outs(
        self, wanted: CallOutFilter, *, limit: int, contacts_for: str | None, actor: str
    ) -> list[Row]:
        """List calls, newest first.

        Args:
            wanted: Which of them.
            limit: At most so many.
            contacts_for: The key that reads names and contacts, kept in the access record; None
                leaves them out.
            actor: Who holds that key, such as `station/nagqu`.
        """
        async with self._database.transaction() as connection:
            rows = await _rows(
                connection,
                "list_call_outs",
                station_id=wanted.station_id,
                statuses=list(wanted.statuses) if wanted.statuses else None,
                cause_id=wanted.cause_id,
                call_out_id=wanted.call_out_id,
                limit=limit,
            )
            if contacts_for is not None and rows:
                context = Context(now=self._clock.now(), cause=contacts_for, actor=actor)
                reads = [
                    audit_donor_read(donor_id, station_id=wanted.station_id)
                    for donor_id in sorted({row["donor_id"] for row in rows})
                ]
                await append_audit(connection, [audit_line(read, context) for read in reads])
        if contacts_for is None:
            rows = [
                {name: value for name, value in row.items() if name not in {"name", "contact"}}
                for row in rows
            ]
        return rows

    async def _list(self, query: str, **params: Any) -> list[Row]:  # noqa: ANN401
        async with self._database.connection() as connection:
            return await _rows(connection, query, **params)

    async def _find(self, query: str, **params: Any) -> Row | None:  # noqa: ANN401
        rows = await self._list(query, **params)
        return rows[0] if rows else None


async def _rows(connection: PooledConnection, query: str, **params: Any) -> list[Row]:  # noqa: ANN401
    return [dict(row) async for row in getattr(_QUERIES, query)(connection, **params)]
