"""Donations: laboratory results, splitting, recall, and everything known of a single donation."""

from __future__ import annotations

from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Body
from pydantic import Field
from starlette.responses import Response

from gateway.http.calls import validate
from gateway.http.dependencies import CallDep, GatewayDep
from gateway.http.event_intake import publish
from gateway.http.examples import RECALL, RESULTS, SPLIT
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import Holder, StationStaff
from gateway.reason_texts import explain_reason
from gateway.runtime import Gateway
from models.access import Principal
from models.base import BagId, Identifier, Instant, Line, Value, derive_id
from models.errors import DomainRefusal, TransientError
from models.events.donations import (
    DonationRecalled,
    DonationSplit,
    DonationTested,
    MadeComponent,
)
from models.groups import BloodGroup
from models.laboratory import LabResult
from streams.matching.quarantine_release import decide_release

log = structlog.get_logger(__name__)

router = APIRouter(tags=["donations"])


_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"description": "已受理 · accepted"},
    **documented(400, 422),
}


class NewResults(Value):
    """Results of one donation; each becomes an event of its own."""

    results: tuple[LabResult, ...] = Field(min_length=1, max_length=20)


class NewSplit(Value):
    """What was made of a bag of whole blood.

    Attributes:
        split_at: Needed with an Idempotency-Key; else now.
    """

    unit_id: BagId
    split_at: Instant | None = None
    components: tuple[MadeComponent, ...] = Field(min_length=1, max_length=12)


class NewRecall(Value):
    """Why a donation is recalled, without anything that tells who the donor is.

    Attributes:
        recall_id: Left out, one is made; a repeat with the same Idempotency-Key makes the same.
        recalled_at: Needed with an Idempotency-Key; else now.
    """

    recall_id: Identifier | None = None
    reason: Line = Field(min_length=1)
    recalled_by: Line = Field(min_length=1)
    recalled_at: Instant | None = None


@router.post(
    "/v1/stations/{station_id}/donations/{donation_id}/results",
    summary="检验结果 · Laboratory results of a donation",
    description=(
        "每项结果一个事件；最后一项合格结果到达时自动放行本站有过的血袋（或由它们制成的）。别的血站的血袋"
        "不由它放行；有反应或血型与标签不同的结果对这次献血的每一袋都算。更正用新编号，并在 "
        "`supersedes` 里写明所更正的结果，只能更正本站自己的。\n\n"
        "One event per result; the last one that is needed releases by itself the units that the "
        "station had, and what was made of them. It clears no other station's bag; one that is "
        "reactive or tells another group than the label counts against every bag of the donation. "
        "A correction has an id of its own and names what it corrects in `supersedes`: a result of "
        "its own station."
    ),
    responses=_ACCEPTED,
)
async def add_results(
    station_id: Identifier,
    donation_id: BagId,
    *,
    gateway: GatewayDep,
    call: CallDep,
    principal: StationStaff,
    results: Annotated[NewResults, Body(openapi_examples=RESULTS)],
) -> Response:
    principal.ensure_speaks_for(station_id)
    await _ensure_own(gateway, principal, donation_id)
    events = [
        DonationTested(station_id=station_id, donation_id=donation_id, result=result)
        for result in results.results
    ]
    return await publish(gateway, call.to_caller(f"station/{station_id}"), events)


@router.post(
    "/v1/stations/{station_id}/donations/{donation_id}/split",
    summary="全血分离 · Components made of whole blood",
    responses=_ACCEPTED,
)
async def split_donation(
    station_id: Identifier,
    donation_id: BagId,
    *,
    gateway: GatewayDep,
    call: CallDep,
    principal: Holder,
    split: Annotated[NewSplit, Body(openapi_examples=SPLIT)],
) -> Response:
    principal.ensure_speaks_for(station_id)
    fields = dict(split)
    fields["split_at"] = call.settle_moment(split.split_at, field="split_at")
    event = validate(DonationSplit, fields, station_id=station_id, donation_id=donation_id)
    return await publish(gateway, call.to_caller(f"station/{station_id}"), [event])


@router.post(
    "/v1/stations/{station_id}/donations/{donation_id}/recall",
    summary="召回与追溯 · Recall and look-back",
    description=(
        "冻结这次献血的全部血袋，无论在哪里，并通知持有者 · freezes every unit of the donation "
        "wherever it is, and tells whoever holds one."
    ),
    responses=_ACCEPTED,
)
async def recall_donation(
    station_id: Identifier,
    donation_id: BagId,
    *,
    gateway: GatewayDep,
    call: CallDep,
    principal: Holder,
    recall: Annotated[NewRecall, Body(openapi_examples=RECALL)],
) -> Response:
    principal.ensure_speaks_for(station_id)
    await _ensure_own(gateway, principal, donation_id)
    moment = call.settle_moment(recall.recalled_at, field="recalled_at")
    made = derive_id("recall", station_id, donation_id, moment.isoformat())
    event = DonationRecalled(
        station_id=station_id,
        donation_id=donation_id,
        recall_id=recall.recall_id or made,
        reason=recall.reason,
        recalled_at=moment,
        recalled_by=recall.recalled_by,
    )
    source = principal.actor if principal.is_dispatcher else f"station/{station_id}"
    return await publish(gateway, call.to_caller(source), [event])


async def _ensure_own(gateway: Gateway, principal: Principal, donation_id: str) -> None:
    """Refuse at once what the engine would refuse later; while PostgreSQL is away, let it pass.

    Raises:
        DomainRefusal: `donation_of_other_station`.
    """
    own = principal.own_station
    if own is None:
        return
    try:
        stations = await gateway.donations.list_stations(donation_id)
    except TransientError as error:
        log.info("donation_not_looked_up", donation_id=donation_id, error=str(error))
        return
    if stations and own not in stations:
        raise DomainRefusal("donation_of_other_station", donation_id=donation_id, station_id=own)


@router.get(
    "/v1/donations/{donation_id}",
    summary="一次献血的全部 · Everything known of a donation",
    description=(
        "血袋及其去向、检验结果、为何未放行、召回、用过这位献血者血液的申请（不含献血者信息）\n\n"
        "Its units and where they went, results, why it is not released, recalls, and the requests "
        "whose patients received from that donor; nothing about the donor."
    ),
    responses=documented(404),
)
async def get_donation(donation_id: BagId, gateway: GatewayDep, principal: Holder) -> Response:
    found = await gateway.donations.read(donation_id)
    own = principal.own_station
    if not found.is_known or (own is not None and own not in found.station_ids):
        raise DomainRefusal("donation_unknown", donation_id=donation_id)
    verdicts = {
        unit["unit_id"]: decide_release(
            found.results,
            stations=found.says[unit["unit_id"]],
            label=BloodGroup(unit["group"]),
            collected_at=unit["collected_at"],
            rules=gateway.rules.testing,
        )
        for unit in found.units
    }
    for unit in found.units:
        if unit["released_at"] is None:
            unit_id = unit["unit_id"]
            verdicts[unit_id] = verdicts[unit_id].held_for_donor(
                found.registered_group,
                label=BloodGroup(unit["group"]),
                rules=gateway.rules.donors,
            )
    return to_response(
        {
            "donation_id": donation_id,
            "units": [
                {
                    **unit,
                    "results_clear": verdicts[unit["unit_id"]].is_released,
                    "results_against": [
                        explain_reason(reason.model_dump(mode="json"))
                        for reason in verdicts[unit["unit_id"]].reasons
                    ],
                }
                for unit in found.units
            ],
            "results": [
                {"station_id": row.station_id, **row.result.model_dump(mode="json")}
                for row in found.results
            ],
            "scans": found.scans,
            "recalls": found.recalls,
            "recipients": found.recipients,
        }
    )
