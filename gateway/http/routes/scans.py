"""Takes the scans of bags at a station and at a hospital, for every step of a unit's life."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.responses import Response

from gateway.http.calls import HttpCall
from gateway.http.dependencies import CallDep, GatewayDep, ensure_station
from gateway.http.event_intake import render_wait
from gateway.http.examples import SCAN, SCAN_AT_HOSPITAL
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import Holder, Ward
from gateway.runtime import Gateway
from gateway.scans.batch import NewScan, ScanBatch, Scanner
from gateway.scans.report import build_report, refuse_all
from gateway.scans.scan_intake import scan
from models.base import Identifier
from models.errors import DomainRefusal
from models.unit_states import Actor

router = APIRouter(tags=["stock"])


_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {"description": "至少一袋已受理 · a bag or more accepted"},
    **documented(400, 422),
}
_WAIT = [
    {
        "name": "Prefer",
        "in": "header",
        "description": "`wait=N`：最多等 N 秒引擎的判断 · wait for the engine's word, 30 s at most",
        "schema": {"type": "string"},
        "example": "wait=5",
    }
]


@router.post(
    "/v1/stations/{station_id}/scans",
    summary="扫码 · Scan bags",
    description=(
        "一行一个条码，一袋的条码顺序不限；复合码即一袋；空行结束一袋。标签上的血型、失效时间、成分与记录"
        "不符的血袋一律拒绝。应答逐行说明接受或拒绝及原因；一袋都没有接受时为 422。`engine` 是"
        "引擎的判断，写 `Prefer: wait=N` 即等待它。\n\n"
        "One barcode a line, those of one bag in any order; a compound message is a whole bag; an "
        "empty line ends one. A bag whose label contradicts its record is refused. The answer "
        "tells of every line whether it was accepted, and why not; 422 if no bag was. `engine` is "
        "the engine's own word, which `Prefer: wait=N` waits for."
    ),
    responses=_ACCEPTED,
    openapi_extra={"parameters": _WAIT},
)
async def scan_bags(
    station_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Holder,
    asked: Annotated[NewScan, Body(openapi_examples=SCAN)],
) -> Response:
    principal.ensure_speaks_for(station_id)
    await ensure_station(gateway, station_id)
    scanner = Scanner(actor=Actor.STATION, facility_id=station_id, station_id=station_id)
    return await _scan(gateway, call, asked, scanner)


@router.post(
    "/v1/hospitals/{hospital_id}/scans",
    summary="医院扫码 · Scan bags at a hospital",
    description=(
        "签收、输注、退回、报废；只能扫发给本院患者的血袋。标签按供血站的标签文件读，其余与血站扫码相同。\n\n"
        "Receive, transfuse, return, discard; only bags that went to its own patients. Labels are "
        "read by the file of the station that supplies it; all else is as at a station."
    ),
    responses=_ACCEPTED,
    openapi_extra={"parameters": _WAIT},
)
async def scan_at_hospital(
    hospital_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Ward,
    asked: Annotated[NewScan, Body(openapi_examples=SCAN_AT_HOSPITAL)],
) -> Response:
    principal.ensure_speaks_for(hospital_id)
    hospital = (await gateway.directories.refresh()).hospitals.get(hospital_id)
    if hospital is None:
        raise DomainRefusal("hospital_unknown", hospital_id=hospital_id)
    scanner = Scanner(actor=Actor.HOSPITAL, facility_id=hospital_id, station_id=hospital.station_id)
    return await _scan(gateway, call, asked, scanner)


async def _scan(gateway: Gateway, call: HttpCall, asked: NewScan, scanner: Scanner) -> Response:
    batch = ScanBatch(
        asked=asked,
        scanner=scanner,
        scanned_at=call.settle_moment(asked.scanned_at, field="scanned_at"),
        caller=call.to_caller(f"{scanner.actor}/{scanner.facility_id}"),
    )
    outcome = await scan(gateway, batch)
    if not any(verdict.accepted for verdict in outcome.verdicts):
        raise refuse_all(outcome)
    report = build_report(batch, outcome)
    return to_response(report, status=202, headers=render_wait(batch.caller))
