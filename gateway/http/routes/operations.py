"""The lists that need somebody's attention: refused records, and overdue requests and transfers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from gateway.http.dependencies import GatewayDep
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import Holder, Party
from gateway.reason_texts import explain
from models.base import Identifier, Value
from streams.services.record_refusals import withhold_content
from streams.store.read_models.vitals import MARKS

router = APIRouter(tags=["operations"])


class LetterQuery(Value):
    """Which dead letters.

    Attributes:
        replayed: Include letters that were replayed.
        after: The `next` of the page before.
    """

    replayed: bool = False
    after: Identifier | None = None
    limit: int = Field(default=100, ge=1, le=500)


class OverdueQuery(Value):
    """Which marks; all of them when none is named."""

    mark: Literal["waiting", "late", "unacknowledged", "may_have_left"] | None = None
    limit: int = Field(default=200, ge=1, le=1000)


@router.get(
    "/v1/dead-letters",
    summary="没有被接受的记录，危及生命的在前 · Records that were refused, lives first",
    description=(
        "危及生命的申请（看得出的）在前，然后最新的在前 · life-threatening requests first, where "
        "the record tells, then the newest. "
        "血站只看到自己键下的，调度员看到全部；没有正文；重放用命令行 `xuelian dlq replay` · "
        "a station sees those of its own key, a dispatcher all, none with its body; replay by "
        "`xuelian dlq replay`."
    ),
    responses=documented(400),
)
async def list_dead_letters(
    gateway: GatewayDep, principal: Holder, query: Annotated[LetterQuery, Query()]
) -> Response:
    rows = await gateway.vitals.list_dead_letters(
        station_id=principal.own_station,
        with_replayed=query.replayed,
        after=query.after,
        limit=query.limit + 1,
    )
    page = rows[: query.limit]
    more: str | None = page[-1]["dead_letter_id"] if len(rows) > query.limit else None
    return to_response({"dead_letters": [_to_letter(row) for row in page], "next": more})


def _to_letter(row: dict[str, Any]) -> dict[str, Any]:
    code, params = row.pop("code"), row.pop("params")
    return {**row, "reason": explain(code, withhold_content(params))}


@router.get(
    "/v1/overdue",
    summary="等得最久、来不及、无人签收 · What waits longest, is late, was never acknowledged",
    description=(
        "四种标记 · four marks: `waiting` 仍缺血 · blood is still missing, "
        "`late` 来不及或已过时 · cannot be in time or its time has passed, "
        "`unacknowledged` 已发出、应已到而无人签收 · left, should have arrived, and nobody has "
        "received it, `may_have_left` 预留到期未拣、可能未扫描已离站 · not picked in time, may "
        "have left without a scan: 去看还在不在，在的盘点或扫描 · look, and count or scan what is "
        "there. "
        "`units` 为尚缺的用血单位，`bags` 为已承诺、在途或存疑的袋数 · `units` ordering units that "
        "are missing, `bags` are promised, on their way or doubted. "
        "危及生命者在前 · lives first."
    ),
    responses=documented(400),
)
async def list_overdue(
    gateway: GatewayDep, principal: Party, query: Annotated[OverdueQuery, Query()]
) -> Response:
    now = gateway.clock.now()
    rows = await gateway.vitals.list_overdue(
        mark=query.mark,
        station_id=principal.own_station,
        hospital_id=principal.own_hospital,
        limit=query.limit,
    )
    return to_response(
        {
            "now": now,
            "counts": dict.fromkeys(MARKS, 0) | {row["mark"]: row.pop("of_mark") for row in rows},
            "overdue": [
                {
                    **row,
                    "waited_s": _seconds(row["since"], now),
                    "late_s": max(_seconds(row["due_at"], now), 0),
                }
                for row in rows
            ],
        }
    )


def _seconds(since: datetime, now: datetime) -> int:
    return int((now - since).total_seconds())
