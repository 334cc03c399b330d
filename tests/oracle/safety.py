"""Whether a unit may go to a patient or station: a second opinion, written from the sources alone.

It shares neither code nor data with `models/`: plain words and numbers in, the names of the reasons
out. What `checker/` states of groups, attributes, states and restocking is asked of it; here stands
what it does not judge: shelf lives, the way, the temperature.

Sources: WS 399-2012 as a station quotes it (storage, shelf life, transport), the Blood Donation Law
art. 10, Lifeblood's component compatibility, Victoria's cap of unconfirmed O RhD-.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from checker.compatibility import (
    O_NEGATIVE_CAP,
    GroupTerms,
    Patient,
    Situation,
    get_allowed,
    is_kept_as_del,
)
from checker.database_rows import Unit
from checker.shelf_lives import PLATELETS, find_duration, find_end
from checker.unit_attributes import (
    FROZEN,
    MAY_BE_DEL,
    is_beyond_hospital,
    is_passed,
    list_lacking,
    serves,
)
from checker.unit_states import NEXT, RESTOCKED_COMPONENTS, RESTOCKED_WITHIN

TRANSFUSED_WITHIN = timedelta(hours=4)
"""Red cells out of temperature control; other blood is never out of it."""

UNAGITATED_WITHIN = timedelta(days=1)

STEP_TO = {"reserve": "reserved", "issue": "issued"}
"""Step to the state that it makes."""

THAWS_IN = timedelta(minutes=30)

SHORT_WAY = {"red_cells", "washed_red_cells", "deglycerolised_red_cells", "whole_blood"}
ON_THE_WAY = timedelta(hours=24)
"""A Chinese textbook on suspended red cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bag:
    """A unit; `out` is the time out of temperature control, if anybody wrote it down."""

    unit: Unit
    recalled: bool
    out: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The journey and who is at its end."""

    arrival_at: datetime
    takes: timedelta
    kept: bool
    agitated: bool
    hospital: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """The patient, what the hospital asked for, and what the station's policy is.

    Attributes:
        wanted: The attributes of the line.
        passes: What a named clinician passes, where life is in danger.
    """

    patient: Patient
    component: str
    priority: str
    low_titre_a_plasma: bool
    needed_by: datetime
    capped: int
    wanted: Mapping[str, Any]
    passes: frozenset[str] = frozenset()

    @property
    def is_in_danger(self) -> bool:
        return self.priority == "life_threatening"


@dataclass(frozen=True, slots=True, kw_only=True)
class Depot:
    """Another station that wants one component of some groups."""

    component: str
    groups: frozenset[str]


def list_reasons(
    bag: Bag, to: Bed | Depot, *, at_station: bool, step: str, way: Way, now: datetime
) -> set[str]:
    """Return the name of every reason why not; empty if the unit may go.

    A unit that may go by a clinician's word alone gives the reasons that are passed, as `passed …`.

    Args:
        bag: The unit.
        to: The patient or station.
        at_station: The unit is where it is to leave from.
        step: `reserve` or `issue`.
        way: How it gets there.
        now: Aware instant.
    """
    unit, until = bag.unit, find_end(bag.unit)
    found = _of_the_bag(bag, step) | _of_time(until, way, now) | _of_the_way(unit, way)
    found |= _of_temperature(bag, to, way)
    if not at_station:
        found.add("at_other_station")
    if not _is_asked_for(unit, to):
        found.add("other_component")
    if isinstance(to, Depot):
        return found if unit.blood_group in to.groups else found | {"other_group"}
    found |= _of_use(unit, to, way, until) | _of_the_group(unit, to)
    lacking = [*_of_the_demand(unit, to, way), *found & {MAY_BE_DEL}]
    found.discard(MAY_BE_DEL)
    demanded = {_name_lack(lack) for lack in lacking}
    is_passed_whole = not found and all(is_passed(lack, to.passes) for lack in lacking)
    if to.is_in_danger and demanded and is_passed_whole:
        return {f"passed {name}" for name in demanded}
    return found | demanded


def _is_asked_for(unit: Unit, to: Bed | Depot) -> bool:
    if isinstance(to, Depot):
        return unit.component == to.component
    return serves(unit.component, to.component, wanted=to.wanted, patient=to.patient)


def _of_the_bag(bag: Bag, step: str) -> set[str]:
    found = set()
    if STEP_TO[step] not in NEXT[bag.unit.status]:
        found.add("status_forbids")
    if bag.unit.released_at is None:
        found.add("not_released")
    if bag.recalled:
        found.add("recalled")
    return found


def _of_use(unit: Unit, to: Bed, way: Way, until: datetime) -> set[str]:
    """Blood runs into the patient for hours; plasma has to be thawed before."""
    if until <= way.arrival_at:
        return set()
    if until <= to.needed_by:
        return {"expires_before_needed"}
    return {"expires_during_use"} if _find_done(unit, to, way) > until else set()


def _find_done(unit: Unit, to: Bed, way: Way) -> datetime:
    """Find when the last of a unit is given: thawed, if it must be, and run in."""
    takes = find_duration(unit.component)
    if unit.component in FROZEN and not unit.traits.get("thawed_at"):
        takes += THAWS_IN
    return max(way.arrival_at, to.needed_by) + takes


def _of_time(until: datetime, way: Way, now: datetime) -> set[str]:
    found = set()
    if not now < until:
        found.add("expired")
    if not way.arrival_at < until:
        found.add("expires_before_arrival")
    return found


def _of_the_way(unit: Unit, way: Way) -> set[str]:
    found = set()
    if is_beyond_hospital(unit=unit, hospital=way.hospital):
        found.add("hospital_cannot_thaw")
    if unit.component in way.hospital["cannot_use"]:
        found.add("hospital_cannot_use")
    if unit.component in SHORT_WAY and way.takes > ON_THE_WAY:
        found.add("transit_too_long")
    if unit.component in PLATELETS and not way.agitated and way.takes > UNAGITATED_WITHIN:
        found.add("unagitated_too_long")
    return found


def _of_temperature(bag: Bag, to: Bed | Depot, way: Way) -> set[str]:
    found = set()
    if bag.unit.component not in RESTOCKED_COMPONENTS:
        if bag.out:
            found.add("out_of_control")
        if not way.kept:
            found.add("temperature_not_kept")
        return found
    if bag.out > RESTOCKED_WITHIN:
        found.add("out_of_control")
    if not way.kept:
        at_the_end = bag.out + way.takes
        if isinstance(to, Depot) and at_the_end > RESTOCKED_WITHIN:
            found.add("restocked_too_late")
        if isinstance(to, Bed) and not at_the_end < TRANSFUSED_WITHIN:
            found.add("transfused_too_late")
    return found


def _of_the_group(unit: Unit, to: Bed) -> set[str]:
    terms = list_terms(unit.component, to.patient, to.priority, to.low_titre_a_plasma)
    if unit.blood_group not in terms and to.is_in_danger and "antibodies" in to.passes:
        # Anti-D stands against the unit as any antibody does; its group is then no reason.
        other = replace(to.patient, antibodies=to.patient.antibodies - {"D"})
        terms = list_terms(unit.component, other, to.priority, to.low_titre_a_plasma)
    if unit.blood_group not in terms:
        return {"other_group"}
    found = set()
    if terms[unit.blood_group].lacks_titre(unit.traits):
        found.add("not_low_titre")
    situation = Situation(
        component=unit.component,
        patient=to.patient,
        priority=to.priority,
        low_titre_a_plasma=to.low_titre_a_plasma,
    )
    if is_kept_as_del(blood_group=unit.blood_group, traits=unit.traits, situation=situation):
        found.add(MAY_BE_DEL)
    if terms[unit.blood_group].capped and to.capped >= O_NEGATIVE_CAP:
        found.add("o_negative_cap")
    return found


@cache
def list_terms(
    component: str, patient: Patient, priority: str, low_titre_a_plasma: bool
) -> dict[str, GroupTerms]:
    return get_allowed(
        Situation(
            component=component,
            patient=patient,
            priority=priority,
            low_titre_a_plasma=low_titre_a_plasma,
        )
    )


def _of_the_demand(unit: Unit, to: Bed, way: Way) -> list[str]:
    # The age of the blood counts when it is used: once it is there, and not before the need.
    used_at = max(way.arrival_at, to.needed_by)
    return list_lacking(
        unit=unit,
        wanted=to.wanted,
        patient=to.patient,
        used_at=used_at,
        done_at=_find_done(unit, to, way),
        emergency=to.priority == "life_threatening",
    )


def _name_lack(lack: str) -> str:
    if lack == "glycerol":
        return "not_deglycerolised"
    if lack == "identical_group_only":
        return "group_not_identical"
    if lack.startswith("max_age_d"):
        return "too_old"
    if lack.startswith(("hla_", "relative_", "irradiated_too", MAY_BE_DEL)):
        return lack
    if lack.endswith("-"):
        return f"not_antigen_negative {lack[:-1]}"
    return f"lacks_attribute {lack}"
