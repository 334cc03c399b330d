"""What a scan can do to a bag: a table from the action at the scanner to the step of a unit's life.

Pure. The states from which a step leads, and who may take it, are read from `models.unit_states`; a
new kind of scan is a new row here. The engine judges the step, as for every other sender; the
checks here only inform the person at the scanner at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models.errors import ContractError, DomainRefusal, InvariantViolation
from models.events.stock import UNDER_PROMISE, StockChange
from models.rules.rulebook import Rulebook
from models.unit_states import END_STATES, MOVES, Actor, Move
from models.units import RecordedUnit, UnitStatus


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanStep:
    """One row of the table of scans.

    Attributes:
        change: The stock change that the scan makes; it is also the cause of the unit's moves.
        is_fresh: The bag goes to a patient or back to stock by it, so it must not have expired.
        needs_reason: A person must give a reason.
        has_happened: It reports what was already done, so a refused scan is kept by the engine.
    """

    change: StockChange
    is_fresh: bool = False
    needs_reason: bool = False
    has_happened: bool = False


STEPS: Mapping[ScanAction, ScanStep] = {
    ScanAction.QUARANTINE: ScanStep(change=StockChange.QUARANTINED),
    ScanAction.PICK: ScanStep(change=StockChange.PICKED, is_fresh=True),
    ScanAction.ISSUE: ScanStep(change=StockChange.ISSUED, is_fresh=True),
    ScanAction.DEPART: ScanStep(change=StockChange.DEPARTED),
    ScanAction.RECEIVE: ScanStep(change=StockChange.RECEIVED, has_happened=True),
    ScanAction.TRANSFUSE: ScanStep(change=StockChange.TRANSFUSED, is_fresh=True, has_happened=True),
    ScanAction.RETURN: ScanStep(change=StockChange.RETURNED, needs_reason=True, has_happened=True),
    ScanAction.RESTOCK: ScanStep(change=StockChange.RESTOCKED, is_fresh=True),
    ScanAction.DISCARD: ScanStep(change=StockChange.DISCARDED, needs_reason=True),
}

_ARRIVED = "arrived"
"""The cause of the move when a neighbour receives a unit: into its stock, not to a patient."""


def _list_moves(cause: str) -> dict[UnitStatus, Move]:
    moves = (move for move in MOVES.values() if move.cause == cause)
    return {move.from_state: move for move in moves if move.from_state is not None}


_MOVES: Mapping[StockChange, Mapping[UnitStatus, Move]] = {
    step.change: _list_moves(step.change) for step in STEPS.values()
}
_ARRIVALS: Mapping[UnitStatus, Move] = _list_moves(_ARRIVED)

_BOUND = frozenset(state for change in UNDER_PROMISE for state in _MOVES[change])
"""States in which a unit is meant for one request or transfer."""

_OVER = END_STATES | {UnitStatus.EXPIRED, UnitStatus.RECALLED}
"""States from which a unit can no longer go to a patient."""

ACTIONS_OF: Mapping[Actor, tuple[ScanAction, ...]] = {
    actor: tuple(
        action
        for action, step in STEPS.items()
        if any(actor in move.actors for move in _MOVES[step.change].values())
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
    if STEPS[action].needs_reason and not reason:
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


def ensure_may(
    action: ScanAction,
    unit: RecordedUnit,
    *,
    scanner: Scanner,
    request_id: str | None,
    now: datetime,
    rules: Rulebook,
) -> None:
    """Refuse at once what the engine would refuse later, and a bag that is meant for another.

    Args:
        action: What is to be done with the bag.
        unit: The unit as it is on record.
        scanner: The party that scans.
        request_id: The request or transfer that the person at the scanner works on; None if it was
            not stated.
        now: A bag that has expired by then may not go to a patient or back to stock.
        rules: The station's rulebook.

    Raises:
        DomainRefusal: `unit_not_here`, `received_elsewhere`, `unit_state_forbids`,
            `unit_actor_forbids`, `unit_expired`, `bag_for_another`, or the reason why it may not go
            back to stock.
    """
    _ensure_here(action, unit, scanner)
    _ensure_move(action, unit, scanner.actor)
    if STEPS[action].is_fresh and unit.expires_at <= now:
        raise DomainRefusal("unit_expired", unit_id=unit.unit_id)
    if action is ScanAction.RESTOCK:
        rules.returns.ensure_restockable(
            unit.component,
            out_of_control_s=unit.out_of_control_s,
            unit_id=unit.unit_id,
            limit=rules.safety.out_of_control,
        )
    meant = find_bound(unit)
    if request_id is not None and request_id != meant:
        raise DomainRefusal(
            "bag_for_another", unit_id=unit.unit_id, meant=meant or "-", request_id=request_id
        )


def is_kept(action: ScanAction, unit: RecordedUnit, refusal: DomainRefusal) -> bool:
    """Whether a refused scan is published all the same, so that the engine refuses and keeps it.

    A unit that was transfused after its recall or expiry is a fact that somebody must look into.
    A scan that may still become valid, such as a receipt before its issue, can be scanned again.
    """
    is_over = refusal.code == "unit_state_forbids" and unit.status in _OVER
    is_repeat = unit.status in {move.to_state for move in _find_moves(action, unit).values()}
    return (
        STEPS[action].has_happened
        and unit.epoch is not None
        and not is_repeat
        and (is_over or refusal.code == "unit_expired")
    )


def find_bound(unit: RecordedUnit) -> str | None:
    """Return the request or transfer that a unit is now meant for; None if there is none."""
    return (unit.request_id or unit.transfer_id) if unit.status in _BOUND else None


def get_epoch(action: ScanAction, unit: RecordedUnit) -> int | None:
    """Return the epoch (fencing token) that the step presents; None for a step without a promise.

    Raises:
        InvariantViolation: `unit_without_promise`: the unit's state says that it was promised.
    """
    if STEPS[action].change not in UNDER_PROMISE:
        return None
    if unit.epoch is None:
        raise InvariantViolation("unit_without_promise", unit_id=unit.unit_id)
    return unit.epoch


def _ensure_here(action: ScanAction, unit: RecordedUnit, scanner: Scanner) -> None:
    """Refuse a unit that is on record elsewhere, unless it arrives here from a neighbour."""
    if action is ScanAction.RECEIVE and unit.to_station_id is not None:
        if unit.to_station_id != scanner.station_id:
            raise DomainRefusal(
                "received_elsewhere",
                unit_id=unit.unit_id,
                station_id=scanner.station_id,
                expected=unit.to_station_id,
            )
    elif unit.station_id != scanner.station_id:
        raise DomainRefusal(
            "unit_not_here",
            unit_id=unit.unit_id,
            station_id=scanner.station_id,
            held_by=unit.station_id,
        )


def _ensure_move(action: ScanAction, unit: RecordedUnit, actor: Actor) -> None:
    """Refuse a move that the unit's state or the actor forbids.

    The state of a unit implies the state of its promise, so the promise is not compared.
    """
    change = STEPS[action].change
    moves = _find_moves(action, unit)
    move = moves.get(unit.status)
    if move is None:
        raise DomainRefusal(
            "unit_state_forbids",
            unit_id=unit.unit_id,
            status=unit.status,
            change=change,
            needed=", ".join(moves),
        )
    if actor not in move.actors:
        raise DomainRefusal(
            "unit_actor_forbids",
            unit_id=unit.unit_id,
            change=change,
            actor=actor,
            allowed=", ".join(sorted(move.actors)),
        )


def _find_moves(action: ScanAction, unit: RecordedUnit) -> Mapping[UnitStatus, Move]:
    """Return the moves of an action by the state before; a neighbour's unit arrives in stock."""
    arrives = action is ScanAction.RECEIVE and unit.transfer_id is not None
    return _ARRIVALS if arrives else _MOVES[STEPS[action].change]
