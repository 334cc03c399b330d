"""Each value that a station may change changes what is decided, and the decision says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from models.clearance import UnitFacts
from models.components import Component
from models.decisions import Decision
from models.directory import Journey
from models.donors import CallOutStatus
from models.emergency_release import EmergencyRelease
from models.facilities import Location, StationPolicy, estimate_eta_s
from models.groups import BloodGroup
from models.needs import find_demands
from models.patients import Patient, RhdConsent, Sex
from models.requests import Priority
from models.rules.rulebook import PACKAGED, Rulebook
from models.shelf_lives import find_end
from models.units import UnitStatus, UnitTraits
from streams.matching.activation import StationSupply, decide_activations
from streams.matching.alert_doubts import list_untimely
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.matching.disaster_need import estimate_need
from streams.matching.donor_eligibility import list_obstacles
from streams.matching.donor_waves import (
    CallState,
    expect_acceptance,
    expect_donations,
    expect_show_up,
)
from streams.matching.order_facts import OrderFacts, UsualOrder
from streams.matching.shortage import CellCount, decide_shortage, estimate_burn, measure
from tests.support.rules import Effect, accept
from tests.support.safety import build_facts, build_purpose
from tests.support.supply import AT, make_alert, make_record, make_station
from tests.support.world import NOW, PEOPLES, build_request, build_unit, one_unit_ml

CONSENT = RhdConsent(physician="Dr Tashi", signed_by="the patient")
DYING = Priority.LIFE_THREATENING
RELEASE = EmergencyRelease(clinician="Dr Tashi", reason="exsanguinating")
OF_A = Patient(group=BloodGroup.A_POS, reference="bed-9")
HOLDER_OF_ANTI_E = Patient(group=BloodGroup.A_POS, antibodies=("E",))


def decide(
    patient: Patient,
    unit_group: str,
    rules: Rulebook,
    *,
    component: Component = Component.RED_CELLS,
    priority: Priority = Priority.URGENT,
    units: int = 1,
    collected_ago_h: float = 1,
    low_titre: bool = False,
    left_h: float = 12,
    eta_s: int = 1800,
    traits: UnitTraits | None = None,
    asked: int | None = None,
    needed_in_h: float = 0.25,
    release: EmergencyRelease | None = None,
) -> Decision:
    """One request, for as many units as lie on the shelf if nothing else is asked."""
    shelf = [
        UnitFacts(
            unit_id=f"u{number}",
            station_id="shigatse",
            component=component,
            group=BloodGroup(unit_group),
            volume_ml=one_unit_ml(component),
            collected_at=NOW - timedelta(hours=collected_ago_h),
            expires_at=NOW + timedelta(hours=left_h),
            status=UnitStatus.AVAILABLE,
            released=True,
            recalled=False,
            epoch=0,
            traits=traits or UnitTraits(low_titre=low_titre),
        )
        for number in range(units)
    ]
    case = Case(
        request=build_request(
            request_id="r1",
            patient=patient,
            component=component,
            quantity=asked or units,
            priority=priority,
            needed_in_h=needed_in_h,
        ).but(emergency_release=release),
        hospital=PEOPLES,
        policy=StationPolicy(),
        journey=Journey(eta_s=eta_s, estimated=False),
        version=1,
        cause_id="e1",
        rules=rules,
    )
    (matched,) = decide_batch([case], shelf=Shelf(shelf), now=NOW, hold_s=3600)
    return matched.decision


def count(decision: Decision) -> int:
    (line,) = decision.lines
    return len(line.reserved)


def who_can_wait(rules: Rulebook) -> int:
    """Units of the last O for a routine order of tomorrow."""
    patient = Patient(group=BloodGroup.B_POS)
    return count(
        decide(patient, "O+", rules, priority=Priority.ROUTINE, left_h=240, needed_in_h=17)
    )


def part_of_ten(rules: Rulebook) -> int:
    """Units of cryoprecipitate where four of ten are there."""
    asked = Component.CRYOPRECIPITATE
    return count(decide(WOMAN, "A+", rules, component=asked, units=4, asked=10, left_h=240))


def many_of(patient: Patient, priority: Priority, units: int) -> Callable[[Rulebook], int]:
    """Units of so many that are asked for and lie there."""
    return lambda rules: count(
        decide(patient, "A+", rules, priority=priority, units=3 * units, asked=units, left_h=240)
    )


def of_an_order_like_another(rules: Rulebook) -> int:
    """Units of a second order of three for one patient; the first has its three."""
    patient = Patient(group=BloodGroup.A_POS, reference="bed-9")
    first, second = (
        Case(
            request=build_request(patient=patient, quantity=3),
            hospital=PEOPLES,
            policy=StationPolicy(),
            journey=Journey(eta_s=1800, estimated=False),
            version=1,
            cause_id="e1",
            rules=rules,
        )
        for _ in range(2)
    )
    shelf = Shelf([build_facts(unit_id=f"u{at}", group=BloodGroup.A_POS) for at in range(6)])
    told = decide_batch([first, second], shelf=shelf, now=NOW, hold_s=3600)
    return count(told[1].decision)


def of_a_hospital_that_orders_ten(rules: Rulebook) -> int:
    """Units of 25 for a hospital that usually orders ten."""
    usual = {Component.RED_CELLS: UsualOrder(units=10, orders=50)}
    case = Case(
        request=build_request(quantity=25),
        hospital=PEOPLES,
        policy=StationPolicy(),
        journey=Journey(eta_s=1800, estimated=False),
        version=1,
        cause_id="e1",
        facts=OrderFacts(usual=usual),
        rules=rules,
    )
    shelf = Shelf([build_facts(unit_id=f"u{at}", group=BloodGroup.A_POS) for at in range(75)])
    return count(decide_batch([case], shelf=shelf, now=NOW, hold_s=3600)[0].decision)


def abo(
    component: Component, rule_id: str, group: str, left: list[str], given: str, **terms: bool
) -> Effect:
    patient = Patient(group=BloodGroup(f"{group}+"), sex=Sex.MALE, age_years=40)
    return Effect(
        rule_id,
        group,
        left,
        lambda rules: count(decide(patient, given, rules, component=component, **terms)),  # type: ignore[arg-type] # told by keyword
    )


def of_unknown(component: Component, rule_id: str, left: list[str], given: str) -> Effect:
    return Effect(
        rule_id,
        "unknown",
        left,
        lambda rules: count(
            decide(
                Patient(sex=Sex.MALE, age_years=40),
                given,
                rules,
                component=component,
                low_titre=True,
            )
        ),
    )


def need(name: str, value: str, set_to: object, patient: Patient, *, within_d: int = 6) -> Effect:
    """Red cells that old for a child; what a need wants beside the age is waived in danger."""
    return Effect(
        f"need.{name}",
        value,
        set_to,
        lambda rules: count(
            decide(patient, "A+", rules, priority=DYING, collected_ago_h=within_d * 24 - 1)
        ),
    )


def find_oldest(patient: Patient) -> Callable[[Rulebook], object]:
    purpose = build_purpose(patient=patient)
    return lambda rules: find_demands(purpose, Component.RED_CELLS, rules).max_age


def fallback(group: str) -> Effect:
    patient = Patient(
        group=BloodGroup(f"{group}-"), sex=Sex.MALE, age_years=40, rhd_consent=CONSENT
    )
    return Effect(
        "rhd.consented_fallback",
        group,
        [],
        lambda rules: count(decide(patient, f"{group}+", rules, priority=DYING)),
    )


def shelf_lives() -> list[Effect]:
    return [
        Effect(
            f"shelf_life.{component}",
            "use_within_h",
            8,
            keeping(component),
        )
        for component in Component
    ] + [
        Effect(
            f"shelf_life.{component}",
            "unstated_h",
            8,
            keeping(component),
        )
        for component in Component
    ]


def keeping(component: Component) -> Callable[[Rulebook], object]:
    """What becomes of a unit that has still a few hours."""
    hours = component.spec.shelf_life_h - 6
    if component is Component.FROZEN_RED_CELLS:
        # No patient gets them as they are.
        far = NOW + timedelta(days=1)
        return lambda rules: (
            find_end(component, treated_h(hours), far, UnitTraits(), rules.components).at > NOW
        )
    made = {"irradiated": True} if component is Component.APHERESIS_GRANULOCYTES else {}
    return lying(component, hours, **made)


def treated_h(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def lying(
    component: Component,
    hours: float,
    *,
    left_h: float = 12,
    eta_s: int = 1800,
    **made: object,
) -> Callable[[Rulebook], object]:
    """What becomes of a unit that lies there so long, its label still good."""
    patient = Patient(group=BloodGroup.A_POS, sex=Sex.MALE, age_years=40)
    traits = UnitTraits.model_validate(made)
    return lambda rules: count(
        decide(
            patient,
            "A+",
            rules,
            component=component,
            collected_ago_h=hours,
            left_h=left_h,
            eta_s=eta_s,
            traits=traits,
        )
    )


def obstacles(**changes: object) -> Callable[[Rulebook], object]:
    return lambda rules: list_obstacles(make_record(**changes), now=AT, rules=rules.donors)  # type: ignore[arg-type] # told by keyword


def cell(
    available: int = 0, promised: int = 0, *, promised_recently: int = 0, promised_in_surge: int = 0
) -> CellCount:
    return CellCount(
        component=Component.RED_CELLS,
        group=BloodGroup.O_POS,
        available=available,
        promised=promised,
        promised_recently=promised_recently,
        promised_in_surge=promised_in_surge,
    )


PEAK = Location(lat=28.6, lon=87.4)
STATION = make_station(daily_demand={"red_cells": 100.0})
SMALL = make_station(daily_demand={"red_cells": 0.1})
FAR = make_record(location={"lat": 29.27, "lon": 89.9})
VERY_FAR = make_record(location={"lat": 29.27, "lon": 99.9})
UNKNOWN_WOMAN = Patient(sex=Sex.FEMALE, age_years=55)
UNKNOWN_BOY = Patient(sex=Sex.MALE, age_years=20)
WOMAN = Patient(group=BloodGroup.A_NEG, sex=Sex.FEMALE, age_years=54)
NEGATIVE_BOY = Patient(group=BloodGroup.A_NEG, sex=Sex.MALE, age_years=20)
NEGATIVE = Patient(group=BloodGroup.A_NEG)
DEL = Patient(group=BloodGroup.A_NEG, asian_del=True)


def open_call(waited_s: int) -> CallState:
    called_at = AT - timedelta(seconds=waited_s)
    return CallState(record=make_record(), status=CallOutStatus.CALLED, called_at=called_at)


def recovered(rules: Rulebook) -> object:
    """An orange shortage, and the stock a little above the threshold of yellow."""
    before = decide_shortage(cell(150), station=STATION, current=None, now=AT, rules=rules)
    assert before is not None
    return measure(
        cell(206), station=STATION, level_before=before.shortage.level, rules=rules.shortages
    ).level


def moved(rules: Rulebook) -> object:
    before = decide_shortage(cell(100), station=STATION, current=None, now=AT, rules=rules)
    assert before is not None
    return (
        decide_shortage(cell(96), station=STATION, current=before.shortage, now=AT, rules=rules)
        is None
    )


def find_end_of_exercise(rules: Rulebook) -> object:
    alert = make_alert(status="exercise")
    supply = StationSupply(station=STATION, red_cells=0, callable_donors=0)
    (change,) = decide_activations(
        estimate_need(alert, rules=rules.disasters),
        [supply],
        donors_ready_s=rules.donors.ready_after_s,
        current=[],
        now=AT,
        rules=rules.disasters,
    )
    return change.activation.ends_at


def count_donors_wanted(rules: Rulebook) -> int:
    alert = make_alert()
    supply = StationSupply(station=STATION, red_cells=0, callable_donors=1000)
    changes = decide_activations(
        estimate_need(alert, rules=rules.disasters),
        [supply],
        donors_ready_s=rules.donors.ready_after_s,
        current=[],
        now=AT,
        rules=rules.disasters,
    )
    return sum(change.activation.donors_wanted for change in changes)


EFFECTS = [
    need("newborn", "to_age_d", 60, Patient(group=BloodGroup.A_POS, age_days=40)),
    need("newborn", "max_age_d", 2, Patient(group=BloodGroup.A_POS, age_days=3), within_d=3),
    need("infant", "max_age_d", 2, Patient(group=BloodGroup.A_POS, age_years=0), within_d=3),
    *(
        Effect(f"need.{name}", "max_age_d", 2, find_oldest(Patient(indications=(name,))))
        for name in ("intrauterine", "exchange")
    ),
    abo(Component.RED_CELLS, "red_cells.abo", "A", ["A"], "O+"),
    abo(Component.RED_CELLS, "red_cells.abo", "B", ["B"], "O+"),
    abo(Component.RED_CELLS, "red_cells.abo", "AB", ["AB", "O"], "A+"),
    abo(Component.FRESH_FROZEN_PLASMA, "plasma.abo", "O", ["O", "A"], "B+"),
    abo(Component.FRESH_FROZEN_PLASMA, "plasma.abo", "A", ["A"], "AB+"),
    abo(Component.FRESH_FROZEN_PLASMA, "plasma.abo", "B", ["B"], "AB+"),
    abo(Component.PLATELETS, "platelets.abo", "O", ["O"], "A+"),
    abo(Component.PLATELETS, "platelets.abo", "A", ["A"], "AB+"),
    abo(Component.PLATELETS, "platelets.abo", "B", ["B"], "AB+"),
    abo(Component.PLATELETS, "platelets.abo", "AB", ["AB"], "A+", low_titre=True),
    of_unknown(Component.PLATELETS, "platelets.abo", ["A", "AB"], "O+"),
    abo(Component.CRYOPRECIPITATE, "cryoprecipitate.abo", "O", ["O"], "A+"),
    abo(Component.CRYOPRECIPITATE, "cryoprecipitate.abo", "A", ["A"], "O+"),
    abo(Component.CRYOPRECIPITATE, "cryoprecipitate.abo", "B", ["B"], "O+"),
    abo(Component.CRYOPRECIPITATE, "cryoprecipitate.abo", "AB", ["AB"], "O+"),
    of_unknown(Component.CRYOPRECIPITATE, "cryoprecipitate.abo", ["AB"], "O+"),
    Effect(
        "cryoprecipitate.abo",
        "adult_from_age_years",
        25,
        lambda rules: count(
            decide(
                Patient(group=BloodGroup.A_POS, age_years=20),
                "O+",
                rules,
                component=Component.CRYOPRECIPITATE,
            )
        ),
    ),
    abo(Component.FROZEN_PLASMA, "plasma.low_titre", "A", [], "B+", low_titre=True),
    abo(Component.FROZEN_PLASMA, "plasma.low_titre", "B", [], "A+", low_titre=True),
    abo(Component.FROZEN_PLASMA, "plasma.low_titre", "AB", ["A"], "B+", low_titre=True),
    of_unknown(Component.FROZEN_PLASMA, "plasma.low_titre", [], "A+"),
    Effect(
        "unknown.group",
        "rhd_positive_for_all",
        value=False,
        tell=lambda rules: count(decide(Patient(), "O+", rules)),
    ),
    Effect(
        "unknown.group",
        "female_rhd_negative_to_age_years",
        55,
        lambda rules: count(decide(UNKNOWN_WOMAN, "O+", rules, priority=Priority.ROUTINE)),
    ),
    Effect(
        "unknown.group",
        "male_rhd_negative_to_age_years",
        20,
        lambda rules: count(decide(UNKNOWN_BOY, "O+", rules, priority=Priority.ROUTINE)),
    ),
    Effect(
        "rhd.preferred",
        "to_age_years",
        20,
        lambda rules: count(decide(NEGATIVE_BOY, "A+", rules)),
    ),
    Effect(
        "rhd.unprotected",
        "allowed",
        value=False,
        tell=lambda rules: count(decide(NEGATIVE_BOY, "A+", rules)),
    ),
    Effect(
        "rhd.lifesaving",
        "allowed",
        value=False,
        tell=lambda rules: count(
            decide(Patient(group=BloodGroup.A_NEG), "A+", rules, priority=DYING)
        ),
    ),
    Effect(
        "patient.estimated_age",
        "margin_years",
        20,
        lambda rules: count(
            decide(
                Patient(group=BloodGroup.O_NEG, sex=Sex.MALE, age_years=35, age_estimated=True),
                "O+",
                rules,
            )
        ),
    ),
    Effect(
        "unknown.o_negative_cap",
        "o_negative_units",
        2,
        lambda rules: count(decide(UNKNOWN_BOY, "O-", rules, units=6)),
    ),
    Effect(
        "rhd.childbearing",
        "female_to_age_years",
        54,
        lambda rules: count(decide(WOMAN, "A+", rules, component=Component.PLATELETS)),
    ),
    Effect(
        "rhd.kept_for_negative",
        "expiring_within_d",
        0,
        lambda rules: count(
            decide(Patient(group=BloodGroup.A_POS), "A-", rules, priority=Priority.ROUTINE)
        ),
    ),
    Effect("reserve.emergency_o", "o_units", 0, who_can_wait),
    Effect("reserve.emergency_o", "given_ahead_h", 20.0, who_can_wait),
    Effect("supply.useful_part", "cryoprecipitate", 4, part_of_ten),
    Effect("supply.useful_part", "share", 0.4, part_of_ten),
    Effect("order.at_once", "red_cells", 24, many_of(OF_A, Priority.URGENT, 30)),
    Effect("order.at_once_in_danger", "red_cells", 44, many_of(OF_A, DYING, 50)),
    Effect("order.usual", "multiple", 3.0, of_a_hospital_that_orders_ten),
    Effect("order.same_patient", "from_units", 4, of_an_order_like_another),
    *map(fallback, ("O", "A", "B", "AB")),
    Effect(
        "rhd.asian_del",
        "served_as_positive",
        value=False,
        tell=lambda rules: count(decide(DEL, "A+", rules)),
    ),
    Effect(
        "emergency.release",
        "allowed",
        value=False,
        tell=lambda rules: count(
            decide(HOLDER_OF_ANTI_E, "A+", rules, priority=DYING, release=RELEASE)
        ),
    ),
    *shelf_lives(),
    Effect(
        "shelf_life.after_irradiation",
        "keeps_h",
        10 * 24,
        lying(Component.RED_CELLS, 300, irradiated_at=treated_h(290)),
    ),
    Effect(
        "shelf_life.after_irradiation",
        "within_h",
        48,
        lying(Component.RED_CELLS, 300, irradiated_at=treated_h(200)),
    ),
    Effect(
        "shelf_life.after_irradiation",
        "late_keeps_h",
        12,
        lying(Component.RED_CELLS, 600, irradiated_at=treated_h(13)),
    ),
    Effect(
        "shelf_life.after_washing",
        "keeps_h",
        12,
        lying(Component.RED_CELLS, 600, washed_at=treated_h(13)),
    ),
    *(
        Effect(
            "shelf_life.after_thawing",
            f"{component}_h",
            2,
            lying(component, 600, thawed_at=treated_h(2)),
        )
        for component in (
            Component.FRESH_FROZEN_PLASMA,
            Component.FROZEN_PLASMA,
            Component.CRYOPRECIPITATE,
        )
    ),
    Effect("unit.outlives_use", "red_cells_min", 480, lying(Component.RED_CELLS, 1, left_h=8)),
    Effect("unit.outlives_use", "whole_blood_min", 480, lying(Component.WHOLE_BLOOD, 1, left_h=8)),
    Effect("unit.outlives_use", "platelets_min", 240, lying(Component.PLATELETS, 1, left_h=3)),
    Effect(
        "unit.outlives_use",
        "plasma_min",
        240,
        lying(Component.FROZEN_PLASMA, 1, left_h=3, thawed_at=treated_h(0)),
    ),
    Effect("unit.outlives_use", "thawing_min", 240, lying(Component.FROZEN_PLASMA, 1, left_h=3)),
    Effect("transport.longest", "at_most_h", 4, lying(Component.RED_CELLS, 1, eta_s=5 * 3600)),
    Effect("component.label_day", "grace_h", 0, lying(Component.RED_CELLS, 850)),
    Effect("component.label_day", "from_shelf_life_h", 1000, lying(Component.RED_CELLS, 850)),
    Effect("donor.interval.after_platelets", "weeks", 8, obstacles(last_platelets_on="2024-12-01")),
    Effect("donor.age", "from_years", 20, obstacles(born_on="2005-06-15")),
    Effect("donor.age", "to_years", 50, obstacles(born_on="1972-06-15")),
    Effect(
        "donor.age",
        "repeat_to_years",
        55,
        obstacles(born_on="1967-06-15", repeat_without_reaction=True),
    ),
    Effect("donor.weight", "male_kg", 55.0, obstacles(sex="male", weight_kg=52)),
    Effect("donor.weight", "female_kg", 50.0, obstacles(weight_kg=48)),
    Effect(
        "donor.acceptance",
        "prior_calls",
        10.0,
        lambda rules: expect_acceptance(
            make_record(called=4, accepted=3), station=STATION, rules=rules.donors
        ),
    ),
    Effect(
        "donor.show_up",
        "loss_per_km",
        0.001,
        lambda rules: expect_show_up(FAR, station=STATION, rules=rules.donors),
    ),
    Effect(
        "donor.show_up",
        "least_share",
        0.1,
        lambda rules: expect_show_up(VERY_FAR, station=STATION, rules=rules.donors),
    ),
    Effect(
        "donor.wave",
        "answer_window_s",
        900,
        lambda rules: expect_donations(
            [open_call(1200)], station=STATION, now=AT, rules=rules.donors
        ),
    ),
    Effect(
        "disaster.components",
        "units_per_admission",
        4.0,
        lambda rules: estimate_need(make_alert(), rules=rules.disasters),
    ),
    Effect(
        "disaster.platelet_doses",
        "components_per_dose",
        1.0,
        lambda rules: estimate_need(make_alert(), rules=rules.disasters),
    ),
    Effect(
        "disaster.reported",
        "admissions_per_injured",
        0.5,
        lambda rules: estimate_need(make_alert(), rules=rules.disasters),
    ),
    Effect(
        "disaster.first_reports",
        "early_h",
        12.0,
        lambda rules: estimate_need(
            make_alert(injured=3, sent_at=AT + timedelta(hours=24)),
            earlier=[make_alert()],
            rules=rules.disasters,
        ),
    ),
    Effect(
        "disaster.timely",
        "oldest_h",
        24.0,
        lambda rules: bool(
            list_untimely(
                make_alert(), is_open=False, now=AT + timedelta(hours=48), rules=rules.disasters
            )
        ),
    ),
    Effect(
        "disaster.timely",
        "ahead_s",
        3600,
        lambda rules: bool(
            list_untimely(
                make_alert(),
                is_open=False,
                now=AT - timedelta(seconds=1800),
                rules=rules.disasters,
            )
        ),
    ),
    Effect("disaster.exercise_ends", "ends_after_h", 6.0, find_end_of_exercise),
    Effect(
        "disaster.pager",
        "fallback_country",
        "NP",
        lambda rules: estimate_need(
            make_alert(
                casualties=None, country="XX", exposures=[{"mmi": 8.0, "population": 100_000}]
            ),
            rules=rules.disasters,
        ),
    ),
    Effect(
        "disaster.injured_per_dead",
        "injured_per_dead",
        5.0,
        lambda rules: estimate_need(
            make_alert(casualties=None, exposures=[{"mmi": 8.0, "population": 100_000}]),
            rules=rules.disasters,
        ),
    ),
    Effect(
        "disaster.magnitude",
        "deep_below_km",
        40.0,
        lambda rules: estimate_need(
            make_alert(casualties=None, magnitude=7.1, depth_km=50), rules=rules.disasters
        ),
    ),
    Effect(
        "disaster.magnitude",
        "deep_share",
        0.5,
        lambda rules: estimate_need(
            make_alert(casualties=None, magnitude=7.1, depth_km=80), rules=rules.disasters
        ),
    ),
    Effect(
        "disaster.magnitude",
        "very_deep_below_km",
        400.0,
        lambda rules: estimate_need(
            make_alert(casualties=None, magnitude=7.1, depth_km=350), rules=rules.disasters
        ),
    ),
    Effect("disaster.donations", "red_cells_per_donation", 2.0, count_donors_wanted),
    Effect(
        "shortage.group_frequency",
        "rhd_negative",
        0.047,
        lambda rules: estimate_burn(cell(), station=STATION, rules=rules.shortages),
    ),
    Effect(
        "shortage.burn_rate",
        "window_d",
        14,
        lambda rules: estimate_burn(cell(promised=700), station=SMALL, rules=rules.shortages),
    ),
    Effect(
        "shortage.burn_rate",
        "recent_h",
        48.0,
        lambda rules: estimate_burn(
            cell(promised=700, promised_recently=700), station=SMALL, rules=rules.shortages
        ),
    ),
    Effect(
        "shortage.burn_rate",
        "surge_h",
        4.0,
        lambda rules: estimate_burn(
            cell(promised=700, promised_in_surge=700), station=SMALL, rules=rules.shortages
        ),
    ),
    Effect(
        "shortage.burn_rate",
        "surge_least_units",
        20,
        lambda rules: estimate_burn(
            cell(promised=15, promised_in_surge=15), station=SMALL, rules=rules.shortages
        ),
    ),
    Effect(
        "shortage.expected_use",
        "least_units",
        0.1,
        lambda rules: measure(cell(), station=SMALL, rules=rules.shortages),
    ),
    Effect("shortage.recovery", "margin", 0.0, recovered),
    Effect("shortage.change", "share", 0.01, moved),
    Effect(
        "journey.estimate",
        "road_factor",
        2.0,
        lambda rules: estimate_eta_s(STATION.location, PEAK, rules.policies.journey),
    ),
    Effect(
        "journey.estimate",
        "road_speed_kmh",
        30.0,
        lambda rules: estimate_eta_s(STATION.location, PEAK, rules.policies.journey),
    ),
    Effect(
        "journey.estimate",
        "handover_s",
        1800,
        lambda rules: estimate_eta_s(STATION.location, PEAK, rules.policies.journey),
    ),
]


@pytest.mark.parametrize("effect", EFFECTS, ids=str)
def test_a_stations_own_value_changes_what_is_decided(effect: Effect) -> None:
    effect.ensure()


def test_a_unit_with_a_longer_label_is_taken_in_and_not_given_past_the_stations_time() -> None:
    patient = Patient(group=BloodGroup.A_POS)
    assert count(decide(patient, "A+", PACKAGED, collected_ago_h=30 * 24)) == 1
    rules = accept({"shelf_life.red_cells": {"use_within_h": 28 * 24}})
    build_unit("A+", collected_ago_h=30 * 24, expires_in_h=5 * 24)
    decision = decide(patient, "A+", rules, collected_ago_h=30 * 24)
    assert count(decision) == 0
    (line,) = decision.lines
    told = {reason.code: reason.rule for reason in line.refusals}
    assert told["expires_before_arrival"] == f"shelf_life.red_cells@{decision.rules_version}"


def test_a_decision_says_that_the_rules_were_a_stations_own() -> None:
    changes = {"unknown.o_negative_cap": {"o_negative_units": 1}}
    rules = accept(changes)
    decision = decide(UNKNOWN_BOY, "O-", rules, units=2)
    assert decision.rules_version == rules.version != PACKAGED.version
    (line,) = decision.lines
    cited = {reserved.reason.rule for reserved in line.reserved} | {
        reason.rule for reason in line.refusals
    }
    assert cited - {""} == {
        f"unknown.group@{rules.version}",
        f"unknown.o_negative_cap@{rules.version}",
    }
    assert all(rules.get_rule(rule) for rule in cited - {""})


def test_a_station_without_the_fallback_gives_no_positive_whole_blood_either() -> None:
    """Low-titre O RhD+ is a part of the fallback, not a way around its absence."""
    patient = Patient(group=BloodGroup.A_NEG, sex=Sex.MALE, age_years=40, rhd_consent=CONSENT)

    def give(rules: Rulebook) -> int:
        return count(
            decide(
                patient,
                "O+",
                rules,
                component=Component.WHOLE_BLOOD,
                priority=DYING,
                low_titre=True,
            )
        )

    assert give(PACKAGED) == 1
    assert give(accept({"rhd.consented_fallback": {"A": []}})) == 0


@pytest.mark.parametrize("group", ["A+", "B+", "A-", "B-"])
def test_a_station_that_gives_no_group_o_red_cells_gives_none_to_the_dying_either(
    group: str,
) -> None:
    """Low-titre O in an emergency is a rule of whole blood, and no way around red cells' own."""
    patient = Patient(group=BloodGroup(group), sex=Sex.MALE, age_years=40, rhd_consent=CONSENT)

    def give(rules: Rulebook) -> int:
        return count(decide(patient, "O+", rules, priority=DYING, low_titre=True))

    assert give(PACKAGED) == 1
    assert give(accept({"red_cells.abo": {group[0]: [group[0]]}})) == 0


def test_two_rulebooks_live_in_one_process() -> None:
    """A drill beside the real thing: one is no less in force because the other was asked last."""
    own = accept({"unknown.o_negative_cap": {"o_negative_units": 1}})
    told = [
        (count(decision), decision.rules_version)
        for rules in (PACKAGED, own, PACKAGED, own)
        for decision in [decide(UNKNOWN_BOY, "O-", rules, units=6)]
    ]
    assert told == [(4, PACKAGED.version), (1, own.version)] * 2
