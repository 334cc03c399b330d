"""Port to laboratory results and recalls of donations; nothing is ever taken away."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from models.events.donations import HolderKind, RecalledUnit
from models.groups import BloodGroup
from models.laboratory import LabResult, StationResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a unit went, by its last promise or by hand.

    Attributes:
        request_id: The request it was last promised to; None if to none.
        patient_reference: As the hospital wrote it in that request.
        hospital_id: Hospital of that request.
        supplier_id: The station that supplies that hospital.
        to_station_id: Receiver of the transfer it was last promised to; None if there is none.
        issued_outside: The station's statement where it gave the unit out by hand.
    """

    request_id: str | None = None
    patient_reference: str | None = None
    hospital_id: str | None = None
    supplier_id: str | None = None
    to_station_id: str | None = None
    issued_outside: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """A recall to record."""

    recall_id: str
    donation_id: str
    station_id: str
    reason: str
    recalled_by: str
    caused_by: str
    recalled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RecalledPlace:
    """Where a recall found a unit, and whether it could still be frozen.

    Attributes:
        unit: With the request and the patient, whoever holds it.
        station_id: The holding station itself, or the station that supplies the hospital.
    """

    unit: RecalledUnit
    holder_kind: HolderKind
    holder_id: str
    station_id: str
    is_frozen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Spellings:
    """Identifiers of digits alone that are on record with more or fewer leading zeros.

    Attributes:
        units: Unit as written, mapped to the unit on record.
        donations: The same for donations.
    """

    units: Mapping[str, str] = field(default_factory=dict)
    donations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDonations:
    """What is known of some donations; a donation of which nothing is known is missing.

    Attributes:
        in_quarantine: Donations with a unit, or a unit made into others, that we never released.
    """

    recalled: frozenset[str]
    in_quarantine: frozenset[str]
    results: Mapping[str, Sequence[StationResult]]
    spellings: Spellings


class DonationStore(Protocol):
    async def lock_donations(self, donation_ids: Collection[str], *, enters: bool) -> None:
        """Return when no other transaction tells of these donations until the end of ours.

        Args:
            donation_ids: Known or not.
            enters: New bags of them are to be entered.

        Raises:
            LocksMissingError: A station has a bag of them and its lock is missing, or somebody
                tells of what nobody knew before, which one transaction does at a time.
        """
        ...

    async def list_results(
        self, donation_ids: Collection[str]
    ) -> Mapping[str, Sequence[StationResult]]:
        """List the results of each donation as recorded; a donation without any is missing.

        Results of every station are listed: which of them count is decided for each unit.
        """
        ...

    async def list_says(self, donation_id: str) -> Mapping[str, frozenset[str]]:
        """Return the stations that have a say over each unit of a donation.

        These stations had the unit, or the whole blood that it was made from.
        """
        ...

    async def list_stations(self, donation_id: str) -> frozenset[str]:
        """List the stations whose donation it is: they collected or hold a unit of it.

        For a donation without units, these are the stations that reported a result of it.
        """
        ...

    async def find_result(self, result_id: str) -> tuple[str, StationResult] | None:
        """Return the donation and the result with an identifier, or None."""
        ...

    async def add_result(
        self,
        result: LabResult,
        *,
        donation_id: str,
        station_id: str,
        caused_by: str,
        now: datetime,
    ) -> None: ...

    async def list_recalled(self, donation_ids: Collection[str]) -> frozenset[str]:
        """Return the donations that were recalled at least once."""
        ...

    async def is_recall_known(self, recall_id: str) -> bool: ...

    async def add_recall(self, recall: Recall, *, now: datetime) -> None: ...

    async def add_places(self, recall_id: str, places: Sequence[RecalledPlace]) -> None:
        """Keep where a recall found the units."""
        ...

    async def list_destinations(self, donation_id: str) -> Mapping[str, Destination]:
        """Return where each unit of a donation went, by unit id."""
        ...

    async def find_registered_group(self, donation_id: str) -> BloodGroup | None:
        """Return the group under which the donor of a donation is registered.

        None if no donor of our register gave it. If several donors are recorded as having given it,
        a group that contradicts the unit's label is returned first.
        """
        ...

    async def list_waiting_of_donors(self, station_id: str) -> list[str]:
        """List the donations of a station's called donors that are not released yet."""
        ...

    async def find_known(self, donations: Mapping[str, str]) -> KnownDonations:
        """Return what speaks against, or for, new units.

        Args:
            donations: The donation of each unit.
        """
        ...
