"""Choose one wave of donors, no larger than what is still missing.

Pure and deterministic: no IO, no clock; ties are broken by donor id. A wave is sized by what it is
expected to bring, donor by donor: the chance to accept times the chance to come.
A donor who may not be called is never in a wave, however large the need.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from models.decisions import Reason
from models.donation_kinds import DonationKind
from models.donors import CallOutStatus
from models.facilities import Station
from models.groups import BloodGroup
from models.rules.types.donors import DonorRules
from streams.matching.donor_eligibility import DonorRecord, list_obstacles
from streams.matching.float_sums import is_enough


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveCall:
    """One donor to call, and the chance that it ends in a donation."""

    donor_id: str
    expected: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """The donors to call now.

    Attributes:
        expected: Donations that the calls are expected to bring.
        short: The reserve does not cover the need.
        refusals: Why the others are not called, with their number as `donors`.
    """

    calls: tuple[WaveCall, ...]
    expected: float
    short: bool
    refusals: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DonationDemand:
    """What one cause wants of a station's reserve.

    Attributes:
        station: Station whose reserve and policy apply.
        wanted: Donations wanted in all.
        expected_already: Donations made, under way or expected of calls already out.
        groups: Groups that can serve, the most wanted first; others are not called.
        gives: What is wanted; who gives something else is not called.
        asked_before: Donors whose call for the cause failed; they are not asked again.
        called_before: Donors called for the cause, under the number that was called.
    """

    station: Station
    wanted: int
    expected_already: float
    groups: Sequence[BloodGroup]
    gives: DonationKind = DonationKind.WHOLE_BLOOD
    asked_before: Collection[str] = ()
    called_before: Sequence[DonorRecord] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallState:
    """A call as it stands."""

    record: DonorRecord
    status: CallOutStatus
    called_at: datetime


def expect_acceptance(record: DonorRecord, *, station: Station, rules: DonorRules) -> float:
    """Return the chance that a donor accepts: the station's rate, moved by their own answers."""
    policy = station.policy
    rate = policy.staff_acceptance_rate if record.donor.staff else policy.acceptance_rate
    weight = rules.acceptance.prior_calls
    return (rate * weight + record.accepted) / (weight + record.called)


def expect_show_up(record: DonorRecord, *, station: Station, rules: DonorRules) -> float:
    """Return the chance that a donor who accepted comes; it falls with the distance, if known."""
    distance_km = _find_distance_km(record, station)
    if distance_km is None:
        return station.policy.show_up_rate
    share = max(rules.show_up.least_share, 1.0 - rules.show_up.loss_per_km * distance_km)
    return station.policy.show_up_rate * share


def expect_donations(
    states: Iterable[CallState], *, station: Station, now: datetime, rules: DonorRules
) -> float:
    """Return the donations to expect of calls already made.

    A donation and an arrival count as one; an acceptance by the chance to come; an open call by
    both chances within the answer window and as nothing after it, though it may still be answered.
    """
    expected = 0.0
    for state in states:
        show_up = expect_show_up(state.record, station=station, rules=rules)
        match state.status:
            case CallOutStatus.DONATED | CallOutStatus.ARRIVED:
                expected += 1.0
            case CallOutStatus.ACCEPTED:
                expected += show_up
            case CallOutStatus.CALLED:
                waited_s = (now - state.called_at).total_seconds()
                if waited_s < rules.wave.answer_window_s:
                    before = _without_open_call(state.record)
                    acceptance = expect_acceptance(before, station=station, rules=rules)
                    expected += acceptance * show_up
            case _:
                pass
    return expected


def _without_open_call(record: DonorRecord) -> DonorRecord:
    """Leave out an open call: it counts as made, but is no answer and must not lower the chance."""
    return replace(record, called=max(record.accepted, record.called - 1))


def count_callable(
    records: Sequence[DonorRecord],
    *,
    groups: Collection[BloodGroup],
    now: datetime,
    rules: DonorRules,
) -> int:
    """Count the donors of whole blood of these groups who may be called now, each person once."""
    may = [
        record
        for record in records
        if record.donor.gives is DonationKind.WHOLE_BLOOD
        and record.donor.group in groups
        and not list_obstacles(record, now=now, rules=rules)
    ]
    return len(list_each_once(may))


def list_each_once(
    records: Iterable[DonorRecord], *, called_before: Iterable[DonorRecord] = ()
) -> list[DonorRecord]:
    """List each contact and person once, and none who was called under another number."""
    called = _Called(called_before)
    return [record for record in records if called.add(record) is None]


def choose_wave(
    records: Sequence[DonorRecord], demand: DonationDemand, *, now: datetime, rules: DonorRules
) -> Wave:
    """Choose whom to call now.

    Args:
        records: The station's donors in any order.
        demand: What the cause wants of them.
        now: Aware UTC instant of the calls.
        rules: Rules for who may be called and which answers are expected.

    Returns:
        The first donors, in order, whose expected donations together reach what is missing; with
        nothing missing, no calls.

    Invariants: every called donor is eligible at `now`; without the last call the wave would fall
        short.
    """
    missing = demand.wanted - demand.expected_already
    refused = _Refused()
    ready = []
    for record in records:
        obstacles = [
            *list_obstacles(record, now=now, rules=rules),
            *_list_cause_obstacles(record, demand, rules),
        ]
        refused.count(obstacles)
        if not obstacles:
            ready.append(record)
    calls: list[WaveCall] = []
    called = _Called(demand.called_before)
    expected = 0.0
    left = 0
    for record in sorted(ready, key=lambda record: _rank(record, demand, rules)):
        match called.add(record):
            case "contact":
                refused.count([Reason(code="contact_called", rule=rules.cite(rules.one_contact))])
                continue
            case "person":
                refused.count([Reason(code="person_called", rule=rules.cite(rules.same_person))])
                continue
            case _:
                pass
        if is_enough(expected, wanted=missing):
            left += 1
            continue
        chance = expect_acceptance(record, station=demand.station, rules=rules)
        chance *= expect_show_up(record, station=demand.station, rules=rules)
        calls.append(WaveCall(donor_id=record.donor.donor_id, expected=chance))
        expected += chance
    refused.count([Reason(code="not_needed_yet", rule=rules.cite(rules.wave))] * left)
    return Wave(
        calls=tuple(calls),
        expected=expected,
        short=not is_enough(expected, wanted=missing),
        refusals=refused.list_reasons(),
    )


class _Called:
    """The number under which each contact and each person is called for one cause."""

    def __init__(self, records: Iterable[DonorRecord]) -> None:
        self._numbers = {
            key: record.donor.donor_id for record in records for key in _list_keys(record)
        }

    def add(self, record: DonorRecord) -> str | None:
        """Add a donor, or return the kind of key that is called under another number."""
        donor_id = record.donor.donor_id
        keys = list(_list_keys(record))
        for key in keys:
            if self._numbers.get(key, donor_id) != donor_id:
                return key[0]
        self._numbers.update(dict.fromkeys(keys, donor_id))
        return None


def _list_keys(record: DonorRecord) -> Iterator[tuple[str, str]]:
    """Yield the kind and the key of what two numbers of one person have in common."""
    if record.contact_key:
        yield "contact", record.contact_key
    if record.person_key:
        yield "person", record.person_key


class _Refused:
    """Donors who are not called, counted by reason."""

    def __init__(self) -> None:
        self._donors: Counter[str] = Counter()
        self._reasons: dict[str, Reason] = {}

    def count(self, reasons: Iterable[Reason]) -> None:
        for reason in reasons:
            self._donors[reason.code] += 1
            self._reasons[reason.code] = reason

    def list_reasons(self) -> tuple[Reason, ...]:
        return tuple(
            self._reasons[code].but(params={**self._reasons[code].params, "donors": donors})
            for code, donors in sorted(self._donors.items())
        )


def _list_cause_obstacles(
    record: DonorRecord, demand: DonationDemand, rules: DonorRules
) -> Iterator[Reason]:
    if record.donor.group not in demand.groups:
        yield Reason(code="group_not_wanted")
    if record.donor.gives is not demand.gives:
        yield Reason(code="gives_something_else")
    if record.donor.donor_id in demand.asked_before:
        yield Reason(code="asked_before", rule=rules.cite(rules.once_per_cause))


def _rank(
    record: DonorRecord, demand: DonationDemand, rules: DonorRules
) -> tuple[int, bool, float, float, str]:
    distance_km = _find_distance_km(record, demand.station)
    return (
        demand.groups.index(record.donor.group),
        not record.donor.staff,
        -expect_acceptance(record, station=demand.station, rules=rules),
        float("inf") if distance_km is None else distance_km,
        record.donor.donor_id,
    )


def _find_distance_km(record: DonorRecord, station: Station) -> float | None:
    location = record.donor.location
    return None if location is None else location.distance_km(station.location)
