"""Actions of a scan: a table from the action at the scanner to the step of a unit's life.

Pure. The states from which a step leads, and who may take it, are read from `models.unit_states`; a
new kind of scan is a new row here. The engine judges the step, as for every other sender.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.invalid_content import FieldError
from models.errors import DomainRefusal
from models.events.stock import StockChange
from models.texts import render
from models.unit_states import MOVES, Actor


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
) -> Iterator[FieldError]:
    """List the fields that an action needs and lacks, or has and does not take, with the reason."""
    if action in _NEEDS_REASON and not reason:
        told = render("scan_reason_needed")
        yield FieldError("reason", str(told), told)
    if (action is ScanAction.RETURN) != (out_of_control_s is not None):
        is_return = action is ScanAction.RETURN
        told = render("scan_out_of_control_needed" if is_return else "scan_out_of_control_unused")
        yield FieldError("out_of_control_s", str(told), told)
