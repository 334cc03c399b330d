"""The values of a batch of scans: what is asked, and what became of each bag. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from gateway.intake.submissions import Submission
from gateway.labels.actions import ScanAction, Scanner
from gateway.labels.bags import Bag, Session
from models.errors import XuelianError
from models.units import RecordedUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanBatch:
    """What a person at a scanner asks for.

    Attributes:
        lines: The lines as they came from the scanner; an empty line ends a bag.
        request_id: The request or transfer that is worked on; None if it was not stated.
        out_of_control_s: Seconds that every bag of the batch was out of temperature control; only
            with a return.
        done_by: The person or device, as the caller names it.
        key: The Idempotency-Key; None without one.
        wait_s: How long to wait for the engine's answer, seconds; 0 does not wait.
    """

    scanner: Scanner
    action: ScanAction
    lines: tuple[str, ...]
    scanned_at: datetime
    request_id: str | None = None
    reason: str = ""
    out_of_control_s: int | None = None
    done_by: str = ""
    key: str | None = None
    wait_s: int = 0
    traceparent: str | None = None

    @property
    def source(self) -> str:
        return f"{self.scanner.actor}/{self.scanner.facility_id}"


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
    """What became of one bag: what is to be published, or why it is refused.

    An accepted bag without a submission was taken in before, or the engine has answered. A refused
    bag with a submission is published so that the engine keeps it with its own refusal.

    Attributes:
        unit: Its record; None if there is none, or none that this scanner may see.
        engine: The engine's answer; None if nothing was published.
    """

    bag: Bag
    unit: RecordedUnit | None = None
    submission: Submission | None = None
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
