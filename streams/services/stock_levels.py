"""Count and measure every place of a station's shelf: a component of a group.

This module only reads; a caller that needs a stable reading holds the lock of the station.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.components import Component
from models.facilities import Station
from models.groups import BloodGroup
from models.requests import Priority
from models.rules.rulebook import Rulebook
from streams.matching.shortage import (
    CellCount,
    Measure,
    expect_of_disasters,
    find_wanted_group,
    join_groups,
    list_called_groups,
    list_given_groups,
    measure,
)
from streams.ports.alerts import ActivationState
from streams.ports.shortages import ExchangeStore, PromisedSince, StockCount

Place = tuple[Component, BloodGroup]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wait:
    """Units that a line waits for, the groups it may be given, and whose donors are called."""

    units: int
    priority: Priority
    given: tuple[BloodGroup, ...]
    called: tuple[BloodGroup, ...]


async def count_places(
    exchange: ExchangeStore,
    station: Station,
    *,
    also: Iterable[Place] = (),
    led: Sequence[ActivationState] = (),
    now: datetime,
    rules: Rulebook,
) -> list[CellCount]:
    """Count every place where there is, was or should be blood, in a fixed order.

    Args:
        exchange: Store of one transaction.
        station: Station whose shelf is counted.
        also: Places to count whatever they hold, such as those of open shortages.
        led: The open activations that the station leads: what they are expected to need.
        now: Units that have expired by then are not counted.
        rules: The rulebook to decide by.
    """
    began = min((state.opened_at for state in led), default=now)
    stock = await count_stock(exchange, station.station_id, began=began, now=now, rules=rules)
    needs = expect_of_disasters([state.activation for state in led], rules.shortages)
    waiting = await _list_waiting(exchange, station, rules)
    past = await exchange.count_shortages(station.station_id)
    usual = {(component, group) for component in station.daily_demand for group in BloodGroup}
    return [
        _describe(
            stock.get(place) or StockCount(component=place[0], group=place[1]),
            waits=waiting.get(place, ()),
            need=needs.get(place, 0),
            past_shortages=past.get(place, 0),
        )
        for place in sorted({*usual, *stock, *waiting, *needs, *also})
    ]


def _describe(
    held: StockCount, *, waits: Sequence[_Wait], need: int, past_shortages: int
) -> CellCount:
    uncovered = sum(wait.units for wait in waits)
    return CellCount(
        component=held.component,
        group=held.group,
        available=held.available,
        promised=held.promised,
        promised_recently=held.promised_recently,
        promised_in_surge=held.promised_in_surge,
        uncovered=uncovered,
        urgent=sum(wait.units for wait in waits if wait.priority is not Priority.ROUTINE),
        endangered=sum(wait.units for wait in waits if wait.priority is Priority.LIFE_THREATENING),
        expected=max(0, need - held.promised_in_disaster - uncovered),
        past_shortages=past_shortages,
        donor_groups=join_groups(wait.given for wait in waits),
        called_groups=join_groups(wait.called for wait in waits),
    )


async def count_stock(
    exchange: ExchangeStore,
    station_id: str,
    *,
    began: datetime | None = None,
    now: datetime,
    rules: Rulebook,
) -> Mapping[Place, StockCount]:
    """Count what every place holds, and what was promised of it in each window of the burn rate."""
    burn = rules.shortages.burn
    since = PromisedSince(
        window=now - timedelta(days=burn.window_d),
        recent=now - timedelta(hours=burn.recent_h),
        surge=now - timedelta(hours=burn.surge_h),
        disaster=began or now,
    )
    found = await exchange.count_cells(station_id, since=since, now=now)
    return {(count.component, count.group): count for count in found}


async def measure_places(
    exchange: ExchangeStore, station: Station, *, now: datetime, rules: Rulebook
) -> list[tuple[CellCount, Measure]]:
    """Measure every place as it stands, regardless of the level of an open shortage."""
    counts = await count_places(exchange, station, now=now, rules=rules)
    return [(count, measure(count, station=station, rules=rules.shortages)) for count in counts]


async def _list_waiting(
    exchange: ExchangeStore, station: Station, rules: Rulebook
) -> Mapping[Place, list[_Wait]]:
    waiting: dict[Place, list[_Wait]] = defaultdict(list)
    for uncovered in await exchange.list_uncovered(station.station_id):
        request = uncovered.request
        (line,) = (line for line in request.lines if line.line_no == uncovered.line_no)
        group = find_wanted_group(
            line.component, request.patient, request.priority, station.policy, rules
        )
        if group is None:
            continue
        given = list_given_groups(line, request.patient, request.priority, station.policy, rules)
        # No donor is called for a routine order. Each line is judged by itself: a patient whom RhD+
        # serves does not keep RhD- donors from a patient whom it does not serve.
        called = () if request.priority is Priority.ROUTINE else list_called_groups(given)
        waiting[line.component, group].append(
            _Wait(units=uncovered.units, priority=request.priority, given=given, called=called)
        )
    return waiting
