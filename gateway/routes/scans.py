"""Bags as a hand scanner names them: received, picked, issued, returned, discarded."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body, Depends
from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from gateway.access import Principal, allow
from gateway.bodies import find_traceparent
from gateway.documents import problems as documented
from gateway.events_in import settle_moment
from gateway.examples import SCAN
from gateway.headers import find_idempotency_key
from gateway.rendering import to_response
from gateway.runtime import get_gateway
from gateway.scan_report import build_report, refuse_all
from gateway.scanning import Scan, scan
from models.base import Identifier, Instant, Line, Value
from models.errors import DomainRefusal
from models.labels.actions import ScanAction
from streams.store.keys import KeyScope

router = APIRouter(tags=["stock"])

Holder = Annotated[Principal, Depends(allow(KeyScope.STATION, KeyScope.DISPATCHER))]

MAX_LINES = 1000
"""Lines of one call: read in well under a tenth of a second, while other calls wait."""

MAX_LINE_CHARACTERS = 400
"""The longest compound messages of bags have about a hundred."""

Barcode = Annotated[str, StringConstraints(max_length=MAX_LINE_CHARACTERS)]


class NewScan(Value):
    """Lines of a scanner.

    Attributes:
        barcodes: One line each, in the order of the scanner; an empty one ends a bag.
        scanned_at: Needed with an Idempotency-Key; else now.
        request_id: The request or transfer that is worked on: bags meant for another are refused.
        reason: Needed to return and to discard.
    """

    action: ScanAction
    barcodes: tuple[Barcode, ...] = Field(min_length=1, max_length=MAX_LINES)
    scanned_at: Instant | None = None
    request_id: Identifier | None = None
    reason: Line = ""


@router.post(
    "/v1/stations/{station_id}/scans",
    summary="扫码 · Scan bags",
    description=(
        "一行一个条码，一袋的条码顺序不限；复合码即一袋；空行结束一袋。标签上的血型、失效时间、成分与记录"
        "不符的血袋一律拒绝。应答逐行说明接受或拒绝及原因；一袋都没有接受时为 422。\n\n"
        "One barcode a line, those of one bag in any order; a compound message is a whole bag; an "
        "empty line ends one. A bag whose label contradicts its record is refused. The answer "
        "tells of every line whether it was accepted, and why not; 422 if no bag was."
    ),
    response_class=Response,
    responses={
        202: {"description": "至少一袋已受理 · a bag or more accepted"},
        **documented(400, 422),
    },
)
async def scan_bags(
    station_id: Identifier,
    request: Request,
    principal: Holder,
    asked: Annotated[NewScan, Body(openapi_examples=SCAN)],
) -> Response:
    principal.ensure_speaks_for(station_id)
    gateway = get_gateway(request)
    if station_id not in (await gateway.directories.refresh()).stations:
        raise DomainRefusal("station_unknown", station_id=station_id)
    wanted = Scan(
        station_id=station_id,
        action=asked.action,
        lines=asked.barcodes,
        scanned_at=settle_moment(request, asked.scanned_at, field="scanned_at"),
        source=f"station/{station_id}",
        request_id=asked.request_id,
        reason=asked.reason,
        key=find_idempotency_key(request),
        traceparent=find_traceparent(request),
    )
    outcome = await scan(gateway, wanted, book=await gateway.labels.get(station_id))
    if not any(verdict.accepted for verdict in outcome.verdicts):
        raise refuse_all(outcome)
    return to_response(build_report(wanted, outcome), status=202)
