"""Takes a station's counts: previews them, and sends them in parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.responses import Response

from gateway.counts.count_files import MOST_ERRORS
from gateway.counts.count_intake import CountOutcome, compare, send_count
from gateway.counts.count_parts import Count
from gateway.counts.previews import PreviewToken, describe_plan
from gateway.files.table_values import RowError
from gateway.http.count_calls import CountQuery, read_call
from gateway.http.dependencies import CallDep, GatewayDep, ensure_station
from gateway.http.event_intake import answer_refused, render_sent
from gateway.http.examples import STOCK, STOCK_CSV
from gateway.http.openapi import file_body
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import Holder
from gateway.intake.acceptance import Caller
from gateway.invalid_content import of_row
from models.base import Identifier

router = APIRouter(tags=["stock"])


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
    responses={200: {"description": "预览 · the preview"}, **documented(400, 413, 415, 422)},
    openapi_extra=_BODY,
)
async def preview_count(
    station_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Holder,
    query: Annotated[CountQuery, Query()],
) -> Response:
    principal.ensure_speaks_for(station_id)
    count, _ = await read_call(gateway, call, station_id, query, for_preview=True)
    await ensure_station(gateway, station_id)
    plan = await compare(gateway, count, differences=DIFFERENCES_TOLD)
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
            "errors": _render_errors(count, refused),
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
    responses={
        200: {"description": "没有改变 · nothing to change"},
        202: {"description": "已受理 · accepted"},
        **documented(400, 409, 413, 415, 422),
    },
    openapi_extra=_BODY,
)
async def import_count(
    station_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Holder,
    query: Annotated[CountQuery, Query()],
) -> Response:
    principal.ensure_speaks_for(station_id)
    count, token = await read_call(gateway, call, station_id, query)
    caller = Caller(
        source=f"station/{station_id}",
        key=call.find_idempotency_key(),
        traceparent=call.find_traceparent(),
    )
    outcome = await send_count(gateway, count, caller, partial=query.partial, token=token)
    told = _render(outcome)
    acceptance = outcome.acceptance
    if acceptance is None:
        return to_response({**told, "status": "unchanged", **(outcome.unchanged or {})})
    if acceptance.refused is not None:
        return answer_refused(acceptance.refused)
    sent = render_sent(acceptance.event_ids, source=caller.source)
    return to_response({**sent, **told, "parts": outcome.parts}, status=202)


def _render(outcome: CountOutcome) -> dict[str, Any]:
    count, refused = outcome.count, outcome.refused
    return {
        "count_id": outcome.count_id,
        "counted_at": count.counted_at,
        "full": count.full,
        "units": count.units,
        "products": count.read.list_products(),
        "refused_rows": count.read.refused_rows + len(refused),
        "errors": _render_errors(count, refused),
    }


def _render_errors(count: Count, refused: Sequence[RowError]) -> list[dict[str, Any]]:
    return [of_row(error).to_json() for error in [*count.read.errors, *refused][:MOST_ERRORS]]
