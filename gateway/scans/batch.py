"""The values of a batch of scans: what is asked, and what became of each bag. Pure.

What a scan can do to a bag is a table from the action at the scanner to the step of a unit's life.
The states from which a step leads, and who may take it, are read from `models.unit_states`; a new
kind of scan is a new row here. The engine judges the step, as for every other sender.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import Field, StringConstraints

from gateway.intake.acceptance import Caller
from gateway.labels.bags import Bag, Session
from models.base import Identifier, Instant, Line, Value
from models.events.stock import StockChange, StockChanged
from models.unit_states import MOVES, Actor
from streams.ports.stock import RecordedUnit


class ScanAction(StrEnum):
    QUARANTINE = "quarantine"
    PICK = "pick"
    ISSUE = "issue"
    DEPART = "depart"
    RECEIVE = "receive"
    TRANSFUSE = "transfuse"
    RETURN = "return"
    RESTOCK = "restock"
    DISCARD = "discard"


CHANGE_OF: Mapping[ScanAction, StockChange] = {
    ScanAction.QUARANTINE: StockChange.QUARANTINED,
    ScanAction.PICK: StockChange.PICKED,
    ScanAction.ISSUE: StockChange.ISSUED,
    ScanAction.DEPART: StockChange.DEPARTED,
    ScanAction.RECEIVE: StockChange.RECEIVED,
    ScanAction.TRANSFUSE: StockChange.TRANSFUSED,
    ScanAction.RETURN: StockChange.RETURNED,
    ScanAction.RESTOCK: StockChange.RESTOCKED,
    ScanAction.DISCARD: StockChange.DISCARDED,
}
"""The stock change that each action makes; it is also the cause of the unit's moves."""

ACTIONS_OF: Mapping[Actor, tuple[ScanAction, ...]] = {
    actor: tuple(
        action
        for action, change in CHANGE_OF.items()
        if any(actor in move.actors for move in MOVES.values() if move.cause == change)
    )
    for actor in (Actor.STATION, Actor.HOSPITAL)
}
"""The actions that each actor may scan, as the moves of a unit's life allow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scanner:
    """The party that scans.

    Attributes:
        actor: The staff of a station or of a hospital.
        facility_id: That station or hospital.
        station_id: The same station, or the station that supplies the hospital.
    """

    actor: Actor
    facility_id: str
    station_id: str


MAX_LINES = 1000
"""Most lines of one call. They are read in well under 0.1 s, while other calls wait."""

MAX_LINE_CHARACTERS = 400
"""Most characters of a line. The longest compound messages of bags have about a hundred."""

Barcode = Annotated[str, StringConstraints(max_length=MAX_LINE_CHARACTERS)]


class NewScan(Value):
    """Lines of a scanner.

    Attributes:
        barcodes: One line each, in the order of the scanner; an empty one ends a bag.
        scanned_at: Needed with an Idempotency-Key; else now.
        request_id: The request or transfer that is worked on: bags meant for another are refused.
        reason: Needed to return and to discard.
        out_of_control_s: Seconds that each of these bags was out of temperature control; needed to
            return, and with no other action.
        thawed_at: When these bags, frozen until then, were thawed.
        done_by: The person or device.
    """

    action: ScanAction
    barcodes: tuple[Barcode, ...] = Field(min_length=1, max_length=MAX_LINES)
    scanned_at: Instant | None = None
    request_id: Identifier | None = None
    reason: Line = ""
    out_of_control_s: int | None = Field(default=None, ge=0, le=31_536_000)
    thawed_at: Instant | None = None
    done_by: Line = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanBatch:
    """What a person at a scanner asks for, and on whose behalf."""

    asked: NewScan
    scanner: Scanner
    scanned_at: datetime
    caller: Caller


class Fault(NamedTuple):
    """Why a bag or a line was refused: a code of the message file, with its parameters."""

    code: str
    params: Mapping[str, Any]


class EngineWord(StrEnum):
    """What the engine answered for a bag that was published to the log."""

    AWAITED = "awaited"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class BagVerdict:
    """What became of one bag.

    Attributes:
        unit: Its record; None if there is none, or none that this scanner may see.
        event: What the scan says of the unit; None if its label could not be read or differs.
        event_id: The identifier of that event.
        fault: Why it is refused, here or by the engine.
        engine: The engine's answer; None if nothing was published.
    """

    bag: Bag
    unit: RecordedUnit | None = None
    event: StockChanged | None = None
    event_id: str | None = None
    fault: Fault | None = None
    engine: EngineWord | None = None

    @property
    def accepted(self) -> bool:
        return self.fault is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOutcome:
    session: Session
    verdicts: tuple[BagVerdict, ...]
