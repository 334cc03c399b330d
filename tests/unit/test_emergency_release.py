"""Emergency release: a named clinician answers for what a test of the patient speaks against."""

from __future__ import annotations

from typing import Any

import pytest

from models.components import Component
from models.decisions import Reason, ReservedUnit
from models.emergency_release import EmergencyRelease, name_passed
from models.groups import BloodGroup
from models.patients import Mother, Patient
from models.requests import Amendment, RequestStatus
from tests.support.town_story import Story
from tests.support.world import build_request

RELEASE = {"clinician": "Dr Tashi", "reason": "exsanguinating"}
DYING: dict[str, Any] = {"priority": "life_threatening", "sex": "male", "age_years": 40}


@pytest.fixture
def story() -> Story:
    return Story()


async def release(story: Story, request_id: str, *passes: str, **changes: Any) -> None:  # noqa: ANN401 - as JSON gives it
    told = {**RELEASE, "passes": passes or ("antibodies",)}
    await story.amend(request_id, emergency_release=told, **changes)


def list_reserved(story: Story, request_id: str) -> list[ReservedUnit]:
    return [unit for line in story.decisions(request_id)[-1].lines for unit in line.reserved]


async def test_c44_exsanguinating_with_an_antibody(story: Story) -> None:
    await story.count(*["O+"] * 5)
    await story.ask("p", 4, antibodies=("E",), **DYING)
    assert story.groups_held("p") == []
    await release(story, "p")
    assert story.groups_held("p") == ["O+"] * 4
    assert all(unit.emergency_release for unit in list_reserved(story, "p"))
    told = {reason.code: reason.params for reason in story.decisions("p")[-1].reasons}
    assert told["emergency_release_used"] == {
        "units": 4,
        "clinician": "Dr Tashi",
        "reason": "exsanguinating",
        "passed": "E",
    }


async def test_c44_who_is_refused_is_told_of_the_release(story: Story) -> None:
    await story.count("O+")
    await story.ask("p", antibodies=("E",), **DYING)
    (line,) = story.decisions("p")[-1].lines
    told = {reason.code: reason.params for reason in line.refusals}
    assert told["release_would_open"] == {"passed": "E", "groups": "O+", "units": 1}


async def test_c21_what_fits_is_taken_before_what_is_passed(story: Story) -> None:
    await story.count("O+", "O+")
    await story.count("O+", antigen_negative=["E"])
    await story.count("A+", antigen_negative=["E"])
    await story.ask("p", 2, group="A+", antibodies=("E",), release=RELEASE, **DYING)
    assert [unit.emergency_release for unit in list_reserved(story, "p")] == [False, False]
    assert "emergency_release_used" not in story.reasons("p")


async def test_c21_the_antibody_stands_before_rhd(story: Story) -> None:
    """A bag that lacks the antigen is better than one of the right RhD that may have it."""
    await story.count("A-")
    await story.count("A+", antigen_negative=["E"])
    await story.ask("p", group="A-", antibodies=("E",), release=RELEASE, **DYING)
    assert story.groups_held("p") == ["A+"]


@pytest.mark.parametrize(
    ("patient", "groups"),
    [
        ({"group": "O+", "antibodies": ("E",)}, ("A+", "B+", "AB-")),
        ({"group": "A+", "antibodies": ("E",)}, ("B+", "AB+")),
        ({"group": "O+", "rare_group": "bombay"}, ("O+", "O-")),
        ({"group": "AB+", "antibodies": ("B", "E")}, ("B+", "AB+")),
    ],
)
async def test_c21_never_past_abo(
    story: Story, patient: dict[str, Any], groups: tuple[str, ...]
) -> None:
    await story.count(*groups)
    everything = {**RELEASE, "passes": ("antibodies", "special_needs")}
    await story.ask("p", release=everything, **DYING, **patient)
    assert story.groups_held("p") == []


async def test_c21_anti_d_is_passed_as_any_antibody(story: Story) -> None:
    await story.count("A+")
    await story.ask("p", group="A-", antibodies=("D",), **DYING)
    assert story.groups_held("p") == []
    await release(story, "p")
    assert story.groups_held("p") == ["A+"]


async def test_c33_what_may_be_del_goes_before_rhd_positive(story: Story) -> None:
    """A release opens RhD+ to a holder of anti-D; a bag with a trace of D at most is better."""
    await story.count("A+")
    (doubted,) = await story.count("A-", c_positive=True)
    woman = {**DYING, "sex": "female", "age_years": 25}
    await story.ask("p", group="A-", antibodies=("D",), **woman)
    assert story.groups_held("p") == []
    await release(story, "p")
    assert story.held("p") == [doubted]
    (unit,) = list_reserved(story, "p")
    assert unit.emergency_release, "it is told as loudly as any other"


@pytest.mark.parametrize("hla", [(), ("A2", "B46", "Cw1")])
async def test_c21_no_hla_antibody_lets_a_bleeding_patient_die(
    story: Story, hla: tuple[str, ...]
) -> None:
    platelets = Component.PLATELETS
    await story.count("A+", component=platelets, left_h=72, hla=hla)
    told: dict[str, Any] = {"component": platelets, "group": "A+", "hla_antibodies": ("A2",)}
    await story.ask("p", **told, **DYING)
    assert story.groups_held("p") == []
    (line,) = story.decisions("p")[-1].lines
    assert "release_would_open" in {reason.code for reason in line.refusals}
    await release(story, "p", "antibodies", "special_needs")
    assert story.groups_held("p") == ["A+"]


async def test_c53_no_iga_deficiency_lets_a_bleeding_patient_die(story: Story) -> None:
    await story.count("A+")
    await story.ask("p", group="A+", indications=("iga_deficient",), **DYING)
    assert story.groups_held("p") == []
    await release(story, "p", "special_needs")
    assert story.groups_held("p") == ["A+"]


async def test_c48_the_hours_since_irradiation_are_passed_as_its_lack_is(story: Story) -> None:
    """A bag that was never irradiated would be given; one that was, a day ago, as well."""
    await story.count("O+", irradiated=True)
    await story.go(24)
    fetus = {**DYING, "indications": ("intrauterine",)}
    await story.ask("p", group="O+", **fetus)
    assert story.groups_held("p") == []
    await release(story, "p", "special_needs")
    assert story.groups_held("p") == ["O+"]
    await story.go(0.2)
    assert story.groups_held("p") == ["O+"], "what is passed ends no hold"


async def test_c21_special_needs_are_passed_only_where_it_is_said(story: Story) -> None:
    await story.count("A+")
    irradiated = {"irradiated": True}
    await story.ask("p", group="A+", attributes=irradiated, **DYING)
    await release(story, "p", "antibodies")
    assert story.groups_held("p") == []
    await release(story, "p", "special_needs")
    assert story.groups_held("p") == ["A+"]


async def test_c21_it_counts_only_while_life_is_in_danger(story: Story) -> None:
    await story.count("A+")
    await story.ask("p", group="A+", antibodies=("E",), release=RELEASE)
    assert story.groups_held("p") == []
    assert "emergency_release_idle" in story.reasons("p")
    await story.amend("p", priority="life_threatening")
    assert story.groups_held("p") == ["A+"]
    await story.amend("p", emergency_release=None)
    assert story.groups_held("p") == []
    assert story.status("p") == RequestStatus.OPEN


async def test_c21_it_names_who_and_why() -> None:
    for gone in ("clinician", "reason"):
        with pytest.raises(ValueError, match=gone):
            EmergencyRelease.model_validate({**RELEASE, gone: ""})


ABO = ("A", "B", "AB", "A1", "H")
CODES = ("recalled", "not_released", "other_group", "not_low_titre", "relative_not_irradiated")
NEEDS = (
    "irradiated",
    "cmv_negative",
    "leukoreduced",
    "washed",
    "hbs_negative",
    "iga_deficient",
)
ANTIBODIES = {"D", "E", "K", "HPA-1a", "DEL", "HLA", "HLA-A2", "HLA-B7"}
SPECIAL = {*NEEDS, "too_old", "irradiated_too_long_ago"}


@pytest.mark.parametrize(
    ("passes", "passed"),
    [
        (("antibodies",), ANTIBODIES),
        (("special_needs",), SPECIAL),
        (("antibodies", "special_needs"), ANTIBODIES | SPECIAL),
    ],
)
async def test_c21_what_each_release_passes_and_what_none_does(
    passes: tuple[str, ...], passed: set[str]
) -> None:
    given = EmergencyRelease.model_validate({**RELEASE, "passes": passes})
    antigens = (*ABO, "D", "E", "K", "HPA-1a")
    reasons = [
        *(Reason(code="not_antigen_negative", params={"antigen": name}) for name in antigens),
        *(
            Reason(code="lacks_attribute", params={"attribute": name})
            for name in (*NEEDS, "low_titre")
        ),
        Reason(code="too_old", params={"max_age_d": 5}),
        Reason(code="irradiated_too_long_ago", params={"hours": 24}),
        Reason(code="del_not_excluded"),
        Reason(code="hla_untyped", params={"loci": "A, B"}),
        Reason(code="hla_antibody_hits", params={"antigen": "A2"}),
        Reason(code="hla_mismatched", params={"antigen": "B7"}),
        *(Reason(code=code) for code in CODES),
    ]
    assert {name_passed([reason]) for reason in reasons if given.may_pass(reason)} == passed


async def test_c21_a_holder_of_anti_d_is_chosen_for_as_if_without_it() -> None:
    given = EmergencyRelease.model_validate(RELEASE)
    holder = Patient.model_validate(
        {"group": "A-", "antibodies": ["D", "E"], "mother": {"antibodies": ["D", "K"]}}
    )
    first, second = given.list_patients(holder)
    assert first == holder
    assert (second.antibodies, second.has_anti_d) == (("E",), False)
    assert second.mother == Mother(antibodies=("K",))
    for other in (Patient(), holder.but(antibodies=("E",), mother=None)):
        assert given.list_patients(other) == (other,)
    needs = EmergencyRelease.model_validate({**RELEASE, "passes": ["special_needs"]})
    assert needs.list_patients(holder) == (holder,)


async def test_c21_a_name_may_be_one_character_and_something_is_passed() -> None:
    told = {"clinician": "李", "reason": "血"}
    assert EmergencyRelease.model_validate(told).passes == ("antibodies",)
    with pytest.raises(ValueError, match="passes"):
        EmergencyRelease.model_validate({**told, "passes": ()})


async def test_c21_everything_that_is_passed_is_named() -> None:
    reasons = [
        Reason(code="not_antigen_negative", params={"antigen": "E"}),
        Reason(code="too_old", params={"max_age_d": 5}),
        Reason(code="lacks_attribute", params={"attribute": "irradiated"}),
        Reason(code="not_antigen_negative", params={"antigen": "E"}),
    ]
    assert name_passed(reasons) == "E, irradiated, too_old"


async def test_c21_an_amendment_states_and_takes_back_a_release() -> None:
    request = build_request(patient=Patient(group=BloodGroup.A_POS), component=Component.RED_CELLS)
    ids = {name: getattr(request, name) for name in ("request_id", "hospital_id", "station_id")}
    stated = Amendment.model_validate({**ids, "emergency_release": RELEASE})
    released = stated.apply_to(request)
    assert released.emergency_release == EmergencyRelease.model_validate(RELEASE)
    gone = Amendment.model_validate({**ids, "emergency_release": None})
    assert gone.apply_to(released) == request
