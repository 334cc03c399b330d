"""Expected need: how much of a station's blood may be kept for it, and from whom.

Stated anew: nobody in danger of life is kept waiting for a forecast, an urgent order only until
some hours before its need, and nobody at a station that has not been watched for a day. What is
kept is bounded by what graver requests of the last days asked for: the forecast itself is not
repeated here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from checker.bag_content import WHOLE
from checker.database_rows import Decision, Json, Request
from checker.evidence import World

LEARNED = timedelta(days=7)
LEAST_WATCHED = timedelta(hours=24)

GIVEN_AHEAD = timedelta(hours=6)
"""So long before the need at the least nothing is kept any more, but from a routine order."""

TIMES = 2
"""A busy day asks for more than the days before; what is kept stays below so many times of them."""

SLACK_UNITS = 4

EMERGENCY, ROUTINE = "life_threatening", "routine"
_RANKS = {EMERGENCY: 0, "urgent": 1, ROUTINE: 2}
_KEPT = {"kept_for_expected", "kept_for_expected_routine"}
_ML_PER_UNIT = 200


def find_most_kept(world: World, request: Request, line_no: int, *, at: datetime) -> int:
    """Return what may be kept from a line at an instant, in hundredths of the ordering unit."""
    decision = _find_decision(world, request.request_id, at)
    if decision is None or not any(_list_kept(decision, line_no)):
        return 0
    if request.priority == EMERGENCY:
        return 0
    if request.priority != ROUTINE and at >= request.needed_by - GIVEN_AHEAD:
        return 0
    began_at = world.first_decided.get(request.station_id)
    if began_at is None or decision.decided_at < began_at + LEAST_WATCHED:
        return 0
    component = world.lines[request.request_id, line_no].component
    asked = _count_graver(world, request, component, until=decision.decided_at)
    return (TIMES * asked + SLACK_UNITS) * WHOLE if asked else 0


def is_kept(decision: Decision) -> bool:
    """Return whether anything is kept from a request for need that is expected."""
    return any(
        any(_list_kept(decision, int(told["line_no"]))) for told in decision.body.get("lines") or ()
    )


def _list_kept(decision: Decision, line_no: int) -> Iterator[Json]:
    for told in decision.body.get("lines") or ():
        if int(told["line_no"]) == line_no:
            yield from (why for why in told.get("refusals") or () if why.get("code") in _KEPT)


def _find_decision(world: World, request_id: str, at: datetime) -> Decision | None:
    before = [row for row in world.decisions_of(request_id) if row.decided_at <= at]
    return max(before, key=lambda row: row.version, default=None)


def _count_graver(world: World, request: Request, component: str, *, until: datetime) -> int:
    """Count the units of a component that graver requests of the station asked for lately."""
    units = 0
    for line in world.rows.lines:
        other = world.requests.get(line.request_id)
        if other is None or line.component != component or other.station_id != request.station_id:
            continue
        first = min((row.decided_at for row in world.decisions_of(line.request_id)), default=None)
        if first is None or not until - LEARNED <= first <= until:
            continue
        if _RANKS[other.priority] < _RANKS[request.priority]:
            is_ml = line.measure == "ml"
            units += -(-line.quantity // _ML_PER_UNIT) if is_ml else line.quantity
    return units
