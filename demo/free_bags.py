"""The bags that lie free at the end of the day, as each station exports its shelf.

Reads through the gateway, before the processes end. What a bag is, is known from the evening's
count or from the donation; where it lies and that it is free, the export says.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace

from demo.actor_context import DrillStage
from demo.donation_outcomes import DonatedLife
from demo.scenario import Scenario
from demo.serving_options import FreeBag
from models.clearance import UnitFacts
from models.events.stock import CountedUnit
from models.units import UnitStatus

_UNIT_ID, _STATUS, _FREE = "血袋号", "状态", "在库"
"""Headings of the exported shelf, and its word for a bag that is free."""


async def read_free_bags(stage: DrillStage, lives: Sequence[DonatedLife]) -> list[FreeBag]:
    """Read every free bag of every station, and since when it lies there."""
    known = {counted.unit.unit_id: counted for counted in stage.stock}
    given = {life.unit_id: life for life in lives}
    found: list[FreeBag] = []
    for station in stage.scenario.stations:
        station_id = station.station_id
        answer = await stage.door("station", station_id).call(
            "GET", f"/v1/stations/{station_id}/stock/export"
        )
        for unit_id in list_free(answer.body):
            if unit_id in known:
                bag = describe_counted(stage.scenario, known[unit_id], station_id)
            elif unit_id in given:
                bag = describe_donated(stage.scenario, given[unit_id], station_id)
            else:
                continue
            since = stage.board.arrived.get(unit_id, bag.since)
            found.append(FreeBag(unit=bag.unit, since=since))
    return found


def list_free(exported: str) -> list[str]:
    """List the free bags of an exported shelf."""
    rows = csv.DictReader(io.StringIO(exported.removeprefix("\ufeff")))
    return [row[_UNIT_ID] for row in rows if row[_STATUS] == _FREE]


def describe_counted(scenario: Scenario, counted: CountedUnit, station_id: str) -> FreeBag:
    """Describe a bag of the evening's count, as it lies at a station."""
    unit = counted.unit
    facts = UnitFacts(
        unit_id=unit.unit_id,
        station_id=station_id,
        component=unit.component,
        group=unit.group,
        volume_ml=unit.volume_ml,
        status=UnitStatus.AVAILABLE,
        collected_at=unit.collected_at,
        expires_at=unit.expires_at,
        released=True,
        recalled=False,
        epoch=0,
        traits=unit.traits,
    )
    return FreeBag(unit=facts, since=scenario.at(-scenario.stock.counted_before_h))


def describe_donated(scenario: Scenario, life: DonatedLife, station_id: str) -> FreeBag:
    """Describe a bag that a donor gave, as it lies at a station before anything befell it."""
    unit = replace(
        life, station_id=station_id, status=UnitStatus.AVAILABLE, released=True, recalled=False
    )
    return FreeBag(unit=unit, since=life.released_at or scenario.at(scenario.timeline.ends_after_h))
