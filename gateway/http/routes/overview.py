"""The overview of what goes on now, worst first; and the start page for new users."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from gateway.http.dependencies import GatewayDep
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import Party
from gateway.reason_texts import explain, explain_waiting
from gateway.requests.line_amounts import complete_row
from gateway.runtime import Gateway
from gateway.shortage_order import list_worst_first
from streams.ports import Unread
from streams.store.read_models.pages import WaitingLetters

router = APIRouter(tags=["overview"])


MOST_ROWS = 200
"""Most rows of each list; the worst come first."""


@router.get("/", summary="从这里开始 · Begin here")
async def begin() -> Response:
    return to_response(
        {
            "name": "血联 · Xuelian",
            "api": "/openapi.json",
            "ready": "/readyz",
            "overview": "/v1/overview",
            "command": "xuelian status",
            "first_hour": "README.md · xuelian init",
        }
    )


@router.get(
    "/v1/overview",
    summary="现在的情况，最严重的在前 · What goes on now, worst first",
    description=(
        "缺血的申请（危及生命的在前）、过了时间仍未送达的、短缺、应急启动、进行中的召集、在途调拨、死信数和最早的一条；"
        "`unread`：已受理而没有 worker 处理的（全系统）。"
        "医院只看到自己的申请，血站只看到自己的。\n\n"
        "Requests that lack blood, life-threatening first; those whose time has passed; shortages, "
        "activations, live calls, transfers on the way, dead letters and since when; `unread`: "
        "what was accepted in the whole system and no worker has acknowledged. A hospital "
        "sees its own requests, a station what is its own."
    ),
    responses=documented(400),
)
async def read_overview(gateway: GatewayDep, principal: Party) -> Response:
    found, uncovered, unread = await asyncio.gather(
        gateway.pages.read_overview(
            station_id=principal.own_station, hospital_id=principal.own_hospital, limit=MOST_ROWS
        ),
        gateway.pages.list_uncovered_lines(station_id=principal.own_station),
        gateway.unread.look(),
    )
    return to_response(
        {
            "as_of": found.as_of,
            "requests": [
                {**complete_row(row), "waiting_for": explain_waiting(row["waiting_for"])}
                for row in found.requests
            ],
            "shortages": list_worst_first(
                found.shortages,
                uncovered,
                stations=gateway.directories.current().stations,
                may_name=principal.may_name,
                rules=gateway.rules,
            ),
            "activations": [
                {**row["body"], "opened_at": row["opened_at"]} for row in found.activations
            ],
            "calls": found.calls,
            "transfers": [
                {**row["body"], "status": row["status"], "units": row["units"] or []}
                for row in found.transfers
            ],
            **_render_letters(found.dead_letters),
            "unread": _render_unread(gateway, unread),
        }
    )


def _render_letters(found: WaitingLetters | None) -> dict[str, Any]:
    return {
        "dead_letters": found.letters if found else None,
        "dead_letters_life_threatening": found.life_threatening if found else None,
        "dead_letters_oldest_at": found.oldest_at if found else None,
    }


def _render_unread(gateway: Gateway, found: Sequence[Unread] | None) -> dict[str, Any]:
    if found is None:
        return {"known": False, "reason": explain("kafka_unreachable")}
    waiting = [row for row in found if row.records]
    return {
        "known": True,
        "records": sum(row.records for row in waiting),
        "oldest_at": min((row.since for row in waiting if row.since), default=None),
        "oldest_s": int(max(map(gateway.unread.age_s, waiting), default=0)),
        "topics": waiting,
    }
