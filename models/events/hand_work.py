"""Events about what a dispatcher decides by hand of one bag: who says so, and why.

The principal is the source of the record; `by` is the person, as they stated it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from models.base import BagId, Identifier, Instant
from models.broken_rule import BrokenRuleError
from models.events.base import EventData
from models.events.stock import REASON_MOST

BY_MOST = 100
"""The most characters of a person's name."""

_LINE = r"^[^\x00-\x1f]*$"

PersonName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=BY_MOST, pattern=_LINE),
]
StatedReason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=REASON_MOST, pattern=_LINE),
]
"""One line of text; blanks alone are neither a name nor a reason."""


class HandWorkEvent(EventData):
    """A word of a person.

    Attributes:
        by: The person who answers for it.
    """

    by: PersonName
    reason: StatedReason


class BagGiven(HandWorkEvent):
    """A dispatcher gives this bag to that patient.

    Attributes:
        line_no: The line of the request that it is for.
        unit_id: It is free, or promised to a request that can wait longer and not picked.
        instead_of: A bag of the same line that is not picked and goes back to stock for it.
    """

    TYPE: ClassVar[str] = "blood.request.bag-given.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "request_id"
    request_id: Identifier
    hospital_id: Identifier
    station_id: Identifier
    line_no: int = Field(ge=1, le=50)
    unit_id: BagId
    instead_of: BagId | None = None

    @model_validator(mode="after")
    def _is_another(self) -> Self:
        if self.instead_of == self.unit_id:
            raise BrokenRuleError("bag_instead_of_itself", "instead_of")
        return self


class BagTakenBack(HandWorkEvent):
    """A dispatcher takes a bag that is not picked back from a request."""

    TYPE: ClassVar[str] = "blood.request.bag-taken-back.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "request_id"
    request_id: Identifier
    hospital_id: Identifier
    station_id: Identifier
    unit_id: BagId


class HoldPlaced(HandWorkEvent):
    """A dispatcher, or the station that has it, holds a bag: nobody is given it meanwhile.

    Attributes:
        station_id: Where the bag is. It may be promised as long as it is not picked.
        until: When the hold ends by itself; None if somebody is to end it.
    """

    TYPE: ClassVar[str] = "blood.stock.hold-placed.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "unit_id"
    station_id: Identifier
    unit_id: BagId
    until: Instant | None = None


class HoldEnded(HandWorkEvent):
    """A dispatcher, or the station that has it, ends the hold of a bag: it is stock again."""

    TYPE: ClassVar[str] = "blood.stock.hold-ended.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "unit_id"
    station_id: Identifier
    unit_id: BagId


class CallsStoodDown(HandWorkEvent):
    """A dispatcher, or the station itself, stands down the donors who are called for one cause.

    Nobody more is called for it until that is taken back; other causes call as before.

    Attributes:
        cause_id: The activation or the shortage that they are called for.
    """

    TYPE: ClassVar[str] = "blood.callout.stood-down.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "cause_id"
    station_id: Identifier
    cause_id: Identifier


class CallsResumed(HandWorkEvent):
    """Donors may be called again for a cause whose calls were stood down by hand."""

    TYPE: ClassVar[str] = "blood.callout.resumed.v1"
    KEY: ClassVar[str] = "station_id"
    SUBJECT: ClassVar[str] = "cause_id"
    station_id: Identifier
    cause_id: Identifier


class TransferStoodDown(HandWorkEvent):
    """A dispatcher stands down a transfer: what has not left the giving station stays there."""

    TYPE: ClassVar[str] = "blood.transfer.stood-down.v1"
    KEY: ClassVar[str] = "to_station_id"
    SUBJECT: ClassVar[str] = "transfer_id"
    transfer_id: Identifier
    from_station_id: Identifier
    to_station_id: Identifier
