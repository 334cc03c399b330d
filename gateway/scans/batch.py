"""The values of a batch of scans: what is asked, and what became of each bag. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import Field, StringConstraints

from gateway.intake.acceptance import Caller
from gateway.labels.bags import Bag, Session
from gateway.scans.actions import ScanAction, Scanner
from models.base import Identifier, Instant, Line, Value
from models.errors import XuelianError
from models.events.stock import StockChanged
from streams.ports.stock import RecordedUnit

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


def fault_of(error: XuelianError | None) -> Fault | None:
    return Fault(error.code, error.params) if error is not None else None


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
