"""Every place of a station's shelf, a component and a group, counted and measured.

Reads only; whoever needs it to stand still holds the lock of the station.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from models.components import Component
from models.facilities import Station
from models.groups import BloodGroup
from models.shortage_rules import shortage_rules
from streams.matching.shortage import CellCount, Measure, find_wanted_group, measure
from streams.ports.exchange import ExchangeStore

Place = tuple[Component, BloodGroup]


async def count_places(
    supply: ExchangeStore, station: Station, *, also: Iterable[Place] = (), now: datetime
) -> list[CellCount]:
    """Count every place where there is, was or should be blood, in a fixed order.

    Args:
        supply: Of one transaction.
        station: Whose shelf.
        also: Places to count whatever they hold, such as those of open shortages.
        now: Units that have expired by then are not counted.
    """
    since = now - timedelta(days=shortage_rules().burn.window_d)
    found = await supply.count_cells(station.station_id, since=since, now=now)
    stock = {(count.component, count.group): count for count in found}
    uncovered = await _count_uncovered(supply, station)
    past = await supply.count_shortages(station.station_id)
    usual = {(component, group) for component in station.daily_demand for group in BloodGroup}
    return [
        CellCount(
            component=component,
            group=group,
            available=stock[component, group].available if (component, group) in stock else 0,
            promised=stock[component, group].promised if (component, group) in stock else 0,
            uncovered=uncovered[component, group],
            past_shortages=past.get((component, group), 0),
        )
        for component, group in sorted({*usual, *stock, *uncovered, *also})
    ]


async def measure_places(
    supply: ExchangeStore, station: Station, *, now: datetime
) -> list[tuple[CellCount, Measure]]:
    """Measure every place as it stands, without the memory of an open shortage."""
    counts = await count_places(supply, station, now=now)
    return [(count, measure(count, station=station)) for count in counts]


async def _count_uncovered(supply: ExchangeStore, station: Station) -> Counter[Place]:
    counted: Counter[Place] = Counter()
    for uncovered in await supply.list_uncovered(station.station_id):
        request = uncovered.request
        (line,) = (line for line in request.lines if line.line_no == uncovered.line_no)
        group = find_wanted_group(line.component, request.patient, request.priority, station.policy)
        if group is not None:
            counted[line.component, group] += uncovered.units
    return counted
