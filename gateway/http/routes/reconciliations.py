"""The differences that counts left open: listed, shown with their alarms, and closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Query
from pydantic import Field
from starlette.responses import Response

from gateway.http.dependencies import CallDep, GatewayDep
from gateway.http.event_intake import publish
from gateway.http.examples import CLOSING
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import Holder
from gateway.reason_texts import explain
from gateway.runtime import Gateway
from models.base import BagId, Identifier, Instant, Line, Value
from models.errors import DomainRefusal
from models.events.stock import PART_UNITS, DifferencesClosed, Resolution
from streams.store.read_models.counts import Row

router = APIRouter(tags=["stock"])

Kind = Literal["missing", "moved", "differs", "status"]

MAX_CLOSED_AT_ONCE = 20_000


class DifferenceQuery(Value):
    kind: Kind | None = None
    closed: bool = False
    limit: int = Field(default=500, ge=1, le=5000)


class ClosingBody(Value):
    """What became of units that differ.

    Attributes:
        unit_ids: Units of open differences; empty for all open differences of `kind`.
        closed_at: Needed with an Idempotency-Key; else now.
    """

    unit_ids: tuple[BagId, ...] = Field(default=(), max_length=MAX_CLOSED_AT_ONCE)
    kind: Kind | None = None
    resolution: Resolution
    reason: Line = Field(min_length=1)
    closed_at: Instant | None = None


@router.get(
    "/v1/stations/{station_id}/reconciliations",
    summary="盘点列表，最新在前 · Counts, newest first",
    responses=documented(400),
)
async def list_reconciliations(
    station_id: Identifier,
    gateway: GatewayDep,
    principal: Holder,
    limit: Annotated[int, Query(ge=1, le=500)] = 20,
) -> Response:
    principal.ensure_speaks_for(station_id)
    comparison = gateway.count_comparison
    return to_response(
        {
            "station_id": station_id,
            "counts": await comparison.list_counts(station_id, limit=limit),
            **await render_open(gateway, station_id),
        }
    )


@router.get(
    "/v1/stations/{station_id}/reconciliations/{count_id}",
    summary="一次盘点的进度与差异 · One count: how far it is, and its differences",
    responses=documented(400, 404),
)
async def get_reconciliation(
    station_id: Identifier,
    count_id: Identifier,
    gateway: GatewayDep,
    principal: Holder,
    query: Annotated[DifferenceQuery, Query()],
) -> Response:
    principal.ensure_speaks_for(station_id)
    count = await _get_count(gateway, station_id, count_id)
    rows = await gateway.count_comparison.list_differences(
        station_id,
        count_id=count_id,
        kind=query.kind,
        with_closed=query.closed,
        limit=query.limit,
    )
    alarms = [explain(code, params) for row in rows for code, params in _find_alarms(row)]
    return to_response({"count": count, "alarms": alarms, "differences": rows})


@router.post(
    "/v1/stations/{station_id}/reconciliations/{count_id}/close",
    summary="处理差异：报废、已发出、移到本站或以记录为准 · Close differences",
    description=(
        "由血站确认每一袋的去向；系统不会自行报废 · the station says what became of each unit; "
        "nothing is discarded by itself. All named units, or none."
    ),
    responses={202: {"description": "已受理 · accepted"}, **documented(400, 404, 409)},
)
async def close_differences(
    station_id: Identifier,
    count_id: Identifier,
    *,
    gateway: GatewayDep,
    call: CallDep,
    principal: Holder,
    closing: Annotated[ClosingBody, Body(openapi_examples=CLOSING)],
) -> Response:
    principal.ensure_speaks_for(station_id)
    await _get_count(gateway, station_id, count_id)
    unit_ids = await _choose(gateway, station_id, count_id, closing)
    closed_at = call.settle_moment(closing.closed_at, field="closed_at")
    events = [
        DifferencesClosed(
            station_id=station_id,
            count_id=count_id,
            unit_ids=tuple(unit_ids[start : start + PART_UNITS]),
            resolution=closing.resolution,
            closed_at=closed_at,
            reason=closing.reason,
        )
        for start in range(0, len(unit_ids), PART_UNITS)
    ]
    return await publish(gateway, call.to_caller(f"station/{station_id}"), events)


async def _choose(
    gateway: Gateway, station_id: str, count_id: str, closing: ClosingBody
) -> list[str]:
    """Return the units to close; each of them is an open difference.

    Raises:
        DomainRefusal: `difference_not_open`, or `no_differences` of that kind.
    """
    rows = await gateway.count_comparison.list_differences(
        station_id,
        count_id=count_id,
        kind=closing.kind,
        with_closed=False,
        limit=MAX_CLOSED_AT_ONCE,
    )
    open_ids = {row["unit_id"] for row in rows}
    strange = next((unit_id for unit_id in closing.unit_ids if unit_id not in open_ids), None)
    if strange is not None:
        raise DomainRefusal("difference_not_open", count_id=count_id, unit_id=strange)
    chosen = closing.unit_ids or (open_ids if closing.kind is not None else ())
    if not chosen:
        raise DomainRefusal("no_differences")
    return sorted(set(chosen))


async def _get_count(gateway: Gateway, station_id: str, count_id: str) -> Row:
    count = await gateway.count_comparison.find_count(station_id, count_id)
    if count is None:
        raise DomainRefusal("count_unknown", count_id=count_id)
    return count


_IDENTITY = {"group", "component", "donation_id"}


def _find_alarms(row: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """List what must not wait: a promised unit that is missing, a label that names another unit."""
    if row["closed_at"] is not None:
        return []
    holder = row["request_id"] or row["transfer_id"]
    found: list[tuple[str, dict[str, Any]]] = []
    if row["kind"] == "missing" and holder is not None:
        found.append(("missing_reserved", {"unit_id": row["unit_id"], "holder": holder}))
    unlike = sorted(_IDENTITY.intersection(row["fields"]))
    if unlike:
        params = {"unit_id": row["unit_id"], "fields": ", ".join(unlike)}
        found.append(("identity_differs", params))
    return found


async def render_open(gateway: Gateway, station_id: str) -> dict[str, Any]:
    """Return how many differences of a station are open, and how many are alarms."""
    return {"open_differences": await gateway.count_comparison.count_open(station_id)}
