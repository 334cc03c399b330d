"""The port to what a station was asked for, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

from models.components import Component
from models.recipients import find_recipient
from models.requests import RequestLine, UrgentRequest
from streams.matching.demand_outlook import AskedOften, StationDemand
from streams.matching.expected_demand import DemandKind
from tests.support.memory_store.rows import RequestRow, State

_NOT_ASKED = frozenset({"cancelled", "refused"})


class MemoryDemand:
    """Implements `ports.demand.DemandStore`."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def find_asked(
        self, station_id: str, *, since: datetime, recent_since: datetime, now: datetime
    ) -> StationDemand:
        rows = [row for row in self._list_rows(station_id) if since <= row.opened_at]
        asked = (
            (row, line)
            for row in rows
            if row.opened_at <= now and row.status not in _NOT_ASKED
            for line in row.request.lines
        )
        return StationDemand(
            began_at=min((row.opened_at for row in rows), default=None),
            asked=tuple(
                AskedOften(
                    component=line.component,
                    group=_find_kind(row.request, line).group,
                    priority=row.request.priority,
                    measure=line.measure,
                    quantity=line.quantity,
                    requests=1,
                    is_recent=row.opened_at >= recent_since,
                )
                for row, line in asked
            ),
        )

    async def count_deferred(
        self, station_id: str, *, besides: Collection[str]
    ) -> Mapping[tuple[Component, DemandKind], int]:
        waiting: Counter[tuple[Component, DemandKind]] = Counter()
        for row in self._list_rows(station_id):
            if row.status == "open" and row.request.request_id not in besides:
                for line in row.request.lines:
                    if units := row.deferred.get(line.line_no, 0):
                        waiting[line.component, _find_kind(row.request, line)] += units
        return waiting

    def _list_rows(self, station_id: str) -> Iterator[RequestRow]:
        return (
            row for row in self._state.requests.values() if row.request.station_id == station_id
        )


def _find_kind(request: UrgentRequest, line: RequestLine) -> DemandKind:
    of_class = line.component.spec.component_class
    return DemandKind(find_recipient(of_class, request.patient).group, request.priority)
