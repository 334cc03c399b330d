"""A patient is remembered: what was told once is not lost; of two groups neither is believed."""

from __future__ import annotations

import pytest

from models.components import Component
from models.events.stock import StockChange
from models.patient_records import PatientCorrection
from models.requests import RequestStatus
from tests.support.town_story import Story

PERSON = {"person": "Dr Tashi", "reason": "two new samples agree"}


@pytest.fixture
def story() -> Story:
    return Story()


async def test_c36_antibodies_survive_typing(story: Story) -> None:
    await story.count("A+", "A-")
    await story.ask("p", group="A-", antibodies=("D", "E"))
    await story.amend("p", patient={"group": "A+"})
    assert story.request("p").patient.antibodies == ("D", "E")
    assert story.groups_held("p") == []
    assert story.status("p") == RequestStatus.OPEN


async def test_c36_an_antibody_goes_by_a_named_person_alone(story: Story) -> None:
    await story.count("A+")
    await story.ask("p", group="A+", antibodies=("E",))
    await story.amend("p", patient={"antibodies": []})
    assert story.groups_held("p") == []
    await story.amend("p", correction={"withdrawn_antibodies": ["E"], **PERSON})
    assert story.groups_held("p") == ["A+"]
    assert "patient_corrected" in story.reasons("p")


@pytest.mark.parametrize("gone", ["person", "reason"])
async def test_c36_a_correction_names_who_and_why(gone: str) -> None:
    told = {"withdrawn_antibodies": ["E"], **PERSON}
    with pytest.raises(ValueError, match=gone):
        PatientCorrection.model_validate({**told, gone: ""})
    with pytest.raises(ValueError, match="correction_empty"):
        PatientCorrection.model_validate(PERSON)


async def test_c37_one_patient_with_two_groups_gets_group_o(story: Story) -> None:
    await story.count("A+", "B+")
    await story.ask("one", reference="P1", group="A+")
    assert story.groups_held("one") == ["A+"]
    await story.ask("two", reference="P1", group="B+")
    assert story.groups_held("two") == []
    assert "patient_groups_differ" in story.reasons("two")
    assert story.decisions("two")[-1].reasons[0].params["groups"] == "A+ B+"
    await story.go(0.01)
    assert story.groups_held("one") == [], "the first request is asked about as well"
    assert "patient_groups_differ" in story.reasons("one")
    await story.count("O+", "O+")
    assert (story.groups_held("one"), story.groups_held("two")) == (["O+"], ["O+"])


async def test_c37_plasma_is_ab_until_it_is_settled(story: Story) -> None:
    plasma = Component.FRESH_FROZEN_PLASMA
    await story.count("A+", "B+", "O+", component=plasma)
    await story.ask("one", component=plasma, reference="P1", group="O+")
    assert story.groups_held("one") == ["O+"]
    await story.ask("two", component=plasma, reference="p1", group="B+")
    await story.go(0.01)
    assert (story.groups_held("one"), story.groups_held("two")) == ([], [])
    await story.count("AB+", component=plasma)
    assert story.groups_held("one") + story.groups_held("two") == ["AB+"]


async def test_c37_a_named_person_settles_the_group(story: Story) -> None:
    await story.count("A+", "B+")
    await story.ask("one", reference="P1", group="A+")
    await story.ask("two", reference="P1", group="B+")
    await story.go(0.01)
    await story.change_patient("P1", correction={"group": "A+", **PERSON})
    await story.go(0.01)
    assert story.request("two").patient.group == "A+"
    assert story.groups_held("one") + story.groups_held("two") == ["A+"]
    await story.ask("three", reference="P1", group="A+")
    assert "patient_groups_differ" not in story.reasons("three")
    await story.ask("four", reference="P1", group="B+")
    assert "patient_groups_differ" in story.reasons("four"), "a settled group may be contradicted"


async def test_c37_an_amended_group_is_a_second_group(story: Story) -> None:
    await story.count("A+", "B+")
    await story.ask("one", group="A+")
    await story.amend("one", patient={"group": "B+"})
    assert story.groups_held("one") == []
    assert "patient_groups_differ" in story.reasons("one")
    await story.amend("one", correction={"group": "B+", **PERSON})
    assert story.groups_held("one") == ["B+"]


async def test_c37_typing_an_untyped_patient_is_no_contradiction(story: Story) -> None:
    await story.count("A+")
    await story.ask("one", reference="P1")
    await story.amend("one", patient={"group": "A+"})
    assert story.groups_held("one") == ["A+"]
    assert "patient_groups_differ" not in story.reasons("one")


async def test_c38_an_antibody_that_the_second_request_forgets(story: Story) -> None:
    await story.count("A+")
    await story.ask("one", reference="P1", group="A+", antibodies=("E",))
    await story.ask("two", reference="P1", group="A+")
    assert story.groups_held("two") == []
    assert "antibodies_remembered" in story.reasons("two")
    await story.count("A+", antigen_negative=["E"])
    assert story.groups_held("one") + story.groups_held("two") == ["A+"]


async def test_c38_an_antibody_told_later_reaches_the_first_request(story: Story) -> None:
    await story.count("A+", "A+")
    await story.ask("one", reference="P1", group="A+")
    assert story.groups_held("one") == ["A+"]
    await story.ask("two", reference="P1", group="A+", antibodies=("E",))
    await story.go(0.01)
    assert story.groups_held("one") == []
    assert "patient_changed" in story.reasons("one")


async def test_c38_an_antibody_told_later_reaches_a_bag_that_was_sent(story: Story) -> None:
    """The first request has ended: its row knows nothing of what was told since."""
    (unit_id,) = await story.count("A+")
    await story.ask("one", reference="P1", group="A+")
    for change in (StockChange.PICKED, StockChange.ISSUED, StockChange.RECEIVED):
        await story.scan(unit_id, change)
    assert story.status("one") == "fulfilled"
    await story.change_patient("P1", patient={"antibodies": ["E"]})
    with pytest.raises(AssertionError, match="unit_unfit"):
        await story.scan(unit_id, StockChange.TRANSFUSED)
    assert story.state(unit_id) == "received"


async def test_c38_an_antibody_told_a_moment_ago_keeps_the_bag_here(story: Story) -> None:
    """Nobody has looked at the open request again yet."""
    (unit_id,) = await story.count("A+")
    await story.ask("one", reference="P1", group="A+")
    await story.change_patient("P1", patient={"antibodies": ["E"]})
    with pytest.raises(AssertionError, match="unit_not_cleared"):
        await story.scan(unit_id, StockChange.PICKED)


async def test_c38_a_first_request_that_tells_nothing_is_looked_at_again(story: Story) -> None:
    await story.count("O+")
    await story.ask("one", reference="P1", sex="male", age_years=40)
    assert story.groups_held("one") == ["O+"]
    await story.ask("two", reference="P1", sex="male", age_years=40, antibodies=("E",))
    await story.go(0.01)
    assert story.groups_held("one") == [], "its bag is not typed for E"
    assert "patient_changed" in story.reasons("one")


async def test_c38_what_the_laboratory_tells_first_types_who_waits(story: Story) -> None:
    await story.count("A+")
    await story.ask("one", reference="P1")
    await story.change_patient("P1", patient={"group": "A+", "group_basis": "one_sample"})
    await story.go(0.01)
    assert story.groups_held("one") == ["A+"]


async def test_c38_special_needs_are_remembered_where_there_are_cells(story: Story) -> None:
    await story.count("A+")
    await story.count("A+", component=Component.FRESH_FROZEN_PLASMA)
    irradiated = {"irradiated": True, "antigen_negative": ["K"]}
    await story.ask("one", reference="P1", group="A+", attributes=irradiated)
    await story.ask("two", reference="P1", group="A+")
    assert story.groups_held("two") == []
    assert "needs_remembered" in story.reasons("two")
    attributes = story.request("two").lines[0].attributes
    assert attributes.irradiated
    assert attributes.antigen_negative == ("K",)
    plasma = Component.FRESH_FROZEN_PLASMA
    await story.ask("three", component=plasma, reference="P1", group="A+")
    assert story.groups_held("three") == ["A+"], "plasma has no cells"
    withdrawn = {"withdrawn_needs": ["irradiated"], "withdrawn_antigens": ["K"], **PERSON}
    await story.change_patient("P1", correction=withdrawn)
    await story.go(0.01)
    assert story.groups_held("one") + story.groups_held("two") == ["A+"]


async def test_c38_an_untyped_patient_is_not_served_by_an_old_group(story: Story) -> None:
    await story.count("A+", "O+")
    await story.ask("one", reference="P1", group="A+")
    await story.cancel("one")
    await story.ask("two", reference="P1", sex="male", age_years=40, priority="life_threatening")
    assert story.groups_held("two") == ["O+"]
    assert "group_remembered" in story.reasons("two")


async def test_c38_what_the_laboratory_tells_today_types_who_waits(story: Story) -> None:
    await story.count("A+")
    await story.ask("one", reference="P1")
    assert story.groups_held("one") == []
    await story.change_patient("P1", patient={"group": "A+", "group_basis": "historical"})
    await story.go(0.01)
    assert story.groups_held("one") == [], "an old record is not the sample of today"
    await story.change_patient("P1", patient={"group": "A+", "group_basis": "one_sample"})
    await story.go(0.01)
    assert story.groups_held("one") == ["A+"]


async def test_c38_another_patient_and_another_hospital_are_not_concerned(
    story: Story,
) -> None:
    await story.count("A+", "B+")
    await story.ask("one", reference="P1", group="A+", antibodies=("E",))
    await story.ask("two", reference="P2", group="B+")
    assert story.groups_held("two") == ["B+"]
    assert story.reasons("two") == ["temperature_not_proven"]


async def test_c51_a_transplant_explains_two_groups_and_is_remembered(story: Story) -> None:
    await story.count("A+", "O+")
    transplant = {
        "donor_group": "A+",
        "recipient_group": "O+",
        "phase": "before_engraftment",
    }
    await story.ask("one", reference="P1", group="O+", transplant=transplant)
    assert story.groups_held("one") == ["O+"]
    await story.ask("two", reference="P1", group="A+")
    assert "patient_groups_differ" not in story.reasons("two")
    assert story.groups_held("two") == [], "red cells suit donor and recipient: only O does"
    await story.ask("three", reference="P1", group="B+")
    assert "patient_groups_differ" in story.reasons("three")
