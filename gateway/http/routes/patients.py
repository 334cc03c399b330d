"""Shows what is remembered of a hospital's patients, and takes what it or its laboratory tells.

A patient is known by the hospital's own pseudonym alone. Adding is free; taking away needs a named
person and a reason.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from gateway.http.calls import validate
from gateway.http.dependencies import CallDep, GatewayDep
from gateway.http.event_intake import publish
from gateway.http.examples import PATIENT_CHANGE
from gateway.http.openapi import body
from gateway.http.openapi import problems as documented
from gateway.http.request_targets import find_station
from gateway.http.responses import to_response
from gateway.http.scopes import allow
from models.access import KeyScope, Principal
from models.base import Identifier
from models.errors import DomainRefusal
from models.events.requests import PatientChanged
from models.patient_records import PatientChange

router = APIRouter(tags=["patients"])

Asker = Annotated[Principal, Depends(allow(KeyScope.HOSPITAL, KeyScope.DISPATCHER))]


@router.get(
    "/v1/hospitals/{hospital_id}/patients/{reference}",
    summary="一位病人的记录 · What is remembered of a patient",
    description=(
        "血型及其由来、抗体、特殊需要和更正的经过。"
        "`disputed_groups` 不为空时，先后报的血型互相矛盾，"
        "红细胞只发 O 型、血浆只发 AB 型，直到具名人员更正。\n\n"
        "The group with its history, antibodies, special needs and corrections. While "
        "`disputed_groups` is not empty, groups contradict each other: red cells are group O and "
        "plasma is AB until a named person settles it."
    ),
    responses=documented(403, 404),
)
async def get_patient(
    hospital_id: Identifier, reference: Identifier, gateway: GatewayDep, principal: Asker
) -> Response:
    principal.ensure_speaks_for(hospital_id)
    found = await gateway.pages.find_patient(hospital_id, reference)
    if found is None:
        raise DomainRefusal("patient_unknown", hospital_id=hospital_id, reference=reference)
    return to_response(found)


@router.patch(
    "/v1/hospitals/{hospital_id}/patients/{reference}",
    summary="补充或更正病人的记录 · Add to a patient's record, or correct it",
    description=(
        "`patient` 和 `special_needs` 只增不减；"
        "撤回或裁定血型写在 `correction` 里，须有具名的人和理由。"
        "病人未结束的申请随即按新的记录重新配血。\n\n"
        "`patient` and `special_needs` are only added; what is taken away, or which group is "
        "right, stands in `correction` with a named person and a reason. Open requests of the "
        "patient are decided again by the record at once."
    ),
    responses={
        200: {"description": "已执行 · done"},
        202: {"description": "已受理 · kept in the log"},
        **documented(400, 403, 413, 422),
    },
    openapi_extra={"requestBody": body("PatientRecordChange", PATIENT_CHANGE)},
)
async def change_patient(
    hospital_id: Identifier,
    reference: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Asker,
) -> Response:
    principal.ensure_speaks_for(hospital_id)
    fields = await call.read_object()
    station_id = await find_station(gateway, hospital_id)
    change = validate(
        PatientChange,
        fields,
        hospital_id=hospital_id,
        station_id=station_id,
        reference=reference,
        changed_by=principal.actor if principal.is_dispatcher else "",
    )
    caller = call.to_caller(f"hospital/{hospital_id}")
    return await publish(gateway, caller, [PatientChanged(change=change)])
