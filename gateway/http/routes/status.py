"""Shows urgent requests: the list, and a single request with its timeline."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from gateway.http.dependencies import GatewayDep
from gateway.http.openapi import problems as documented
from gateway.http.request_reading import (
    complete_reading,
    find_way_s,
    list_beside,
    may_see,
    read_detail,
)
from gateway.http.responses import to_response
from gateway.http.scopes import Party
from gateway.reason_texts import explain, explain_decision, explain_reason, explain_waiting
from gateway.requests.explanation import explain_request
from gateway.requests.line_amounts import complete_row, describe_lines
from gateway.requests.record import RequestRecord
from gateway.runtime import Gateway
from gateway.uncovered_needs import count_calls, join_texts
from models.access import KeyScope, Principal
from models.base import LARGEST, Identifier, Instant, Value
from models.errors import ContractError, DomainRefusal
from models.requests import Priority, RequestStatus, UrgentRequest
from streams.store.read_models.pages import RequestDetail, RequestFilter

router = APIRouter(tags=["requests"])

Entry = dict[str, Any]

_NOT_SOUGHT = frozenset({"expected_need", "confirmation"})
"""What a request waits for that no donor and no neighbour is asked for."""


class RequestQuery(Value):
    """Which requests.

    Attributes:
        after: The `next` of the page before.
    """

    hospital_id: Identifier | None = None
    station_id: Identifier | None = None
    status: tuple[RequestStatus, ...] = ()
    priority: Priority | None = None
    opened_from: Instant | None = None
    after: str | None = Field(default=None, max_length=300)
    limit: int = Field(default=100, ge=1, le=500)


@router.get(
    "/v1/requests",
    summary="申请列表，最新在前 · List requests, newest first",
    description=(
        "医院只看到自己的，血站只看到自己供应的 · a hospital sees its own, a station those it "
        "supplies. `next` 给出下一页 · `next` leads to the next page."
    ),
    responses=documented(400),
)
async def list_requests(
    gateway: GatewayDep, principal: Party, query: Annotated[RequestQuery, Query()]
) -> Response:
    for named, own in (
        (query.hospital_id, principal.own_hospital),
        (query.station_id, principal.own_station),
    ):
        if named is not None and own is not None and named != own:
            raise DomainRefusal("facility_not_yours", facility_id=named)
    wanted = RequestFilter(
        hospital_id=principal.own_hospital or query.hospital_id,
        station_id=principal.own_station or query.station_id,
        statuses=query.status or None,
        priority=query.priority,
        opened_from=query.opened_from,
        before=_parse_cursor(query.after) if query.after else None,
    )
    # One row more than asked for shows whether there is a next page.
    rows = await gateway.pages.list_requests(wanted, limit=query.limit + 1)
    page = rows[: query.limit]
    return to_response(
        {
            "requests": [
                {**complete_row(row), "waiting_for": explain_waiting(row["waiting_for"])}
                for row in page
            ],
            "next": _to_cursor(page[-1]) if len(rows) > query.limit else None,
        }
    )


@router.get(
    "/v1/requests/{request_id}",
    summary="一份申请及其经过 · One request and its timeline",
    description="每个理由都有代码、参数和中英文 · every reason has its code, parameters and texts.",
    responses=documented(404),
)
async def get_request(request_id: Identifier, gateway: GatewayDep, principal: Party) -> Response:
    detail = await read_detail(gateway, principal, request_id)
    if detail.request is None:
        return _answer_untaken(gateway, principal, request_id, detail)
    row = detail.request
    reading = await complete_reading(gateway, principal, detail, row)
    sought = reading.steps if row["status"] == RequestStatus.OPEN else []
    return to_response(
        {
            **{name: value for name, value in row.items() if name != "body"},
            "waiting_for": join_texts(sought)
            if sought and row["waiting_for"] not in _NOT_SOUGHT
            else explain_waiting(row["waiting_for"]),
            "sought": sought,
            "request": row["body"],
            "lines": _list_lines(detail, reading.asked),
            "decision": explain_decision(detail.decisions[-1]["body"]),
            "call_outs": count_calls(reading.calls),
            "timeline": _list_timeline(detail, reading.transfers),
        }
    )


def _list_lines(detail: RequestDetail, asked: UrgentRequest) -> list[dict[str, Any]]:
    """List the lines with what no bag covers, and what of it waits for a word."""
    unconfirmed = {row["line_no"]: row["unconfirmed"] for row in detail.lines}
    return [
        {**line, "unconfirmed": unconfirmed.get(line["line_no"], 0)}
        for line in describe_lines(asked, detail.list_bags(), missing="uncovered")
    ]


class ExplanationQuery(Value):
    """Which version; the newest, as it stands now, without one."""

    version: int | None = Field(default=None, ge=1, le=LARGEST)


@router.get(
    "/v1/requests/{request_id}/explanation",
    summary="为什么是这样 · Why it is so",
    description=(
        "依次写明：现在怎样（`standing`）；每行给了哪些血袋、为什么、从哪里来、何时到；略过了什么；"
        "改变什么就不同（`would_change`，最省事的在前）；期间做了什么（`done`）；"
        "每一版为何重新决定（`versions`）。`version` 指定某一版。\n\n"
        "In this order: where it stands (`standing`); per line the bags given, why each, from "
        "where and when they are there, and what was passed over; what would change the answer "
        "(`would_change`, the cheapest first); what was done meanwhile (`done`); why each version "
        "was decided (`versions`). `version` tells of an earlier one."
    ),
    responses=documented(400, 404),
)
async def explain_one(
    request_id: Identifier,
    gateway: GatewayDep,
    principal: Party,
    query: Annotated[ExplanationQuery, Query()],
) -> Response:
    detail = await read_detail(gateway, principal, request_id)
    if detail.request is None:
        return _answer_untaken(gateway, principal, request_id, detail)
    reading = await complete_reading(gateway, principal, detail, detail.request)
    asked = reading.asked
    record = RequestRecord(
        row=reading.row,
        request=asked,
        lines=detail.lines,
        decisions=detail.decisions,
        promises=detail.promises,
        steps=reading.steps,
        transfers=reading.transfers,
        beside=await list_beside(gateway, principal, reading),
        eta_s=find_way_s(gateway, asked.station_id, asked.hospital_id),
        now=gateway.clock.now(),
    )
    return to_response(explain_request(record, number=query.version))


def _answer_untaken(
    gateway: Gateway, principal: Principal, request_id: str, detail: RequestDetail
) -> Response:
    """Answer for a request that the engine has no row of: it was quarantined, or not read yet."""
    recent = gateway.accepted.find(request_id)
    if recent is not None and not may_see(
        principal, hospital_id=recent.hospital_id, station_id=recent.station_id
    ):
        recent = None
    # It is not known here which station supplies a quarantined request, so a station does not see
    # it; the hospital that sent it and dispatchers do.
    seen = [] if principal.scope is KeyScope.STATION and recent is None else detail.quarantined
    if recent is None and not seen:
        raise DomainRefusal("request_unknown", request_id=request_id)
    waiting_for = None if seen else explain_waiting("being_taken_in")
    return to_response(
        {
            "request_id": request_id,
            "status": "quarantined" if seen else "accepted",
            "waiting_for": waiting_for,
            "timeline": [_render_quarantined(row) for row in seen],
        }
    )


def _list_timeline(detail: RequestDetail, transfers: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """List everything that happened, oldest first."""
    entries: list[Entry] = []
    for row in detail.decisions:
        decision = explain_decision(row["body"])
        at = datetime.fromisoformat(decision["decided_at"])
        entries.append({"at": at, "kind": "decision", "decision": decision})
    for row in detail.promises:
        promise = {**row, "reason": explain_reason(row["reason"])}
        entries.append({"at": row["held_at"], "kind": "promise", "promise": promise})
    entries += [{"at": row["agreed_at"], "kind": "transfer", "transfer": row} for row in transfers]
    entries += [_render_quarantined(row) for row in detail.quarantined]
    return sorted(entries, key=lambda entry: entry["at"])


def _render_quarantined(row: Entry) -> Entry:
    headers = dict(row["headers"])
    return {
        "at": row["quarantined_at"],
        "kind": "quarantined",
        "event_id": headers.get("ce_id"),
        "event_type": headers.get("ce_type"),
        "reason": explain(row["code"], row["params"]),
        "replayed_at": row["replayed_at"],
    }


def _to_cursor(row: Entry) -> str:
    raw = orjson.dumps([row["opened_at"], row["request_id"]])
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _parse_cursor(text: str) -> tuple[datetime, str]:
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        opened_at, request_id = orjson.loads(raw)
        return datetime.fromisoformat(opened_at), str(request_id)
    except (binascii.Error, ValueError, TypeError) as error:
        raise ContractError("cursor_invalid") from error
