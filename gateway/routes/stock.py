"""A station's stock: what it holds, counts of it, and what happens to single units."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from gateway.access import Principal, allow
from gateway.bodies import read_rows, validate
from gateway.documents import file_body
from gateway.documents import problems as documented
from gateway.events_in import publish, settle_moment
from gateway.examples import CHANGE, STOCK, STOCK_CSV
from gateway.rendering import to_response
from gateway.runtime import get_gateway
from models.base import Identifier, Instant, Line, Value
from models.errors import DomainRefusal
from models.events.stock import Attestation, StockChange, StockChanged, StockCounted
from models.facilities import Station
from models.imports import parse_units_csv, parse_units_json
from streams.store.keys import KeyScope

router = APIRouter(tags=["stock"])

Holder = Annotated[Principal, Depends(allow(KeyScope.STATION, KeyScope.DISPATCHER))]
Ward = Annotated[Principal, Depends(allow(KeyScope.HOSPITAL))]
Viewer = Annotated[
    Principal, Depends(allow(KeyScope.STATION, KeyScope.NEIGHBOUR, KeyScope.DISPATCHER))
]

PART_UNITS = 500
"""Units in one event at most, as the event itself bounds it."""

_STOCK_SCHEMA = {
    "type": "object",
    "required": ["units"],
    "properties": {
        "counted_at": {"type": "string", "format": "date-time"},
        "released_by": {"type": "string"},
        "released_at": {"type": "string", "format": "date-time"},
        "units": {"type": "array", "items": {"type": "object"}},
    },
}


class CountHead(Value):
    """What a count says of all its units.

    Attributes:
        released_by: Who released those that are counted as released; goes with `released_at`.
    """

    counted_at: Instant | None = None
    released_by: Line | None = None
    released_at: Instant | None = None

    @property
    def attestation(self) -> Attestation | None:
        if self.released_by is None and self.released_at is None:
            return None
        return validate(
            Attestation, {"released_by": self.released_by, "released_at": self.released_at}
        )


class NewStockChange(Value):
    """What happened to one unit.

    Attributes:
        happened_at: Needed with an Idempotency-Key; else now.
        epoch: Of the promise under which it goes to a patient or a neighbour; required there.
        out_of_control_s: Seconds out of temperature control; with `returned` and no other change.
        done_by: The person or device.
    """

    unit_id: Identifier
    change: StockChange
    happened_at: Instant | None = None
    epoch: int | None = None
    out_of_control_s: int | None = None
    done_by: Line = ""
    reason: Line = ""


@router.get(
    "/v1/stations/{station_id}/stock",
    summary="血站库存 · A station's stock",
    description=(
        "按成分、血型、状态计数；申报了日用量的成分给出可用天数 · counted by component, group and "
        "status; days of supply where the station declared its daily demand."
    ),
    response_class=Response,
    responses=documented(400, 422),
)
async def get_stock(station_id: Identifier, request: Request, principal: Viewer) -> Response:
    principal.ensure_speaks_for(station_id)
    gateway = get_gateway(request)
    rows = await gateway.reading.count_stock(station_id)
    station = (await gateway.directories.refresh()).stations.get(station_id)
    if station is None:
        raise DomainRefusal("station_unknown", station_id=station_id)
    return to_response(
        {
            "station_id": station_id,
            "as_of": gateway.clock.now(),
            "stock": [
                {
                    "component": row["component"],
                    "group": row["blood_group"],
                    "status": row["shown_status"],
                    "units": row["units"],
                    "first_expires_at": row["first_expires_at"],
                }
                for row in rows
            ],
            "days_of_supply": _tell_days(station, rows),
        }
    )


@router.post(
    "/v1/stations/{station_id}/stock",
    summary="导入盘点 · Import a count",
    description=(
        "CSV 或 JSON。有任何错误就一行也不导入，并列出全部错误。CSV 的盘点时间写在 `counted_at` "
        "参数里。已放行的血必须写明谁在何时放行：`released_by`、`released_at`，整批或逐行；"
        "`released=false` 的进入隔离，由检验结果放行。\n\n"
        "With any error nothing is imported and everything wrong is listed. For CSV `counted_at` "
        "is a query parameter. Units that are released already need `released_by` and "
        "`released_at`, for the whole count or in their row; `released=false` puts a unit into "
        "quarantine, which its test results end."
    ),
    response_class=Response,
    responses={202: {"description": "已受理 · accepted"}, **documented(400, 413, 415, 422)},
    openapi_extra={
        "requestBody": file_body(
            csv_example=STOCK_CSV, json_schema=_STOCK_SCHEMA, json_examples=STOCK
        )
    },
)
async def import_stock(
    station_id: Identifier,
    request: Request,
    principal: Holder,
    asked: Annotated[CountHead, Query()],
) -> Response:
    principal.ensure_speaks_for(station_id)
    units, rest = await read_rows(
        request,
        rows_in="units",
        from_csv=lambda text: parse_units_csv(text, station_id=station_id),
        from_json=lambda rows: parse_units_json(rows, station_id=station_id),
    )
    head = validate(CountHead, {**dict(asked), **rest})
    moment = settle_moment(request, head.counted_at, field="counted_at")
    common = {"station_id": station_id, "counted_at": moment, "attestation": head.attestation}
    events = [
        validate(StockCounted, {**common, "units": units[first : first + PART_UNITS]})
        for first in range(0, len(units), PART_UNITS)
    ]
    return await publish(request, events, source=f"station/{station_id}")


@router.post(
    "/v1/stations/{station_id}/stock/changes",
    summary="一袋血的变动 · What happened to one unit",
    description=(
        "入隔离、拣血、发出、启运、收到、输注、退回、重新入库、报废；放行由检验结果决定 · every "
        "scan of its life; its test results release it, and nothing else does."
    ),
    response_class=Response,
    responses={202: {"description": "已受理 · accepted"}, **documented(400, 422)},
)
async def change_stock(
    station_id: Identifier,
    request: Request,
    principal: Holder,
    change: Annotated[NewStockChange, Body(openapi_examples=CHANGE)],
) -> Response:
    principal.ensure_speaks_for(station_id)
    fields = dict(change)
    fields["happened_at"] = settle_moment(request, change.happened_at, field="happened_at")
    event = validate(StockChanged, fields, station_id=station_id)
    return await publish(request, [event], source=f"station/{station_id}")


@router.post(
    "/v1/hospitals/{hospital_id}/stock/changes",
    summary="医院对一袋血的记录 · What a hospital did with one unit",
    description=(
        "收到、输注、退回、报废；只能记录发给本院患者的血袋 · received, transfused, returned, "
        "discarded; only units that went to its own patients."
    ),
    response_class=Response,
    responses={202: {"description": "已受理 · accepted"}, **documented(400, 422)},
)
async def change_at_hospital(
    hospital_id: Identifier,
    request: Request,
    principal: Ward,
    change: Annotated[NewStockChange, Body(openapi_examples=CHANGE)],
) -> Response:
    principal.ensure_speaks_for(hospital_id)
    directories = get_gateway(request).directories
    hospital = directories.current().hospitals.get(hospital_id)
    hospital = hospital or (await directories.refresh()).hospitals.get(hospital_id)
    if hospital is None:
        raise DomainRefusal("hospital_unknown", hospital_id=hospital_id)
    fields = dict(change)
    fields["happened_at"] = settle_moment(request, change.happened_at, field="happened_at")
    event = validate(StockChanged, fields, station_id=hospital.station_id)
    return await publish(request, [event], source=f"hospital/{hospital_id}")


def _tell_days(station: Station, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Available units of all groups over the declared daily demand, in days, per component."""
    available: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["shown_status"] == "available":
            available[row["component"]] += row["units"]
    return {
        component.value: round(available[component] / demand, 2)
        for component, demand in station.daily_demand.items()
        if demand > 0
    }
