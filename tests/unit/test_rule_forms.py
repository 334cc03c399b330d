"""What a rule file, a rule and a patient may say at all: the last value that loads, and beyond."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from pydantic import ValidationError

from models.components import Component, ComponentSpec
from models.patients import Patient, RhdConsent
from models.rules.citations import Applier, CitedRule, Terms
from models.rules.rulebook import PACKAGED, RULE_FILES, build_rulebook
from tests.support.rules import change_rule

LEAST: list[tuple[str, str, int]] = [
    ("compatibility", "unknown.female_rhd_negative_to_age_years", 0),
    ("compatibility", "unknown.male_rhd_negative_to_age_years", 0),
    ("compatibility", "abo.cryoprecipitate.adult_from_age_years", 0),
    ("compatibility", "preferred.to_age_years", 0),
    ("compatibility", "mother.antibodies_to_age_d", 0),
    ("compatibility", "unknown_cap.o_negative_units", 1),
    ("compatibility", "estimated_age.margin_years", 0),
    ("compatibility", "kept_for_negative.expiring_within_d", 0),
    ("compatibility", "childbearing.female_from_age_years", 0),
    ("compatibility", "childbearing.female_to_age_years", 0),
    ("safety", "out_of_control.restock_within_min", 0),
    ("safety", "out_of_control.transfuse_within_min", 0),
    ("safety", "agitation.unagitated_at_most_h", 0),
    ("safety", "transit.at_most_h", 0),
    ("safety", "use.thawing_min", 0),
    ("safety", "use.red_cells_min", 0),
    ("safety", "use.whole_blood_min", 0),
    ("safety", "use.plasma_min", 0),
    ("safety", "use.platelets_min", 0),
    ("components", "shelf_life.platelets.otherwise_h", 1),
    ("components", "shelf_life.platelets.use_within_h", 1),
    ("components", "label.grace_h", 0),
    ("components", "label.from_shelf_life_h", 25),
]


def load(file: str, path: str, value: object) -> Any:  # noqa: ANN401 - the form of any file
    document = deepcopy(dict(PACKAGED.documents[file]))
    *above, name = path.split(".")
    table: Any = document
    for step in above:
        table = table[step]
    if value is None:
        del table[name]
    else:
        table[name] = value
    return RULE_FILES[file].model_validate(document)


@pytest.mark.parametrize(("file", "path", "least"), LEAST)
def test_a_number_has_a_least_one(file: str, path: str, least: int) -> None:
    load(file, path, least)
    with pytest.raises(ValidationError, match=path.rpartition(".")[2].removesuffix("_h")):
        load(file, path, least - 1)


@pytest.mark.parametrize("component", Component)
@pytest.mark.parametrize("table", ["component", "shelf_life"])
def test_every_component_needs_both_its_tables(table: str, component: str) -> None:
    with pytest.raises(ValidationError):
        load("components", f"{table}.{component}", None)


def test_a_component_needs_a_shelf_life_in_hours() -> None:
    with pytest.raises(ValidationError, match="hours"):
        load("components", "shelf_life.washed_red_cells.saline_h", None)


def test_a_component_is_not_frozen_unless_it_says_so() -> None:
    rules = load("components", "component.platelets.frozen", None)
    assert rules.component[Component.PLATELETS].frozen is False


def test_a_reading_of_a_file_reads_the_same_again() -> None:
    """What was read may be read once more: a station's rulebook is made of the package's."""
    for file, form in RULE_FILES.items():
        read = form.model_validate(PACKAGED.documents[file])
        if file not in {"components", "packs"}:  # their files name the parts one by one
            assert form.model_validate(read.model_dump(by_alias=True)) == read


def test_a_form_takes_nothing_else() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        load("compatibility", "del.served_as_negative", value=True)
    with pytest.raises(ValidationError, match="Extra inputs"):
        load("components", "shelf_life.platelets.frozen_d", 3)


def test_a_component_keeps_some_time_or_it_is_none() -> None:
    spec = PACKAGED.components.component[Component.PLATELETS]
    with pytest.raises(ValidationError, match="shelf_life_h"):
        ComponentSpec.model_validate({**spec.model_dump(by_alias=True), "shelf_life_h": 0})
    rule = PACKAGED.components.shelf_life[Component.PLATELETS]
    with pytest.raises(ValidationError, match="hours"):
        rule.but(hours={})


def test_rules_that_are_not_of_the_form_make_no_rulebook() -> None:
    with pytest.raises(ValidationError, match="o_negative_units"):
        change_rule("compatibility", "unknown_cap", o_negative_units=0)
    assert PACKAGED.compatibility.unknown_cap.o_negative_units == 4


def test_a_rulebook_does_not_change_with_what_it_was_made_of() -> None:
    documents = {name: deepcopy(dict(found)) for name, found in PACKAGED.documents.items()}
    rules = build_rulebook(documents)
    documents["compatibility"]["unknown_cap"]["o_negative_units"] = 2
    assert rules.compatibility.unknown_cap.o_negative_units == 4


RULE: dict[str, Any] = {
    "rule": "a.rule",
    "kind": "law",
    "zh": "一",
    "en": "a",
    "source": "a law of 1",
    "read": "read",
    "since": "unknown",
}


def test_the_shortest_rule_says_nothing_beside_what_it_must() -> None:
    rule = CitedRule.model_validate(RULE)
    assert (rule.applied_by, rule.set_in, rule.note) == (Applier.XUELIAN, None, "")
    assert (rule.confirm, rule.terms) == ((), {})


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("rule", "rule"),
        ("rule", "a.rule."),
        ("rule", ".a.rule"),
        ("rule", "A.rule"),
        ("rule", "a rule.b"),
        ("zh", ""),
        ("en", ""),
        ("source", "a law of "),
        ("kind", "habit"),
        ("applied_by", "nobody"),
        ("set_in", "donor"),
    ],
)
def test_a_rule_must_say_it_properly(part: str, value: str) -> None:
    with pytest.raises(ValidationError, match=part):
        CitedRule.model_validate({**RULE, part: value})


@pytest.mark.parametrize(
    "terms",
    [
        {"may": "tighten"},
        {"safer": "off"},
        {"may": "set", "safer": "off"},
        {"may": "tighten", "safer": "higher"},
        {"may": "tighten", "safer": "higher", "least": 1},
        {"may": "tighten", "safer": "lower"},
        {"may": "tighten", "safer": "lower", "most": 1},
        {"may": "tighten", "safer": "sideways"},
        {"may": "loosen", "safer": "off"},
    ],
)
def test_terms_without_a_direction_or_an_end_are_none(terms: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Terms.model_validate({"unit": "h", **terms})


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"may": "set"},
        {"may": "tighten", "safer": "higher", "most": 1},
        {"may": "tighten", "safer": "lower", "least": 1},
        {"may": "tighten", "safer": "off"},
    ],
)
def test_terms_may_say_no_more_than_they_need(terms: dict[str, object]) -> None:
    told = Terms.model_validate({"unit": "h", **terms})
    unsaid = {"may": None, "safer": None, "least": None, "most": None, "keeps": ()}
    assert told.model_dump() == {"unit": "h", **unsaid, **terms}


def test_a_rule_is_cited_with_the_version_of_its_file() -> None:
    rules = PACKAGED.safety
    assert rules.cite(rules.recall) == "unit.recall@2026-3"


@pytest.mark.parametrize("age_years", [0, 130])
def test_an_age_that_may_be(age_years: int) -> None:
    assert Patient(age_years=age_years).age_years == age_years


@pytest.mark.parametrize("age_days", [0, 3650])
def test_an_age_in_days_that_may_be(age_days: int) -> None:
    assert Patient(age_days=age_days).age_days == age_days


def test_a_patient_is_read_again_as_the_same() -> None:
    patient = Patient(age_days=3, concordant_results=0)
    assert Patient.model_validate(patient) == patient
    with pytest.raises(ValidationError, match="Patient"):
        Patient.model_validate("A+")


@pytest.mark.parametrize(
    "patient",
    [
        {"age_years": -1},
        {"age_years": 131},
        {"age_days": -1},
        {"age_days": 3651},
        {"concordant_results": -1},
        {"antibodies": ["Dia Dib"]},
        {"antibodies": ["1a"]},
        {"antibodies": ["Abcdefghi"]},
        {"antibodies": ["HPA-1a"]},
        {"group": "A"},
        {"sex": "unknown"},
        {"anti_d": True},
    ],
)
def test_a_patient_who_cannot_be(patient: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Patient.model_validate(patient)


def test_a_patient_is_of_nothing_unless_told() -> None:
    assert set(Patient().model_dump().values()) == {None, (), False}


def test_antibodies_are_a_set() -> None:
    assert Patient(antibodies=("Mur", "D", "Mur")).antibodies == ("D", "Mur")


@pytest.mark.parametrize("missing", ["physician", "signed_by"])
def test_a_consent_without_a_name_is_none(missing: str) -> None:
    names = {"physician": "D", "signed_by": "P"}
    RhdConsent.model_validate(names)
    with pytest.raises(ValidationError, match=missing):
        RhdConsent.model_validate({**names, missing: ""})


@pytest.mark.parametrize(("shelf_life_h", "until_h"), [(24, 24), (47, 47), (48, 72), (840, 864)])
def test_what_keeps_for_hours_gets_no_grace_of_a_day(shelf_life_h: int, until_h: int) -> None:
    assert PACKAGED.components.label.add_grace(shelf_life_h) == until_h
