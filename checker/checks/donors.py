"""Whether every donor who was called was eligible at that instant, and called once at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone

from checker.eligibility import list_reasons
from checker.intervals import Binding, list_overlaps
from checker.report import Finding
from checker.rows import CallOut, Donor
from checker.world import World

_LIVE = {"called", "accepted", "arrived"}
_CHINA = timezone(timedelta(hours=8))


def find_ineligible_calls(world: World) -> Iterator[Finding]:
    donors = {donor.donor_id: donor for donor in world.rows.donors}
    for donor_id, calls in _by_donor(world).items():
        donor = donors.get(donor_id)
        if donor is None:
            yield Finding(subject=donor_id, told="未登记 · not a registered donor")
            continue
        donated = [_donated_at(world, call) for call in calls if call.status == "donated"]
        for call in calls:
            reasons = list_reasons(
                donor=_as_of_call(donor, calls, call),
                whole_blood_on=_list_earlier(donor, donated, call.called_at),
                called_at=call.called_at,
            )
            if reasons:
                told = f"{call.call_out_id} {call.called_at.isoformat()}: {'; '.join(reasons)}"
                yield Finding(subject=donor_id, told=told)


def find_called_twice(world: World) -> Iterator[Finding]:
    for donor_id, calls in _by_donor(world).items():
        bindings = [
            Binding(holder=call.call_out_id, begins_at=call.called_at, ends_at=_ended_at(call))
            for call in calls
        ]
        for earlier, later in list_overlaps(bindings):
            told = f"{earlier.holder} 未了又呼 · still live, then {later.holder}"
            yield Finding(subject=donor_id, told=told)


def _by_donor(world: World) -> dict[str, list[CallOut]]:
    found: dict[str, list[CallOut]] = defaultdict(list)
    for call in world.rows.call_outs:
        found[call.donor_id].append(call)
    return found


def _ended_at(call: CallOut) -> datetime | None:
    """When a call ended; one that has ended without saying when ended with its answer."""
    if call.status in _LIVE:
        return None
    return call.ended_at or call.answered_at or call.called_at


def _donated_at(world: World, call: CallOut) -> datetime:
    unit = world.units.get(call.unit_id or "")
    return unit.collected_at if unit else call.ended_at or call.called_at


def _list_earlier(donor: Donor, donated: list[datetime], called_at: datetime) -> set[date]:
    """Days of donations before the call; a day that a later donation wrote does not count."""
    registered = donor.body.get("last_whole_blood_on")
    days = {date.fromisoformat(registered)} if registered else set()
    if donor.last_whole_blood_on is not None:
        days.add(donor.last_whole_blood_on)
    later = {
        at.astimezone(zone).date() for at in donated if at > called_at for zone in (UTC, _CHINA)
    }
    earlier = {at.astimezone(UTC).date() for at in donated if at <= called_at}
    return (days - later) | earlier


def _as_of_call(donor: Donor, calls: list[CallOut], call: CallOut) -> dict[str, object]:
    """The record without a deferral that this call or a later one brought about."""
    deferred_since = any(
        other.status == "deferred" and other.called_at >= call.called_at for other in calls
    )
    return {**donor.body, "deferred_until": None} if deferred_since else donor.body
