"""Finds whose request a call is about: the hospital, its supplying station, and its status."""

from __future__ import annotations

import asyncio

from gateway.http.dependencies import LOOK_LIMIT_S
from gateway.intake.accepted_requests import AcceptedRequest
from gateway.runtime import Gateway
from models.access import Principal
from models.errors import ContractError, DomainRefusal, TransientError


def name_hospital(principal: Principal, fields: dict[str, object]) -> str:
    """Return the hospital for which blood is asked, and write it into the fields."""
    named = fields.get("hospital_id")
    if principal.own_hospital is not None:
        if named is not None and named != principal.own_hospital:
            raise DomainRefusal("facility_not_yours", facility_id=str(named)[:64])
        fields["hospital_id"] = principal.own_hospital
        return principal.own_hospital
    if not isinstance(named, str) or not named:
        raise ContractError("hospital_needed")
    return named


async def find_station(gateway: Gateway, hospital_id: str) -> str:
    """Return the supplying station; PostgreSQL is read only for a hospital not in memory."""
    hospital = gateway.directories.current().hospitals.get(hospital_id)
    if hospital is None:
        hospital = (await gateway.directories.refresh()).hospitals.get(hospital_id)
    if hospital is None:
        raise DomainRefusal("hospital_unknown", hospital_id=hospital_id[:64])
    return hospital.station_id


async def get_target(
    gateway: Gateway, principal: Principal, request_id: str
) -> tuple[AcceptedRequest, str | None]:
    """Return the request that is to change, and its status if that is known.

    While PostgreSQL is away, a hospital that names a request is believed; the engine decides
    whether the request is its own.

    Raises:
        DomainRefusal: `request_unknown`, also for a request of another hospital.
        TransientError: It cannot be known now whose request it is.
    """
    own = principal.own_hospital
    recent = gateway.accepted.find(request_id)
    status: str | None = None
    try:
        async with asyncio.timeout(LOOK_LIMIT_S):
            row = await gateway.pages.find_request(request_id)
    except (TransientError, TimeoutError) as error:
        if recent is None and own is None:
            raise TransientError("postgres_away") from error
        if recent is None and own is not None:
            station_id = await find_station(gateway, own)
            recent = AcceptedRequest(request_id=request_id, hospital_id=own, station_id=station_id)
    else:
        if row is not None:
            status = row["status"]
            recent = AcceptedRequest(
                request_id=request_id, hospital_id=row["hospital_id"], station_id=row["station_id"]
            )
    if recent is None or (own is not None and own != recent.hospital_id):
        raise DomainRefusal("request_unknown", request_id=request_id)
    return recent, status
