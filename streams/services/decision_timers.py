"""Set the timers that a decision leads to: they end a request if nothing else does."""

from __future__ import annotations

from datetime import timedelta

from models.requests import RequestStatus
from streams.matching.allocation.protected_groups import list_given_from
from streams.ports import Timer, TimerKind, UnitOfWork
from streams.ports.requests import Ruling
from streams.services.request_rematching import look_at

REQUEST_GRACE_S = 3600
"""An open request ends this long after its needed-by time; until then late blood still helps. Each
decision sets it anew, so that an order whose parts still flow goes on."""


def plan_timers(work: UnitOfWork, ruling: Ruling) -> None:
    """Set the timers of a decision as it is written."""
    decision, request = ruling.decision, ruling.request
    if decision.hold_until is not None:
        work.schedule(
            Timer(kind=TimerKind.HOLD_LAPSE, subject=request.request_id, due_at=decision.hold_until)
        )
    for given_from in sorted(set(list_given_from(decision.lines))):
        look_at(work, request.station_id, given_from)
    if ruling.status is RequestStatus.OPEN:
        due_at = max(work.context.now, request.needed_by) + timedelta(seconds=REQUEST_GRACE_S)
        work.schedule(
            Timer(kind=TimerKind.REQUEST_EXPIRY, subject=request.request_id, due_at=due_at)
        )
