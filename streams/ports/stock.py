"""Port to the units and their promises."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from models.clearance import UnitFacts
from models.components import Component
from models.groups import BloodGroup
from models.requests import Priority
from models.units import Unit, UnitStatus
from streams.matching.available_units import Cell
from streams.matching.hand_given import HandGiven


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePromise:
    """The promise that a unit is, or was last, under; one of request and transfer is set.

    Attributes:
        epoch: Fencing token of the promise.
        line_no: Line of the request; None for a transfer.
        capped: Counted towards the cap of unconfirmed O RhD- units.
    """

    promise_id: str
    epoch: int
    status: str
    request_id: str | None
    transfer_id: str | None
    line_no: int | None
    capped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveChanges:
    """What a move changes of a unit besides its state.

    Attributes:
        released_at: With a release: the instant from which it may be supplied.
        station_id: Station where it is from now on, if elsewhere.
        source: Where that station has it from.
        add_out_of_control_s: Seconds out of temperature control to add.
    """

    released_at: datetime | None = None
    station_id: str | None = None
    source: str | None = None
    add_out_of_control_s: int = 0


NO_CHANGES = MoveChanges()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitState(UnitFacts):
    """A unit as it stands, locked for this transaction: handed on, never read again.

    Attributes:
        usable_until: Its label's expiry, or less if how it was made says so.
        released_at: When the unit was released from quarantine; None if it never was.
        attested_by: Who released it before we knew of it; None if our results did, or nobody yet.
        out_of_control_s: Nothing recorded counts as none.
        handed_over: It came back, and a hospital had received it.
    """

    donation_id: str
    usable_until: datetime
    released_at: datetime | None
    attested_by: str | None
    out_of_control_s: int
    handed_over: bool
    promise: LivePromise | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedUnit(UnitFacts):
    """A unit as it is on record, read without a lock, and where its last promise leads or led.

    Attributes:
        request_id, transfer_id: What that promise is, or was, for.
        hospital_id: The hospital of that request.
        to_station_id: The destination of that transfer.
    """

    request_id: str | None = None
    transfer_id: str | None = None
    hospital_id: str | None = None
    to_station_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeableUnit:
    """A unit that is promised and not picked, with the request that would lose it.

    Attributes:
        priority: Of that request; never life-threatening.
    """

    unit: UnitFacts
    request_id: str
    priority: Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundUnit:
    """A unit as it stands, not locked, with what its live promise is for.

    Attributes:
        priority: Of the request; None without one.
    """

    unit: UnitFacts
    request_id: str | None = None
    line_no: int | None = None
    transfer_id: str | None = None
    priority: Priority | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitHold:
    """A bag that is kept back from everybody.

    Attributes:
        station_id: Where it is.
        actor: Whose key it was, such as `dispatcher/night-desk`.
        by: The person, as they stated it.
        until: When it ends by itself; None if somebody is to end it.
        caused_by: The event that placed it.
    """

    unit_id: str
    station_id: str
    actor: str
    by: str
    reason: str
    placed_at: datetime
    until: datetime | None
    caused_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUnit:
    """A unit that becomes known.

    Attributes:
        released_at: With `available`: when its station released it; `attested_by` says who did.
        parent_id: The unit it was made from.
    """

    unit: Unit
    status: UnitStatus
    source: str
    released_at: datetime | None
    attested_by: str | None = None
    parent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitScan:
    """What was done to a unit, as a facility reported it.

    Attributes:
        facility_id: The station or hospital that reported it.
        done_by: The person or device, as the facility named it; may be empty.
    """

    unit_id: str
    change: str
    actor: str
    facility_id: str
    done_by: str
    epoch: int | None
    out_of_control_s: int | None
    happened_at: datetime
    caused_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GivingBack:
    """Units that are given back from a request or a transfer.

    Attributes:
        request_id: The request that the units are held for.
        transfer_id: Or the transfer that they are held for.
        states: States of the units; each state has a move back to `available`.
        may_have_left: They should have left by now, and nobody saw them since.
        unit_ids: Of these units alone; None for all.
        why: For the audit; None names what they were held for.
    """

    request_id: str | None = None
    transfer_id: str | None = None
    states: Collection[UnitStatus]
    may_have_left: bool = False
    unit_ids: Collection[str] | None = None
    why: str | None = None


class StockStore(Protocol):
    async def list_shelf(
        self, wants: Mapping[Cell, int | None], *, now: datetime
    ) -> list[UnitFacts]:
        """List released, unpromised, unexpired units in the order of `matching.choice_order`.

        Args:
            wants: Most units to list, by place; None for all.
            now: Units that have expired by then are left out.
        """
        ...

    async def lock_units(self, unit_ids: Sequence[str]) -> dict[str, UnitState]:
        """Lock units in id order and return their state; unknown ids are missing."""
        ...

    async def list_sent(self, request_id: str) -> list[tuple[UnitFacts, int | None]]:
        """List units that left for a patient and were not returned or discarded, by unit id.

        Each is listed with the line of the request that it was promised to.
        """
        ...

    async def find_unit(self, unit_id: str) -> FoundUnit | None:
        """Return a unit, or None if there is none; nothing is locked."""
        ...

    async def list_given_by_hand(self, request_id: str) -> list[HandGiven]:
        """List what a dispatcher gave to a request and is not picked yet, in order of its promises.

        The units are read as if they were free already.
        """
        ...

    async def lock_donation(self, donation_id: str) -> list[UnitState]:
        """Lock every unit of a donation in id order and return their state."""
        ...

    async def find_last_promise(self, unit_id: str) -> LivePromise | None:
        """Return the newest promise of a unit, live or ended; None if it never had one."""
        ...

    async def add_units(self, units: Sequence[NewUnit]) -> None: ...

    async def move_unit(
        self,
        unit_id: str,
        *,
        to: UnitStatus,
        changes: MoveChanges = NO_CHANGES,
    ) -> None:
        """Write a move that `services.unit_moves` has checked; nothing else calls this."""
        ...

    async def note_thawing(
        self, unit_id: str, *, thawed_at: datetime, made_until: datetime
    ) -> None:
        """Keep when a unit was thawed, the first time that it is told, and what this ends."""
        ...

    async def add_hold(self, hold: UnitHold) -> None:
        """Write who holds a unit, and why."""
        ...

    async def find_hold(self, unit_id: str) -> UnitHold | None:
        """Return the hold that a locked unit is under, or None if it is under none."""
        ...

    async def end_hold(self, unit_id: str, *, by: str, why: str, now: datetime) -> None:
        """End the hold of a unit that leaves `on_hold`; only `services.unit_moves` calls this."""
        ...

    async def add_scan(self, scan: UnitScan, *, now: datetime) -> None:
        """Keep an accepted scan."""
        ...

    async def end_promise(self, promise_id: str, *, to: str, now: datetime) -> None:
        """Set a promise to `issued`, or end it as `received`, `released` or `lost`."""
        ...

    async def release_held(self, which: GivingBack, *, now: datetime) -> dict[str, str]:
        """Give back the units held for a request or a transfer, with the audit of each.

        Only `services.unit_moves.give_back` calls this: it schedules a rematch for who waits.

        Returns:
            Unit id to the station where the unit lies.
        """
        ...

    async def list_promised(
        self, wants: Mapping[Cell, int | None], *, now: datetime
    ) -> list[TakeableUnit]:
        """List units that are held, not picked, for patients who are not in danger of life.

        Nothing is locked, and what is held for a transfer is left out.

        Args:
            wants: Places, each with the units to list at most, as of `list_shelf`; first what
                routine orders would lose.
            now: Units that have expired by then are left out.
        """
        ...

    async def take_back(
        self, unit_ids: Sequence[str], *, why: str, now: datetime
    ) -> dict[str, str]:
        """Take units back from the requests of `list_promised`, with the audit of each.

        Never waits: what another transaction has at this moment, or what was picked or given back
        meanwhile, stays as it is. The requests are locked and must be decided again.

        Returns:
            Unit id to the request that lost it, for every unit that is free now.
        """
        ...

    async def lock_expired(self, *, now: datetime) -> list[UnitState]:
        """Lock the units that are past expiry and still at their station, and return them."""
        ...

    async def list_held_past(self, *, now: datetime) -> list[str]:
        """List requests for which units at their station are held past their own hold."""
        ...

    async def lock_held_past(self, request_id: str, *, now: datetime) -> list[UnitState]:
        """Lock those units of one request, and return them."""
        ...

    async def count_stock(self, station_id: str) -> list[tuple[Component, BloodGroup, str, int]]:
        """Count a station's units per component, group and status."""
        ...
