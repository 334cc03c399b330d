"""Check whose donation it is: only a station that collected or holds a unit may report on it."""

from __future__ import annotations

from models.errors import DomainRefusal
from streams.ports import UnitOfWork


async def ensure_own_donation(work: UnitOfWork, donation_id: str, *, station_id: str) -> None:
    """Let a station report on donations that it collected, that it holds, or that are unknown.

    Raises:
        DomainRefusal: `donation_of_other_station`.
    """
    stations = await work.donations.list_stations(donation_id)
    if stations and station_id not in stations:
        raise DomainRefusal(
            "donation_of_other_station", donation_id=donation_id, station_id=station_id
        )
