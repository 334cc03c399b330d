"""Events about calls to donors. They carry donor ids only, never a name or a number."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from models.base import LARGEST, Identifier, Instant, Line
from models.broken_rule import BrokenRuleError
from models.donation_kinds import DonationKind
from models.donors import Answer, CallOut, CallOutStatus, CallPurpose, Donation
from models.events.base import EventData


class CallOutIssued(EventData):
    """A wave of donors is to be called; the notifier looks up how to reach them.

    Attributes:
        donations_wanted: Donations that the wave is meant to bring.
        gives: What they are called to give; platelets are given by appointment.
        purpose: Why they are called; None in events that were written before the field existed.
    """

    TYPE: ClassVar[str] = "blood.callout.issued.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "cause_id"
    station_id: Identifier
    cause_id: Identifier
    wave: int = Field(ge=1, le=LARGEST)
    donations_wanted: int = Field(ge=1, le=LARGEST)
    gives: DonationKind = DonationKind.WHOLE_BLOOD
    purpose: CallPurpose | None = None
    calls: tuple[CallOut, ...] = Field(min_length=1)


class CallOutClosed(EventData):
    """Calls that are not needed any more, or ended without a donation.

    Attributes:
        by: The person who stood them down, and why; None where nobody did.
    """

    TYPE: ClassVar[str] = "blood.callout.closed.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "cause_id"
    station_id: Identifier
    cause_id: Identifier
    status: CallOutStatus
    call_out_ids: tuple[Identifier, ...] = Field(min_length=1)
    closed_at: Instant
    by: Line | None = None
    reason: Line | None = None


class DonationGroupDiffers(EventData):
    """A donated bag bears another group than its donor's record: it waits until that is settled.

    The event does not carry the register's group; the donor's station looks it up.
    """

    TYPE: ClassVar[str] = "blood.callout.group-differs.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "call_out_id"
    call_out_id: Identifier
    donor_id: Identifier
    station_id: Identifier
    unit_id: Identifier
    donation_id: Identifier
    told_at: Instant


class CallOutAnswered(EventData):
    """A donor answered, came, gave or was deferred.

    Attributes:
        eta_s: Seconds until the donor expects to arrive; with `accepted`.
        donation: With `donated`, what was given.
    """

    TYPE: ClassVar[str] = "blood.callout.answered.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "call_out_id"
    call_out_id: Identifier
    donor_id: Identifier
    station_id: Identifier
    answer: Answer
    answered_at: Instant
    eta_s: int | None = Field(default=None, ge=0, le=86_400)
    donation: Donation | None = None
    reason: Line = ""

    @model_validator(mode="after")
    def _donation_with_donated(self) -> Self:
        if (self.answer is Answer.DONATED) != (self.donation is not None):
            raise BrokenRuleError("donation_with_answer", "donation")
        return self
