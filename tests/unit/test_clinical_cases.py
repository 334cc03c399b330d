"""Cases of bags and patients, decided by the town of the driven lives as their sources have it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from models.compatibility import list_candidates
from models.components import Component
from models.directory import Journey
from models.facilities import StationPolicy
from models.patients import Patient, Sex
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from models.units import UnitTraits
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from tests.support.safety import build_facts
from tests.support.town_story import Story
from tests.support.world import NOW, PEOPLES, build_request


@pytest.fixture
def story() -> Story:
    return Story()


async def test_c14_platelets_of_group_o_come_last_for_ab(story: Story) -> None:
    platelets = Component.PLATELETS
    await story.count("O+", "A+", component=platelets, left_h=90, low_titre=True)
    await story.ask("p", component=platelets, group="AB+", priority="life_threatening")
    assert story.groups_held("p") == ["A+"]


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


async def test_c19_rhd_positive_platelets_save_a_girl(story: Story) -> None:
    platelets = Component.PLATELETS
    await story.count("O+", component=platelets, left_h=90)
    await story.ask(
        "p",
        component=platelets,
        priority="life_threatening",
        group="O-",
        sex="female",
        age_years=5,
    )
    assert story.groups_held("p") == ["O+"]
    assert "anti_d_advised" in story.reasons("p")


async def test_c54_platelets_with_antigens_that_the_patient_lacks(story: Story) -> None:
    platelets = Component.PLATELETS
    mine = {"hla_matched": ["A2", "B7"]}
    foreign = ["A2", "A33", "B7", "B58"]
    await story.count("A+", component=platelets, left_h=90, hla=foreign, irradiated=True)
    await story.ask("p", component=platelets, group="A+", attributes=mine)
    assert story.groups_held("p") == []
    await story.count("A+", component=platelets, left_h=90, hla=["A2", "B7"])
    assert story.groups_held("p") == [], "HLA-selected platelets are irradiated"
    await story.count("A+", component=platelets, left_h=90, hla=["A2", "B7"], irradiated=True)
    assert story.groups_held("p") == ["A+"]


async def test_c61_cryoprecipitate_of_any_group_for_an_adult(story: Story) -> None:
    cryoprecipitate = Component.CRYOPRECIPITATE
    await story.count(*["B+"] * 10, component=cryoprecipitate)
    await story.ask(
        "p",
        10,
        component=cryoprecipitate,
        group="A+",
        age_years=40,
        priority="life_threatening",
    )
    assert story.groups_held("p") == ["B+"] * 10


async def test_c62_low_titre_a_plasma_where_ab_is_out(story: Story) -> None:
    plasma = Component.FRESH_FROZEN_PLASMA
    await story.count("A+", component=plasma, low_titre=True)
    await story.ask("p", component=plasma, group="AB+", priority="life_threatening")
    assert story.groups_held("p") == ["A+"]


@pytest.mark.parametrize("component", ["fresh_frozen_plasma", "frozen_plasma", "cryoprecipitate"])
@pytest.mark.parametrize(
    ("thawed", "outcome"),
    [((), "refused"), ((False,), "refused"), ((False, True), "reserved"), ((True,), "reserved")],
)
def test_c07_a_hospital_that_cannot_thaw_gets_what_its_station_thawed(
    component: str, thawed: tuple[bool, ...], outcome: str
) -> None:
    """The kernel clears such a bag, so the line is not refused for good."""
    shelf = [
        build_facts(
            unit_id=f"u{at}",
            component=Component(component),
            collected_at=NOW - timedelta(days=30),
            expires_at=NOW + timedelta(days=90),
            traits=UnitTraits(thawed_at=NOW if is_thawed else None),
        )
        for at, is_thawed in enumerate(thawed)
    ]
    case = Case(
        request=build_request(component=Component(component), quantity=1, needed_in_h=1),
        hospital=PEOPLES.but(can_thaw=False),
        policy=StationPolicy(),
        journey=Journey(eta_s=1800, estimated=False),
        version=1,
        cause_id="e",
        rules=PACKAGED,
    )
    (matched,) = decide_batch([case], shelf=Shelf(shelf), now=NOW, hold_s=3600)
    (line,) = matched.decision.lines
    assert matched.decision.outcome == outcome
    assert [unit.unit_id for unit in line.reserved] == [
        f"u{at}" for at, is_thawed in enumerate(thawed) if is_thawed
    ]
    is_refused = "hospital_cannot_thaw" in {reason.code for reason in line.refusals}
    assert is_refused == (outcome == "refused")


NEWBORN = {"group": "A+", "age_days": 3}
TRANSPLANT = {"donor_group": "O+", "recipient_group": "A+", "phase": "before_engraftment"}


@pytest.mark.parametrize(
    ("component", "patient", "is_told"),
    [
        ("red_cells", NEWBORN, True),
        ("red_cells", {"age_years": 0}, True),
        ("red_cells", {**NEWBORN, "mother": {}}, False),
        ("red_cells", {**NEWBORN, "age_days": 29}, False),
        ("platelets", NEWBORN, False),
        ("fresh_frozen_plasma", NEWBORN, False),
    ],
)
async def test_c46_the_mother_of_a_newborn_is_asked_for(
    story: Story, component: str, patient: dict[str, Any], is_told: bool
) -> None:
    await story.ask("p", component=Component(component), **patient)
    assert ("mother_wanted" in story.reasons("p")) == is_told


@pytest.mark.parametrize(
    ("component", "patient", "is_told"),
    [
        ("red_cells", {"transplant": TRANSPLANT}, True),
        ("platelets", {"transplant": {**TRANSPLANT, "phase": "after_engraftment"}}, True),
        ("fresh_frozen_plasma", {"transplant": TRANSPLANT}, False),
        ("red_cells", {"transplant": TRANSPLANT, "indications": ["gvhd_risk"]}, False),
        ("red_cells", {}, False),
    ],
)
async def test_c51_irradiation_for_a_transplanted_patient_is_asked_about(
    story: Story, component: str, patient: dict[str, Any], is_told: bool
) -> None:
    await story.ask("p", component=Component(component), group="A+", **patient)
    assert ("irradiation_wanted" in story.reasons("p")) == is_told


@pytest.mark.parametrize(("antibodies", "is_told"), [((), True), (("D",), False)])
async def test_c41_anti_d_is_advised_to_nobody_who_has_made_it(
    story: Story, antibodies: tuple[str, ...], is_told: bool
) -> None:
    await story.count("A+")
    release = {"clinician": "Dr Tashi", "reason": "exsanguinating"}
    woman: dict[str, Any] = {
        "group": "A-",
        "sex": "female",
        "age_years": 25,
        "antibodies": antibodies,
    }
    await story.ask("p", priority="life_threatening", release=release, **woman)
    assert story.groups_held("p") == ["A+"]
    assert ("anti_d_advised" in story.reasons("p")) == is_told
