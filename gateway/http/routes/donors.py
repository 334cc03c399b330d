"""The on-call reserve: a station's register of donors, imported, read and changed.

Personal data goes straight to PostgreSQL and is shown only to the donor's own station; events and
all other callers see identifiers only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from gateway.files.donor_imports import parse_donors, parse_donors_json
from gateway.files.row_errors import group_errors
from gateway.files.sheets import Sheet, open_file
from gateway.files.station_words import NO_WORDS
from gateway.files.table_values import Parsed, ensure_table
from gateway.http.calls import HttpCall, validate
from gateway.http.dependencies import CallDep, GatewayDep, ensure_station
from gateway.http.examples import DONOR, DONORS, DONORS_CSV
from gateway.http.openapi import file_body
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import StationStaff
from gateway.invalid_content import FieldError, InvalidContent, of_rows
from gateway.reason_texts import explain
from gateway.runtime import Gateway
from models.access import Principal
from models.base import Identifier, Value
from models.donors import Donor
from models.errors import ContractError, DomainRefusal, InvariantViolation
from models.texts import render
from streams.store.donors import RegisteredDonor, Twin

router = APIRouter(tags=["donors"])

V = TypeVar("V", bound=Value)


_DONORS_SCHEMA = {
    "type": "object",
    "required": ["donors"],
    "properties": {"donors": {"type": "array", "items": {"type": "object"}}},
}


class RegisterQuery(Value):
    """How a register is read.

    Attributes:
        map: Headings of the file, each with its column: `卡号=donor_id`.
        ignore: Headings to pass over.
    """

    map: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()


class DonorQuery(Value):
    """Which part of a register is read.

    Attributes:
        after: The donor number behind which the list goes on.
    """

    after: Identifier | None = None
    limit: int = Field(default=200, ge=1, le=1000)


class Nothing(Value):
    """What may stand beside the rows of a register."""


@router.post(
    "/v1/stations/{station_id}/donors",
    summary="导入应急献血者名册 · Import the register of emergency donors",
    description=(
        "健康数据为敏感个人信息：只存入数据库，不进入消息，每次导入都有访问记录。"
        "没有 `consented_at` 的人不会被召集。"
        "没有的列和字段保持原值；暂缓、不便、同意这几列的空格表示已无。"
        "看来是同一人的两个编号列在 `warnings` 里，仍然导入；同一联系方式对同一事件只召集一次。\n\n"
        "Sensitive personal data: kept in the database alone, with an access record. Nobody "
        "without `consented_at` is ever called. All rows or none. A column or field that is left "
        "out stays as it was; an empty cell of a deferral or a consent ends it. Two numbers that "
        "seem to be one person are imported and named in `warnings`; one contact is called once "
        "for one event."
    ),
    responses={200: {"description": "已导入 · imported"}, **documented(400, 413, 415)},
    openapi_extra={
        "requestBody": file_body(
            csv_example=DONORS_CSV, json_schema=_DONORS_SCHEMA, json_examples=DONORS
        )
    },
)
async def import_donors(
    station_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: StationStaff,
    query: Annotated[RegisterQuery, Query()],
) -> Response:
    principal.ensure_speaks_for(station_id)
    own = await gateway.station_words.find(station_id) or NO_WORDS
    words = own.with_call("donors", query.map, query.ignore)
    now = gateway.clock.now()
    parsed, rest = await _read_rows(
        call,
        rows_in="donors",
        from_sheets=lambda sheets: parse_donors(sheets, station_id=station_id, own=words, now=now),
        from_json=lambda rows: parse_donors_json(rows, station_id=station_id, now=now),
    )
    donors = _ensure_whole(parsed)
    validate(Nothing, rest)
    warnings = await _put(gateway, principal, donors, station_id)
    return to_response({"station_id": station_id, "imported": len(donors), "warnings": warnings})


@router.get(
    "/v1/stations/{station_id}/donors",
    summary="名册 · The register of emergency donors",
    description=(
        "只给本血站，每次查看都有记录。按编号排列，`after` 接着读。\n\n"
        "To the station itself alone, and each look is recorded. In the order of their numbers; "
        "`after` goes on."
    ),
    responses=documented(400),
)
async def list_donors(
    station_id: Identifier,
    gateway: GatewayDep,
    principal: StationStaff,
    query: Annotated[DonorQuery, Query()],
) -> Response:
    principal.ensure_speaks_for(station_id)
    found = await gateway.donors.list_registered(
        station_id=station_id,
        after=query.after,
        limit=query.limit,
        by=principal.key_id,
        actor=principal.actor,
    )
    after = found[-1].donor.donor_id if len(found) == query.limit else None
    return to_response({"donors": [_render_donor(donor) for donor in found], "after": after})


@router.get(
    "/v1/stations/{station_id}/donors/{donor_id}",
    summary="一位献血者的登记 · One donor as registered",
    responses=documented(404),
)
async def get_donor(
    station_id: Identifier, donor_id: Identifier, gateway: GatewayDep, principal: StationStaff
) -> Response:
    principal.ensure_speaks_for(station_id)
    found = await _find_donor(gateway, principal, station_id, donor_id)
    if found is None:
        raise DomainRefusal("donor_not_registered", donor_id=donor_id)
    return to_response(_render_donor(found), headers={"ETag": f'"{found.version}"'})


@router.put(
    "/v1/stations/{station_id}/donors/{donor_id}",
    summary="登记或更改一位献血者 · Register or change a donor",
    description=(
        "没有写的字段保持原值，写 null 则清除；上次献全血的日期只会变晚。"
        "`If-Match` 写明所依据的版本，被别人改过则拒绝（409）。\n\n"
        "A field that is left out stays as it was; null takes it away. The day of the last whole "
        "blood only ever becomes later. `If-Match` says which version the change was made from; "
        "one that somebody changed meanwhile is refused (409)."
    ),
    responses=documented(400, 409),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object"}, "examples": DONOR},
            },
        }
    },
)
async def put_donor(
    station_id: Identifier,
    donor_id: Identifier,
    gateway: GatewayDep,
    call: CallDep,
    principal: StationStaff,
) -> Response:
    principal.ensure_speaks_for(station_id)
    body = await call.read_object()
    if body.get("donor_id", donor_id) != donor_id:
        raise ContractError("id_differs", field="donor_id")
    before = await _find_donor(gateway, principal, station_id, donor_id)
    known = before.donor.model_dump(mode="json", exclude_none=True) if before else {}
    rows = [{**known, **body, "donor_id": donor_id}]
    (donor,) = _ensure_whole(
        parse_donors_json(rows, station_id=station_id, now=gateway.clock.now())
    )
    stated = call.find_if_match()
    version = before.version if before is not None else ""
    warnings = await _put(
        gateway, principal, [donor], station_id, based_on=version if stated is None else stated
    )
    found = await _find_donor(gateway, principal, station_id, donor_id)
    if found is None:
        raise InvariantViolation("donor_not_registered", donor_id=donor_id)
    return to_response(
        {**_render_donor(found), "warnings": warnings}, headers={"ETag": f'"{found.version}"'}
    )


async def _find_donor(
    gateway: Gateway, principal: Principal, station_id: str, donor_id: str
) -> RegisteredDonor | None:
    found = await gateway.donors.list_registered(
        station_id=station_id, donor_id=donor_id, by=principal.key_id, actor=principal.actor
    )
    return found[0] if found else None


def _render_donor(found: RegisteredDonor) -> dict[str, Any]:
    return {
        "donor": found.donor.model_dump(mode="json"),
        "version": found.version,
        "called": found.called,
        "accepted": found.accepted,
    }


async def _put(
    gateway: Gateway,
    principal: Principal,
    donors: Sequence[Donor],
    station_id: str,
    *,
    based_on: str | None = None,
) -> list[dict[str, Any]]:
    """Register donors; return warnings about donors who seem to be registered twice.

    Raises:
        DomainRefusal: `station_unknown`, `record_changed`.
        ContractError: `rows_invalid`: a donor is registered at another station.
    """
    await ensure_station(gateway, station_id)
    donor_ids = [donor.donor_id for donor in donors]
    foreign = await gateway.donors.list_foreign(donor_ids, station_id=station_id)
    if foreign:
        told = [
            (donor_id, render("donor_of_other_station", {"donor_id": donor_id}))
            for donor_id in foreign
        ]
        raise InvalidContent(
            "rows_invalid", [FieldError(donor_id, str(text), text) for donor_id, text in told]
        )
    await gateway.donors.put(
        donors,
        station_id=station_id,
        by=principal.key_id,
        actor=principal.actor,
        based_on=based_on,
    )
    twins = await gateway.donors.list_twins(donor_ids, station_id=station_id)
    return [_render_twin(twin) for twin in twins]


def _render_twin(twin: Twin) -> dict[str, Any]:
    """Warn of two rows that seem to be the same person; a donor of another station is not named."""
    if twin.other_id is None:
        told = explain("donor_at_other_station", {"donor_id": twin.donor_id})
    else:
        code = "donor_contact_shared"
        if twin.same_person:
            code = "donor_registered_twice"
        elif twin.same_number:
            code = "donor_spelled_otherwise"
        told = explain(code, {"donor_id": twin.donor_id, "other_id": twin.other_id})
    donor_ids = [name for name in (twin.donor_id, twin.other_id) if name is not None]
    return {**told, "donor_ids": donor_ids, "same_contact": twin.same_contact}


async def _read_rows(
    call: HttpCall,
    *,
    rows_in: str,
    from_sheets: Callable[[Sequence[Sheet]], Parsed[V]],
    from_json: Callable[[Sequence[object]], Parsed[V]],
) -> tuple[Parsed[V], dict[str, Any]]:
    """Read an import by its content type: CSV, a spreadsheet or JSON.

    Args:
        call: Its body is taken whole, and read in a thread of its own.
        rows_in: The name of the array in the JSON object.
        from_sheets: Parses the sheets of a file.
        from_json: Parses the array.

    Returns:
        The rows or what is wrong with them, and the other fields of the JSON object.

    Raises:
        ContractError: `media_type_unknown`, `charset_unknown`, `workbook_unreadable`,
            `no_table_found`, `body_not_json`, `field_twice`.
    """
    raw, content_type = await call.read_content(), call.content_type

    def read() -> Parsed[V] | None:
        sheets = open_file(raw, content_type)
        return None if sheets is None else ensure_table(from_sheets(sheets))

    parsed = await asyncio.to_thread(read)
    if parsed is not None:
        return parsed, {}
    rest = await call.read_object()
    rows = rest.pop(rows_in, None)
    if not isinstance(rows, list):
        wrong = FieldError(rows_in, str(render("broken_array")), render("fix_structure"))
        raise InvalidContent("fields_invalid", [wrong])
    return await asyncio.to_thread(from_json, rows), rest


def _ensure_whole(parsed: Parsed[V]) -> tuple[V, ...]:
    """Return the rows of an import that has no error.

    Raises:
        ContractError: `rows_invalid` with everything that is wrong.
    """
    if parsed.errors:
        raise of_rows(group_errors(parsed.errors), in_all=len(parsed.errors))
    return parsed.values
