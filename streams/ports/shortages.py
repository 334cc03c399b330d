"""Port to shortages, and to the offers and transfers that answer them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from models.clearance import Cleared
from models.components import Component
from models.decisions import Reason
from models.groups import BloodGroup
from models.requests import UrgentRequest
from models.shortages import Offer, OfferStatus, Shortage, Transfer
from streams.matching.units_on_the_way import Coming


@dataclass(frozen=True, slots=True, kw_only=True)
class PromisedSince:
    """The instants from which promises to patients are counted.

    Attributes:
        window: The burn rate's long window; nothing earlier is counted.
        recent: Its longer short window.
        surge: Its shorter one.
        disaster: When the oldest disaster began that the station leads; now if it leads none.
    """

    window: datetime
    recent: datetime
    surge: datetime
    disaster: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StockCount:
    """One component and group at one station, in ordering units.

    What is there is rounded down, what went is rounded up.

    Attributes:
        available: Released, unpromised, unexpired.
        promised: Promised to patients since the first instant asked for, and not given back.
        promised_recently: Of those, since the second instant.
        promised_in_surge: Of those, since the third.
        promised_in_disaster: Of those, since the fourth, other than for routine orders.
    """

    component: Component
    group: BloodGroup
    available: int = 0
    promised: int = 0
    promised_recently: int = 0
    promised_in_surge: int = 0
    promised_in_disaster: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UncoveredLine:
    """A line of an open request that waits for blood; `units` are ordering units."""

    request: UrgentRequest
    line_no: int
    units: int

    @classmethod
    def of(cls, request: UrgentRequest, *, line_no: int, lacks: int) -> UncoveredLine:
        """Return a line that lacks so much of its own measure."""
        (line,) = (line for line in request.lines if line.line_no == line_no)
        return cls(request=request, line_no=line_no, units=line.to_units(lacks))


class ExchangeStore(Protocol):
    async def count_cells(
        self, station_id: str, *, since: PromisedSince, now: datetime
    ) -> list[StockCount]:
        """Count every place of a station that holds units or had units promised in the window."""
        ...

    async def list_uncovered(self, station_id: str) -> list[UncoveredLine]: ...

    async def lock_open_shortages(self, station_id: str) -> list[Shortage]: ...

    async def count_shortages(self, station_id: str) -> Mapping[tuple[Component, BloodGroup], int]:
        """Count the shortages that each place of a station ever had."""
        ...

    async def find_shortage(self, shortage_id: str) -> Shortage | None: ...

    async def write_shortage(self, shortage: Shortage) -> None:
        """Write a shortage as it stands from now on; its opening time stays."""
        ...

    async def list_in_transit(self, shortage_id: str) -> list[Coming]:
        """List the bags promised to a shortage's transfers that have not arrived yet."""
        ...

    async def is_offer_known(self, offer_id: str) -> bool: ...

    async def write_offer(
        self, offer: Offer, *, status: OfferStatus, reasons: Sequence[Reason], now: datetime
    ) -> None: ...

    async def promise_to_transfer(
        self,
        transfer: Transfer,
        cleared: Sequence[Cleared],
        *,
        reason: Reason,
        hold_until: datetime,
    ) -> None:
        """Reserve units for a transfer that is written already, each under its next fencing token.

        Args:
            transfer: The transfer that the units were cleared for.
            cleared: Clearances of exactly the transfer's units.
            reason: Why the units are sent.
            hold_until: When units that were not sent are given back.

        Raises:
            InvariantViolation: A unit is not cleared for this transfer.
            TransientError: A unit was taken since it was read; decide again.
        """
        ...

    async def find_transfer(self, transfer_id: str) -> Transfer | None:
        """Lock a transfer and return it, or None if there is none."""
        ...

    async def get_transfer(self, transfer_id: str) -> Transfer:
        """Lock a transfer and return it.

        Raises:
            InvariantViolation: There is no such transfer, though a promise names it.
        """
        ...

    async def write_transfer(self, transfer: Transfer, *, now: datetime) -> None:
        """Write a new transfer, or an old one as it stands now."""
        ...

    async def count_promises(self, transfer_id: str) -> Mapping[str, int]:
        """Count the promises of a transfer by status."""
        ...
