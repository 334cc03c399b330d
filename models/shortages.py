"""Shortages, the offers that answer them, and the transfers that follow."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from models.base import LARGEST, Identifier, Instant, Line, Value
from models.components import Component
from models.facilities import ShortageThresholds
from models.groups import BloodGroup


class ShortageLevel(StrEnum):
    """Four colours, in days of supply at the current burn rate."""

    GREEN = "green"
    YELLOW = "yellow"
    ORANGE = "orange"
    RED = "red"

    @property
    def severity(self) -> int:
        return list(ShortageLevel).index(self)


def level_of(days_of_supply: float, thresholds: ShortageThresholds) -> ShortageLevel:
    """Return the colour for so many days of supply under a station's thresholds."""
    if days_of_supply < thresholds.red_below_d:
        return ShortageLevel.RED
    if days_of_supply < thresholds.orange_below_d:
        return ShortageLevel.ORANGE
    if days_of_supply < thresholds.yellow_below_d:
        return ShortageLevel.YELLOW
    return ShortageLevel.GREEN


class ShortageStatus(StrEnum):
    """open -> cleared."""

    OPEN = "open"
    CLEARED = "cleared"


class Shortage(Value):
    """A station lacks one component of one group.

    Attributes:
        days_of_supply: Available units over the burn rate; None when the burn rate is zero and only
            open requests are uncovered.
        units_missing: Ordering units (`models.doses`) that open requests still lack, plus those
            that the target needs.
        uncovered_units: The part of them that patients wait for now.
        urgent_units: Of those, what is waited for urgently or in danger of life.
        endangered_units: Of those, what is waited for in danger of life.
        expected_units: Units beyond the shelf that a disaster which the station leads is expected
            to need, before anybody waits for them; part of `units_missing`.
        donor_groups: Groups that can serve the waiting patients, best first; a neighbour may offer
            these.
        called_groups: Groups whose donors are called for patients who wait urgently; empty if none
            does.
        version: Grows with each change.
    """

    shortage_id: Identifier
    station_id: Identifier
    component: Component
    group: BloodGroup
    level: ShortageLevel
    status: ShortageStatus
    days_of_supply: float | None = Field(default=None, ge=0, le=1e30)
    units_missing: int = Field(ge=0, le=LARGEST)
    uncovered_units: int = Field(ge=0, le=LARGEST)
    urgent_units: int = Field(default=0, ge=0, le=LARGEST)
    endangered_units: int = Field(default=0, ge=0, le=LARGEST)
    expected_units: int = Field(default=0, ge=0, le=LARGEST)
    donor_groups: tuple[BloodGroup, ...]
    called_groups: tuple[BloodGroup, ...] = ()
    version: int = Field(ge=1, le=LARGEST)
    assessed_at: Instant


class OfferStatus(StrEnum):
    """Where an offer stands: offered -> accepted | declined."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    DECLINED = "declined"


class Offer(Value):
    """A neighbour's answer to a shortage.

    Attributes:
        from_station_id: The giving station; its released, unpromised units are reserved on
            acceptance.
        quantity: Ordering units offered; fewer may be accepted.
        below_floor: The giving station states that it goes below its own orange threshold, for
            patients who wait; `confirmed_by` must name who says so.
        confirmed_by: The person at the giving station who confirms what its rules do not give
            away by themselves: blood below its floor, or blood of a disaster that it leads.
    """

    offer_id: Identifier
    shortage_id: Identifier
    from_station_id: Identifier
    to_station_id: Identifier
    component: Component
    group: BloodGroup
    quantity: int = Field(ge=1, le=500)
    valid_until: Instant
    below_floor: bool = False
    confirmed_by: Line = ""


class TransferStatus(StrEnum):
    """agreed -> in_transit -> completed; agreed -> cancelled when its hold lapses."""

    AGREED = "agreed"
    IN_TRANSIT = "in_transit"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Transfer(Value):
    """Units on their way from one station to another."""

    transfer_id: Identifier
    offer_id: Identifier
    shortage_id: Identifier
    from_station_id: Identifier
    to_station_id: Identifier
    status: TransferStatus
    unit_ids: tuple[Identifier, ...]
    eta_s: int = Field(ge=0, le=LARGEST)
    agreed_at: Instant
