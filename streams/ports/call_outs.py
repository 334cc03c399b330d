"""Port to the on-call reserve: donors, and the calls that went out to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from models.donors import CallOut, CallOutStatus, CallPurpose
from streams.matching.donor_eligibility import DonorRecord
from streams.matching.donor_waves import CallState


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveCall:
    """A call with what is known of its donor.

    Attributes:
        unit_status: Status of the donated unit; None before the donation.
    """

    call_out: CallOut
    state: CallState
    unit_status: str | None

    @property
    def status(self) -> CallOutStatus:
        return self.state.status


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonsWord:
    """The word of a person by which calls end: who said it, as they stated it, and why."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStop:
    """A cause for which nobody is called, by the word of a person.

    Attributes:
        actor: Whose key it was, such as `dispatcher/night-desk`.
        by: The person, as they stated it.
        caused_by: The event that said so.
    """

    cause_id: str
    station_id: str
    actor: str
    by: str
    reason: str
    stopped_at: datetime
    caused_by: str


class ReserveStore(Protocol):
    """Donors and calls; calls are written only under the lock of their station."""

    async def list_calls(
        self,
        station_id: str,
        *,
        cause_ids: Collection[str] = (),
        since: datetime | None = None,
    ) -> list[ReserveCall]:
        """List a station's calls, oldest first: live, of these causes, or since an instant.

        A donor's record is as it stands in the register, without what is known under other numbers.
        """
        ...

    async def list_reserve(self, station_id: str) -> list[DonorRecord]:
        """List every donor of a station."""
        ...

    async def find_call(self, call_out_id: str) -> ReserveCall | None: ...

    async def add_calls(self, calls: Sequence[CallOut], *, purpose: CallPurpose) -> None:
        """Write new calls and count one more call for each donor, with the audit of the donors.

        Args:
            calls: One wave.
            purpose: What the donors are called for.

        Raises:
            LocksMissingError: A donor has a number at a station too whose lock is missing.
            TransientError: A donor is on a live call by now; decide again.
        """
        ...

    async def set_calls(
        self,
        call_out_ids: Collection[str],
        *,
        to: CallOutStatus,
        answered_at: datetime | None = None,
        ended_at: datetime | None = None,
        unit_id: str | None = None,
    ) -> None: ...

    async def list_stopped(self, station_id: str) -> frozenset[str]:
        """List the causes of a station for which a person stood the calls down."""
        ...

    async def add_stop(self, stop: CallStop) -> None: ...

    async def end_stop(self, cause_id: str, *, by: str, why: str, now: datetime) -> None: ...

    async def count_acceptance(self, donor_id: str) -> None:
        """Count one more accepted call for a donor, with its audit."""
        ...

    async def set_whole_blood_day(self, donor_id: str, day: date) -> None:
        """Record the day of a donation, with its audit; an earlier day changes nothing."""
        ...

    async def set_platelets_day(self, donor_id: str, day: date) -> None:
        """Record the day of a donation of platelets, in the same way."""
        ...
