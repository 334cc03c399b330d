"""A station's stock: the units it holds, the days of supply, and changes of single units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from pydantic import Field
from starlette.responses import Response

from gateway.http.calls import validate
from gateway.http.dependencies import CallDep, GatewayDep, ensure_station
from gateway.http.event_intake import publish
from gateway.http.examples import CHANGE
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.routes.reconciliations import render_open
from gateway.http.scopes import Holder, Ward, allow
from gateway.runtime import Gateway
from models.access import KeyScope, Principal
from models.base import LARGEST, BagId, Identifier, Instant, Line, Value
from models.components import Component
from models.doses import WHOLE, content_of, find_ordering_unit
from models.errors import DomainRefusal
from models.events.stock import UNDER_PROMISE, StockChange, StockChanged
from models.facilities import Station
from models.units import UnitStatus
from streams.services.stock_levels import measure_places

router = APIRouter(tags=["stock"])

Viewer = Annotated[
    Principal, Depends(allow(KeyScope.STATION, KeyScope.NEIGHBOUR, KeyScope.DISPATCHER))
]


class NewStockChange(Value):
    """What happened to one unit.

    Attributes:
        happened_at: Needed with an Idempotency-Key; else now.
        epoch: Of the promise under which it goes to a patient or a neighbour; required there.
        out_of_control_s: Seconds out of temperature control; with `returned` and no other change.
        thawed_at: When the unit, frozen until then, was thawed.
        done_by: The person or device.
    """

    unit_id: BagId
    change: StockChange
    happened_at: Instant | None = None
    epoch: int | None = Field(default=None, ge=1, le=LARGEST)
    out_of_control_s: int | None = Field(default=None, ge=0, le=31_536_000)
    thawed_at: Instant | None = None
    done_by: Line = ""
    reason: Line = ""


@router.get(
    "/v1/stations/{station_id}/stock",
    summary="血站库存 · A station's stock",
    description=(
        "按成分、血型、状态计袋数（bags）和用血单位（units，U 或治疗量，见 counted）；"
        "每种成分和血型给出可供天数和等级；"
        "有未处理的盘点差异时一并给出 · by component, group and status: bags, and the ordering "
        "units that they hold (U or doses, as `counted` says); days of supply and level per "
        "component and group; differences that counts left open."
    ),
    responses=documented(400, 422),
)
async def get_stock(station_id: Identifier, gateway: GatewayDep, principal: Viewer) -> Response:
    principal.ensure_speaks_for(station_id)
    rows = await gateway.pages.count_stock(station_id)
    station = await ensure_station(gateway, station_id)
    return to_response(
        {
            "station_id": station_id,
            "as_of": gateway.clock.now(),
            "stock": _render_places(rows),
            "days_of_supply": _render_days(station, rows),
            "supply": await _list_supply(gateway, station),
            **await render_open(gateway, station_id),
        }
    )


@router.post(
    "/v1/stations/{station_id}/stock/changes",
    summary="一袋血的变动 · What happened to one unit",
    description=(
        "入隔离、拣血、发出、启运、收到、输注、退回、重新入库、报废；放行由检验结果决定 · every "
        "scan of its life; its test results release it, and nothing else does."
    ),
    responses={202: {"description": "已受理 · accepted"}, **documented(400, 422)},
)
async def change_stock(
    station_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Holder,
    change: Annotated[NewStockChange, Body(openapi_examples=CHANGE)],
) -> Response:
    principal.ensure_speaks_for(station_id)
    await _ensure_epoch(gateway, change, station_id=station_id)
    fields = dict(change)
    fields["happened_at"] = call.settle_moment(change.happened_at, field="happened_at")
    event = validate(StockChanged, fields, station_id=station_id)
    return await publish(gateway, call.to_caller(f"station/{station_id}"), [event])


@router.post(
    "/v1/hospitals/{hospital_id}/stock/changes",
    summary="医院对一袋血的记录 · What a hospital did with one unit",
    description=(
        "收到、输注、退回、报废；只能记录发给本院患者的血袋 · received, transfused, returned, "
        "discarded; only units that went to its own patients."
    ),
    responses={202: {"description": "已受理 · accepted"}, **documented(400, 422)},
)
async def change_at_hospital(
    hospital_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Ward,
    change: Annotated[NewStockChange, Body(openapi_examples=CHANGE)],
) -> Response:
    principal.ensure_speaks_for(hospital_id)
    directories = gateway.directories
    hospital = directories.current().hospitals.get(hospital_id)
    hospital = hospital or (await directories.refresh()).hospitals.get(hospital_id)
    if hospital is None:
        raise DomainRefusal("hospital_unknown", hospital_id=hospital_id)
    await _ensure_epoch(gateway, change, hospital_id=hospital_id)
    fields = dict(change)
    fields["happened_at"] = call.settle_moment(change.happened_at, field="happened_at")
    event = validate(StockChanged, fields, station_id=hospital.station_id)
    return await publish(gateway, call.to_caller(f"hospital/{hospital_id}"), [event])


async def _ensure_epoch(
    gateway: Gateway,
    change: NewStockChange,
    *,
    station_id: str | None = None,
    hospital_id: str | None = None,
) -> None:
    """Refuse a step under a promise that names no epoch; the refusal names the live epoch.

    The epoch, the fencing token of the promise, is never filled in: it tells a stale label from
    the bag that is meant. A station learns only of bags that it holds, a hospital only of bags
    that went to it.
    """
    if change.epoch is not None or change.change not in UNDER_PROMISE:
        return
    units = await gateway.scans.list_units([change.unit_id])
    unit = units.get(change.unit_id)
    step = str(change.change)
    if unit is None or not (
        unit.station_id == station_id or (hospital_id and unit.hospital_id == hospital_id)
    ):
        return  # the event's own rule refuses it, without a word about the bag
    if not unit.epoch or unit.status in {UnitStatus.AVAILABLE, UnitStatus.QUARANTINED}:
        raise DomainRefusal(
            "epoch_without_promise", change=step, unit_id=unit.unit_id, status=unit.status
        )
    raise DomainRefusal(
        "epoch_needed_for",
        change=step,
        unit_id=unit.unit_id,
        epoch=unit.epoch,
        holder=f"{unit.request_id or unit.transfer_id} ({unit.hospital_id or unit.to_station_id})",
    )


async def _list_supply(gateway: Gateway, station: Station) -> list[dict[str, Any]]:
    """List days of supply and colour of each component and group that has or should have units."""
    async with gateway.begin() as work:
        measured = await measure_places(
            work.exchange, station, now=gateway.clock.now(), rules=gateway.rules
        )
    return [
        {
            "component": count.component,
            "group": count.group,
            "available": count.available,
            "uncovered": count.uncovered,
            "burn_per_d": round(supply.burn_per_d, 3),
            "days_of_supply": None
            if supply.days_of_supply is None
            else round(supply.days_of_supply, 2),
            "level": supply.level,
        }
        for count, supply in measured
    ]


def _render_places(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the bags of each place and status, and what they hold in ordering units."""
    places: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        places[row["component"], row["blood_group"], row["shown_status"]].append(row)
    return [
        {
            "component": component,
            "group": group,
            "status": status,
            "bags": sum(row["bags"] for row in found),
            "units": _count_units(found),
            "counted": find_ordering_unit(Component(component)).unit,
            "first_expires_at": min(row["first_expires_at"] for row in found),
        }
        for (component, group, status), found in places.items()
    ]


def _count_units(rows: Sequence[Mapping[str, Any]]) -> float:
    """Return what bags hold, in ordering units."""
    holds = [
        int(row["bags"]) * content_of(Component(row["component"]), int(row["volume_ml"]))
        for row in rows
    ]
    return sum(holds) / WHOLE


def _render_days(station: Station, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return days of supply per component: ordering units of all groups over the daily demand."""
    available: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["shown_status"] == "available":
            available[row["component"]].append(row)
    return {
        component.value: round(_count_units(available[component]) / demand, 2)
        for component, demand in station.daily_demand.items()
        if demand > 0
    }
