"""What holds where a record is silent: a station's policy, a hospital's pack, an unknown road."""

from __future__ import annotations

import pytest

from models.components import Component
from models.facilities import Hospital, Location, MassiveTransfusionPack, Station, estimate_eta_s
from models.rules.rulebook import PACKAGED
from models.rules.types.packs import PACKS, PackRule
from tests.support.world import PEOPLES

EQUATOR = Location(lat=0, lon=0)
ONE_DEGREE_KM = 111.195
"""Of the equator."""


def test_a_station_that_says_nothing_has_this_policy() -> None:
    station = Station(station_id="s", name_zh="站", name_en="s", location=EQUATOR, daily_demand={})
    assert station.policy.model_dump() == {
        "low_titre_a_plasma": True,
        "thresholds": {"yellow_below_d": 6, "orange_below_d": 4.5, "red_below_d": 3},
        "activation_radius_km": 800,
        "neighbours": (),
        "acceptance_rate": 0.25,
        "staff_acceptance_rate": 0.8,
        "show_up_rate": 0.8,
        "no_show_grace_s": 45 * 60,
    }


def units(pack: MassiveTransfusionPack | PackRule) -> dict[str, int]:
    return {component.value: count for component, count in pack.units.items()}


def test_a_hospital_that_names_no_pack_gets_four_four_one() -> None:
    told = PEOPLES.model_dump(exclude={"pack"})
    assert units(Hospital.model_validate(told).pack) == {
        "red_cells": 4,
        "fresh_frozen_plasma": 4,
        "platelets": 1,
    }


def test_the_other_packs_that_are_known() -> None:
    rules = PACKS
    assert units(rules.pack_5_4_1) == {"red_cells": 5, "fresh_frozen_plasma": 4, "platelets": 1}
    assert units(rules.pack_6_6_1) == {
        "red_cells": 6,
        "fresh_frozen_plasma": 6,
        "platelets": 1,
        "cryoprecipitate": 10,
    }
    assert Component.CRYOPRECIPITATE not in rules.pack_4_4_1.units
    assert rules.protocol.first_cooler_within_min == 30


@pytest.mark.parametrize("degrees", [1, 3])
def test_a_road_that_is_not_recorded_winds_and_is_slow(degrees: int) -> None:
    far = Location(lat=0, lon=degrees)
    hours = degrees * ONE_DEGREE_KM * 1.4 / 50
    assert estimate_eta_s(EQUATOR, far, PACKAGED.policies.journey) == pytest.approx(
        hours * 3600 + 15 * 60, abs=5
    )


def test_a_journey_to_the_next_door_is_the_handing_over() -> None:
    assert estimate_eta_s(EQUATOR, EQUATOR, PACKAGED.policies.journey) == 900
