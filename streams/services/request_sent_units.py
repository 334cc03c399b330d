"""Find units that left for a patient and do not fit the request as it reads now.

A unit is cleared when it leaves; then its request may be amended: a group, an antibody, a consent
withdrawn. The unit cannot be taken back from here, so its holder must be told of it, and a scan
that it was transfused is refused.
"""

from __future__ import annotations

from models.clearance import ForPatient, UnitFacts
from models.decisions import Reason
from models.errors import DomainRefusal
from models.facilities import StationPolicy
from models.requests import UrgentRequest
from models.safety import list_patient_obstacles
from models.texts import Text, join_texts, render
from models.unit_states import SENT_STATES
from streams.ports import UnitOfWork
from streams.ports.stock import LivePromise, UnitState


async def explain_unfit(
    work: UnitOfWork, request: UrgentRequest, *, policy: StationPolicy
) -> tuple[Reason, ...]:
    """Return a reason for each unit that left for this request and no longer fits it."""
    return tuple(
        Reason(
            code="sent_unit_unfit",
            params={
                "unit_id": unit.unit_id,
                "status": unit.status,
                "why": str(_explain(obstacles)),
            },
        )
        for unit, line_no in await work.stock.list_sent(request.request_id)
        if (obstacles := _list_obstacles(unit, line_no, request, policy=policy, work=work))
    )


def ensure_fit(
    work: UnitOfWork,
    state: UnitState,
    promise: LivePromise,
    request: UrgentRequest,
    *,
    policy: StationPolicy,
) -> None:
    """Let a unit that was sent for a request be transfused; the state forbids it of any other.

    Raises:
        DomainRefusal: `unit_unfit`, with every reason.
    """
    if state.status not in SENT_STATES:
        return
    obstacles = _list_obstacles(state, promise.line_no, request, policy=policy, work=work)
    if obstacles:
        raise DomainRefusal("unit_unfit", unit_id=state.unit_id, why=str(_explain(obstacles)))


def _list_obstacles(
    unit: UnitFacts,
    line_no: int | None,
    request: UrgentRequest,
    *,
    policy: StationPolicy,
    work: UnitOfWork,
) -> tuple[Reason, ...]:
    line = next((line for line in request.lines if line.line_no == line_no), None)
    if line is None:
        return (Reason(code="line_gone"),)
    purpose = ForPatient.of_line(request, line, policy=policy, capped_units=0)
    return list_patient_obstacles(unit, purpose, used_at=work.context.now, rules=work.rules)


def _explain(obstacles: tuple[Reason, ...]) -> Text:
    return join_texts(render(reason.code, reason.params) for reason in obstacles)
