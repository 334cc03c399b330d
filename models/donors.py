"""On-call emergency donors, whether they may give, and the calls that go out to them.

Personal data stays here and in PostgreSQL: events carry donor ids only (PIPL art. 28, minimum use).
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from models.base import LARGEST, BagId, Day, Identifier, Instant, Line, Value
from models.components import Component
from models.donation_kinds import DonationKind
from models.facilities import Location
from models.groups import BloodGroup
from models.patients import Sex
from models.rules.types.donors import DONOR_RULES


class Donor(Value):
    """A registered emergency donor.

    Attributes:
        contact: Where the notifier reaches the donor; never in an event, never in a log.
        staff: Works at the station; answers far better than the public.
        repeat_without_reaction: Gave before without a reaction, may give to the higher age.
        gives: What the donor is called for. Who gives platelets is not called for whole blood,
            after which no platelets are given for three months.
        consented_at: Separate consent to hold health data; without it the donor is never called.
        unavailable_until: As the donor states; an eligible donor is not always available.
        deferred_until: A medical or legal deferral.
    """

    donor_id: Identifier
    station_id: Identifier
    name: Line = Field(min_length=1)
    contact: Line = Field(min_length=1)
    group: BloodGroup
    sex: Sex
    born_on: Day
    weight_kg: float = Field(gt=20, lt=300)
    location: Location | None = None
    staff: bool = False
    gives: DonationKind = DonationKind.WHOLE_BLOOD
    repeat_without_reaction: bool = False
    last_whole_blood_on: Day | None = None
    last_platelets_on: Day | None = None
    unavailable_until: Instant | None = None
    deferred_until: Instant | None = None
    consented_at: Instant | None = None


class CallOutStatus(StrEnum):
    """What became of one call.

    called -> accepted | declined | no_answer | stood_down
    accepted -> arrived | no_show | stood_down
    arrived -> donated | deferred
    declined, no_answer, no_show, donated, deferred, stood_down: the end.
    """

    CALLED = "called"
    ACCEPTED = "accepted"
    ARRIVED = "arrived"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    NO_SHOW = "no_show"
    DONATED = "donated"
    DEFERRED = "deferred"
    STOOD_DOWN = "stood_down"


class CallPurpose(StrEnum):
    """Why donors are called: their blood may be used only hours later, once it was tested.

    in_time: It is at the hospital, the way there included, when some who wait need it. refill: It
    refills what is sent now. late: It comes to all who wait later than they need it. Those whom a
    neighbour can serve in time are counted among neither.
    """

    IN_TIME = "in_time"
    REFILL = "refill"
    LATE = "late"


class CallOut(Value):
    """One donor called for one cause.

    Attributes:
        cause_id: The activation or shortage it serves.
    """

    call_out_id: Identifier
    donor_id: Identifier
    station_id: Identifier
    cause_id: Identifier
    wave: int = Field(ge=1, le=LARGEST)
    called_at: Instant


class Answer(StrEnum):
    ACCEPTED = "accepted"
    DECLINED = "declined"
    NO_ANSWER = "no_answer"
    ARRIVED = "arrived"
    DONATED = "donated"
    DEFERRED = "deferred"


class Donation(Value):
    """What a donor gave; it becomes a quarantined unit, or a collected one if it is whole blood.

    Attributes:
        volume_ml: Whole blood drawn, millilitres; the law allows 400 at most.
        component: What the station makes of it.
        collected_at: Not before its donor was called.
    """

    unit_id: BagId
    donation_id: BagId
    component: Component
    group: BloodGroup
    volume_ml: int = Field(gt=0, le=DONOR_RULES.volume.most_ml)
    collected_at: Instant
    expires_at: Instant
