"""What a record of a patient learns from a request, and what a request is then read as."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from models.components import Component
from models.group_results import count_results
from models.groups import BloodGroup
from models.patient_memory import (
    apply_change,
    correct,
    correct_request,
    explain_recalled,
    learn_facts,
    recall,
    remember,
)
from models.patient_records import PatientChange, PatientCorrection, PatientRecord
from models.patients import GroupBasis, Patient
from models.requests import RequestLine, UrgentRequest
from tests.support.world import NOW, PEOPLES, build_request

HOUR = timedelta(hours=1)
BLANK = PatientRecord(hospital_id=PEOPLES.hospital_id, reference="P1")
PERSON = {"person": "Dr Tashi", "reason": "two new samples agree"}


def told(**facts: object) -> Patient:
    return Patient.model_validate(facts)


def learnt(*statements: Patient, at: datetime = NOW) -> PatientRecord:
    record = BLANK
    for patient in statements:
        record = learn_facts(record, patient, now=at)
    return record


def ask(*lines: tuple[str, dict[str, Any]], **facts: object) -> UrgentRequest:
    """Ask for components, each with what it demands, for a patient of these facts."""
    asked = [
        RequestLine.model_validate(
            {"line_no": number, "component": component, "quantity": 1, "attributes": attributes}
        )
        for number, (component, attributes) in enumerate(lines or (("red_cells", {}),), start=1)
    ]
    return build_request(patient=told(reference="P1", **facts), lines=tuple(asked))


def correction(**taken: object) -> PatientCorrection:
    return PatientCorrection.model_validate({**PERSON, **taken})


def list_groups(record: PatientRecord) -> list[str]:
    return [stated.group.value for stated in record.groups]


def test_c37_a_group_that_is_told_again_is_one_group() -> None:
    record = learnt(told(group="A+"), told(group="A+"), told(), told(group="B+"), told(group="A+"))
    assert list_groups(record) == ["A+", "B+"]


def test_c37_after_a_settlement_only_the_settled_group_is_believed() -> None:
    record = correct(
        learnt(told(group="A+"), told(group="B+")), correction(group="B+"), now=NOW, by="x"
    )
    again = learn_facts(record, told(group="B+"), now=NOW)
    assert list_groups(again) == ["A+", "B+", "B+"], "the settlement itself is the third"
    assert list_groups(learn_facts(again, told(group="A+"), now=NOW)) == ["A+", "B+", "B+", "A+"]


def test_c37_a_basis_belongs_to_its_group() -> None:
    record = learnt(told(group="A+", group_basis="two_samples"), told(antibodies=("E",)))
    assert record.known.group_basis is GroupBasis.TWO_SAMPLES
    record = learn_facts(record, told(group="A+"), now=NOW)
    assert record.known.group_basis is None


@pytest.mark.parametrize(
    ("basis", "typed_at"),
    [("historical", None), ("one_sample", NOW), ("two_samples", NOW), (None, NOW)],
)
def test_c38_only_an_old_record_types_nobody(basis: str | None, typed_at: datetime | None) -> None:
    assert learnt(told(group="A+", group_basis=basis)).typed_at == typed_at


def test_c38_what_tells_no_group_leaves_when_it_was_typed() -> None:
    record = learn_facts(learnt(told(group="A+")), told(antibodies=("E",)), now=NOW + HOUR)
    assert record.typed_at == NOW


@pytest.mark.parametrize(
    ("opened_at", "group"),
    [(None, None), (NOW + HOUR, None), (NOW, BloodGroup.A_POS), (NOW - HOUR, BloodGroup.A_POS)],
)
def test_c38_a_request_takes_the_group_that_was_determined_since_it_was_opened(
    opened_at: datetime | None, group: BloodGroup | None
) -> None:
    record = learnt(told(group="A+", group_basis="two_samples"))
    patient = recall(record, ask(), opened_at=opened_at).patient
    assert patient.group is group
    assert patient.group_basis is (GroupBasis.TWO_SAMPLES if group else None)


def test_c38_a_patient_who_was_never_typed_stays_untyped() -> None:
    record = learnt(told(group="A+", group_basis="historical"))
    assert recall(record, ask(), opened_at=NOW - HOUR).patient.group is None


def test_c38_a_request_that_states_a_group_keeps_how_it_was_determined() -> None:
    record = learnt(told(group="A+", group_basis="one_sample"))
    asked = ask(group="A+", group_basis="two_samples")
    assert recall(record, asked, opened_at=NOW).patient.group_basis is GroupBasis.TWO_SAMPLES


def test_c38_what_was_told_once_stays_told() -> None:
    first = told(chronically_transfused=True, rare_group="cis_ab", antibodies=("E",))
    for record in (learnt(first, told()), learnt(told(), first)):
        known = record.known
        assert (known.chronically_transfused, known.rare_group) == (True, "cis_ab")
        assert known.antibodies == ("E",)
    assert not learnt(told(), told()).known.chronically_transfused


def test_c38_a_mother_counts_until_her_antibodies_are_gone() -> None:
    record = learnt(told(mother={"group": "O+", "antibodies": ["c"]}, age_days=2))

    def knows_mother(needed_by: datetime) -> bool:
        asked = ask(group="A+").but(needed_by=needed_by)
        return recall(record, asked, opened_at=NOW).patient.mother is not None

    last = NOW + timedelta(days=120)
    assert knows_mother(last)
    assert not knows_mother(last + timedelta(seconds=1))


def test_c38_a_mother_who_is_stated_is_she_who_is_remembered_at_any_age() -> None:
    known = told(mother={"group": "O+", "antibodies": ["c"]})
    stated = told(mother={"group": "O+"}, age_days=200).recall(known)
    assert stated.mother == known.mother
    assert told(age_days=200).recall(known).mother is None


def test_c36_a_mother_who_was_told_in_error_is_told_of_anew() -> None:
    record = learnt(told(mother={"group": "O+"}, age_days=2))
    kept = correct(record, correction(withdrawn_antibodies=["E"]), now=NOW, by="x")
    assert kept.mother_told_at == NOW
    without = correct(record, correction(withdrawn_facts=["mother"]), now=NOW, by="x")
    assert (without.known.mother, without.mother_told_at) == (None, None)
    again = learn_facts(without, told(mother={"group": "A+"}), now=NOW + HOUR)
    assert again.mother_told_at == NOW + HOUR


def test_c38_a_group_that_is_stated_stays_where_none_is_remembered() -> None:
    stated = told(group="A+").recall(told(antibodies=("E",)))
    assert (stated.group, stated.antibodies) == (BloodGroup.A_POS, ("E",))
    disputed = told(disputed_groups=("A+", "B+"))
    assert told(group="A+").recall(disputed).group is BloodGroup.A_POS


def typed_by(record: PatientRecord, *, is_typed: bool | None = None) -> int:
    """Return how many results of A+ a record has after a request that states two samples of it."""
    asked = ask(group="A+", group_basis="two_samples")
    told_now = {} if is_typed is None else {"is_typed": is_typed}
    return count_results(remember(record, asked, now=NOW, **told_now), BloodGroup.A_POS)


def test_c32_a_request_tells_a_result_and_its_amendment_none() -> None:
    assert typed_by(BLANK) == 2
    assert typed_by(BLANK, is_typed=False) == 0


def test_c32_a_settled_group_has_no_results_yet() -> None:
    record = remember(BLANK, ask(group="A+", group_basis="two_samples"), now=NOW)
    settled = correct(record, correction(group="A+"), now=NOW, by="x")
    assert count_results(settled, BloodGroup.A_POS) == 0
    kept = correct(record, correction(withdrawn_antibodies=["E"]), now=NOW, by="x")
    assert count_results(kept, BloodGroup.A_POS) == 2


def test_c32_more_than_five_results_are_not_counted() -> None:
    record = BLANK
    for day in range(4):
        asked = ask(group="A+", group_basis="two_samples")
        record = remember(record, asked, now=NOW + timedelta(days=9 * day))
    assert count_results(record, BloodGroup.A_POS) == 5
    assert told(concordant_results=5).concordant_results == 5
    with pytest.raises(ValidationError, match="concordant_results"):
        told(concordant_results=6)


def test_c37_of_two_groups_an_untyped_request_takes_neither() -> None:
    record = learnt(told(group="A+"), told(group="B+"))
    patient = recall(record, ask(), opened_at=NOW - HOUR).patient
    assert patient.group is None
    assert patient.disputed_groups == (BloodGroup.A_POS, BloodGroup.B_POS)


@pytest.mark.parametrize(
    ("changed_by", "by"),
    [("", f"hospital/{PEOPLES.hospital_id}"), ("dispatcher/k", "dispatcher/k")],
)
def test_c36_a_correction_tells_whose_word_it_was(changed_by: str, by: str) -> None:
    change = PatientChange(
        hospital_id=PEOPLES.hospital_id,
        station_id=PEOPLES.station_id,
        reference="P1",
        correction=correction(withdrawn_antibodies=["E"]),
        changed_by=changed_by,
    )
    (made,) = apply_change(learnt(told(antibodies=("E",))), change, now=NOW).corrections
    assert (made.made_by, made.made_at) == (by, NOW)


def test_c36_a_correction_types_no_request_that_states_no_group() -> None:
    """The sample of today decides, and there is none."""
    assert correct_request(ask(), correction(group="A+")).patient.group is None
    corrected = correct_request(ask(group="B+", group_basis="one_sample"), correction(group="A+"))
    assert corrected.patient.group is BloodGroup.A_POS
    assert corrected.patient.group_basis is None, "nobody said how it was determined"
    kept = correct_request(ask(group="B+"), correction(withdrawn_antibodies=["E"]))
    assert kept.patient.group is BloodGroup.B_POS


def test_c36_a_correction_takes_needs_and_antigens_from_every_line() -> None:
    wanted = {"irradiated": True, "washed": True, "antigen_negative": ["K", "E"]}
    asked = ask(("red_cells", wanted), ("whole_blood", {"irradiated": True}))
    taken = correction(withdrawn_needs=["irradiated"], withdrawn_antigens=["K"])
    first, second = (line.attributes for line in correct_request(asked, taken).lines)
    assert (first.irradiated, first.washed, first.antigen_negative) == (False, True, ("E",))
    assert not second.irradiated


def test_c38_a_need_of_one_line_is_the_patients() -> None:
    record = remember(BLANK, ask(("red_cells", {}), ("platelets", {"irradiated": True})), now=NOW)
    assert record.special_needs == ("irradiated",)
    first, second = recall(record, ask(("red_cells", {}), ("frozen_plasma", {}))).lines
    assert (first.attributes.irradiated, second.attributes.irradiated) == (True, False)


def test_c38_what_is_asked_of_plasma_is_no_need_of_cells() -> None:
    wanted = {"irradiated": True, "antigen_negative": ["K"]}
    record = remember(BLANK, ask(("frozen_plasma", wanted)), now=NOW)
    assert (record.special_needs, record.antigen_negative) == ((), ())
    record = remember(BLANK, ask(("platelets", {"washed": True})), now=NOW)
    assert record.special_needs == (), "platelets are washed on the word of their own order"


def test_c38_what_is_recalled_is_told_by_its_name() -> None:
    stated = ask((Component.RED_CELLS, {"cmv_negative": True}))
    earlier = ask(
        ("red_cells", {"irradiated": True, "antigen_negative": ["K"]}),
        group="A+",
        antibodies=("E",),
        platelet_antibodies=("CD36",),
        hla_antibodies=("A2",),
    )
    record = remember(remember(BLANK, earlier, now=NOW), stated, now=NOW)
    found = explain_recalled(stated, recall(record, stated), record)
    assert {reason.code: reason.params for reason in found} == {
        "antibodies_remembered": {"antibodies": "A2, CD36, E"},
        "needs_remembered": {"needs": "K-, irradiated"},
        "group_remembered": {"group": "A+"},
    }
    typed = ask(group="A+", antibodies=("E", "c"))
    record = remember(BLANK, typed, now=NOW)
    assert explain_recalled(typed, recall(record, typed), record) == ()
