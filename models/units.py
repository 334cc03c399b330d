"""A unit of blood and what may happen to it."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from models.base import Identifier, Instant, Value
from models.components import Component
from models.groups import BloodGroup
from models.patients import Antigens, HlaTypes


class UnitStatus(StrEnum):
    """Where a unit stands. Which moves there are between states is told by `models.unit_life`.

    split: whole blood that was made into components; the end of that bag, not a loss.
    available: released to stock and free to be promised.
    """

    COLLECTED = "collected"
    QUARANTINED = "quarantined"
    SPLIT = "split"
    AVAILABLE = "available"
    RESERVED = "reserved"
    PICKED = "picked"
    ISSUED = "issued"
    IN_TRANSIT = "in_transit"
    RECEIVED = "received"
    TRANSFUSED = "transfused"
    RETURNED = "returned"
    DISCARDED = "discarded"
    EXPIRED = "expired"
    RECALLED = "recalled"


class UnitTraits(Value):
    """What a unit has that a request may demand.

    Attributes:
        antigen_negative: Antigens that testing showed to be absent.
        hla: HLA types as printed, for matched platelets.
        low_titre: Low anti-A and anti-B titre.
    """

    leukoreduced: bool = False
    irradiated: bool = False
    cmv_negative: bool = False
    washed: bool = False
    low_titre: bool = False
    antigen_negative: Antigens = ()
    hla: HlaTypes = ()


class Unit(Value):
    """One bag.

    Attributes:
        unit_id: Donation identification number and product, as one identifier.
        donation_id: The donation it was made from; components of one donation share it.
        volume_ml: What the label says.
        expires_at: The label's expiry; half-open, the unit may not be transfused at this instant.
    """

    unit_id: Identifier
    donation_id: Identifier
    station_id: Identifier
    component: Component
    group: BloodGroup
    volume_ml: int = Field(gt=0, le=1000)
    collected_at: Instant
    expires_at: Instant
    traits: UnitTraits = UnitTraits()

    @model_validator(mode="after")
    def _within_shelf_life(self) -> Self:
        if self.expires_at <= self.collected_at:
            raise ValueError("expires_at must be after collected_at")
        shelf_s = (self.expires_at - self.collected_at).total_seconds()
        # A label expires at the end of its last day, so a day of grace over the shelf life.
        if shelf_s > (self.component.spec.shelf_life_h + 24) * 3600:
            hours = self.component.spec.shelf_life_h
            raise ValueError(
                f"expires_at is later than the shelf life of {self.component} ({hours} h)"
            )
        return self
