"""A unit of blood and what may happen to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from models.antigens import Antigens, PlateletAntigens
from models.base import BagId, Identifier, Instant, Value
from models.broken_rule import BrokenRuleError
from models.components import COMPONENTS, Component
from models.groups import BloodGroup
from models.hla import HlaTypes
from models.shelf_lives import (
    Anticoagulant,
    PlateletBag,
    find_end,
    find_latest_label,
    find_preparation,
)

_DAY = timedelta(days=1)


class UnitStatus(StrEnum):
    """The state of a unit. The moves between states are defined in `models.unit_states`.

    split: whole blood that was made into components, or frozen red cells that were deglycerolised;
        the end of that bag, not a loss.
    available: released to stock and free to be promised.
    on_hold: released, and kept back from everybody by the word of a named person.
    """

    COLLECTED = "collected"
    QUARANTINED = "quarantined"
    SPLIT = "split"
    AVAILABLE = "available"
    ON_HOLD = "on_hold"
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


_DONE_AT = {"irradiated_at": "irradiated", "washed_at": "washed"}


class UnitTraits(Value):
    """What a unit has that a request may demand, and how it was made.

    What is None is not stated; `models.shelf_lives` says what follows.

    Attributes:
        antigen_negative: Antigens that testing showed to be absent.
        hla: HLA types as printed, for matched platelets.
        low_titre: Low anti-A and anti-B titre.
        c_positive: The donor's red cells have C; nobody may have looked at others.
        del_typed: The RhD- donor was typed for DEL, and has none.
        anticoagulant: What it was drawn into, or the additive solution of red cells.
        bag: The bag of platelets.
        agitated: Platelets were kept moving ever since they were made.
        irradiated_at: When it was irradiated; a unit that states it is `irradiated`.
        washed_at: When it was washed; such a unit is `washed`.
        thawed_at: When a frozen unit was thawed for use.
        deglycerolised_at: When the glycerol was taken out of frozen red cells.
        virus_inactivated: Plasma was treated against viruses.
        platelet_antigen_negative: Platelet antigens that testing showed to be absent.
        hbs_negative: The donor was tested for sickle haemoglobin.
        iga_deficient: Of an IgA-deficient donor.
        of_relative: Given by a relative of the patient whom it was given for.
    """

    leukoreduced: bool = False
    irradiated: bool = False
    cmv_negative: bool = False
    washed: bool = False
    low_titre: bool = False
    c_positive: bool = False
    del_typed: bool = False
    antigen_negative: Antigens = ()
    hla: HlaTypes = ()
    anticoagulant: Anticoagulant | None = None
    bag: PlateletBag | None = None
    agitated: bool | None = None
    irradiated_at: Instant | None = None
    washed_at: Instant | None = None
    thawed_at: Instant | None = None
    deglycerolised_at: Instant | None = None
    virus_inactivated: bool = False
    platelet_antigen_negative: PlateletAntigens = ()
    hbs_negative: bool = False
    iga_deficient: bool = False
    of_relative: bool = False

    @model_validator(mode="before")
    @classmethod
    def _has_what_was_done(cls, raw: Any) -> Any:  # noqa: ANN401 - a validator sees whatever was given
        """Whoever states when a unit was irradiated or washed states that it was."""
        if not isinstance(raw, Mapping):
            return raw
        done = {flag: True for at, flag in _DONE_AT.items() if raw.get(at) is not None}
        return {**raw, **done} if done else raw


class Unit(Value):
    """One bag.

    Attributes:
        unit_id: Donation identification number and product, as one identifier.
        donation_id: The donation it was made from; components of one donation share it.
        volume_ml: What the label says.
        expires_at: The label's expiry; half-open, the unit may not be transfused at this instant.
    """

    unit_id: BagId
    donation_id: BagId
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
            raise BrokenRuleError("expiry_before_collection", "expires_at")
        self._ensure_made_after_collection()
        made_of_frozen = self.component is Component.DEGLYCEROLISED_RED_CELLS
        if made_of_frozen and self.traits.deglycerolised_at is None:
            raise BrokenRuleError("deglycerolised_when", "traits.deglycerolised_at")
        # What a record means must not depend on who reads it. A station's own, shorter time is
        # applied when a unit is chosen.
        latest = find_latest_label(self.component, self.collected_at, self.traits, COMPONENTS)
        if self.expires_at > latest.at:
            rule = COMPONENTS.shelf_life[self.component]
            raise BrokenRuleError(
                "expiry_too_late",
                "expires_at",
                component=self.component,
                hours=rule.keeps_h(find_preparation(self.component, self.traits)),
                cited=COMPONENTS.cite(rule),
                latest=latest.at.isoformat(),
                collected=self.collected_at.isoformat(),
            )
        return self

    @property
    def usable_until(self) -> datetime:
        """Return its label's expiry, or less if how it was made says so."""
        end = find_end(self.component, self.collected_at, self.expires_at, self.traits, COMPONENTS)
        return end.at

    def _ensure_made_after_collection(self) -> None:
        for name in ("irradiated_at", "washed_at", "thawed_at", "deglycerolised_at"):
            made_at = getattr(self.traits, name)
            # A date without a time means its first instant.
            if made_at is not None and made_at < self.collected_at - _DAY:
                raise BrokenRuleError("made_before_collection", f"traits.{name}")
