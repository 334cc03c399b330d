"""Donations that are wanted for one cause, and what its calls are expected to bring.

Values alone: who asks for them, and reads them, is `streams.services.donor_needs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from models.components import Component
from models.donation_kinds import DonationKind
from models.donors import CallOutStatus, CallPurpose
from models.facilities import Station
from models.groups import BloodGroup
from models.requests import Priority
from models.rules.types.donors import DonorRules
from models.shortages import Shortage
from models.units import UnitStatus
from streams.matching.donor_waves import expect_donations
from streams.ports.call_outs import ReserveCall

LIVE_CALLS = frozenset({CallOutStatus.CALLED, CallOutStatus.ACCEPTED, CallOutStatus.ARRIVED})
_SURE = frozenset({CallOutStatus.ARRIVED, CallOutStatus.DONATED})
_FIRM = _SURE | {CallOutStatus.ACCEPTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class UrgentLine:
    """Units that an urgent patient's line waits for, and of which group they are wanted.

    Attributes:
        leaves_by: When blood must leave the station to be there when it is needed.
    """

    component: Component
    gives: DonationKind
    group: BloodGroup | None
    priority: Priority
    units: int
    leaves_by: datetime

    def is_at(self, shortage: Shortage) -> bool:
        return (self.component, self.group) == (shortage.component, shortage.group)


@dataclass(frozen=True, slots=True, kw_only=True)
class DonorNeed:
    """A cause for which donors of one station are called.

    Attributes:
        wanted: Donations in all.
        callable_for: Of those, the donations for which donors are still called: not what a
            neighbour's blood can serve in time and donors' blood cannot.
        purpose: Why they are called.
        gives: What they are called to give.
        groups: Groups that can serve, the most wanted first.
        calls: Calls that count towards it.
        rules: By which the answers of those calls are expected.
        urgency: Rank where two causes want the same donor; the greater goes first.
        shared: Its share, by urgent units, of the donations expected of an activation's calls.
        taken_over: Causes that no longer want donors, whose called donors this cause keeps.
    """

    cause_id: str
    station: Station
    wanted: int
    callable_for: int
    purpose: CallPurpose
    gives: DonationKind
    groups: tuple[BloodGroup, ...]
    calls: tuple[ReserveCall, ...]
    rules: DonorRules
    shared: float = 0.0
    urgency: int = 0
    taken_over: frozenset[str] = frozenset()

    def expect(self, now: datetime) -> float:
        """Return the donations to expect of all calls that are under way."""
        return self._expect(self.calls, now) + self.shared

    def expect_firm(self, now: datetime) -> float:
        """Return the donations to expect of donors who accepted."""
        return self._expect([call for call in self.calls if call.status in _FIRM], now)

    def count_sure(self) -> int:
        """Count the donations made, and the donors who have arrived."""
        return sum(call.status in _SURE for call in self.calls)

    def list_own(self, *statuses: CallOutStatus) -> list[ReserveCall]:
        """List the calls that this cause may end."""
        return [
            call
            for call in self.calls
            if (
                call.call_out.cause_id == self.cause_id or call.call_out.cause_id in self.taken_over
            )
            and call.status in statuses
        ]

    def list_counted_on(self, calls: Sequence[ReserveCall], now: datetime) -> list[ReserveCall]:
        """List those of these calls that this cause cannot do without, firm calls first."""
        counted = {call.call_out.call_out_id for call in self.calls}
        given_up = {call.call_out.call_out_id for call in calls}
        expected = self.shared + self._expect(
            [call for call in self.calls if call.call_out.call_out_id not in given_up], now
        )
        kept = []
        for call in sorted(calls, key=lambda call: call.status not in _FIRM):
            if expected < self.wanted and call.call_out.call_out_id in counted:
                expected += self._expect([call], now)
                kept.append(call)
        return kept

    def _expect(self, calls: Sequence[ReserveCall], now: datetime) -> float:
        return expect_donations(
            [call.state for call in calls], station=self.station, now=now, rules=self.rules
        )


class Urgency(IntEnum):
    """Rank of a cause: patients in danger of life, then a disaster, then urgent patients."""

    URGENT = 1
    DISASTER = 2
    LIFE_THREATENING = 3


def is_under_way(call: ReserveCall) -> bool:
    """Return whether a call counts; a donation counts until its unit is released to the stock."""
    if call.status is CallOutStatus.DONATED:
        return call.unit_status in {UnitStatus.COLLECTED, UnitStatus.QUARANTINED}
    return call.status in LIVE_CALLS
