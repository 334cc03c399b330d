"""A mother is remembered for her child; what was told in error is withdrawn by a person."""

from __future__ import annotations

from typing import Any

import pytest

from models.components import Component
from models.patient_memory import remember
from models.patient_records import PatientCorrection, PatientRecord
from models.patients import Mother, Patient
from models.requests import UrgentRequest
from tests.support.town_story import Story
from tests.support.world import NOW, build_request

PERSON = {"person": "Dr Tashi", "reason": "told of another patient"}
NEWBORN: dict[str, Any] = {"age_days": 2}
DONOR_O = {"donor_group": "O+", "recipient_group": "A+", "phase": "before_engraftment"}


@pytest.fixture
def story() -> Story:
    return Story()


async def count_for_newborns(story: Story, *groups: str) -> None:
    await story.count(*groups, cmv_negative=True)


@pytest.mark.parametrize(
    ("mother", "right"),
    [
        ({"group": "O+"}, ["O+"]),
        ({"group": "AB-", "antibodies": ["D"]}, ["A-"]),
        ({"group": "AB+", "antibodies": ["c"]}, []),
        ({}, ["O+"]),
    ],
)
async def test_c38_what_was_told_of_the_mother_holds_for_the_next_request(
    story: Story, mother: dict[str, Any], right: list[str]
) -> None:
    await story.ask("one", reference="P1", group="A+", mother=mother, **NEWBORN)
    await story.cancel("one")
    await count_for_newborns(story, "A+", "O+", "A-")
    await story.ask("two", reference="P1", group="A+", age_days=4)
    assert story.groups_held("two") == right
    told = story.decisions("two")[-1].reasons
    assert "mother_remembered" in {reason.code for reason in told}


async def test_c38_the_mothers_platelet_antibodies_are_remembered(story: Story) -> None:
    platelets = Component.PLATELETS
    mother = {"group": "A+", "platelet_antibodies": ["HPA-4b"]}
    told: dict[str, Any] = {"component": platelets, "reference": "P1", "group": "A+"}
    await story.ask("one", mother=mother, **told, **NEWBORN)
    await story.count("A+", component=platelets, left_h=72)
    await story.ask("two", age_days=4, **told)
    assert story.groups_held("two") == []


async def test_c38_what_is_told_of_the_mother_later_reaches_the_request_that_holds(
    story: Story,
) -> None:
    await count_for_newborns(story, "A+")
    await story.ask("one", reference="P1", group="A+", **NEWBORN)
    assert story.groups_held("one") == ["A+"]
    await story.change_patient("P1", patient={"mother": {"group": "O+"}})
    await story.go(0.01)
    assert story.groups_held("one") == []


@pytest.mark.parametrize(
    ("age", "held"),
    [
        ({"age_days": 120}, []),
        ({"age_days": 121}, ["A+"]),
        ({"age_years": 0}, []),
        ({"age_years": 1}, ["A+"]),
        ({}, []),
    ],
)
async def test_c38_a_child_has_its_mothers_antibodies_for_four_months(
    story: Story, age: dict[str, Any], held: list[str]
) -> None:
    await story.ask("one", reference="P1", group="A+", mother={"group": "O+"}, **NEWBORN)
    await story.cancel("one")
    await count_for_newborns(story, "A+")
    await story.ask("two", reference="P1", group="A+", **age)
    assert story.groups_held("two") == held


@pytest.mark.parametrize(("days", "held"), [(119, []), (121, ["A+"])])
async def test_c38_they_end_by_themselves_where_no_age_is_stated(
    story: Story, days: int, held: list[str]
) -> None:
    await story.ask("one", reference="P1", group="A+", mother={"group": "O+"}, **NEWBORN)
    await story.cancel("one")
    await story.go(days * 24)
    await count_for_newborns(story, "A+")
    await story.ask("two", reference="P1", group="A+")
    assert story.groups_held("two") == held


@pytest.mark.parametrize(
    "amended",
    [{"mother": {"antibodies": ["K"]}}, {"mother": {"group": "O-"}}, {"mother": None}],
    ids=["another", "group", "null"],
)
@pytest.mark.parametrize("reference", ["P1", None])
async def test_c36_the_mothers_antibodies_survive_an_amendment(
    story: Story, amended: dict[str, Any], reference: str | None
) -> None:
    mother = {"group": "O+", "antibodies": ["c"], "platelet_antibodies": ["HPA-1a"]}
    await story.ask("p", reference=reference, group="O+", mother=mother, **NEWBORN)
    await story.amend("p", patient=amended)
    known = story.request("p").patient.mother
    assert known is not None
    assert "c" in known.antibodies
    assert known.platelet_antibodies == ("HPA-1a",)


def test_c37_two_groups_of_a_mother_are_believed_neither() -> None:
    told = Patient(mother=Mother.model_validate({"group": "A+"}))
    other = Patient(mother=Mother.model_validate({"group": "B+", "antibodies": ["E"]}))
    assert told.learn(other).mother == Mother(antibodies=("E",))
    assert told.learn(told).mother == told.mother
    assert told.learn(Patient(mother=Mother())).mother == told.mother
    assert Patient(mother=Mother()).learn(told).mother == told.mother


WRONG: dict[str, Any] = {
    "rare_group": "bombay",
    "transplant": DONOR_O,
    "mother": {"group": "O+"},
    "antigen_negative": ["E"],
    "chronically_transfused": True,
}


@pytest.mark.parametrize("reference", ["P1", None])
@pytest.mark.parametrize("fact", sorted(WRONG))
async def test_c36_a_fact_told_in_error_goes_by_a_named_person_alone(
    story: Story, fact: str, reference: str | None
) -> None:
    """A mark of Bombay would keep all blood from its patient, and no release passes it."""
    told: dict[str, Any] = {"chronically_transfused": True} if fact == "antigen_negative" else {}
    if fact == "chronically_transfused":
        told = {"antigen_negative": ["E"]}
    await story.ask("p", reference=reference, group="A+", **{**told, fact: WRONG[fact]})
    await story.count("A+")
    assert story.groups_held("p") == []
    await story.amend("p", patient={fact: getattr(Patient(), fact)})
    assert story.groups_held("p") == [], "no amendment takes it away"
    await story.amend("p", correction={"withdrawn_facts": [fact], **PERSON})
    assert story.groups_held("p") == ["A+"]


async def test_c36_a_withdrawn_fact_is_gone_for_open_and_for_later_requests(story: Story) -> None:
    await story.count("O+", "O+")
    await story.ask("one", reference="P1", group="O+", rare_group="bombay")
    await story.change_patient("P1", correction={"withdrawn_facts": ["rare_group"], **PERSON})
    await story.go(0.01)
    await story.ask("two", reference="P1", group="O+")
    assert (story.groups_held("one"), story.groups_held("two")) == (["O+"], ["O+"])


async def test_c51_groups_that_a_withdrawn_transplant_explained_contradict_each_other(
    story: Story,
) -> None:
    await story.count("A+")
    await story.ask("one", reference="P1", group="O+", transplant=DONOR_O)
    await story.ask("two", reference="P1", group="A+")
    assert "patient_groups_differ" not in story.reasons("two")
    await story.change_patient("P1", correction={"withdrawn_facts": ["transplant"], **PERSON})
    await story.go(0.01)
    assert story.request("two").patient.disputed_groups == ("A+", "O+")
    assert story.groups_held("two") == []


async def test_c36_the_antibodies_of_a_mother_are_withdrawn_by_name(story: Story) -> None:
    mother = {"group": "O+", "antibodies": ["c", "E"], "platelet_antibodies": ["HPA-1a"]}
    await story.ask("p", reference="P1", group="O+", mother=mother, **NEWBORN)
    gone = {"withdrawn_antibodies": ["c"], "withdrawn_platelet_antibodies": ["HPA-1a"]}
    await story.amend("p", correction={**gone, **PERSON})
    known = story.request("p").patient.mother
    assert known == Mother.model_validate({"group": "O+", "antibodies": ["E"]})


def test_c36_a_withdrawn_fact_alone_is_a_correction() -> None:
    made = PatientCorrection.model_validate({"withdrawn_facts": ["mother"], **PERSON})
    assert made.withdrawn_facts == ("mother",)


def test_c38_when_a_mother_was_first_told_is_kept() -> None:
    record = PatientRecord(hospital_id="h", reference="P1")
    request: UrgentRequest = build_request(patient=Patient(reference="P1", mother=Mother()))
    learnt = remember(record, request, now=NOW)
    assert learnt.mother_told_at == NOW
    later = NOW.replace(year=NOW.year + 1)
    assert remember(learnt, request, now=later).mother_told_at == NOW
    assert remember(record, build_request(), now=NOW).mother_told_at is None
