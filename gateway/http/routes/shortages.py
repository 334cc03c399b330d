"""The exchange between stations: open shortages, offers that answer them, transfers that follow."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Self

import structlog
from fastapi import APIRouter, Body, Depends, Query
from pydantic import Field, model_validator
from starlette.responses import Response

from gateway.http.calls import validate
from gateway.http.dependencies import LOOK_LIMIT_S, CallDep, GatewayDep
from gateway.http.event_intake import publish
from gateway.http.examples import OFFER
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import allow
from gateway.reason_texts import explain_reason
from gateway.runtime import Gateway
from gateway.shortage_order import list_worst_first
from models.access import KeyScope, Principal
from models.base import Identifier, Instant, Line, Value, derive_id
from models.broken_rule import BrokenRuleError
from models.components import Component
from models.errors import DomainRefusal, InvariantViolation, TransientError
from models.events.shortages import OfferMade
from models.groups import BloodGroup
from models.shortages import Offer, ShortageStatus, TransferStatus

log = structlog.get_logger(__name__)

router = APIRouter(tags=["between stations"])

Giver = Annotated[Principal, Depends(allow(KeyScope.NEIGHBOUR, KeyScope.STATION))]
Viewer = Annotated[
    Principal, Depends(allow(KeyScope.NEIGHBOUR, KeyScope.STATION, KeyScope.DISPATCHER))
]

MOST_OPEN = 10_000
"""Limit of open shortages, one per station, component and group. All of them are sorted before the
page is cut."""


class ShortageQuery(Value):
    station_id: Identifier | None = None
    status: ShortageStatus | None = ShortageStatus.OPEN
    component: Component | None = None
    limit: int = Field(default=100, ge=1, le=500)


class TransferQuery(Value):
    station_id: Identifier | None = None
    status: TransferStatus | None = None
    limit: int = Field(default=100, ge=1, le=500)


class NewOffer(Value):
    """Units that a station would give.

    Attributes:
        to_station_id: Whose shortage it is, as its event says.
        quantity: At most what is missing; fewer may be accepted.
        below_floor: Say so expressly to give, for patients who wait, what takes the station below
            its own orange line; `confirmed_by` names the person of the station who says yes.
        confirmed_by: Also needed to give blood that a disaster needs which the station leads.
    """

    shortage_id: Identifier
    to_station_id: Identifier
    component: Component
    group: BloodGroup
    quantity: int = Field(ge=1, le=500)
    valid_until: Instant
    below_floor: bool = False
    confirmed_by: Line = ""

    @model_validator(mode="after")
    def _is_confirmed(self) -> Self:
        if self.below_floor and not self.confirmed_by:
            raise BrokenRuleError("below_floor_unconfirmed", "confirmed_by")
        return self


@router.get(
    "/v1/shortages",
    summary="短缺，最严重在前 · Shortages, worst first",
    description=(
        "先是有患者处于生命危险的，再是紧急的，再是常规的，同级中先需要的在前，然后按颜色。"
        "`waiting` 写明谁在等、等多少、到何时；别的血站只看到数量和时间。\n\n"
        "First those for whom somebody waits in danger of life, then urgently, then for a routine "
        "order, the sooner needed first; then by colour. `waiting` tells who, how much and until "
        "when; other stations see no names."
    ),
    responses=documented(400),
)
async def list_shortages(
    gateway: GatewayDep, principal: Viewer, query: Annotated[ShortageQuery, Query()]
) -> Response:
    # Every station may see every shortage, since shortages are published for all stations; it may
    # not see whose requests wait at another station.
    is_open = query.status is ShortageStatus.OPEN
    rows = await gateway.pages.list_shortages(
        station_id=query.station_id,
        status=query.status,
        component=query.component,
        limit=MOST_OPEN if is_open else query.limit,
    )
    uncovered = await gateway.pages.list_uncovered_lines(station_id=query.station_id)
    entries = list_worst_first(
        rows,
        uncovered if is_open else (),
        stations=gateway.directories.current().stations,
        may_name=principal.may_name,
        rules=gateway.rules,
    )
    return to_response({"shortages": entries[: query.limit]})


@router.post(
    "/v1/offers",
    summary="向短缺的血站提供血液 · Offer units for a shortage",
    description=(
        "带 `Prefer: wait=N` 时，`outcome` 写明提议被接受还是谢绝，`reasons` 写明为什么 · with "
        "`Prefer: wait=N`, `outcome` tells whether it was accepted or declined, `reasons` why."
    ),
    responses={202: {"description": "已受理 · accepted"}, **documented(400, 404, 409, 422)},
)
async def make_offer(
    gateway: GatewayDep,
    call: CallDep,
    principal: Giver,
    new: Annotated[NewOffer, Body(openapi_examples=OFFER)],
) -> Response:
    giver = principal.own_station
    if giver is None:
        raise InvariantViolation("key_scope_invalid", scope=principal.scope)
    if giver == new.to_station_id:
        raise DomainRefusal("offer_to_self")
    await _ensure_wanted(gateway, new)
    identity = call.find_idempotency_key() or new.model_dump_json()
    offer_id = derive_id("offer", giver, identity)
    offer = validate(Offer, dict(new), offer_id=offer_id, from_station_id=giver)
    answer = await publish(
        gateway,
        call.to_caller(f"station/{giver}", key=offer_id),
        [OfferMade(offer=offer)],
        read_outcome=lambda: _render_outcome(gateway, offer_id),
    )
    answer.headers["X-Offer-Id"] = offer_id
    return answer


async def _render_outcome(gateway: Gateway, offer_id: str) -> dict[str, Any]:
    """Return the outcome of an offer that was decided."""
    row = await gateway.pages.find_offer(offer_id)
    if row is None:
        raise InvariantViolation("offer_missing", offer_id=offer_id)
    reasons = [explain_reason(reason) for reason in row["reasons"]]
    return {"outcome": row["status"], "reasons": reasons}


@router.get(
    "/v1/transfers",
    summary="站间调拨 · Transfers between stations",
    description="血站只看到自己给出和收到的 · a station sees those it gives and gets.",
    responses=documented(400),
)
async def list_transfers(
    gateway: GatewayDep, principal: Viewer, query: Annotated[TransferQuery, Query()]
) -> Response:
    rows = await gateway.pages.list_transfers(
        station_id=principal.own_station or query.station_id,
        status=query.status,
        limit=query.limit,
    )
    return to_response(
        {
            "transfers": [
                {
                    **row["body"],
                    "status": row["status"],
                    "updated_at": row["updated_at"],
                    "units": row["units"] or [],
                }
                for row in rows
            ]
        }
    )


async def _ensure_wanted(gateway: Gateway, new: NewOffer) -> None:
    """Refuse at once what the engine would decline; while PostgreSQL is away, let it pass."""
    try:
        async with asyncio.timeout(LOOK_LIMIT_S):
            row = await gateway.pages.find_shortage(new.shortage_id)
    except (TransientError, TimeoutError) as error:
        log.warning("offer_not_checked", error=repr(error))
        return
    if row is None:
        raise DomainRefusal("shortage_unknown", shortage_id=new.shortage_id)
    if row["station_id"] != new.to_station_id:
        raise DomainRefusal(
            "shortage_elsewhere", shortage_id=new.shortage_id, station_id=row["station_id"]
        )
    if row["status"] == ShortageStatus.CLEARED:
        raise DomainRefusal("shortage_cleared", shortage_id=new.shortage_id)
    if new.quantity > row["units_missing"]:
        # A typing error such as 50 for 2 would empty the giving station, so the offer is refused
        # with the number of missing units.
        raise DomainRefusal(
            "offer_exceeds_missing",
            shortage_id=new.shortage_id,
            quantity=new.quantity,
            missing=row["units_missing"],
        )
