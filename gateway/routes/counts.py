"""A station's counts: previewed, and sent in parts."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from gateway.access import Principal, allow
from gateway.bodies import validate
from gateway.count_files import Reading, read_count
from gateway.counting import Count, PreviewToken, describe_plan, make_plan
from gateway.documents import file_body
from gateway.documents import problems as documented
from gateway.events_in import send, settle_moment, tell_sent
from gateway.examples import STOCK, STOCK_CSV
from gateway.headers import find_idempotency_key
from gateway.problems import of_row, of_rows
from gateway.rendering import to_response
from gateway.runtime import Gateway, get_gateway
from models.base import Identifier, Instant, Value
from models.cells import BEIJING
from models.errors import ContractError, DomainRefusal, TransientError
from streams.store.keys import KeyScope
from streams.store.reconciling import Row

router = APIRouter(tags=["stock"])

Holder = Annotated[Principal, Depends(allow(KeyScope.STATION, KeyScope.DISPATCHER))]

SENT_AT_ONCE = 8
"""Parts published together: some 2 MB, acknowledged well within the limit of a publication."""

DIFFERENCES_TOLD = 200

CLOCKS_APART = timedelta(minutes=5)
"""A station's clock may be so far ahead of ours; a count later than that was not taken yet."""

_ZONE = re.compile(r"([+-])(\d{2}):?([0-5]\d)")

_STOCK_SCHEMA = {
    "type": "object",
    "required": ["units"],
    "properties": {
        "counted_at": {"type": "string", "format": "date-time"},
        "full": {"type": "boolean"},
        "units": {"type": "array", "items": {"type": "object"}},
    },
}
_BODY = {
    "requestBody": file_body(csv_example=STOCK_CSV, json_schema=_STOCK_SCHEMA, json_examples=STOCK)
}


class CountQuery(Value):
    """How a file is read.

    Attributes:
        full: It names every unit on the shelf; what it does not name is missing.
        partial: Take the good rows although others are wrong.
        preview: The digest of a preview: the count is sent only if file and stock still are so.
        zone: Of times in the file that have none.
        ignore: Headings to pass over.
    """

    counted_at: Instant | None = None
    full: bool = False
    partial: bool = False
    preview: str | None = None
    zone: str = "+08:00"
    ignore: tuple[str, ...] = ()


class CountOptions(Value):
    """What may stand beside the rows of a JSON count."""

    counted_at: Instant | None = None
    full: bool = False


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
    count = await _read(request, station_id, query, keep_good=True)
    await _ensure_station(gateway, station_id)
    plan = await make_plan(gateway.reconciling, count, told=DIFFERENCES_TOLD)
    read = count.read
    applicable = bool(count.units) and (not read.errors or (query.partial and not count.full))
    if applicable:
        gateway.kept_reads.keep(count.file_digest, read)
    return to_response(
        {
            "station_id": station_id,
            "counted_at": count.counted_at,
            "full": count.full,
            "units": count.units,
            **describe_plan(count, plan),
            "errors": [of_row(error).to_json() for error in read.errors],
            "errors_in_all": read.errors_in_all,
            "refused_rows": read.refused_rows,
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
    count = await _read(request, station_id, query, keep_good=query.partial, token=token)
    if count.read.errors and not (query.partial and count.units):
        raise of_rows(count.read.errors, in_all=count.read.errors_in_all)
    count_id = count.to_count_id(find_idempotency_key(request))
    gateway = get_gateway(request)
    known = await _find_known(gateway, station_id, count_id)
    if known is not None and known["taken_at"] is not None:
        return to_response({**_tell(count, count_id), "status": "unchanged", "count": known})
    # A count that broke off changes the stock by itself while its parts are taken in: it goes on.
    if token is not None and known is None:
        plan = await make_plan(gateway.reconciling, count, told=0)
        token.ensure_plan(plan)
        if plan.is_quiet and not count.full:
            return to_response(
                {**_tell(count, count_id), "status": "unchanged", "outcomes": plan.outcomes}
            )
    return await _send(request, count, count_id)


async def _send(request: Request, count: Count, count_id: str) -> Response:
    """Publish the parts in order; one that is not confirmed ends it, and sending again resumes."""
    parts = count.to_parts(count_id)
    source = f"station/{count.station_id}"
    ids: list[str] = []
    for first in range(0, len(parts), SENT_AT_ONCE):
        found = await send(
            request,
            parts[first : first + SENT_AT_ONCE],
            source=source,
            key=count_id,
            first_part=first,
        )
        if isinstance(found, Response):
            return found
        ids += found
    told = {**tell_sent(ids, source=source), **_tell(count, count_id), "parts": len(parts)}
    return to_response(told, status=202)


def _tell(count: Count, count_id: str) -> dict[str, Any]:
    return {
        "count_id": count_id,
        "counted_at": count.counted_at,
        "full": count.full,
        "units": count.units,
        "refused_rows": count.read.refused_rows,
        "errors": [of_row(error).to_json() for error in count.read.errors],
    }


async def _find_known(gateway: Gateway, station_id: str, count_id: str) -> Row | None:
    """Return a count of which at least a part was taken in.

    While PostgreSQL is away nobody can tell, and the parts go out again: who reads them knows them.
    """
    try:
        return await gateway.reconciling.find_count(station_id, count_id)
    except TransientError:
        return None


async def _ensure_station(gateway: Gateway, station_id: str) -> None:
    if station_id not in (await gateway.directories.refresh()).stations:
        raise DomainRefusal("station_unknown", station_id=station_id)


async def _read(
    request: Request,
    station_id: str,
    query: CountQuery,
    *,
    keep_good: bool,
    token: PreviewToken | None = None,
) -> Count:
    zone = _parse_zone(query.zone)
    raw = await request.body()
    digest = sha256(raw)
    digest.update(f"\x1f{zone}\x1f{query.full}\x1f{query.partial}\x1f{query.ignore}".encode())
    file_digest = digest.hexdigest()
    kept = None
    if token is not None:
        token.ensure_file(file_digest)
        kept = get_gateway(request).kept_reads.take(file_digest)
    read = kept or await read_count(
        raw,
        Reading(
            station_id=station_id,
            content_type=request.headers.get("content-type", ""),
            zone_s=round(zone.utcoffset(None).total_seconds()),
            partial=keep_good,
            ignore=query.ignore,
        ),
    )
    options = validate(CountOptions, read.rest)
    full = query.full or options.full
    if full and query.partial:
        raise ContractError("count_partial_and_full")
    given = options.counted_at or query.counted_at or (token.counted_at if token else None)
    counted_at = settle_moment(request, given, field="counted_at")
    if counted_at > get_gateway(request).clock.now() + CLOCKS_APART:
        raise ContractError("count_in_future", counted_at=counted_at.isoformat())
    return Count(
        station_id=station_id,
        counted_at=counted_at,
        full=full,
        file_digest=file_digest,
        read=read,
    )


def _parse_zone(text: str) -> timezone:
    if text == "+08:00":
        return BEIJING
    found = _ZONE.fullmatch(text)
    if found is None or int(found[2]) > 14:  # noqa: PLR2004 - no zone on earth is farther from UTC
        raise ContractError("zone_invalid", found=text[:20])
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-offset if found[1] == "-" else offset)
