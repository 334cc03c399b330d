"""Possible times: a bound for every instant and every day that is taken in from outside. Pure.

One table gives each field its bound relative to the present; one function checks a value against
it. Every intake calls that function: the gateway before it publishes, the engine before it acts on
what others wrote to Kafka, the imports row by row. A test fails for a field of an instant or a day
that is in no table. Data already taken in is never checked again: a record must stay readable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, auto
from functools import cache, lru_cache
from typing import Any, get_args

from models.base import Value

CLOCKS_APART = timedelta(minutes=5)
"""The most that the clocks of two senders differ; what lies further ahead has not happened."""

EARLIEST = date(2000, 1, 1)
"""The earliest day of a bag, result or scan of today's stock: the longest shelf life is ten years.
An earlier instant is a zero that a program took for a date, or a typing error."""

MOST_AHEAD_D = 60
"""How far ahead blood may be asked for or offered, in days. No red cell that lies on a shelf today
lives longer than 42 days, so for a later day nothing can be promised. The value must
be confirmed: it has to admit a planned operation and to refuse a mistyped year."""

_EARLIEST_ZONE = timedelta(hours=14)
"""The most that a station is ahead of UTC: its today may be tomorrow in UTC."""

OLDEST_YEARS = 120
"""The most years since the birth of a donor; the oldest donor is 60."""


class Bound(Enum):
    """How a moment may relate to the present.

    past: it has happened. ahead: it is planned, and not too far ahead; the reader decides what
    follows if it has passed. until: the end of something that may last for good, such as a
    deferral. label: an expiry as printed; the shelf life bounds it where the collection is known.
    born: the birth of a living person. free: kept and shown as reported, and nothing is decided by
    it alone. ours: written by the engine and never taken from outside.
    """

    PAST = auto()
    AHEAD = auto()
    UNTIL = auto()
    LABEL = auto()
    BORN = auto()
    FREE = auto()
    OURS = auto()


BOUNDS: Mapping[str, Mapping[str, Bound]] = {
    # What is counted, drawn, made and scanned.
    "Unit": {"collected_at": Bound.PAST, "expires_at": Bound.LABEL},
    "UnitTraits": {
        "irradiated_at": Bound.PAST,
        "washed_at": Bound.PAST,
        "thawed_at": Bound.PAST,
        "deglycerolised_at": Bound.PAST,
    },
    "Attestation": {"released_at": Bound.PAST},
    "StockCounted": {"counted_at": Bound.PAST},
    "StockChanged": {"happened_at": Bound.PAST, "thawed_at": Bound.PAST},
    "DifferencesClosed": {"closed_at": Bound.PAST},
    "HoldPlaced": {"until": Bound.AHEAD},
    "MadeComponent": {"expires_at": Bound.LABEL},
    "DonationSplit": {"split_at": Bound.PAST},
    "DonationRecalled": {"recalled_at": Bound.PAST},
    "LabResult": {"performed_at": Bound.PAST},
    # Requests, and offers between stations.
    "UrgentRequest": {"needed_by": Bound.AHEAD},
    "Amendment": {"needed_by": Bound.AHEAD},
    "Offer": {"valid_until": Bound.AHEAD},
    # Donors.
    "Donor": {
        "born_on": Bound.BORN,
        "last_whole_blood_on": Bound.PAST,
        "last_platelets_on": Bound.PAST,
        "consented_at": Bound.PAST,
        "unavailable_until": Bound.UNTIL,
        "deferred_until": Bound.UNTIL,
    },
    "CallOutAnswered": {"answered_at": Bound.PAST},
    "Donation": {"collected_at": Bound.PAST, "expires_at": Bound.LABEL},
    # A feed may be late or ahead; the alert service limits how old an alert may be to call donors.
    "Alert": {"sent_at": Bound.FREE, "occurred_at": Bound.FREE},
    "Envelope": {"time": Bound.FREE},
    # What the engine writes.
    "ReservedUnit": {"expires_at": Bound.OURS, "leaves_by": Bound.OURS},
    "StatedGroup": {"told_at": Bound.OURS},
    "GroupResult": {"told_at": Bound.OURS},
    "MadeCorrection": {"made_at": Bound.OURS},
    "PatientRecord": {"typed_at": Bound.OURS, "mother_told_at": Bound.OURS},
    "Decision": {
        "hold_until": Bound.OURS,
        "deferred_until": Bound.OURS,
        "decided_at": Bound.OURS,
    },
    "RecallNotified": {"recalled_at": Bound.OURS},
    "Shortage": {"assessed_at": Bound.OURS},
    "Transfer": {"agreed_at": Bound.OURS},
    "OfferDeclined": {"declined_at": Bound.OURS},
    "Activation": {"decided_at": Bound.OURS, "ends_at": Bound.OURS},
    "AlertUnanswered": {"told_at": Bound.OURS},
    "DonorsMissing": {"told_at": Bound.OURS},
    "DonationGroupDiffers": {"told_at": Bound.OURS},
    "RecordRefused": {"refused_at": Bound.OURS},
    "CallOut": {"called_at": Bound.OURS},
    "CallOutClosed": {"closed_at": Bound.OURS},
    "AuditSealed": {"sealed_at": Bound.OURS},
    "StockDay": {"day": Bound.OURS},
}
"""Class and field to its bound."""

NOT_BEFORE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Donor": (
        ("last_whole_blood_on", "born_on"),
        ("last_platelets_on", "born_on"),
        ("consented_at", "born_on"),
    ),
    "Donation": (("expires_at", "collected_at"),),
}
"""Class to pairs of fields of which the first is not before the second. `Unit` checks its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impossible:
    """A moment that cannot be true.

    Attributes:
        field: Where it stands, such as `lines.0.needed_by`.
        code: The code of the text that says why.
        params: The values that the text names.
    """

    field: str
    code: str
    params: Mapping[str, str | int]


def list_impossible(value: Value, *, now: datetime) -> list[Impossible]:
    """List every moment in a value, however deep, that cannot be true.

    Args:
        value: A value from outside, valid in itself.
        now: Aware UTC instant.
    """
    limits = _limits_at(now)
    # Nearly every value is faultless, so the place of a fault is looked for only if there is one.
    return [] if _is_possible(value, limits) else list(_look_at(value, "", limits))


@dataclass(frozen=True, slots=True)
class _Limits:
    """The first and the last moment that each bound allows, as an instant and as a day."""

    now: datetime
    instants: Mapping[Bound, tuple[datetime, datetime]]
    days: Mapping[Bound, tuple[date, date]]

    def allows(self, at: date, bound: Bound) -> bool:
        if isinstance(at, datetime):
            first, last = self.instants[bound]
            return first <= at <= last
        first_day, last_day = self.days[bound]
        return first_day <= at <= last_day


_END = datetime.max.replace(tzinfo=UTC)


@lru_cache(maxsize=8)
def _limits_at(now: datetime) -> _Limits:
    today = (now + _EARLIEST_ZONE).date()
    planned = now + timedelta(days=MOST_AHEAD_D)
    start = datetime.combine(EARLIEST, time(), tzinfo=UTC)
    born = date(now.year - OLDEST_YEARS, 1, 1)
    return _Limits(
        now=now,
        instants={
            Bound.PAST: (start, now + CLOCKS_APART),
            Bound.AHEAD: (start, planned),
            Bound.UNTIL: (start, _END),
            Bound.LABEL: (start, _END),
            Bound.BORN: (datetime.combine(born, time(), tzinfo=UTC), now + CLOCKS_APART),
        },
        days={
            Bound.PAST: (EARLIEST, today),
            Bound.AHEAD: (EARLIEST, planned.date()),
            Bound.UNTIL: (EARLIEST, date.max),
            Bound.LABEL: (EARLIEST, date.max),
            Bound.BORN: (born, today),
        },
    )


def render_past(at: datetime, *, now: datetime) -> tuple[str, dict[str, str | int]] | None:
    """Return why an instant cannot be past, as a code and its parameters; None if it can be."""
    limits = _limits_at(now)
    return None if limits.allows(at, Bound.PAST) else _describe(at, Bound.PAST, limits)


def _is_possible(value: Value, limits: _Limits) -> bool:
    plan = _plan_of(type(value))
    # A count has tens of thousands of moments, so no function is called for each.
    for ranges, moments in ((limits.instants, plan.instants), (limits.days, plan.days)):
        for name, bound in moments:
            at = getattr(value, name)
            if at is not None:
                first, last = ranges[bound]
                if not first <= at <= last:
                    return False
    if any(
        _is_before(getattr(value, later), getattr(value, earlier)) for later, earlier in plan.pairs
    ):
        return False
    for name in plan.nested:
        inner = getattr(value, name)
        if inner is not None:
            for nested in inner if isinstance(inner, tuple) else (inner,):
                if not _is_possible(nested, limits):
                    return False
    return True


def _look_at(value: Value, path: str, limits: _Limits) -> Iterator[Impossible]:
    """Yield every moment that cannot be true, with its place."""
    plan = _plan_of(type(value))
    for name, bound in (*plan.instants, *plan.days):
        at = getattr(value, name)
        if at is not None and not limits.allows(at, bound):
            code, params = _describe(at, bound, limits)
            yield Impossible(field=path + name, code=code, params=params)
    for later, earlier in plan.pairs:
        after, before = getattr(value, later), getattr(value, earlier)
        if _is_before(after, before):
            params = {"found": _show(after), "other": earlier, "other_found": _show(before)}
            yield Impossible(field=path + later, code="moment_before", params=params)
    for name in plan.nested:
        inner = getattr(value, name)
        if isinstance(inner, tuple):
            for index, nested in enumerate(inner):
                yield from _look_at(nested, f"{path}{name}.{index}.", limits)
        elif inner is not None:
            yield from _look_at(inner, f"{path}{name}.", limits)


def _describe(at: date, bound: Bound, limits: _Limits) -> tuple[str, dict[str, str | int]]:
    """Return what is wrong with a moment that its bound does not allow: a code and parameters."""
    first = limits.days[bound][0]
    if (at.date() if isinstance(at, datetime) else at) < first:
        return "moment_too_long_ago", {"found": _show(at), "earliest": first.isoformat()}
    if bound is Bound.AHEAD:
        return "moment_too_far_ahead", {"found": _show(at), "days": MOST_AHEAD_D}
    return "moment_ahead", {"found": _show(at), "now": _show(limits.now)}


def _is_before(after: date | None, before: date | None) -> bool:
    if after is None or before is None:
        return False
    if isinstance(after, datetime) and not isinstance(before, datetime):
        after = after.date()
    return after < before


def _show(at: date) -> str:
    return at.isoformat(timespec="seconds") if isinstance(at, datetime) else at.isoformat()


@dataclass(frozen=True, slots=True)
class _Plan:
    """The fields to check in values of one class."""

    instants: tuple[tuple[str, Bound], ...]
    days: tuple[tuple[str, Bound], ...]
    pairs: tuple[tuple[str, str], ...]
    nested: tuple[str, ...]


@cache
def _plan_of(kind: type[Value]) -> _Plan:
    bounds = BOUNDS.get(kind.__name__, {})
    moments = [
        (name, bounds[name])
        for name in list_moments(kind)
        if bounds[name] not in {Bound.FREE, Bound.OURS}
    ]
    is_instant = {name: _names(kind.model_fields[name].annotation, datetime) for name, _ in moments}
    nested = tuple(
        name
        for name, field in kind.model_fields.items()
        if any(_holds_moments(inner) for inner in _list_values(field.annotation))
    )
    return _Plan(
        instants=tuple(moment for moment in moments if is_instant[moment[0]]),
        days=tuple(moment for moment in moments if not is_instant[moment[0]]),
        pairs=NOT_BEFORE.get(kind.__name__, ()),
        nested=nested,
    )


def list_moments(kind: type[Value]) -> list[str]:
    """List the fields of a class that are an instant or a day."""
    return [name for name, field in kind.model_fields.items() if _names(field.annotation, date)]


def _holds_moments(kind: type[Value]) -> bool:
    plan = _plan_of(kind)
    return bool(plan.instants or plan.days or plan.pairs or plan.nested)


def _names(annotation: Any, wanted: type) -> bool:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, wanted):
        return True
    return any(_names(part, wanted) for part in get_args(annotation))


def _list_values(annotation: Any) -> list[type[Value]]:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, Value):
        return [annotation]
    return [inner for part in get_args(annotation) for inner in _list_values(part)]
