"""Whether a unit may go to a patient or station: a second opinion, written from the sources alone.

It shares neither code nor data with `models/`: plain words and numbers in, the names of the reasons
out. Which groups go together is `checker/compatibility.py`'s, the table of other hands. The shape
is the sources' own, one paragraph one function, and it is written for reading, not for speed.

Sources: WS 399-2012 as a station quotes it (storage, shelf life, transport), the Blood Donation Law
art. 10, Lifeblood's component compatibility, Victoria's cap of unconfirmed O RhD-.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from checker.compatibility import Patient, Situation, Terms, get_allowed
from tests.oracle.components import COMPONENTS

FROZEN = frozenset({"frozen_red_cells", "fresh_frozen_plasma", "frozen_plasma", "cryoprecipitate"})
"""Below -18 degrees, or -65; a hospital that cannot thaw cannot use them."""

WITH_RED_CELLS = frozenset({"red_cells", "washed_red_cells", "frozen_red_cells", "whole_blood"})
"""They carry the antigens that a patient's antibodies are against."""

LIQUID_RED_CELLS = frozenset({"red_cells", "washed_red_cells"})
"""Out of temperature control over 30 min they do not go back to stock; transfuse within 4 h."""

HALF_AN_HOUR_S, FOUR_HOURS_S, DAY_S = 1800, 14_400, 86_400
CAP = 4

WAYS: dict[str, tuple[str, ...]] = {
    "collected": (),
    "quarantined": (),
    "split": (),
    "available": ("reserve",),
    "reserved": ("issue",),
    "picked": ("issue",),
    "issued": (),
    "in_transit": (),
    "received": (),
    "transfused": (),
    "returned": (),
    "discarded": (),
    "expired": (),
    "recalled": (),
}
"""What may happen to a unit next; untested blood may not be supplied (art. 10)."""

LAST_DAY = timedelta(days=1)
"""Labels expire at the end of a day; so much later than the shelf life one may be dated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bag:
    """A unit; `out_s` is the time out of temperature control, None if nobody wrote any down."""

    component: str
    group: str
    status: str
    collected_at: datetime
    expires_at: datetime
    released: bool
    recalled: bool
    traits: frozenset[str]
    antigen_negative: frozenset[str]
    hla: frozenset[str]
    out_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """The journey and who is at its end."""

    arrival_at: datetime
    transport_s: int
    kept: bool
    agitated: bool
    can_thaw: bool
    unusable: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bed:
    """The patient, what the hospital asked for, and what the station's policy is."""

    patient: Patient
    component: str
    emergency: bool
    low_titre_a_plasma: bool
    needed_by: datetime
    capped: int
    wanted: frozenset[str]
    identical_only: bool
    antigen_negative: frozenset[str]
    hla: frozenset[str]
    max_age_d: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Depot:
    """Another station that wants one component of some groups."""

    component: str
    groups: frozenset[str]


def list_reasons(
    bag: Bag, to: Bed | Depot, *, at_station: bool, step: str, way: Way, now: datetime
) -> set[str]:
    """Return the name of every reason why not; empty if the unit may go.

    Args:
        bag: The unit.
        to: The patient or station.
        at_station: The unit is where it is to leave from.
        step: `reserve` or `issue`.
        way: How it gets there.
        now: Aware instant.
    """
    found = _of_the_bag(bag, step) | _of_time(bag, way, now) | _of_the_way(bag, way)
    found |= _of_temperature(bag, to, way)
    if not at_station:
        found.add("at_other_station")
    if bag.component != to.component:
        found.add("other_component")
    if isinstance(to, Depot):
        return found if bag.group in to.groups else found | {"other_group"}
    if way.arrival_at < _good_until(bag) <= to.needed_by:
        found.add("expires_before_needed")
    return found | _of_the_group(bag, to) | _of_the_demand(bag, to, way)


def _of_the_bag(bag: Bag, step: str) -> set[str]:
    found = set()
    if step not in WAYS[bag.status]:
        found.add("status_forbids")
    if not bag.released:
        found.add("not_released")
    if bag.recalled:
        found.add("recalled")
    return found


def _good_until(bag: Bag) -> datetime:
    """An expiry is the first instant at which the unit may not be used any more.

    What a label says beyond the shelf life of the component does not count.
    """
    keeps = timedelta(days=COMPONENTS[bag.component].shelf_d)
    # What keeps for a day has its hour on the label, not its day.
    last_day = LAST_DAY if keeps > timedelta(days=1) else timedelta(0)
    return min(bag.expires_at, bag.collected_at + keeps + last_day)


def _of_time(bag: Bag, way: Way, now: datetime) -> set[str]:
    found = set()
    if not now < _good_until(bag):
        found.add("expired")
    if not way.arrival_at < _good_until(bag):
        found.add("expires_before_arrival")
    return found


def _of_the_way(bag: Bag, way: Way) -> set[str]:
    found = set()
    if bag.component in FROZEN and not way.can_thaw:
        found.add("hospital_cannot_thaw")
    if bag.component in way.unusable:
        found.add("hospital_cannot_use")
    if bag.component == "platelets" and not way.agitated and way.transport_s > DAY_S:
        found.add("unagitated_too_long")
    return found


def _of_temperature(bag: Bag, to: Bed | Depot, way: Way) -> set[str]:
    found = set()
    out_s = 0 if bag.out_s is None else bag.out_s
    if bag.component not in LIQUID_RED_CELLS:
        if out_s:
            found.add("out_of_control")
        if not way.kept:
            found.add("temperature_not_kept")
        return found
    if out_s > HALF_AN_HOUR_S:
        found.add("out_of_control")
    if not way.kept:
        at_the_end_s = out_s + way.transport_s
        if isinstance(to, Depot) and at_the_end_s > HALF_AN_HOUR_S:
            found.add("restocked_too_late")
        if isinstance(to, Bed) and not at_the_end_s < FOUR_HOURS_S:
            found.add("transfused_too_late")
    return found


def _of_the_group(bag: Bag, to: Bed) -> set[str]:
    terms = list_terms(bag.component, to.patient, to.emergency, to.low_titre_a_plasma)
    if bag.group not in terms:
        return {"other_group"}
    found = set()
    if terms[bag.group].low_titre and "low_titre" not in bag.traits:
        found.add("not_low_titre")
    if terms[bag.group].capped and to.capped + 1 > CAP:
        found.add("o_negative_cap")
    return found


@cache
def list_terms(
    component: str, patient: Patient, emergency: bool, low_titre_a_plasma: bool
) -> dict[str, Terms]:
    return get_allowed(
        Situation(
            component=component,
            patient=patient,
            emergency=emergency,
            low_titre_a_plasma=low_titre_a_plasma,
        )
    )


def _of_the_demand(bag: Bag, to: Bed, way: Way) -> set[str]:
    has = bag.traits | ({"washed"} if bag.component == "washed_red_cells" else frozenset())
    found = {f"lacks_attribute {name}" for name in to.wanted - has}
    found |= {f"lacks_attribute hla:{name}" for name in to.hla - bag.hla}
    if to.identical_only and bag.group != to.patient.group:
        found.add("group_not_identical")
    if to.max_age_d is not None:
        oldest = timedelta(days=to.max_age_d)
        # The age of the blood counts when it is used: once it is there, and not before the need.
        still_young = bag.collected_at + oldest
        if way.arrival_at > still_young or to.needed_by > still_young:
            found.add("too_old")
    unwanted = set(to.antigen_negative)
    if bag.component in WITH_RED_CELLS:
        unwanted |= to.patient.antibodies
    for antigen in unwanted:
        # The label tells D; of the others only a test tells that one is absent.
        absent = bag.group[-1] == "-" if antigen == "D" else antigen in bag.antigen_negative
        if not absent:
            found.add(f"not_antigen_negative {antigen}")
    return found
