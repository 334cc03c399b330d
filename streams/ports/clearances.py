"""Check unit by unit that what is promised or sent is what the safety kernel cleared.

Pure. A failed check is a bug of ours, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.clearance import Cleared, ForPatient, ForStation, Step
from models.decisions import Decision, LineDecision, ReservedUnit
from models.errors import InvariantViolation
from models.shortages import Transfer


def ensure_cleared(decision: Decision, cleared: Sequence[Cleared]) -> None:
    """Compare every unit that a decision reserves with its own clearance, in order.

    Raises:
        InvariantViolation: A unit has no clearance, or a clearance for something else.
    """
    reserved = [(line, unit) for line in decision.lines for unit in line.reserved]
    if len(reserved) != len(cleared):
        raise InvariantViolation("promise_not_cleared", unit_id=decision.decision_id)
    for (line, unit), clearance in zip(reserved, cleared, strict=True):
        if not (_is_unit(unit, clearance) and _is_for_line(decision, line, clearance)):
            raise InvariantViolation("promise_not_cleared", unit_id=unit.unit_id)


def ensure_cleared_for_transfer(transfer: Transfer, cleared: Sequence[Cleared]) -> None:
    """Compare the units of a transfer with their clearances, in order.

    Raises:
        InvariantViolation: A unit has no clearance, or a clearance for something else.
    """
    if transfer.unit_ids != tuple(clearance.unit.unit_id for clearance in cleared):
        raise InvariantViolation("promise_not_cleared", unit_id=transfer.transfer_id)
    for clearance in cleared:
        purpose = clearance.purpose
        if not (
            isinstance(purpose, ForStation)
            and purpose.to_station_id == transfer.to_station_id
            and purpose.station_id == transfer.from_station_id
            and (clearance.step, clearance.at) == (Step.RESERVE, transfer.agreed_at)
        ):
            raise InvariantViolation("promise_not_cleared", unit_id=clearance.unit.unit_id)


def _is_unit(reserved: ReservedUnit, cleared: Cleared) -> bool:
    unit = cleared.unit
    return (
        reserved.unit_id,
        reserved.component,
        reserved.group,
        reserved.expires_at,
        reserved.epoch,
        reserved.volume_ml,
        reserved.capped,
        reserved.emergency_release,
    ) == (
        unit.unit_id,
        unit.component,
        unit.group,
        unit.expires_at,
        unit.epoch + 1,
        unit.volume_ml,
        cleared.capped,
        cleared.is_emergency_release,
    )


def _is_for_line(decision: Decision, line: LineDecision, cleared: Cleared) -> bool:
    purpose = cleared.purpose
    return isinstance(purpose, ForPatient) and (
        purpose.request_id,
        purpose.station_id,
        purpose.line.line_no,
        purpose.line.component,
        cleared.step,
        cleared.at,
    ) == (
        decision.request_id,
        decision.station_id,
        line.line_no,
        line.component,
        Step.RESERVE,
        decision.decided_at,
    )
