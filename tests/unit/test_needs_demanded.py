"""What is demanded of a unit, by which rule, and what is told of it: beside the yes and no."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from models import needs
from models.clearance import ForPatient
from models.components import Component
from models.decisions import Reason
from models.needs import Demands, count_unmet, find_demands, list_told
from models.patients import Patient
from models.platelet_matching import list_platelet_reasons
from models.requests import HardAttributes, Priority
from models.rules.rulebook import PACKAGED
from models.units import UnitTraits
from tests.support.rules import change_rule
from tests.support.safety import build_facts, build_purpose

RED, PLATELETS = Component.RED_CELLS, Component.PLATELETS
RH_AND_K = "C, E, K, c, e"


def ask(
    component: Component = RED,
    priority: Priority = Priority.URGENT,
    attributes: dict[str, Any] | None = None,
    **facts: object,
) -> ForPatient:
    return build_purpose(
        component=component,
        priority=priority,
        attributes=HardAttributes.model_validate(attributes or {}),
        patient=Patient.model_validate({"group": "A+", **facts}),
    )


def demand(purpose: ForPatient) -> Demands:
    return find_demands(purpose, purpose.line.component, PACKAGED)


def name_demands(purpose: ForPatient) -> dict[str, Reason]:
    found = list_told(purpose.patient, purpose.line.attributes, PACKAGED)
    return {reason.code: reason for reason in found}


def test_each_demand_names_the_rule_that_makes_it() -> None:
    found = demand(ask(attributes={"cmv_negative": True, "max_age_d": 9}, age_days=3))
    assert found.flags == {"cmv_negative": "request.attributes@2026-3"}, "the line said it first"
    assert found.max_age == (5, "need.newborn@2026-3"), "of two ages the younger"
    found = demand(ask(indications=["exchange", "gvhd_risk"]))
    assert found.flags["irradiated"] == "need.exchange@2026-3"
    assert found.irradiated_within == (24, "need.exchange@2026-3")
    assert found.antigens == {"K": "need.exchange@2026-3"}
    assert demand(ask(attributes={"max_age_d": 3}, age_days=3)).max_age == (
        3,
        "request.attributes@2026-3",
    )


def test_of_two_times_since_irradiation_the_shorter_is_demanded() -> None:
    rules = change_rule("needs", "need.exchange", irradiated_within_h=12)
    both = ask(indications=["intrauterine", "exchange"])
    found = find_demands(both, RED, rules)
    assert found.irradiated_within == (12, "need.exchange@2026-3")


def test_who_has_anti_k_is_spared_k_and_nothing_else() -> None:
    rules = change_rule("needs", "need.exchange", antigen_negative=["K", "E"])
    exchange: dict[str, Any] = {"indications": ["exchange"]}
    assert find_demands(ask(**exchange), RED, rules).antigens.keys() == {"K", "E"}
    assert list(find_demands(ask(**exchange, antibodies=["k"]), RED, rules).antigens) == ["E"]


def test_nothing_is_demanded_for_whom_nothing_is_told() -> None:
    found = demand(ask())
    assert (found.flags, found.max_age, found.irradiated_within) == ({}, None, None)
    assert (found.antigens, found.preferred) == ({}, frozenset())


def test_what_is_waived_in_danger_is_preferred() -> None:
    newborn = demand(ask(priority=Priority.LIFE_THREATENING, age_days=3))
    assert newborn.flags == {}
    assert newborn.preferred == {"cmv_negative"}
    exchange = ask(priority=Priority.LIFE_THREATENING, indications=["exchange"])
    assert demand(exchange).preferred == {
        "irradiated",
        "cmv_negative",
        "hbs_negative",
        "low_titre",
        "K",
    }


def test_a_phenotype_that_is_unknown_is_preferred_of_red_cells_alone() -> None:
    told: dict[str, Any] = {"indications": ["thalassaemia"]}
    assert demand(ask(**told)).preferred == {"C", "c", "E", "e", "K"}
    assert demand(ask(PLATELETS, **told)).preferred == frozenset()
    known = demand(ask(**told, antigen_negative=["E"]))
    assert (known.preferred, list(known.antigens)) == (frozenset(), ["E"])


def test_what_is_preferred_and_not_shown_is_counted() -> None:
    unit = build_facts(traits=UnitTraits(irradiated=True, antigen_negative=("K",)))
    assert count_unmet(unit, ()) == 0
    assert count_unmet(unit, ("irradiated", "K")) == 0
    assert count_unmet(unit, ("irradiated", "cmv_negative", "K", "E", "c")) == 3
    washed = build_facts(component=Component.WASHED_RED_CELLS)
    assert count_unmet(washed, ("washed", "iga_deficient", "hbs_negative")) == 1


def test_c57_the_hospital_is_asked_for_the_antigens_of_the_first_need() -> None:
    found = name_demands(ask(indications=["anti_cd38"], chronically_transfused=True))
    assert found == {
        "laboratory_anti_cd38": Reason(code="laboratory_anti_cd38", rule="need.anti_cd38@2026-3"),
        "phenotype_wanted": Reason(
            code="phenotype_wanted",
            params={"antigens": RH_AND_K},
            rule="need.chronically_transfused@2026-3",
        ),
    }
    assert name_demands(ask(indications=["gvhd_risk"])) == {}, "nothing of it is matched"
    assert name_demands(ask(chronically_transfused=True, antigen_negative=["E"])) == {}
    assert name_demands(ask()) == {}


def test_two_patients_who_differ_by_their_reference_alone_have_the_same_needs() -> None:
    needs._find.cache_clear()
    for reference in ("bed-1", "bed-2", None):
        demand(ask(reference=reference, age_days=3))
    assert needs._find.cache_info().misses == 1


def test_what_is_remembered_of_demands_cannot_be_changed() -> None:
    found = demand(ask(age_days=3))
    with pytest.raises(FrozenInstanceError):
        found.max_age = None  # type: ignore[misc]
    assert not hasattr(found, "__dict__")
    with pytest.raises(TypeError):
        Demands({}, None, None, {}, frozenset())  # type: ignore[call-arg]
    assert replace(found, max_age=None).max_age is None


def list_reasons(purpose: ForPatient, **traits: object) -> list[tuple[str, dict[str, Any]]]:
    unit = build_facts(component=purpose.line.component, traits=UnitTraits.model_validate(traits))
    found = list(list_platelet_reasons(unit, purpose, PACKAGED))
    cited = {reason.rule for reason in found if reason.code.startswith("hla_")}
    assert cited <= {"platelets.hla_selected@2026-3"}
    return [(reason.code, dict(reason.params)) for reason in found]


OWN = {"hla_matched": ("A2", "B7")}


@pytest.mark.parametrize(
    ("hla", "loci"), [((), "A, B"), (("A2",), "B"), (("B7",), "A"), (("DR4",), "A, B")]
)
def test_c22_an_untyped_locus_is_told_by_its_name(hla: tuple[str, ...], loci: str) -> None:
    found = list_reasons(ask(PLATELETS, attributes=OWN), hla=hla)
    assert ("hla_untyped", {"loci": loci}) in found


def test_c22_a_donor_of_whom_nothing_is_known_may_have_any_type() -> None:
    """Antibodies to a locus that platelets do not have demand no locus, yet a typed donor."""
    patient = ask(PLATELETS, hla_antibodies=["DR4"])
    assert list_reasons(patient) == [("hla_untyped", {"loci": "A, B"})]
    assert list_reasons(patient, hla=("A2", "B7")) == []


def test_c22_what_differs_and_what_hits_is_told_by_its_name() -> None:
    typed = {"hla": ("A2", "A33", "B7", "B58")}
    assert list_reasons(ask(PLATELETS, attributes=OWN), **typed) == [
        ("hla_mismatched", {"antigen": "A33"}),
        ("hla_mismatched", {"antigen": "B58"}),
    ]
    with_antibodies = ask(PLATELETS, attributes=OWN, hla_antibodies=["A33"])
    assert list_reasons(with_antibodies, **typed) == [("hla_antibody_hits", {"antigen": "A33"})]
    assert list_reasons(ask(RED, hla_antibodies=["A33"]), **typed) == []


def test_c56_a_platelet_antigen_is_told_by_its_name_and_rule() -> None:
    purpose = ask(PLATELETS, platelet_antibodies=["HPA-1a", "CD36"])
    unit = build_facts(component=PLATELETS)
    assert list(list_platelet_reasons(unit, purpose, PACKAGED)) == [
        Reason(
            code="not_antigen_negative",
            params={"antigen": antigen},
            rule="platelets.antibodies@2026-3",
        )
        for antigen in ("CD36", "HPA-1a")
    ]
