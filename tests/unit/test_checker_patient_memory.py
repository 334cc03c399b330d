"""The checker's own memory of a patient agrees with the engine's, statement by statement."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from checker.patient_memory import Memory
from models.patient_memory import correct, recall, remember
from models.patient_records import PatientCorrection, PatientRecord
from models.patients import Patient
from tests.support.world import NOW, build_request

MOTHERS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"group": "O+"},
    {"group": "A-", "antibodies": ["D", "c"]},
    {"antibodies": ["E"], "platelet_antibodies": ["HPA-1a"]},
)
FACTS: dict[str, Any] = {
    "rare_group": "para_bombay",
    "transplant": {
        "donor_group": "A+",
        "recipient_group": "O+",
        "phase": "after_engraftment",
    },
    "mother": {"group": "O+"},
    "antigen_negative": ["E"],
    "chronically_transfused": True,
}
COMPARED = (*FACTS, "antibodies", "platelet_antibodies")


def both_read(
    *steps: dict[str, Any], corrections: tuple[dict[str, Any], ...] = ()
) -> list[dict[str, Any]]:
    """Tell both the same and return how each reads a last request that states its age alone."""
    memory, record = Memory(), PatientRecord(hospital_id="h", reference="P1")
    for told in steps:
        request = build_request(patient=Patient.model_validate({"reference": "P1", **told}))
        record = remember(record, request, now=NOW)
        memory.hear(request.patient.model_dump(mode="json"), [])
    for withdrawn in corrections:
        made = PatientCorrection.model_validate({"person": "q", "reason": "x", **withdrawn})
        record = correct(record, made, now=NOW, by="h")
        memory.correct(made.model_dump(mode="json"))
    last = build_request(patient=Patient(reference="P1", age_days=steps[-1].get("age_days", 9)))
    mine = memory.complete(last.model_dump(mode="json"))["patient"]
    engines = recall(record, last).patient.model_dump(mode="json")
    return [{name: told[name] for name in COMPARED} for told in (mine, engines)]


@pytest.mark.parametrize("age_days", [9, 120, 121])
@pytest.mark.parametrize("mothers", list(itertools.product(MOTHERS, repeat=2)))
def test_what_is_remembered_of_a_mother(
    mothers: tuple[dict[str, Any] | None, ...], age_days: int
) -> None:
    mine, engines = both_read(*({"mother": mother, "age_days": age_days} for mother in mothers))
    assert mine == engines
    assert (mine["mother"] is not None) == (age_days <= 120 and any(mothers))


@pytest.mark.parametrize("fact", sorted(FACTS))
def test_what_a_named_person_withdraws(fact: str) -> None:
    mine, engines = both_read(FACTS)
    assert mine == engines
    assert mine[fact]
    mine, engines = both_read(FACTS, corrections=({"withdrawn_facts": [fact]},))
    assert mine == engines
    assert not mine[fact]
    assert sum(bool(mine[name]) for name in FACTS) == len(FACTS) - 1


def test_which_antibodies_of_a_mother_are_withdrawn() -> None:
    told = {"mother": {"antibodies": ["c", "E"], "platelet_antibodies": ["HPA-1a", "CD36"]}}
    gone = {"withdrawn_antibodies": ["c"], "withdrawn_platelet_antibodies": ["CD36"]}
    mine, engines = both_read(told, corrections=(gone,))
    assert mine == engines
    expected = {"group": None, "antibodies": ["E"], "platelet_antibodies": ["HPA-1a"]}
    assert mine["mother"] == expected
