"""What a scan can do to a bag: a table from the action at the scanner to the step of a unit's life.

Pure. The states from which a step leads, and who may take it, are read from `models.unit_states`; a
new kind of scan is a new row here. The engine judges the step, as for every other sender.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from models.errors import ContractError, DomainRefusal
from models.events.stock import UNDER_PROMISE, StockChange
from models.unit_states import MOVES, Actor
from models.units import RecordedUnit


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

_NEEDS_REASON = frozenset({ScanAction.RETURN, ScanAction.DISCARD})

_BOUND = frozenset(move.from_state for move in MOVES.values() if move.cause in UNDER_PROMISE)
"""States in which a unit is meant for one request or transfer."""

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


def ensure_actor(action: ScanAction, actor: Actor) -> None:
    """Raise DomainRefusal `scan_action_forbidden` if the actor may make no move of this action."""
    allowed = ACTIONS_OF[actor]
    if action not in allowed:
        raise DomainRefusal(
            "scan_action_forbidden", action=action, actor=actor, allowed=", ".join(allowed)
        )


def list_unfilled(
    action: ScanAction, *, reason: str, out_of_control_s: int | None
) -> Iterator[tuple[str, ContractError]]:
    """List the fields that an action needs and lacks, or has and does not take, with the reason."""
    if action in _NEEDS_REASON and not reason:
        yield "reason", ContractError("scan_reason_needed")
    if action is ScanAction.RETURN and out_of_control_s is None:
        yield "out_of_control_s", ContractError("scan_out_of_control_needed")
    if action is not ScanAction.RETURN and out_of_control_s is not None:
        yield "out_of_control_s", ContractError("scan_out_of_control_unused")


def ensure_own(unit: RecordedUnit, scanner: Scanner) -> None:
    """Refuse a hospital's scan of a unit that did not go to its own patients.

    Raises:
        DomainRefusal: `unit_of_other_hospital`.
    """
    if scanner.actor is Actor.HOSPITAL and unit.hospital_id != scanner.facility_id:
        raise DomainRefusal(
            "unit_of_other_hospital", unit_id=unit.unit_id, hospital_id=scanner.facility_id
        )


def ensure_meant(action: ScanAction, unit: RecordedUnit, *, request_id: str | None) -> None:
    """Refuse a bag that is meant for another request than the person at the scanner works on.

    A step under a promise that nobody has is left to the engine, which says why it cannot be.

    Args:
        action: What is to be done with the bag.
        unit: The unit as it is on record.
        request_id: The request or transfer that is worked on; None if it was not stated.

    Raises:
        DomainRefusal: `bag_for_another`.
    """
    meant = find_bound(unit)
    if request_id in {None, meant} or (meant is None and CHANGE_OF[action] in UNDER_PROMISE):
        return
    raise DomainRefusal(
        "bag_for_another", unit_id=unit.unit_id, meant=meant or "-", request_id=request_id
    )


def find_bound(unit: RecordedUnit) -> str | None:
    """Return the request or transfer that a unit is now meant for; None if there is none."""
    return (unit.request_id or unit.transfer_id) if unit.status in _BOUND else None


def get_epoch(action: ScanAction, unit: RecordedUnit) -> int | None:
    """Return the epoch (fencing token) that the step presents; None for a step without a promise.

    Raises:
        DomainRefusal: `epoch_without_promise`: the unit was never promised, so there is none.
    """
    change = CHANGE_OF[action]
    if change not in UNDER_PROMISE:
        return None
    if unit.epoch is None:
        raise DomainRefusal(
            "epoch_without_promise", change=change, unit_id=unit.unit_id, status=unit.status
        )
    return unit.epoch
