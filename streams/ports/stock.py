"""Port to the units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from models.clearance import UnitFacts
from models.components import Component
from models.groups import BloodGroup
from models.units import Unit, UnitStatus
from streams.matching.shelf import Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePromise:
    """The promise that a unit is under; exactly one of request and transfer is set."""

    promise_id: str
    epoch: int
    status: str
    request_id: str | None
    transfer_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitState:
    """A unit as it stands, locked for this transaction."""

    unit_id: str
    station_id: str
    donation_id: str
    component: Component
    group: BloodGroup
    expires_at: datetime
    status: UnitStatus
    epoch: int
    promise: LivePromise | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisedUnit:
    """A unit under a live promise, with what the safety kernel asks of both.

    Attributes:
        line_no: Of the request; None for a transfer.
        capped: Counted towards the cap of unconfirmed O RhD- units.
    """

    unit: UnitFacts
    request_id: str | None
    line_no: int | None
    transfer_id: str | None
    capped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUnit:
    unit: Unit
    status: UnitStatus
    source: str
    released_at: datetime | None


class StockStore(Protocol):
    async def list_shelf(
        self, wants: Mapping[Cell, int | None], *, now: datetime
    ) -> list[UnitFacts]:
        """List released, unpromised, unexpired units, first expiry first.

        Args:
            wants: Place to how many at most; None for all.
            now: Units that have expired by then are left out.
        """
        ...

    async def lock_units(self, unit_ids: Sequence[str]) -> dict[str, UnitState]:
        """Lock units in id order and give their state; unknown ids are missing from the answer."""
        ...

    async def get_promised(self, unit_id: str) -> PromisedUnit:
        """Give a unit that is locked already, with its live promise.

        Raises:
            InvariantViolation: It is under none.
        """
        ...

    async def add_units(self, units: Sequence[NewUnit]) -> None: ...

    async def move_unit(
        self,
        unit_id: str,
        *,
        to: UnitStatus,
        released_at: datetime | None = None,
        station_id: str | None = None,
        source: str | None = None,
    ) -> None: ...

    async def end_promise(self, promise_id: str, *, to: str, now: datetime) -> None:
        """Set a promise to `issued`, or end it as `received`, `released` or `lost`."""
        ...

    async def release_held(
        self,
        *,
        request_id: str | None = None,
        transfer_id: str | None = None,
        caused_by: str,
        now: datetime,
    ) -> list[str]:
        """Give back every unit still held for a request or a transfer, with the audit of each.

        Returns:
            Their unit ids.
        """
        ...

    async def expire_units(self, *, now: datetime) -> list[UnitState]:
        """Expire what is past its expiry and still here; their states before."""
        ...

    async def count_stock(self, station_id: str) -> list[tuple[Component, BloodGroup, str, int]]:
        """Count a station's units per component, group and status."""
        ...
