"""Events about donations: results, splitting, recall. They carry donation ids, never a donor.

All but the notice of a recall come in on the stock topic, so that a station's counts, results and
scans are acted on in the order in which it sent them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Self

from pydantic import Field, model_validator

from models.base import BagId, Identifier, Instant, Line, Value
from models.broken_rule import BrokenRuleError
from models.components import Component
from models.events.base import EventData
from models.groups import BloodGroup
from models.laboratory import LabResult
from models.units import UnitStatus, UnitTraits


class _DonationEvent(EventData):
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "donation_id"
    station_id: Identifier
    donation_id: BagId


class DonationTested(_DonationEvent):
    """A laboratory reports one result of one test; the last result needed releases the units."""

    TYPE: ClassVar[str] = "blood.donation.tested.v1"
    result: LabResult


class MadeComponent(Value):
    """One bag made from a bag of whole blood.

    Attributes:
        expires_at: The label's; left out, collection plus the component's shelf life.
    """

    unit_id: BagId
    component: Component
    volume_ml: int = Field(gt=0, le=1000)
    expires_at: Instant | None = None
    traits: UnitTraits = UnitTraits()


class DonationSplit(_DonationEvent):
    """A bag of whole blood was made into components; each begins its own life in quarantine."""

    TYPE: ClassVar[str] = "blood.donation.split.v1"
    unit_id: BagId
    split_at: Instant
    components: tuple[MadeComponent, ...] = Field(min_length=1, max_length=12)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = [self.unit_id, *(made.unit_id for made in self.components)]
        if len(set(ids)) != len(ids):
            raise BrokenRuleError("component_unit_twice", "components")
        return self


class DonationRecalled(_DonationEvent):
    """Every unit of a donation is to be frozen, wherever it is.

    Attributes:
        reason: Why, without anything that tells who the donor is.
        recalled_by: The person who answers for the recall.
    """

    TYPE: ClassVar[str] = "blood.donation.recalled.v1"
    recall_id: Identifier
    reason: Line = Field(min_length=1)
    recalled_at: Instant
    recalled_by: Line = Field(min_length=1)


class HolderKind(StrEnum):
    STATION = "station"
    HOSPITAL = "hospital"


class RecalledUnit(Value):
    """A unit that the holder has, or had.

    Attributes:
        was: Its state when it was recalled; it is frozen unless it had ended already.
        request_id: The request that it went to; None if to none.
        patient_reference: As the hospital itself wrote it in that request.
        issued_outside: The station's statement where it gave the unit out by hand; its own paper
            record is searched by it.
    """

    unit_id: Identifier
    component: Component
    group: BloodGroup
    was: UnitStatus
    request_id: Identifier | None = None
    patient_reference: Line | None = None
    issued_outside: Line | None = None


class RecallNotified(EventData):
    """What one holder must take out of use, and which of its patients received of the donation.

    Attributes:
        holder_id: The station or hospital that has the units. The station that supplies the
            hospital may read the notice as well; nobody else.
        station_id: The holding station itself, or the station that supplies the hospital.
        units: Units frozen now: to be set aside, and destroyed or sent back.
        transfused: Units that are no longer on hand: these requests' patients are looked back to.
        given_out: Units that left under no promise of ours: only the station's paper record says
            where they went.
    """

    TYPE: ClassVar[str] = "blood.recall.notified.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "donation_id"
    recall_id: Identifier
    donation_id: Identifier
    holder_kind: HolderKind
    holder_id: Identifier
    station_id: Identifier
    reason: Line
    units: tuple[RecalledUnit, ...] = ()
    transfused: tuple[RecalledUnit, ...] = ()
    given_out: tuple[RecalledUnit, ...] = ()
    recalled_at: Instant

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.units and not self.transfused and not self.given_out:
            raise BrokenRuleError("notice_without_units", "units")
        return self
