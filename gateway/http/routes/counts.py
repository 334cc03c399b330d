"""Takes a station's counts: previews them, and sends them in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from gateway.counts.counting import Count, PreviewToken, describe_plan, make_plan
from gateway.counts.files import MOST_ERRORS
from gateway.files.tables import RowError
from gateway.http.app_state import get_gateway
from gateway.http.bodies import find_traceparent
from gateway.http.count_calls import CountQuery, read_call
from gateway.http.event_intake import answer_refused, render_sent
from gateway.http.examples import STOCK, STOCK_CSV
from gateway.http.headers import find_idempotency_key
from gateway.http.openapi import file_body
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import allow
from gateway.intake.acceptance import Caller
from gateway.invalid_content import of_refused, of_row, of_rows
from gateway.runtime import Gateway
from models.access import KeyScope, Principal
from models.base import Identifier
from models.errors import DomainRefusal
from streams.services.count_plans import CountPlan

router = APIRouter(tags=["stock"])

Holder = Annotated[Principal, Depends(allow(KeyScope.STATION, KeyScope.DISPATCHER))]

SENT_AT_ONCE = 8
"""Parts that are published together: about 2 MB, acknowledged well within the publishing limit."""

DIFFERENCES_TOLD = 200

_STOCK_SCHEMA = {
    "type": "object",
    "required": ["units"],
    "properties": {
        "counted_at": {"type": "string", "format": "date-time"},
        "full": {"type": "boolean"},
        "released_by": {"type": "string"},
        "released_at": {"type": "string", "format": "date-time"},
        "units": {"type": "array", "items": {"type": "object"}},
    },
}
_BODY = {
    "requestBody": file_body(csv_example=STOCK_CSV, json_schema=_STOCK_SCHEMA, json_examples=STOCK)
}


@router.post(
    "/v1/stations/{station_id}/stock/preview",
    summary="预览盘点：会改变什么 · What a count would change",
    description=(
        "什么也不改变；逐行列出错误，给出导入时可附上的 `digest`。\n\n"
        "Changes nothing. Lists everything that is wrong by sheet, row and column, what would be "
        "new, confirmed or in contradiction, and a `digest` under which to send the count."
    ),
    response_class=Response,
    responses={200: {"description": "预览 · the preview"}, **documented(400, 413, 415, 422)},
    openapi_extra=_BODY,
)
async def preview_count(
    station_id: Identifier,
    request: Request,
    principal: Holder,
    query: Annotated[CountQuery, Query()],
) -> Response:
    principal.ensure_speaks_for(station_id)
    gateway = get_gateway(request)
    count = await read_call(request, station_id, query, keep_good=True)
    await _ensure_station(gateway, station_id)
    plan = await _plan(request, count, told=DIFFERENCES_TOLD)
    read = count.read
    refused = count.list_refused(plan.refused)
    left = count.units - len(refused)
    is_whole = not read.errors and not refused
    applicable = bool(left) and (is_whole or (query.partial and not count.full))
    if applicable:
        gateway.kept_reads.keep(count.file_digest, read)
    return to_response(
        {
            "station_id": station_id,
            "counted_at": count.counted_at,
            "full": count.full,
            "units": count.units,
            **describe_plan(count, plan),
            "attestation": count.attestation and count.attestation.model_dump(),
            "errors": [of_row(error).to_json() for error in [*read.errors, *refused][:MOST_ERRORS]],
            "errors_in_all": read.errors_in_all + len(refused),
            "refused_rows": read.refused_rows + len(refused),
            "left_out": read.left_out,
            "applicable": applicable,
            "changes_nothing": plan.is_quiet,
            "digest": PreviewToken.of(count, plan).to_text() if applicable else None,
        }
    )


@router.post(
    "/v1/stations/{station_id}/stock",
    summary="导入盘点 · Import a count",
    description=(
        "CSV、电子表格或 JSON。有任何错误就一行也不导入，除非 `partial`。"
        "同一份再发一次，什么也不改变；中断后再发一次即续传。\n\n"
        "CSV, a spreadsheet or JSON. With any error nothing is imported, unless `partial` is said. "
        "The same again changes nothing; a count that broke off goes on when it is sent again. "
        "With a `preview` digest it is sent only if file and stock are still as previewed."
    ),
    response_class=Response,
    responses={
        200: {"description": "没有改变 · nothing to change"},
        202: {"description": "已受理 · accepted"},
        **documented(400, 409, 413, 415, 422),
    },
    openapi_extra=_BODY,
)
async def import_count(
    station_id: Identifier,
    request: Request,
    principal: Holder,
    query: Annotated[CountQuery, Query()],
) -> Response:
    principal.ensure_speaks_for(station_id)
    token = PreviewToken.parse(query.preview) if query.preview else None
    count = await read_call(request, station_id, query, keep_good=query.partial, token=token)
    if count.read.errors and not (query.partial and count.units):
        raise of_rows(count.read.errors, in_all=count.read.errors_in_all)
    plan, refused = None, list[RowError]()
    if query.partial:
        plan = await _plan(request, count)
        refused = count.list_refused(plan.refused)
        count = count.without(plan.refused)
    count_id = count.to_count_id(find_idempotency_key(request))
    told = _render(count, count_id, refused)
    known = await get_gateway(request).reconciling.find_count(station_id, count_id)
    if known is not None and known["taken_at"] is not None:
        return to_response({**told, "status": "unchanged", "count": known})
    # A count that broke off has already changed the stock by the parts that were taken in, so it is
    # not compared again: it goes on.
    if known is None:
        plan = plan or await _plan(request, count)
        _ensure_enters(count, plan)
        if token is not None:
            token.ensure_plan(plan)
            if plan.is_quiet and not count.full:
                return to_response({**told, "status": "unchanged", "outcomes": plan.outcomes})
    return await _send(request, count, count_id, told)


async def _plan(request: Request, count: Count, *, told: int = 0) -> CountPlan:
    gateway = get_gateway(request)
    return await make_plan(
        gateway.reconciling, count, told=told, now=gateway.clock.now(), rules=gateway.rules
    )


def _ensure_enters(count: Count, plan: CountPlan) -> None:
    """Raise `units_refused` with each unit that may not be taken in, unless all are left out."""
    refused = [unit for unit in plan.refused if unit.unit_id not in count.left_out]
    if refused or not count.units:
        raise of_refused(count.list_refused(plan.refused))


async def _send(request: Request, count: Count, count_id: str, told: dict[str, Any]) -> Response:
    """Publish the parts in order, up to the first unconfirmed one; a repeat resumes the count."""
    parts = count.to_parts(count_id)
    caller = Caller(
        source=f"station/{count.station_id}",
        key=count_id,
        named_by="count_id",
        traceparent=find_traceparent(request),
    )
    ids: list[str] = []
    for first in range(0, len(parts), SENT_AT_ONCE):
        acceptance = await get_gateway(request).submissions.accept(
            parts[first : first + SENT_AT_ONCE], caller, first_part=first
        )
        if acceptance.refused is not None:
            return answer_refused(acceptance.refused)
        ids += acceptance.event_ids
    sent = {**render_sent(ids, source=caller.source), **told, "parts": len(parts)}
    return to_response(sent, status=202)


def _render(count: Count, count_id: str, refused: Sequence[RowError]) -> dict[str, Any]:
    read = count.read
    return {
        "count_id": count_id,
        "counted_at": count.counted_at,
        "full": count.full,
        "units": count.units,
        "products": read.list_products(),
        "refused_rows": read.refused_rows + len(refused),
        "errors": [of_row(error).to_json() for error in [*read.errors, *refused][:MOST_ERRORS]],
    }


async def _ensure_station(gateway: Gateway, station_id: str) -> None:
    if station_id not in (await gateway.directories.refresh()).stations:
        raise DomainRefusal("station_unknown", station_id=station_id)
