"""The synthetic stock of every station on the evening before, as units with ages and traits.

Pure and deterministic from the seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

from demo.random_draws import divide, draw
from demo.scenario import Scenario
from models.components import Component
from models.events.stock import CountedUnit
from models.groups import Abo, BloodGroup, RhD
from models.units import Unit

_MOST_AGE_D = 400.0
"""Units with a shelf life of years are at most this old, because stock turns over."""

_IRRADIATED_WITHIN, _AFTER_IRRADIATION = timedelta(days=14), timedelta(days=14)
"""Red cells are irradiated within so long of their collection, and kept for so long after it."""

_TYPED = {Component.RED_CELLS, Component.WASHED_RED_CELLS, Component.FROZEN_RED_CELLS}
_TITRED = {Component.FRESH_FROZEN_PLASMA, Component.PLATELETS, Component.CRYOPRECIPITATE}


def make_stock(scenario: Scenario) -> tuple[CountedUnit, ...]:
    """Make every unit of the scenario, station by station, rare units last."""
    return tuple(
        _make(scenario, station_id, component, group, number)
        for number, (station_id, component, group) in enumerate(_list_bags(scenario), start=1)
    )


def _list_bags(scenario: Scenario) -> Iterator[tuple[str, Component, BloodGroup]]:
    plan = scenario.stock
    for station_id, totals in plan.station.items():
        for component, total in totals.items():
            for abo, units in divide(total, {abo: plan.abo[abo] for abo in Abo}).items():
                yield from [(station_id, component, BloodGroup.of(abo, RhD.POSITIVE))] * units
    for rare in plan.rare:
        yield from [(rare.station, rare.component, rare.group)] * rare.units


def _make(
    scenario: Scenario, station_id: str, component: Component, group: BloodGroup, number: int
) -> CountedUnit:
    chance = draw(scenario.seed, "unit", number)
    collected_at, expires_at = _ages(scenario, component, chance)
    donation_id = f"CN54-25-{number:06d}"
    traits = _traits(scenario, component, chance)
    if traits["irradiated"]:
        traits |= _irradiate(scenario, component, collected_at)
    if component.spec.carries_red_cells and "irradiated_at" in traits:
        expires_at = min(expires_at, traits["irradiated_at"] + _AFTER_IRRADIATION)
    unit = Unit(
        unit_id=f"{donation_id}-{component.value.replace('_', '')[:6]}",
        donation_id=donation_id,
        station_id=station_id,
        component=component,
        group=group,
        volume_ml=scenario.stock.volume_ml[component],
        collected_at=collected_at,
        expires_at=expires_at,
        traits=traits,
    )
    return CountedUnit(unit=unit, released=chance.random() >= scenario.stock.quarantined_share)


def _ages(scenario: Scenario, component: Component, chance: Random) -> tuple[datetime, datetime]:
    counted_at = scenario.at(-scenario.stock.counted_before_h)
    shelf = timedelta(hours=component.spec.shelf_life_h)
    if component is Component.WASHED_RED_CELLS:
        # Washed red cells keep for a day, so they were washed on the day of the count.
        return counted_at - timedelta(hours=2), counted_at + timedelta(hours=22)
    if chance.random() < scenario.stock.expiring_share and shelf < timedelta(days=60):
        expires_at = counted_at + timedelta(hours=chance.uniform(11, 30))
        return expires_at - shelf, expires_at
    age = min(shelf * 0.9, timedelta(days=_MOST_AGE_D)) * chance.uniform(0.05, 0.95)
    collected_at = (counted_at - age).replace(second=0, microsecond=0)
    return collected_at, collected_at + shelf


def _irradiate(scenario: Scenario, component: Component, collected_at: datetime) -> dict[str, Any]:
    """Say when a bag was irradiated: lately, and within 14 days of its collection; else it was not.

    Plasma is never irradiated.
    """
    counted_at = scenario.at(-scenario.stock.counted_before_h)
    latest = min(counted_at, collected_at + _IRRADIATED_WITHIN)
    if component.spec.is_acellular or latest < counted_at - timedelta(days=10):
        return {"irradiated": False}
    return {"irradiated_at": max(collected_at, latest - timedelta(hours=6)).replace(microsecond=0)}


def _traits(scenario: Scenario, component: Component, chance: Random) -> dict[str, Any]:
    shares = scenario.stock.traits
    traits: dict[str, Any] = {
        "leukoreduced": chance.random() < shares.leukoreduced,
        "irradiated": chance.random() < shares.irradiated,
        "cmv_negative": chance.random() < shares.cmv_negative,
        "washed": component is Component.WASHED_RED_CELLS,
        "low_titre": component in _TITRED and chance.random() < shares.low_titre,
    }
    if component in _TYPED:
        lacking = [
            antigen
            for typed in shares.antigen_negative
            if chance.random() < typed.share
            for antigen in typed.antigens
        ]
        traits["antigen_negative"] = lacking
    return traits
