"""What a patient has or needs, as a hospital asks over HTTP. Cases by their number."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from tests.support.clinic import (
    Clinic,
    Clinics,
    Told,
    bags,
    given,
    reasons,
    refusals,
    running_clinics,
)

pytestmark = pytest.mark.integration

RELEASE = {"clinician": "Dr Tashi", "reason": "exsanguinating"}
DYING_MAN: Told = {"priority": "life_threatening", "sex": "male", "age_years": 40}


@pytest_asyncio.fixture(scope="module")
async def clinics(endpoints: Endpoints) -> AsyncIterator[Clinics]:
    async with running_clinics(endpoints) as running:
        yield running


@pytest_asyncio.fixture
async def clinic(clinics: Clinics) -> Clinic:
    return await clinics.open()


async def test_c21_c44_untyped_blood_is_offered_and_released_by_a_named_physician(
    clinic: Clinic,
) -> None:
    await clinic.lay(*["O+"] * 5)
    told = await clinic.ask(quantity=4, antibodies=["E"], **DYING_MAN)
    assert given(told) == []
    opening = refusals(told)["release_would_open"]
    assert opening["params"] == {"passed": "E", "groups": "O+", "units": 5}
    assert "emergency_release" in opening["en"]
    released = await clinic.amend(told, emergency_release=RELEASE)
    assert given(released) == ["O+"] * 4
    used = reasons(released)["emergency_release_used"]
    assert (used["params"]["clinician"], used["params"]["passed"]) == ("Dr Tashi", "E")
    held = [unit for line in released["decision"]["lines"] for unit in line["reserved"]]
    assert all(unit["emergency_release"] for unit in held)


async def test_c44_no_release_passes_abo(clinic: Clinic) -> None:
    await clinic.lay("A+", "B+", "AB+", "O+")
    told = await clinic.ask(quantity=2, group="O+", antibodies=["E"], release=RELEASE, **DYING_MAN)
    assert given(told) == ["O+"]
    assert "emergency_release_used" in reasons(told)


async def test_c46_the_newborn_gets_what_suits_mother_and_child(clinic: Clinic) -> None:
    old = clinic.bag("A+", age=34, left=1)
    fresh = clinic.bag("O-", age=2, left=30, irradiated=True, cmv_negative=True)
    await clinic.count(old, fresh)
    child: Told = {"group": "A+", "age_days": 1, "mother": {"group": "O+"}}
    told = await clinic.ask(priority="life_threatening", **child)
    assert bags(told) == [fresh["unit_id"]]


async def test_c46_a_newborn_is_given_no_blood_of_a_month(clinic: Clinic) -> None:
    await clinic.lay("O+", age=34, left=1)
    told = await clinic.ask(priority="life_threatening", group="O+", age_years=0)
    assert given(told) == []
    assert "too_old" in refusals(told)


async def test_c46_after_transfusion_in_the_womb_it_is_irradiated(clinic: Clinic) -> None:
    await clinic.lay("O+", age=2, cmv_negative=True)
    child: Told = {"group": "O+", "age_days": 1, "indications": ["after_intrauterine"]}
    told = await clinic.ask(**child)
    assert given(told) == []
    assert refusals(told)["lacks_attribute"]["params"]["attribute"] == "irradiated"


@pytest.mark.parametrize("named", [{"antibodies": ["A"]}, {"mother": {"antibodies": ["抗-A"]}}])
async def test_c47_the_mothers_anti_a_leads_to_group_o(clinic: Clinic, named: Told) -> None:
    await clinic.lay("A+", "O+", age=2, cmv_negative=True)
    assert given(await clinic.ask(group="A+", age_years=0, **named)) == ["O+"]


@pytest.mark.parametrize("indication", ["exchange", "intrauterine"])
async def test_c48_the_indication_brings_its_whole_specification(
    clinic: Clinic, indication: str
) -> None:
    ready: Told = {
        "cmv_negative": True,
        "hbs_negative": True,
        "low_titre": True,
        "antigen_negative": ["K"],
        "irradiated_at": clinic.after(hours=-2),
    }
    wrong: Told = {
        "cmv_negative": False,
        "hbs_negative": False,
        "low_titre": False,
        "antigen_negative": [],
        "irradiated_at": clinic.after(hours=-30),
    }
    rows = [clinic.bag("O+", age=2, **{**ready, name: value}) for name, value in wrong.items()]
    await clinic.count(*rows)
    asked: Told = {"attributes": {"indications": [indication]}, "group": "O+", "age_days": 3}
    assert given(await clinic.ask(**asked)) == []
    right = clinic.bag("O+", age=2, **ready)
    await clinic.count(right)
    assert bags(await clinic.ask(**asked)) == [right["unit_id"]]


@pytest.mark.parametrize("stated", [{"antibodies": ["B"]}, {"rare_group": "cis_ab"}])
async def test_c49_cis_ab_gets_o_or_a_red_cells_and_ab_plasma(clinic: Clinic, stated: Told) -> None:
    await clinic.lay("B+", "AB+", "O+", "A+")
    await clinic.lay("A+", "B+", "AB+", component="fresh_frozen_plasma", left=90)
    patient: Told = {"group": "AB+", **stated}
    assert given(await clinic.ask(quantity=4, **patient)) == ["A+", "O+"]
    assert given(await clinic.ask("fresh_frozen_plasma", 3, **patient)) == ["AB+"]


async def test_c52_an_anti_cd38_drug_is_told_to_the_laboratory(clinic: Clinic) -> None:
    negative = clinic.bag("A+", antigen_negative=["K"])
    await clinic.count(clinic.bag("A+"), negative)
    told = await clinic.ask(group="A+", indications=["anti_cd38"])
    assert bags(told) == [negative["unit_id"]]
    assert "CD38" in reasons(told)["laboratory_anti_cd38"]["zh"]


async def test_c53_red_cells_that_are_to_be_washed_find_washed_red_cells(clinic: Clinic) -> None:
    washed: Told = {"age": 0.1, "left": 0.8, "washed_at": clinic.after(hours=-1)}
    rows = [clinic.bag("A+", "washed_red_cells", **washed) for _ in range(3)]
    await clinic.count(clinic.bag("A+"), *rows)
    found = {row["unit_id"] for row in rows}
    told = await clinic.ask(quantity=2, group="A+", attributes={"washed": True})
    assert (set(bags(told)) < found, len(bags(told))) == (True, 2)
    # IgA deficiency asks for the same, and for plasma of such donors.
    deficient: Told = {"group": "A+", "indications": ["iga_deficient"]}
    assert set(bags(await clinic.ask(**deficient))) < found
    plasma = [clinic.bag("A+", "frozen_plasma", left=90, iga_deficient=it) for it in (False, True)]
    await clinic.count(*plasma)
    assert bags(await clinic.ask("frozen_plasma", **deficient)) == [plasma[1]["unit_id"]]


async def test_c22_c23_c54_hla_selected_platelets(clinic: Clinic) -> None:
    foreign = clinic.bag("A+", "platelets", irradiated=True, hla=["A2", "A33", "B7", "B58"])
    own = ["A2", "B7"]
    await clinic.count(foreign, clinic.bag("A+", "platelets", hla=own))
    asked: Told = {"attributes": {"hla_matched": own}, "group": "A+"}
    told = await clinic.ask("platelets", **asked)
    assert given(told) == []
    assert refusals(told)["lacks_attribute"]["params"]["attribute"] == "irradiated"
    assert "供者有患者没有的 HLA" in refusals(told)["hla_mismatched"]["zh"]
    fitting = clinic.bag("A+", "platelets", irradiated=True, hla=own)
    await clinic.count(fitting)
    assert bags(await clinic.ask("platelets", **asked)) == [fitting["unit_id"]]


async def test_c55_the_same_type_in_other_words_is_found(clinic: Clinic) -> None:
    same = clinic.bag("A+", "platelets", irradiated=True, hla=["A*02:01"])
    await clinic.count(clinic.bag("A+", "platelets", irradiated=True, hla=["A*24:02"]), same)
    told = await clinic.ask("platelets", 2, group="A+", attributes={"hla_matched": ["A2"]})
    assert bags(told) == [same["unit_id"]]


@pytest.mark.parametrize(("antibody", "negative"), [("CD36", "Nak(a)"), ("抗-HPA-1a", "HPA-1a")])
async def test_c56_antibodies_against_platelet_antigens(
    clinic: Clinic, antibody: str, negative: str
) -> None:
    typed = clinic.bag("A+", "platelets", platelet_antigen_negative=[negative])
    await clinic.count(clinic.bag("A+", "platelets"), typed)
    patient: Told = {"group": "A+", "platelet_antibodies": [antibody]}
    assert bags(await clinic.ask("platelets", 2, **patient)) == [typed["unit_id"]]


async def test_c57_a_child_who_is_transfused_for_life_is_matched(clinic: Clinic) -> None:
    typed = clinic.bag("A+", left=6, antigen_negative=["E", "c", "K"])
    await clinic.count(clinic.bag("A+", left=5), typed)
    child: Told = {"group": "A+", "chronically_transfused": True, "age_years": 12}
    told = await clinic.ask(priority="routine", **child)
    assert bags(told) == [typed["unit_id"]]
    assert "phenotype_wanted" in reasons(told)
    known: Told = {**child, "antigen_negative": ["E", "c", "K"]}
    assert given(await clinic.ask(priority="routine", **known)) == []
    sickle: Told = {"group": "A+", "indications": ["sickle_cell"]}
    waits = await clinic.ask(priority="routine", **sickle)
    assert given(waits) == []
    assert refusals(waits)["lacks_attribute"]["params"]["attribute"] == "hbs_negative"


async def test_c58_blood_of_a_relative_is_irradiated(clinic: Clinic) -> None:
    await clinic.lay("A+", of_relative=True)
    told = await clinic.ask(group="A+", priority="life_threatening")
    assert given(told) == []
    assert "辐照" in refusals(told)["relative_not_irradiated"]["zh"]
    await clinic.lay("A+", of_relative=True, irradiated=True)
    assert given(await clinic.ask(group="A+", priority="life_threatening")) == ["A+"]


@pytest.mark.parametrize("ago_s", [0, 10])
async def test_c39_needed_now_is_served_and_marked_late(clinic: Clinic, ago_s: int) -> None:
    await clinic.lay("A+", "A+")
    told = await clinic.ask(
        quantity=2, group="A+", priority="life_threatening", need_h=-ago_s / 3600
    )
    assert (told["status"], given(told)) == ("reserved", ["A+", "A+"])
    assert "arrives_late" in reasons(told)
