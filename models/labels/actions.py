"""What a scan can do to a bag: one table from the word of the station to the change of stock. Pure.

A new kind of scan is a new row here. The change itself is judged by the engine, as for every
other sender; what is checked here only tells the person at the scanner at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models.errors import DomainRefusal
from models.events.stock import StockChange
from models.labels.agreement import RecordedUnit


class ScanAction(StrEnum):
    RECEIVE = "receive"
    PICK = "pick"
    ISSUE = "issue"
    RETURN = "return"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanStep:
    """One row.

    Attributes:
        change: Word of the `StockChange` that the scan becomes.
        promise: State that the unit's live promise must be in; None where it needs none.
        to_patient: The bag is on its way to a patient, so it must not have expired.
        elsewhere: The bag may be on record at another station: it comes from there.
        needs_reason: A person must say why.
    """

    change: str
    promise: str | None = None
    to_patient: bool = False
    elsewhere: bool = False
    needs_reason: bool = False


STEPS: Mapping[ScanAction, ScanStep] = {
    ScanAction.RECEIVE: ScanStep(change="received", promise="issued", elsewhere=True),
    ScanAction.PICK: ScanStep(change="picked", promise="held", to_patient=True),
    ScanAction.ISSUE: ScanStep(change="issued", promise="held", to_patient=True),
    ScanAction.RETURN: ScanStep(change="returned", promise="issued", needs_reason=True),
    ScanAction.DISCARD: ScanStep(change="discarded", needs_reason=True),
}


def get_change(action: ScanAction) -> StockChange:
    """Return the change of stock that an action is.

    Raises:
        DomainRefusal: `scan_action_unknown`: a unit's life has no such step in this version.
    """
    word = STEPS[action].change
    for change in StockChange:
        if change == word:
            return change
    known = [one for one, step in STEPS.items() if step.change in list(StockChange)]
    raise DomainRefusal("scan_action_unknown", action=action, known=", ".join(known))


def ensure_may(
    action: ScanAction,
    unit: RecordedUnit,
    *,
    station_id: str,
    request_id: str | None,
    now: datetime,
) -> None:
    """Refuse at once what the engine would refuse later, and a bag that is meant for another.

    Args:
        action: What is to be done with it.
        unit: As it is on record.
        station_id: Where it is scanned.
        request_id: The request or transfer that the person at the scanner works on; None if they
            did not say.
        now: A bag that has expired by then goes to nobody.

    Raises:
        DomainRefusal: `unit_not_here`, `unit_expired`, `bag_not_promised` or `bag_for_another`.
    """
    step = STEPS[action]
    if unit.station_id != station_id and not step.elsewhere:
        raise DomainRefusal(
            "unit_not_here", unit_id=unit.unit_id, station_id=station_id, held_by=unit.station_id
        )
    if step.to_patient and unit.expires_at <= now:
        raise DomainRefusal("unit_expired", unit_id=unit.unit_id)
    if step.promise is not None and unit.promise_status != step.promise:
        raise DomainRefusal(
            "bag_not_promised",
            unit_id=unit.unit_id,
            status=unit.status,
            promise=unit.promise_status or "-",
            needed=step.promise,
            action=action,
        )
    meant = unit.request_id or unit.transfer_id
    if request_id is not None and request_id != meant:
        raise DomainRefusal(
            "bag_for_another", unit_id=unit.unit_id, meant=meant or "-", request_id=request_id
        )
