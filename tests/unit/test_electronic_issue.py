"""Electronic issue looks at the patient's history: two results that agree, and no antibody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from models.components import Component
from models.electronic_issue import explain_issue
from models.patients import Indication, Mother, Patient, RareGroup
from models.rules.rulebook import PACKAGED, Rulebook
from tests.support.town_story import Story

PERSON = {"person": "Dr Tashi", "reason": "two new samples agree"}
TYPED_TWICE: dict[str, Any] = {"group": "A+", "group_basis": "two_samples"}
TYPED_ONCE: dict[str, Any] = {"group": "A+", "group_basis": "one_sample"}
MONTHS_H = 24 * 90


@pytest.fixture
def story() -> Story:
    return Story()


def issue(story: Story, name: str) -> list[str]:
    """The codes of what is told of the issue of a request's first line, by its newest decision."""
    return [reason.code for reason in story.decisions(name)[-1].lines[0].issue]


async def test_c32_two_results_that_the_history_contradicts_are_crossmatched(story: Story) -> None:
    await story.ask("before", reference="P1", group="O+", antibodies=("E",))
    await story.go(MONTHS_H)
    await story.count("O+", antigen_negative=["E"])
    await story.ask("now", reference="P1", **TYPED_TWICE)
    assert story.groups_held("now") == ["O+"]
    assert issue(story, "now") == ["crossmatch_history_differs", "crossmatch_antibodies"]


async def test_c32_two_results_without_a_history_against_them_are_enough(story: Story) -> None:
    await story.count("A+")
    await story.ask("now", reference="P1", **TYPED_TWICE)
    assert issue(story, "now") == ["issue_electronic"]
    (told,) = story.decisions("now")[-1].lines[0].issue
    assert told.params == {"results": 2, "hours": 72}
    assert told.rule.startswith("issue.electronic@")


async def test_c32_one_result_and_the_history_are_two(story: Story) -> None:
    await story.count("A+", "A+", "A+")
    await story.ask("first", reference="P1", **TYPED_ONCE)
    assert issue(story, "first") == ["crossmatch_results_missing"]
    await story.go(71)
    await story.ask("quoted", reference="p1", **TYPED_ONCE)
    assert issue(story, "quoted") == ["crossmatch_results_missing"], "it may be the same sample"
    await story.count("A+")
    await story.go(2)
    await story.ask("second", reference="P1", **TYPED_ONCE)
    assert issue(story, "second") == ["issue_electronic"]


async def test_c32_earlier_records_agree_with_one_result_of_today(story: Story) -> None:
    await story.count("A+", "A+")
    old: dict[str, Any] = {"group": "A+", "group_basis": "historical"}
    await story.ask("old", reference="P1", **old)
    assert issue(story, "old") == [
        "crossmatch_not_on_current_sample",
        "crossmatch_results_missing",
    ]
    await story.ask("now", reference="P1", **TYPED_ONCE)
    assert issue(story, "now") == ["issue_electronic"]


async def test_c32_an_old_record_may_quote_the_result_before_it(story: Story) -> None:
    await story.count("A+", "A+")
    await story.ask("one", reference="P1", **TYPED_ONCE)
    await story.change_patient("P1", patient={"group": "A+", "group_basis": "historical"})
    await story.ask("two", reference="P1", **TYPED_ONCE)
    assert issue(story, "two") == ["crossmatch_results_missing"]


async def test_c32_a_group_of_which_nobody_says_how_is_no_result(story: Story) -> None:
    await story.count("A+")
    await story.ask("now", reference="P1", group="A+")
    assert issue(story, "now") == [
        "crossmatch_not_on_current_sample",
        "crossmatch_results_missing",
    ]


async def test_c32_what_a_request_repeats_is_no_new_result(story: Story) -> None:
    await story.count("A+", "A+", left_h=800)
    await story.ask("now", need_h=200, reference="P1", **TYPED_ONCE)
    await story.go(80)
    await story.amend("now", note="theatre 2")
    await story.amend("now", patient=TYPED_ONCE)
    assert issue(story, "now") == ["crossmatch_results_missing"]
    await story.amend("now", patient=TYPED_TWICE)
    assert issue(story, "now") == ["issue_electronic"]
    assert story.request("now").patient.concordant_results == 2


async def test_c32_what_the_laboratory_told_is_not_repeated_by_an_amendment(story: Story) -> None:
    await story.count("A+", "A+", left_h=800)
    await story.ask("now", need_h=200, reference="P1")
    await story.change_patient("P1", patient=TYPED_ONCE)
    await story.go(80)
    await story.amend("now", note="theatre 2")
    assert issue(story, "now") == ["crossmatch_results_missing"]


async def test_c32_a_hospital_does_not_state_how_many_results_there_are(story: Story) -> None:
    await story.count("A+")
    await story.ask("now", group="A+", group_basis="one_sample", concordant_results=5)
    assert issue(story, "now") == ["crossmatch_results_missing"]
    assert story.request("now").patient.concordant_results == 1


async def test_c32_a_settled_group_begins_again(story: Story) -> None:
    await story.count("A+", "A+", "A+", "A+")
    await story.ask("one", reference="P1", **TYPED_TWICE)
    await story.ask("two", reference="P1", group="B+")
    await story.go(0.01)
    await story.change_patient("P1", correction={"group": "A+", **PERSON})
    await story.go(0.01)
    await story.ask("three", reference="P1", group="A+", group_basis="one_sample")
    assert issue(story, "three") == ["crossmatch_results_missing"]
    await story.ask("four", reference="P1", **TYPED_TWICE)
    assert issue(story, "four") == ["issue_electronic"]


async def test_c32_one_more_result_takes_no_bag_away(story: Story) -> None:
    await story.count("A+")
    await story.ask("one", need_h=200, reference="P1", **TYPED_ONCE)
    held, decided = story.held("one"), len(story.decisions("one"))
    await story.go(1)
    await story.change_patient("P1", patient=TYPED_TWICE)
    await story.go(0.01)
    assert (story.held("one"), len(story.decisions("one"))) == (held, decided)


async def test_c32_plasma_and_what_is_not_there_are_not_issued(story: Story) -> None:
    plasma = Component.FRESH_FROZEN_PLASMA
    await story.count("A+", component=plasma)
    await story.ask("plasma", component=plasma, **TYPED_TWICE)
    await story.ask("none", **TYPED_TWICE)
    assert (issue(story, "plasma"), issue(story, "none")) == ([], [])


def explain(rules: Rulebook = PACKAGED, /, **patient: object) -> list[str]:
    whole = {"group": "A+", "group_basis": "two_samples", "concordant_results": 2, **patient}
    return [reason.code for reason in explain_issue(Patient.model_validate(whole), rules)]


@pytest.mark.parametrize(
    ("patient", "code"),
    [
        ({"group": None}, "crossmatch_untyped"),
        ({"antibodies": ("E",)}, "crossmatch_antibodies"),
        ({"mother": Mother(group="A+")}, "crossmatch_more_than_one_group"),
        ({"rare_group": RareGroup.CIS_AB}, "crossmatch_more_than_one_group"),
        ({"indications": (Indication.ANTI_CD38,)}, "crossmatch_screen_disturbed"),
        ({"concordant_results": 1}, "crossmatch_results_missing"),
        ({"group_basis": "historical"}, "crossmatch_not_on_current_sample"),
        ({"group_basis": None}, "crossmatch_not_on_current_sample"),
        ({"disputed_groups": ("A+", "O+")}, "crossmatch_history_differs"),
    ],
)
def test_c32_each_condition_alone_asks_for_a_crossmatch(patient: dict[str, Any], code: str) -> None:
    assert explain() == ["issue_electronic"]
    assert explain(**patient) == [code]


def test_c32_a_station_may_ask_for_more_results() -> None:
    electronic = PACKAGED.issue.electronic.but(concordant_abo_results=3)
    stricter = replace(PACKAGED, issue=PACKAGED.issue.but(electronic=electronic))
    assert explain(stricter) == ["crossmatch_results_missing"]
    assert explain(stricter, concordant_results=3) == ["issue_electronic"]
