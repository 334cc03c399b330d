"""Exports a station's units as a file that the station can open and import again unchanged."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from gateway.files.exports import write_csv, write_xlsx
from gateway.http.dependencies import GatewayDep, ensure_station
from gateway.http.openapi import problems as documented
from gateway.http.scopes import Holder
from models.base import Identifier
from models.texts.instants import BEIJING

router = APIRouter(tags=["stock"])


@router.get(
    "/v1/stations/{station_id}/stock/export",
    summary="导出在库血液 · The units on the shelf as a file",
    description="导出后原样导入，什么也不改变 · imported as it is, it changes nothing.",
    responses={200: {"description": "文件 · the file"}, **documented(400, 422)},
)
async def export_stock(
    station_id: Identifier,
    gateway: GatewayDep,
    principal: Holder,
    format: Annotated[Literal["csv", "xlsx"], Query()] = "csv",  # noqa: A002 - the caller's word
) -> Response:
    principal.ensure_speaks_for(station_id)
    await ensure_station(gateway, station_id)
    rows = await gateway.count_comparison.list_held(station_id)
    write, kind = _FORMATS[format]
    content = await asyncio.to_thread(write, rows)
    name = f"{station_id}-{_stamp(gateway.clock.now())}.{format}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=kind, headers=headers)


_FORMATS = {
    "csv": (write_csv, "text/csv; charset=utf-8"),
    "xlsx": (
        write_xlsx,
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ),
}


def _stamp(now: datetime) -> str:
    return f"{now.astimezone(BEIJING):%Y%m%d-%H%M}"
