"""The requests that this gateway accepted lately and that the engine may not have read yet.

Between the 202 answer and the decision, PostgreSQL does not know a request; its sender must still
find it, and may already cancel it. This is a bounded memory of this process, not the record.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

KEPT_S = 900.0
"""How long a request is kept. If the engine is away for longer, it is no longer found here."""

MAX_KEPT = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedRequest:
    """A request that is in the log."""

    request_id: str
    hospital_id: str
    station_id: str


class Accepted:
    """The requests that Kafka last acknowledged to this process."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[str, tuple[float, AcceptedRequest]] = OrderedDict()

    def add(self, request: AcceptedRequest) -> None:
        self._kept[request.request_id] = (self._monotonic(), request)
        self._kept.move_to_end(request.request_id)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)

    def find(self, request_id: str) -> AcceptedRequest | None:
        kept = self._kept.get(request_id)
        if kept is None or self._monotonic() - kept[0] > KEPT_S:
            return None
        return kept[1]
