"""Times of use: when a patient gets a unit, and what must hold until the last of it is given. Pure.

A part of the safety kernel (`models.safety`), which alone clears units. What is counted until a
unit is used is counted from here: its end of life, its age, the hours since it was irradiated. The
latest departure follows from the same times, so that no unit is held past it.

Source: rules/data/safety.toml (unit.use), rules/data/needs.toml, rules/data/components.toml.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from models.clearance import ForPatient, UnitFacts
from models.decisions import Reason
from models.emergency_release import EmergencyRelease
from models.needs import Demands, find_demands
from models.rules.rulebook import Rulebook
from models.shelf_lives import find_end


class Use(NamedTuple):
    """When a patient gets a unit: its age counts when it begins, its end of life when it ends."""

    begins_at: datetime
    ends_at: datetime


def find_use(unit: UnitFacts, arrival_at: datetime, purpose: ForPatient, rules: Rulebook) -> Use:
    """Return when a patient gets a unit that arrives then: not before it is needed."""
    begins_at = max(arrival_at, purpose.needed_by)
    return Use(begins_at, begins_at + _find_duration(unit, rules))


def find_last_departure(
    unit: UnitFacts,
    purpose: ForPatient,
    *,
    release: EmergencyRelease | None,
    eta_s: int,
    rules: Rulebook,
) -> datetime:
    """Return the latest departure after which the unit could not be given in time any more.

    Args:
        unit: A unit that is cleared for the patient.
        purpose: The patient and the line.
        release: That counts for the patient; what it passes ends no hold.
        eta_s: Seconds on the way.
        rules: The rulebook to decide by.
    """
    demands = find_demands(purpose, unit.component, rules)
    end = find_end(
        unit.component, unit.collected_at, unit.expires_at, unit.traits, rules.components
    )
    takes = _find_duration(unit, rules)
    begins = [end.at - takes]
    if demands.max_age is not None:
        max_age_d, rule = demands.max_age
        old = Reason(code="too_old", params={"max_age_d": max_age_d}, rule=rule)
        if release is None or not release.may_pass(old):
            begins.append(unit.collected_at + timedelta(days=max_age_d))
    if demands.irradiated_within is not None and unit.traits.irradiated:
        hours, rule = demands.irradiated_within
        long_ago = Reason(code="irradiated_too_long_ago", params={"hours": hours}, rule=rule)
        if release is None or not release.may_pass(long_ago):
            begins.append(_find_irradiation(unit) + timedelta(hours=hours) - takes)
    return min(begins) - timedelta(seconds=eta_s)


def list_of_use(
    unit: UnitFacts,
    purpose: ForPatient,
    until: datetime,
    arrival_at: datetime,
    rules: Rulebook,
    *,
    cited: str,
) -> Iterator[Reason]:
    """Yield a reason if the unit, fit on arrival, dies before or while the patient gets it."""
    takes = _find_duration(unit, rules)
    if until <= purpose.needed_by:
        yield Reason(code="expires_before_needed", rule=cited)
    elif until < find_use(unit, arrival_at, purpose, rules).ends_at:
        params = {"takes_s": round(takes.total_seconds())}
        cited = rules.safety.cite(rules.safety.use)
        yield Reason(code="expires_during_use", params=params, rule=cited)


def list_of_age(unit: UnitFacts, demands: Demands, used: Use) -> Iterator[Reason]:
    """Yield reasons if the unit is older than is demanded, or was irradiated too long ago."""
    if demands.max_age is not None:
        max_age_d, rule = demands.max_age
        if used.begins_at - unit.collected_at > timedelta(days=max_age_d):
            yield Reason(code="too_old", params={"max_age_d": max_age_d}, rule=rule)
    if demands.irradiated_within is not None and unit.traits.irradiated:
        hours, rule = demands.irradiated_within
        # Its potassium rises until the last drop is given.
        if used.ends_at - _find_irradiation(unit) > timedelta(hours=hours):
            yield Reason(code="irradiated_too_long_ago", params={"hours": hours}, rule=rule)


def _find_irradiation(unit: UnitFacts) -> datetime:
    """Return when a unit was irradiated; at collection, for all that is known, if unstated."""
    return unit.traits.irradiated_at or unit.collected_at


def _find_duration(unit: UnitFacts, rules: Rulebook) -> timedelta:
    """Return how long a unit is in use; one that is frozen is thawed first."""
    return rules.safety.use.takes(unit.component, thawed=unit.traits.thawed_at is not None)
