"""Stations and hospitals: dispatchers write them straight to PostgreSQL, others read them.

A field that a change leaves out stays as it was. A caller that states the version it changed does
not overwrite a record that somebody else changed meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.responses import Response

from gateway.http.calls import HttpCall
from gateway.http.dependencies import CallDep, GatewayDep
from gateway.http.examples import HOSPITAL, STATION
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import Dispatcher, Reader
from gateway.invalid_content import FieldError, InvalidContent
from gateway.reason_texts import explain
from models.access import Principal
from models.base import Identifier, change
from models.errors import ContractError, DomainRefusal
from models.facilities import Hospital, Location, Station
from models.texts import render
from streams.ports import Context
from streams.store.directory import Registered

router = APIRouter(tags=["facilities"])

_PUBLIC = ("station_id", "hospital_id", "name_zh", "name_en", "location")
_CHANGE_TOLD = (
    "没有写的字段保持原值。`If-Match` 写明所依据的版本，被别人改过则拒绝（409）。\n\n"
    "A field that is left out stays as it was. `If-Match` says which version the change was made "
    "from; one that somebody changed meanwhile is refused (409)."
)


@router.get(
    "/v1/stations",
    summary="血站列表 · The registered stations",
    responses=documented(),
)
async def list_stations(gateway: GatewayDep, principal: Reader) -> Response:
    found = await gateway.directories.list_stations()
    return to_response({"stations": [_render(principal, "station", row) for row in found]})


@router.get(
    "/v1/stations/{station_id}",
    summary="一个血站的登记 · One station as it is registered",
    responses=documented(404),
)
async def get_station(station_id: Identifier, gateway: GatewayDep, principal: Reader) -> Response:
    found = await gateway.directories.list_stations(station_id)
    return _answer_one(principal, "station", found, station_id)


@router.put(
    "/v1/stations/{station_id}",
    summary="登记或更改血站 · Register or change a station",
    description=_CHANGE_TOLD,
    responses=documented(400, 409),
)
async def put_station(
    station_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Dispatcher,
    station: Annotated[Station, Body(openapi_examples=STATION)],
) -> Response:
    if station.station_id != station_id:
        raise ContractError("id_differs", field="station_id")
    directories = gateway.directories
    _ensure_one_spelling(station_id, (await directories.refresh()).stations)
    before = await directories.list_stations(station_id)
    changed = change(before[0].record, station) if before else station
    _ensure_sound(
        changed.name_zh, changed.name_en, changed.location, also=_list_policy_faults(changed)
    )
    version = await directories.put_station(
        changed, based_on=_based_on(call, before), changed_by=build_author(call, principal)
    )
    known = (await directories.refresh()).stations
    strangers = [
        explain("neighbour_not_registered", {"station_id": name})
        for name in changed.policy.neighbours
        if name not in known
    ]
    return _answer_changed("station", changed, version, notes=strangers)


@router.get(
    "/v1/hospitals",
    summary="医院列表 · The registered hospitals",
    responses=documented(),
)
async def list_hospitals(gateway: GatewayDep, principal: Reader) -> Response:
    found = await gateway.directories.list_hospitals()
    return to_response({"hospitals": [_render(principal, "hospital", row) for row in found]})


@router.get(
    "/v1/hospitals/{hospital_id}",
    summary="一家医院的登记 · One hospital as it is registered",
    responses=documented(404),
)
async def get_hospital(hospital_id: Identifier, gateway: GatewayDep, principal: Reader) -> Response:
    found = await gateway.directories.list_hospitals(hospital_id)
    return _answer_one(principal, "hospital", found, hospital_id)


@router.put(
    "/v1/hospitals/{hospital_id}",
    summary="登记或更改医院 · Register or change a hospital",
    description=(
        f"{_CHANGE_TOLD}\n\n没有写明 `can_thaw` 的新医院按不能融化处理 · a new hospital that does "
        "not state `can_thaw` counts as one that cannot."
    ),
    responses=documented(400, 409, 422),
)
async def put_hospital(
    hospital_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: Dispatcher,
    hospital: Annotated[Hospital, Body(openapi_examples=HOSPITAL)],
) -> Response:
    if hospital.hospital_id != hospital_id:
        raise ContractError("id_differs", field="hospital_id")
    directories = gateway.directories
    directory = await directories.refresh()
    if hospital.station_id not in directory.stations:
        raise DomainRefusal("station_unknown", station_id=hospital.station_id)
    _ensure_one_spelling(hospital_id, directory.hospitals)
    before = await directories.list_hospitals(hospital_id)
    changed = change(before[0].record, hospital) if before else hospital
    _ensure_sound(changed.name_zh, changed.name_en, changed.location)
    version = await directories.put_hospital(
        changed, based_on=_based_on(call, before), changed_by=build_author(call, principal)
    )
    await directories.refresh()
    staying = await gateway.pages.count_open_elsewhere(
        hospital_id=hospital_id, station_id=changed.station_id
    )
    notes = [explain("open_requests_stay", dict(row)) for row in staying]
    return _answer_changed("hospital", changed, version, notes=notes)


def _ensure_one_spelling(facility_id: str, registered: Collection[str]) -> None:
    """Refuse an identifier that differs only in case from a registered one: it is a slip."""
    for known in registered:
        if known != facility_id and known.casefold() == facility_id.casefold():
            raise DomainRefusal("facility_other_spelling", facility_id=facility_id, known=known)


def build_author(call: HttpCall, principal: Principal) -> Context:
    return Context(now=call.now(), cause=principal.key_id, actor=principal.actor)


def _list_policy_faults(station: Station) -> list[FieldError]:
    """List combinations in a station's policy that cannot be meant; each value alone is valid."""
    wrong = []
    colours = station.policy.thresholds
    if not colours.red_below_d <= colours.orange_below_d <= colours.yellow_below_d:
        told = render(
            "thresholds_not_ordered",
            {
                "red": colours.red_below_d,
                "orange": colours.orange_below_d,
                "yellow": colours.yellow_below_d,
            },
        )
        wrong.append(FieldError("policy.thresholds", str(told), render("fix_thresholds")))
    if station.station_id in station.policy.neighbours:
        told = render("station_own_neighbour", {"station_id": station.station_id})
        wrong.append(FieldError("policy.neighbours", str(told), render("fix_own_neighbour")))
    return wrong


def _ensure_sound(
    name_zh: str, name_en: str, location: Location, *, also: Sequence[FieldError] = ()
) -> None:
    """Refuse a record without a name or a possible location, or with other faults that were found.

    Raises:
        ContractError: `fields_invalid`.
    """
    wrong = [
        FieldError(field, str(render("name_missing")), render("fix_name"))
        for field, name in (("name_zh", name_zh), ("name_en", name_en))
        if not name.strip()
    ]
    wrong += also
    if location.lat == 0 and location.lon == 0:
        told = render("location_zero")
        wrong.append(FieldError("location", str(told), render("fix_location")))
    if wrong:
        raise InvalidContent("fields_invalid", wrong)


def _based_on(
    call: HttpCall, before: list[Registered[Station]] | list[Registered[Hospital]]
) -> int:
    """Return the version that the change is based on: the caller's, or else the one just read."""
    stated = call.find_if_match()
    if stated is None:
        return before[0].version if before else 0
    if re.fullmatch(r"[0-9]{1,9}", stated) is None:
        raise ContractError("if_match_invalid")
    return int(stated)


def _render(
    principal: Principal, kind: str, registered: Registered[Station] | Registered[Hospital]
) -> dict[str, Any]:
    """Show the whole record to its owner and to dispatchers, and name and location to others."""
    record = registered.record.model_dump(mode="json")
    if not principal.is_dispatcher and principal.facility_id != record.get(f"{kind}_id"):
        public = {name: record[name] for name in _PUBLIC if name in record}
        return {kind: public, "version": registered.version}
    return {kind: record, "version": registered.version, "changed_by": registered.changed_by}


def _answer_one(
    principal: Principal,
    kind: str,
    found: list[Registered[Station]] | list[Registered[Hospital]],
    facility_id: str,
) -> Response:
    if not found:
        raise DomainRefusal("facility_not_registered", facility_id=facility_id)
    told = _render(principal, kind, found[0])
    return to_response(told, headers={"ETag": f'"{found[0].version}"'})


def _answer_changed(
    kind: str,
    record: Station | Hospital,
    version: int,
    *,
    notes: list[dict[str, Any]] | None = None,
) -> Response:
    return to_response(
        {kind: record.model_dump(mode="json"), "version": version, "notes": notes or []},
        headers={"ETag": f'"{version}"'},
    )
