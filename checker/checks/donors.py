"""Checks of the call-outs: eligible donors, one live call at a time, no RhD- donor without need.

The record describes a donor as of now. A field that an import changed after a call is left out of
the judgement of that call: the audit names the fields, but their former values are not kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone

from checker.compatibility import PLASMA_COMPONENTS
from checker.database_rows import CallOut, Donor
from checker.eligibility import list_reasons
from checker.evidence import World
from checker.intervals import Binding, list_overlaps
from checker.report import Finding

_LIVE = {"called", "accepted", "arrived"}
_CHINA = timezone(timedelta(hours=8))


def find_ineligible_calls(world: World) -> Iterator[Finding]:
    donors = {donor.donor_id: donor for donor in world.rows.donors}
    for donor_id, calls in _by_donor(world).items():
        donor = donors.get(donor_id)
        if donor is None:
            yield Finding(subject=donor_id, told="未登记 · not a registered donor")
            continue
        gave = [call for call in calls if call.status == "donated"]
        # What a donor of platelets gave was no whole blood.
        donated = [] if _gives_platelets(donor) else [_donated_at(world, call) for call in gave]
        for call in calls:
            reasons = list_reasons(
                donor=_as_of_call(world, donor, calls, call),
                whole_blood_on=_list_earlier(donor, donated, call.called_at),
                called_at=call.called_at,
                laws=world.laws,
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


def find_contacts_called_twice(world: World) -> Iterator[Finding]:
    """Find persons with two donor numbers who were called twice for the same cause.

    Two numbers are the same person if the contact, or the name and the birth date, are the same.
    """
    donors = {donor.donor_id: donor for donor in world.rows.donors}
    called: dict[tuple[str, str, str], str] = {}
    for call in sorted(world.rows.call_outs, key=lambda call: (call.called_at, call.call_out_id)):
        donor = donors.get(call.donor_id)
        if donor is None:
            continue
        changed = _changed_since(world, call)
        alike = {}
        if (contact := _plain_contact(donor)) and "contact" not in changed:
            alike["同一联系方式 · the contact of"] = contact
        if not changed & {"name", "born_on"}:
            alike["同名同生日 · name and birth date of"] = _plain_person(donor)
        for words, key in alike.items():
            first = called.setdefault((call.cause_id, words, key), call.donor_id)
            if first != call.donor_id:
                told = f"{call.call_out_id}: {words} {first}, {call.cause_id}"
                yield Finding(subject=call.donor_id, told=told)


def find_rare_called(world: World) -> Iterator[Finding]:
    """Find RhD- donors who were called for a disaster, or for a shortage that RhD+ can serve.

    Only a shortage of an RhD- group needs RhD- donors, and not if it is of plasma, where RhD does
    not matter.
    """
    donors = {donor.donor_id: donor for donor in world.rows.donors}
    wants_negative = {
        shortage.shortage_id
        for shortage in world.rows.shortages
        if shortage.blood_group.endswith("-") and shortage.component not in PLASMA_COMPONENTS
    }
    known = {shortage.shortage_id for shortage in world.rows.shortages}
    known |= {activation.activation_id for activation in world.rows.activations}
    for call in world.rows.call_outs:
        donor = donors.get(call.donor_id)
        if donor is None or call.cause_id not in known or call.cause_id in wants_negative:
            continue
        if donor.body["group"].endswith("-") and "group" not in _changed_since(world, call):
            told = f"{call.call_out_id} {donor.body['group']} for {call.cause_id}"
            yield Finding(subject=call.donor_id, told=told)


def _plain_contact(donor: Donor) -> str:
    contact = str(donor.body.get("contact", "")).lower()
    for mark in " \t()-_.":
        contact = contact.replace(mark, "")
    for prefix in ("tel:", "+86", "0086"):
        contact = contact.removeprefix(prefix)
    return contact


def _plain_person(donor: Donor) -> str:
    name = "".join(str(donor.body["name"]).lower().replace("·", "").split())
    return f"{name} {donor.body['born_on']}"


def _changed_since(world: World, call: CallOut) -> set[str]:
    """Return the fields of a donor's record that imports changed after a call."""
    return {
        name
        for row in world.donor_changes.get(call.donor_id, ())
        if row.at >= call.called_at
        for name in row.to_state.removeprefix("changed ").split(",")
    }


def _by_donor(world: World) -> dict[str, list[CallOut]]:
    found: dict[str, list[CallOut]] = defaultdict(list)
    for call in world.rows.call_outs:
        found[call.donor_id].append(call)
    return found


def _ended_at(call: CallOut) -> datetime | None:
    """Return when a call ended: without a recorded end at its answer; None while it is live."""
    if call.status in _LIVE:
        return None
    return call.ended_at or call.answered_at or call.called_at


def _gives_platelets(donor: Donor) -> bool:
    return donor.body.get("gives") == "apheresis_platelets"


def _donated_at(world: World, call: CallOut) -> datetime:
    unit = world.units.get(call.unit_id or "")
    return unit.collected_at if unit else call.ended_at or call.called_at


def _list_earlier(donor: Donor, donated: list[datetime], called_at: datetime) -> set[date]:
    """List the days of donations before the call; days that a later donation wrote do not count."""
    registered = donor.body.get("last_whole_blood_on")
    days = {date.fromisoformat(registered)} if registered else set()
    if donor.last_whole_blood_on is not None:
        days.add(donor.last_whole_blood_on)
    later = {
        at.astimezone(zone).date() for at in donated if at > called_at for zone in (UTC, _CHINA)
    }
    earlier = {at.astimezone(UTC).date() for at in donated if at <= called_at}
    return (days - later) | earlier


def _as_of_call(
    world: World, donor: Donor, calls: list[CallOut], call: CallOut
) -> dict[str, object]:
    """Return the donor's record without changes by this call, a later call or a later import."""
    changed = _changed_since(world, call)
    if any(other.status == "deferred" and other.called_at >= call.called_at for other in calls):
        changed = changed | {"deferred_until"}
    unknown: dict[str, object] = {
        "deferred_until": None,
        "unavailable_until": None,
        "consented_at": call.called_at.isoformat(),
    }
    if _gives_platelets(donor) and any(
        other.status == "donated" and other.called_at >= call.called_at for other in calls
    ):
        # The day that a later donation wrote tells nothing of this call.
        changed = changed | {"last_platelets_on"}
        unknown["last_platelets_on"] = None
    return {**donor.body, **{name: unknown[name] for name in unknown if name in changed}}
