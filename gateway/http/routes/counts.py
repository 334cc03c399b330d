"""Takes a station's counts: previews them, and sends them in parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta, timezone
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from gateway.count_intake import (
    Count,
    CountOutcome,
    PreviewToken,
    compare,
    describe_plan,
    send_count,
)
from gateway.files.count_files import MOST_ERRORS, ReadOptions, read_count, settle_words
from gateway.files.station_words import NO_WORDS
from gateway.files.table_values import RowError
from gateway.http.calls import HttpCall, validate
from gateway.http.dependencies import CallDep, GatewayDep, ensure_station
from gateway.http.event_intake import answer_refused, render_sent
from gateway.http.examples import STOCK, STOCK_CSV
from gateway.http.openapi import file_body
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import Holder
from gateway.intake.acceptance import Caller
from gateway.invalid_content import FieldError, InvalidContent, of_row
from gateway.runtime import Gateway
from models.base import Identifier, Instant, Line, Value
from models.errors import ContractError
from models.events.stock import Attestation
from models.possible_times import CLOCKS_APART
from models.texts import render
from models.texts.instants import BEIJING

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


_ZONE = re.compile(r"([+-])(\d{2}):?([0-5]\d)")


class AttestationFields(Value):
    """The fields of a call, or of a JSON count, that attest all of it.

    Attributes:
        released_by: The person who answers for the release of every released row that names nobody.
        released_at: When they were released, with the zone.
    """

    released_by: Line | None = Field(default=None, min_length=1)
    released_at: Instant | None = None

    def find_attestation(self) -> Attestation | None:
        """Return the attestation of the whole count; None if none is given.

        Raises:
            ContractError: `fields_invalid`: one of the two fields is missing.
        """
        if self.released_by is None and self.released_at is None:
            return None
        if self.released_by is None:
            raise _incomplete("released_by")
        if self.released_at is None:
            raise _incomplete("released_at")
        return Attestation(released_by=self.released_by, released_at=self.released_at)


class CountQuery(AttestationFields):
    """How a file is read.

    Attributes:
        full: The file names every unit on the shelf; a unit that it does not name is missing.
        partial: Take the good rows although others are wrong.
        preview: The digest of a preview: the count is sent only if file and stock are unchanged.
        zone: The zone of times in the file that have none.
        map: Headings of the file, each with its column: `献血号=donation_id`.
        ignore: Headings to pass over.
        released_by: Who released the released units whose row names nobody; with `released_at`.
    """

    counted_at: Instant | None = None
    full: bool = False
    partial: bool = False
    preview: str | None = None
    zone: str = "+08:00"
    map: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


class CountOptions(AttestationFields):
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
    count, _ = await _read_call(gateway, call, station_id, query, for_preview=True)
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
    count, token = await _read_call(gateway, call, station_id, query)
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


async def _read_call(
    gateway: Gateway,
    call: HttpCall,
    station_id: str,
    query: CountQuery,
    *,
    for_preview: bool = False,
) -> tuple[Count, PreviewToken | None]:
    """Read the count of a call, and the token of the preview under which it is sent, if any.

    A file that the preview read is not read again.

    Args:
        gateway: Keeps what a preview read, and the words of the station's own files.
        call: Its body is the file.
        station_id: The station whose count it is.
        query: How the file is read.
        for_preview: This is the preview itself, which keeps the good rows beside the errors.

    Raises:
        ContractError: The file or an option cannot be understood, or the file differs from the
            previewed one.
        TransientError: `file_reader_ended`.
    """
    zone = _parse_zone(query.zone)
    raw = await call.read_content()
    digest = sha256(raw)
    attestation = query.find_attestation()
    words = await settle_words(
        gateway.station_words, station_id, maps=query.map, ignore=query.ignore
    )
    options_told = (zone, query.full, query.partial, query.ignore, attestation)
    # Without own words the digest, and so the count's identifier, stays what it always was.
    told_words = [words.model_dump_json()] if words != NO_WORDS else []
    digest.update("\x1f".join(["", *map(repr, options_told), *told_words]).encode())
    file_digest = digest.hexdigest()
    token = kept = None
    if query.preview and not for_preview:
        token = PreviewToken.parse(query.preview, file_digest=file_digest)
        kept = gateway.kept_reads.take(file_digest)
    read = kept or await read_count(
        raw,
        ReadOptions(
            station_id=station_id,
            content_type=call.content_type,
            zone=zone,
            partial=query.partial or for_preview,
            now=call.now(),
            attestation=attestation,
            words=words,
        ),
    )
    options = validate(CountOptions, read.rest)
    full = query.full or options.full
    if full and query.partial:
        raise ContractError("count_partial_and_full")
    given = options.counted_at or query.counted_at or (token.counted_at if token else None)
    counted_at = call.settle_moment(given, field="counted_at")
    if counted_at > call.now() + CLOCKS_APART:
        raise ContractError("count_in_future", counted_at=counted_at.isoformat())
    count = Count(
        station_id=station_id,
        counted_at=counted_at,
        full=full,
        file_digest=file_digest,
        read=read,
        attestation=options.find_attestation() or attestation,
    )
    return count, token


def _incomplete(missing: str) -> InvalidContent:
    told = render("attestation_incomplete", {"missing": missing})
    return InvalidContent("fields_invalid", [FieldError(missing, str(told), told)])


def _parse_zone(text: str) -> timezone:
    if text == "+08:00":
        return BEIJING
    found = _ZONE.fullmatch(text)
    if found is None or int(found[2]) > 14:  # noqa: PLR2004 - no zone on earth is farther from UTC
        raise ContractError("zone_invalid", found=text[:20])
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return timezone(-offset if found[1] == "-" else offset)


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
