"""Find a station in the directory that an outside party names, or that our own rows name."""

from __future__ import annotations

from models.errors import ContractError, TransientError
from models.facilities import Station
from streams.ports import DirectorySource


async def find_station(directories: DirectorySource, station_id: str) -> Station | None:
    """Return a station, looking again once if the snapshot does not have it."""
    station = directories.current().stations.get(station_id)
    return station or (await directories.refresh()).stations.get(station_id)


async def get_named_station(directories: DirectorySource, station_id: str) -> Station:
    """Return a station that an outside party names.

    Raises:
        ContractError: There is no such station.
    """
    station = await find_station(directories, station_id)
    if station is None:
        raise ContractError("station_unknown", station_id=station_id)
    return station


async def get_own_station(directories: DirectorySource, station_id: str) -> Station:
    """Return a station that a row of ours names; the schema says that it exists.

    Raises:
        TransientError: The snapshot does not have it, though it was read a moment ago.
    """
    station = await find_station(directories, station_id)
    if station is None:
        raise TransientError("directory_stale", station_id=station_id)
    return station
