"""Find units that left for a patient and do not fit the request as it reads now.

A unit is cleared when it leaves; then its request may be amended: a group, an antibody, a consent
withdrawn. The unit cannot be taken back from here, so its holder must be told of it, and a scan
that it was transfused is refused.
"""

from __future__ import annotations

from models.clearance import ForPatient
from models.decisions import Reason
from models.errors import DomainRefusal
from models.facilities import StationPolicy
from models.requests import UrgentRequest
from models.safety import list_patient_obstacles
from models.texts import join_texts, render
from streams.ports import UnitOfWork
from streams.ports.stock import PromisedUnit


async def explain_unfit(
    work: UnitOfWork, request: UrgentRequest, *, policy: StationPolicy
) -> tuple[Reason, ...]:
    """Return a reason for each unit that left for this request and no longer fits it."""
    return tuple(
        Reason(
            code="sent_unit_unfit",
            params={
                "unit_id": sent.unit.unit_id,
                "status": sent.unit.status,
                "why": str(join_texts(render(reason.code, reason.params) for reason in obstacles)),
            },
        )
        for sent in await work.stock.list_sent(request.request_id)
        if (obstacles := _list_obstacles(sent, request, policy=policy, work=work))
    )


async def ensure_fit(
    work: UnitOfWork, unit_id: str, request: UrgentRequest, *, policy: StationPolicy
) -> None:
    """Let a unit that was sent for a request be transfused.

    Raises:
        DomainRefusal: `unit_unfit`, with every reason.
    """
    for reason in await explain_unfit(work, request, policy=policy):
        if reason.params["unit_id"] == unit_id:
            raise DomainRefusal("unit_unfit", unit_id=unit_id, why=reason.params["why"])


def _list_obstacles(
    sent: PromisedUnit, request: UrgentRequest, *, policy: StationPolicy, work: UnitOfWork
) -> tuple[Reason, ...]:
    line = next((line for line in request.lines if line.line_no == sent.line_no), None)
    if line is None:
        return (Reason(code="line_gone"),)
    purpose = ForPatient.of_line(request, line, policy=policy, capped_units=0)
    return list_patient_obstacles(sent.unit, purpose, used_at=work.context.now, rules=work.rules)
