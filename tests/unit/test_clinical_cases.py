"""Cases of bags and patients, decided by the town of the driven lives as their sources have it."""

from __future__ import annotations

import pytest

from models.compatibility import list_candidates
from models.components import Component
from models.facilities import StationPolicy
from models.patients import Patient, Sex
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from tests.support.memory_town import MemoryTown


@pytest.fixture
def town() -> MemoryTown:
    return MemoryTown()


async def test_c14_platelets_of_group_o_come_last_for_ab(town: MemoryTown) -> None:
    platelets = Component.PLATELETS
    await town.count("O+", "A+", component=platelets, lives_h=90, low_titre=True)
    await town.ask("p", component=platelets, group="AB+", priority="life_threatening")
    assert town.held("p") == ["A+"]


def test_c15_platelets_of_ab_are_kept_from_the_unknown() -> None:
    found = list_candidates(
        component=Component.PLATELETS,
        patient=Patient(sex=Sex.MALE, age_years=40),
        priority=Priority.URGENT,
        policy=StationPolicy(),
        rules=PACKAGED,
    )
    groups = [candidate.group.abo.value for candidate in found]
    assert groups[0] in {"A", "O"}
    assert groups.index("AB") > max(groups.index("A"), groups.index("O"))


async def test_c19_rhd_positive_platelets_save_a_girl(town: MemoryTown) -> None:
    platelets = Component.PLATELETS
    await town.count("O+", component=platelets, lives_h=90)
    await town.ask(
        "p",
        component=platelets,
        priority="life_threatening",
        group="O-",
        sex="female",
        age_years=5,
    )
    assert town.held("p") == ["O+"]
    assert "anti_d_advised" in town.told("p")


async def test_c54_platelets_with_antigens_that_the_patient_lacks(town: MemoryTown) -> None:
    platelets = Component.PLATELETS
    mine = {"hla_matched": ["A2", "B7"]}
    foreign = {"hla": ["A2", "A33", "B7", "B58"], "irradiated": True}
    await town.count("A+", component=platelets, lives_h=90, **foreign)
    await town.ask("p", component=platelets, group="A+", attributes=mine)
    assert town.held("p") == []
    await town.count("A+", component=platelets, lives_h=90, hla=["A2", "B7"])
    assert town.held("p") == [], "HLA-selected platelets are irradiated"
    await town.count("A+", component=platelets, lives_h=90, hla=["A2", "B7"], irradiated=True)
    assert town.held("p") == ["A+"]


async def test_c61_cryoprecipitate_of_any_group_for_an_adult(town: MemoryTown) -> None:
    cryoprecipitate = Component.CRYOPRECIPITATE
    await town.count(*["B+"] * 10, component=cryoprecipitate)
    await town.ask(
        "p",
        10,
        component=cryoprecipitate,
        group="A+",
        age_years=40,
        priority="life_threatening",
    )
    assert town.held("p") == ["B+"] * 10


async def test_c62_low_titre_a_plasma_where_ab_is_out(town: MemoryTown) -> None:
    plasma = Component.FRESH_FROZEN_PLASMA
    await town.count("A+", component=plasma, low_titre=True)
    await town.ask("p", component=plasma, group="AB+", priority="life_threatening")
    assert town.held("p") == ["A+"]
