"""The synthetic reserve: staff and on-call donors of each station, some of whom must not be called.

Pure and deterministic from the seed. All persons are invented.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from demo.random_draws import divide, draw
from demo.scenario import Scenario
from demo.scenario_schema import Reserve
from models.donors import Donor
from models.facilities import Location, Station
from models.groups import Abo, BloodGroup, RhD
from models.patients import Sex

_RHD_NEGATIVE_ON_CALL = 2
"""RhD- donors in each on-call reserve; at the Chinese frequency there would be none."""

_REPEAT_SHARE = 0.4
_GAVE_BEFORE_SHARE = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDonor:
    """A donor, and the reason why they must not be called (empty if they may be)."""

    donor: Donor
    ineligible: str = ""


def make_donors(scenario: Scenario) -> tuple[DemoDonor, ...]:
    """Make every donor of the scenario, in the order of its reserves; staff first."""
    return tuple(
        donor for reserve in scenario.donors.reserve for donor in _make_reserve(scenario, reserve)
    )


def _make_reserve(scenario: Scenario, reserve: Reserve) -> Iterator[DemoDonor]:
    station = next(
        station for station in scenario.stations if station.station_id == reserve.station
    )
    for number, group in enumerate(_spread(scenario, reserve.staff), start=1):
        yield DemoDonor(
            donor=_make(scenario, station, number=number, group=group, staff=True, flaw="")
        )
    plan = scenario.donors.ineligible
    flawed = round(reserve.on_call * plan.share)
    groups = _spread(scenario, reserve.on_call)
    groups[:_RHD_NEGATIVE_ON_CALL] = [
        BloodGroup.of(group.abo, RhD.NEGATIVE) for group in groups[:_RHD_NEGATIVE_ON_CALL]
    ]
    order = list(range(reserve.on_call))
    draw(scenario.seed, "flaws", station.station_id).shuffle(order)
    flaws = {at: plan.reasons[turn % len(plan.reasons)] for turn, at in enumerate(order[:flawed])}
    for at, group in enumerate(groups):
        flaw = flaws.get(at, "")
        donor = _make(scenario, station, number=at + 1, group=group, staff=False, flaw=flaw)
        yield DemoDonor(donor=donor, ineligible=flaw)


def _spread(scenario: Scenario, people: int) -> list[BloodGroup]:
    counts = divide(people, {abo: scenario.stock.abo[abo] for abo in Abo})
    return [BloodGroup.of(abo, RhD.POSITIVE) for abo in Abo for _ in range(counts[abo])]


def _make(
    scenario: Scenario, station: Station, *, number: int, group: BloodGroup, staff: bool, flaw: str
) -> Donor:
    kind = "staff" if staff else "oncall"
    donor_id = f"{station.station_id}-{kind}-{number:03d}"
    chance = draw(scenario.seed, "donor", donor_id)
    sex = chance.choice(list(Sex))
    today = scenario.event.occurred_at.date()
    fields: dict[str, Any] = {
        "donor_id": donor_id,
        "station_id": station.station_id,
        "name": f"{'职工' if staff else '应急献血者'}{number:03d}（合成）",
        # The numbers are of a range that no network serves, so that no person is called by mistake.
        "contact": f"+86-000-{donor_id}",
        "group": group,
        "sex": sex,
        "born_on": _born(chance, today, years=(23, 52)),
        "weight_kg": round(chance.uniform(58, 84) if sex is Sex.MALE else chance.uniform(48, 68)),
        "location": _live_near(chance, station.location),
        "staff": staff,
        "repeat_without_reaction": staff or chance.random() < _REPEAT_SHARE,
        "last_whole_blood_on": _last_given(chance, today),
        "consented_at": scenario.event.occurred_at - timedelta(days=chance.randint(60, 700)),
    }
    fields.update(_flaw_fields(flaw, sex=sex, quake_at=scenario.event.occurred_at))
    return Donor.model_validate(fields)


def _born(chance: Random, today: date, *, years: tuple[int, int]) -> date:
    return today - timedelta(days=round(365.25 * chance.uniform(*years)))


def _live_near(chance: Random, place: Location) -> Location:
    return Location(
        lat=round(place.lat + chance.uniform(-0.03, 0.03), 4),
        lon=round(place.lon + chance.uniform(-0.03, 0.03), 4),
    )


def _last_given(chance: Random, today: date) -> date | None:
    return (
        today - timedelta(days=chance.randint(240, 900))
        if chance.random() < _GAVE_BEFORE_SHARE
        else None
    )


def _flaw_fields(flaw: str, *, sex: Sex, quake_at: datetime) -> dict[str, Any]:
    """Return the fields that make a donor ineligible for a call.

    Raises:
        KeyError: The scenario names a reason that is not known here.
    """
    today = quake_at.date()
    known: dict[str, dict[str, Any]] = {
        "": {},
        "gave_three_months_ago": {"last_whole_blood_on": today - timedelta(days=92)},
        "too_young": {"born_on": today - timedelta(days=round(365.25 * 17.5))},
        "too_old": {
            "born_on": today - timedelta(days=round(365.25 * 57)),
            "repeat_without_reaction": False,
        },
        "deferred": {"deferred_until": quake_at + timedelta(days=40)},
        "no_consent": {"consented_at": None},
        "unavailable": {"unavailable_until": quake_at + timedelta(days=9)},
        "underweight": {"weight_kg": 47.0 if sex is Sex.MALE else 42.0},
        "platelets_two_weeks_ago": {"last_platelets_on": today - timedelta(days=14)},
    }
    return known[flaw]
