"""A patient is remembered: what was told once is not lost; of two groups neither is believed."""

from __future__ import annotations

import pytest

from models.components import Component
from models.patient_records import PatientCorrection
from models.requests import RequestStatus
from tests.support.memory_town import MemoryTown

PERSON = {"person": "Dr Tashi", "reason": "two new samples agree"}


@pytest.fixture
def town() -> MemoryTown:
    return MemoryTown()


async def test_c36_antibodies_survive_typing(town: MemoryTown) -> None:
    await town.count("A+", "A-")
    await town.ask("p", group="A-", antibodies=("D", "E"))
    await town.amend("p", patient={"group": "A+"})
    assert town.request("p").patient.antibodies == ("D", "E")
    assert town.held("p") == []
    assert town.status("p") is RequestStatus.OPEN


async def test_c36_an_antibody_goes_by_a_named_person_alone(town: MemoryTown) -> None:
    await town.count("A+")
    await town.ask("p", group="A+", antibodies=("E",))
    await town.amend("p", patient={"antibodies": []})
    assert town.held("p") == []
    await town.amend("p", correction={"withdrawn_antibodies": ["E"], **PERSON})
    assert town.held("p") == ["A+"]
    assert "patient_corrected" in town.told("p")


@pytest.mark.parametrize("gone", ["person", "reason"])
async def test_c36_a_correction_names_who_and_why(gone: str) -> None:
    told = {"withdrawn_antibodies": ["E"], **PERSON}
    with pytest.raises(ValueError, match=gone):
        PatientCorrection.model_validate({**told, gone: ""})
    with pytest.raises(ValueError, match="correction_empty"):
        PatientCorrection.model_validate(PERSON)


async def test_c37_one_patient_with_two_groups_gets_group_o(town: MemoryTown) -> None:
    await town.count("A+", "B+")
    await town.ask("one", reference="P1", group="A+")
    assert town.held("one") == ["A+"]
    await town.ask("two", reference="P1", group="B+")
    assert town.held("two") == []
    assert "patient_groups_differ" in town.told("two")
    assert town.decision("two").reasons[0].params["groups"] == "A+ B+"
    await town.wait(0.01)
    assert town.held("one") == [], "the first request is asked about as well"
    assert "patient_groups_differ" in town.told("one")
    await town.count("O+", "O+")
    assert (town.held("one"), town.held("two")) == (["O+"], ["O+"])


async def test_c37_plasma_is_ab_until_it_is_settled(town: MemoryTown) -> None:
    plasma = Component.FRESH_FROZEN_PLASMA
    await town.count("A+", "B+", "O+", component=plasma)
    await town.ask("one", component=plasma, reference="P1", group="O+")
    assert town.held("one") == ["O+"]
    await town.ask("two", component=plasma, reference="p1", group="B+")
    await town.wait(0.01)
    assert (town.held("one"), town.held("two")) == ([], [])
    await town.count("AB+", component=plasma)
    assert town.held("one") + town.held("two") == ["AB+"]


async def test_c37_a_named_person_settles_the_group(town: MemoryTown) -> None:
    await town.count("A+", "B+")
    await town.ask("one", reference="P1", group="A+")
    await town.ask("two", reference="P1", group="B+")
    await town.wait(0.01)
    await town.change_patient("P1", correction={"group": "A+", **PERSON})
    await town.wait(0.01)
    assert town.request("two").patient.group == "A+"
    assert town.held("one") + town.held("two") == ["A+"]
    await town.ask("three", reference="P1", group="A+")
    assert "patient_groups_differ" not in town.told("three")
    await town.ask("four", reference="P1", group="B+")
    assert "patient_groups_differ" in town.told("four"), "a settled group may be contradicted"


async def test_c37_an_amended_group_is_a_second_group(town: MemoryTown) -> None:
    await town.count("A+", "B+")
    await town.ask("one", group="A+")
    await town.amend("one", patient={"group": "B+"})
    assert town.held("one") == []
    assert "patient_groups_differ" in town.told("one")
    await town.amend("one", correction={"group": "B+", **PERSON})
    assert town.held("one") == ["B+"]


async def test_c37_typing_an_untyped_patient_is_no_contradiction(town: MemoryTown) -> None:
    await town.count("A+")
    await town.ask("one", reference="P1")
    await town.amend("one", patient={"group": "A+"})
    assert town.held("one") == ["A+"]
    assert "patient_groups_differ" not in town.told("one")


async def test_c38_an_antibody_that_the_second_request_forgets(town: MemoryTown) -> None:
    await town.count("A+")
    await town.ask("one", reference="P1", group="A+", antibodies=("E",))
    await town.ask("two", reference="P1", group="A+")
    assert town.held("two") == []
    assert "antibodies_remembered" in town.told("two")
    await town.count("A+", antigen_negative=["E"])
    assert town.held("one") + town.held("two") == ["A+"]


async def test_c38_an_antibody_told_later_reaches_the_first_request(town: MemoryTown) -> None:
    await town.count("A+", "A+")
    await town.ask("one", reference="P1", group="A+")
    assert town.held("one") == ["A+"]
    await town.ask("two", reference="P1", group="A+", antibodies=("E",))
    await town.wait(0.01)
    assert town.held("one") == []
    assert "patient_changed" in town.told("one")


async def test_c38_special_needs_are_remembered_where_there_are_cells(town: MemoryTown) -> None:
    await town.count("A+")
    await town.count("A+", component=Component.FRESH_FROZEN_PLASMA)
    irradiated = {"irradiated": True, "antigen_negative": ["K"]}
    await town.ask("one", reference="P1", group="A+", attributes=irradiated)
    await town.ask("two", reference="P1", group="A+")
    assert town.held("two") == []
    assert "needs_remembered" in town.told("two")
    attributes = town.request("two").lines[0].attributes
    assert attributes.irradiated
    assert attributes.antigen_negative == ("K",)
    plasma = Component.FRESH_FROZEN_PLASMA
    await town.ask("three", component=plasma, reference="P1", group="A+")
    assert town.held("three") == ["A+"], "plasma has no cells"
    withdrawn = {"withdrawn_needs": ["irradiated"], "withdrawn_antigens": ["K"], **PERSON}
    await town.change_patient("P1", correction=withdrawn)
    await town.wait(0.01)
    assert town.held("one") + town.held("two") == ["A+"]


async def test_c38_an_untyped_patient_is_not_served_by_an_old_group(town: MemoryTown) -> None:
    await town.count("A+", "O+")
    await town.ask("one", reference="P1", group="A+")
    await town.cancel("one")
    await town.ask("two", reference="P1", sex="male", age_years=40, priority="life_threatening")
    assert town.held("two") == ["O+"]
    assert "group_remembered" in town.told("two")


async def test_c38_what_the_laboratory_tells_today_types_who_waits(town: MemoryTown) -> None:
    await town.count("A+")
    await town.ask("one", reference="P1")
    assert town.held("one") == []
    await town.change_patient("P1", patient={"group": "A+", "group_basis": "historical"})
    await town.wait(0.01)
    assert town.held("one") == [], "an old record is not the sample of today"
    await town.change_patient("P1", patient={"group": "A+", "group_basis": "one_sample"})
    await town.wait(0.01)
    assert town.held("one") == ["A+"]


async def test_c38_another_patient_and_another_hospital_are_not_concerned(
    town: MemoryTown,
) -> None:
    await town.count("A+", "B+")
    await town.ask("one", reference="P1", group="A+", antibodies=("E",))
    await town.ask("two", reference="P2", group="B+")
    assert town.held("two") == ["B+"]
    assert town.told("two") == ["temperature_not_proven"]


async def test_c51_a_transplant_explains_two_groups_and_is_remembered(town: MemoryTown) -> None:
    await town.count("A+", "O+")
    transplant = {
        "donor_group": "A+",
        "recipient_group": "O+",
        "phase": "before_engraftment",
    }
    await town.ask("one", reference="P1", group="O+", transplant=transplant)
    assert town.held("one") == ["O+"]
    await town.ask("two", reference="P1", group="A+")
    assert "patient_groups_differ" not in town.told("two")
    assert town.held("two") == [], "red cells suit donor and recipient: only O does"
    await town.ask("three", reference="P1", group="B+")
    assert "patient_groups_differ" in town.told("three")
