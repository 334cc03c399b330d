"""Which donor groups go to which patient, as transfusion physicians do it: case by case."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

import checker.compatibility as other_hands
from models.clearance import UnitFacts
from models.compatibility import list_candidates
from models.components import Component
from models.decisions import Decision, LineDecision
from models.directory import Journey
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Mother, Patient, Sex
from models.requests import Priority
from models.rules.rulebook import PACKAGED, Rulebook
from models.units import UnitStatus, UnitTraits
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.store.requests import list_recipients
from streams.store.schema.rule_tables import list_rule_tables
from tests.support.kernel_tables import CONSENT, special_patients
from tests.support.rules import accept
from tests.support.world import NOW, PEOPLES, build_request, one_unit_ml

DYING, URGENT, ROUTINE = Priority
RED, PLATELETS, PLASMA, CRYO = (
    Component.RED_CELLS,
    Component.PLATELETS,
    Component.FRESH_FROZEN_PLASMA,
    Component.CRYOPRECIPITATE,
)


def lay(component: Component, *groups: str, **traits: object) -> list[UnitFacts]:
    """Fresh bags on the shelf; the first named ends first."""
    return [
        UnitFacts(
            unit_id=f"u{number}-{BloodGroup(group).name}-{len(groups)}-{component}",
            station_id="shigatse",
            component=component,
            group=BloodGroup(group),
            volume_ml=one_unit_ml(component),
            collected_at=NOW - timedelta(hours=20),
            expires_at=NOW + timedelta(days=3, hours=number),
            status=UnitStatus.AVAILABLE,
            released=True,
            recalled=False,
            epoch=0,
            traits=UnitTraits.model_validate(traits),
        )
        for number, group in enumerate(groups)
    ]


def decide(
    patient: Patient,
    shelf: list[UnitFacts],
    *,
    quantity: int = 1,
    priority: Priority = DYING,
    component: Component | None = None,
    policy: StationPolicy | None = None,
    rules: Rulebook = PACKAGED,
) -> Decision:
    (decision,) = decide_all(
        [patient],
        shelf,
        quantity=quantity,
        priority=priority,
        component=component,
        policy=policy,
        rules=rules,
    )
    return decision


def decide_all(
    patients: list[Patient],
    shelf: list[UnitFacts],
    *,
    quantity: int = 1,
    priority: Priority = DYING,
    component: Component | None = None,
    policy: StationPolicy | None = None,
    rules: Rulebook = PACKAGED,
) -> list[Decision]:
    """Decide one request for each patient as one batch; who is named first needs it first."""
    cases = [
        Case(
            request=build_request(
                request_id=f"r{number}",
                patient=patient,
                component=component or shelf[0].component,
                quantity=quantity,
                priority=priority,
                needed_in_h=2 + number,
            ),
            hospital=PEOPLES,
            policy=policy or StationPolicy(),
            journey=Journey(eta_s=1800, estimated=False),
            version=1,
            cause_id="e1",
            rules=rules,
        )
        for number, patient in enumerate(patients)
    ]
    decided = decide_batch(cases, shelf=Shelf(shelf), now=NOW, hold_s=3600)
    return [matched.decision for matched in decided]


def given(decision: Decision) -> list[str]:
    return [unit.group.value for unit in line_of(decision).reserved]


def line_of(decision: Decision) -> LineDecision:
    (line,) = decision.lines
    return line


def told(decision: Decision) -> list[str]:
    return [reason.code for reason in decision.reasons]


def typed(group: str, sex: str = "male", age_years: int = 40, **facts: object) -> Patient:
    return Patient.model_validate({"group": group, "sex": sex, "age_years": age_years, **facts})


def test_c11_c61_cryoprecipitate_of_any_group_for_the_dying() -> None:
    shelf = lay(CRYO, *["B+"] * 10)
    assert given(decide(Patient(group=BloodGroup.A_POS), shelf, quantity=10)) == ["B+"] * 10
    # Identical first all the same, B before AB; a child is given it as plasma.
    mixed = lay(CRYO, "O+", "AB+", "B+", "A+")
    assert given(decide(typed("A+"), mixed, quantity=4)) == ["A+", "B+", "AB+", "O+"]
    assert given(decide(typed("A+", age_years=6), mixed, quantity=3)) == ["A+", "AB+"]


def test_c12_c62_low_titre_a_plasma_where_ab_is_out() -> None:
    for patient in (Patient(), typed("AB+")):
        assert given(decide(patient, lay(PLASMA, "A+", low_titre=True))) == ["A+"]
        assert given(decide(patient, lay(PLASMA, "A+"))) == []
        both = lay(PLASMA, "A+", low_titre=True) + lay(PLASMA, "AB-")
        assert given(decide(patient, both)) == ["AB-"]
        no = StationPolicy(low_titre_a_plasma=False)
        assert given(decide(patient, lay(PLASMA, "A+", low_titre=True), policy=no)) == []


@pytest.mark.parametrize(
    ("group", "order"),
    [
        ("A+", ["A+", "B+", "O+", "AB+"]),
        ("B+", ["B+", "A+", "O+", "AB+"]),
        ("AB+", ["AB+", "A+", "B+", "O+"]),
        ("O+", ["O+", "A+", "B+", "AB+"]),
        (None, ["A+", "O+", "AB+", "B+"]),
    ],
)
def test_c13_c14_c15_platelets_come_in_the_order_of_the_table(
    group: str | None, order: list[str]
) -> None:
    shelf = lay(PLATELETS, "O+", "AB+", "B+", "A+", low_titre=True)
    patient = Patient(group=group and BloodGroup(group), sex=Sex.MALE, age_years=40)
    assert given(decide(patient, shelf, quantity=4)) == order


@pytest.mark.parametrize("facts", [{"sex": "male", "age_years": 17}, {"sex": "female"}, {}])
@pytest.mark.parametrize("priority", [DYING, URGENT])
def test_c16_c42_o_positive_for_the_unknown(facts: dict[str, object], priority: Priority) -> None:
    patient = Patient.model_validate(facts)
    shelf = lay(RED, "O-", "O+", "O+")
    assert given(decide(patient, shelf, quantity=2, priority=priority)) == ["O+", "O+"]
    # A station may keep to the stricter rule: then only life in danger opens O+.
    strict = accept({"unknown.group": {"rhd_positive_for_all": False}})
    decision = decide(patient, lay(RED, "O+"), priority=priority, rules=strict)
    assert given(decision) == (["O+"] if priority is DYING else [])
    # Whoever holds anti-D gets none, whatever the rule.
    holder = patient.but(antibodies=("D",))
    assert given(decide(holder, lay(RED, "O+"), priority=priority)) == []


def test_c42_an_untyped_routine_patient_is_asked_for_a_sample() -> None:
    woman = Patient(sex=Sex.FEMALE, age_years=43)
    decision = decide(woman, lay(RED, "O-", "O+", "A+"), priority=ROUTINE, quantity=1)
    assert given(decision) == ["O-"]  # it ends within the days for which RhD- is kept
    decision = decide(woman, lay(RED, "O+", "A+"), priority=ROUTINE, quantity=1)
    assert given(decision) == []
    assert "typing_would_open" in [reason.code for reason in line_of(decision).refusals]


@pytest.mark.parametrize("priority", [DYING, URGENT])
def test_c18_c40_typing_takes_no_blood_from_a_man(priority: Priority) -> None:
    man = typed("O-", age_years=70)
    decision = decide(man, lay(RED, *["O+"] * 4), quantity=4, priority=priority)
    assert given(decision) == ["O+"] * 4
    assert told(decision) == ["consent_afterwards" if priority is DYING else "consent_before_use"]
    assert given(decide(man, lay(RED, "O+", "O-"), priority=priority)) == ["O-"]
    assert given(decide(man.but(antibodies=("D",)), lay(RED, "O+"), priority=priority)) == []


def test_c43_a_consent_opens_what_is_urgent() -> None:
    for patient in (typed("A-"), typed("A-", sex="female", age_years=25)):
        consented = patient.but(rhd_consent=CONSENT)
        decision = decide(consented, lay(RED, "A+", "A+"), quantity=2, priority=URGENT)
        assert given(decision) == ["A+", "A+"]
        assert "consent_before_use" not in told(decision)
        assert given(decide(consented, lay(RED, "A+"), priority=ROUTINE)) == []


@pytest.mark.parametrize("age_years", [5, 25])
def test_c41_positive_platelets_for_an_rhd_negative_girl_in_danger(age_years: int) -> None:
    girl = typed("O-", sex="female", age_years=age_years)
    decision = decide(girl, lay(PLATELETS, "O+"))
    assert given(decision) == ["O+"]
    assert told(decision) == ["anti_d_advised"]
    assert given(decide(girl, lay(PLATELETS, "O+", "O-"))) == ["O-"]
    assert given(decide(girl, lay(PLATELETS, "O+"), priority=URGENT)) == []


def test_c41_no_rhd_negative_woman_dies_for_want_of_rhd_negative() -> None:
    woman = typed("A-", sex="female", age_years=25)
    decision = decide(woman, lay(RED, "A+"))
    assert given(decision) == ["A+"]
    assert told(decision) == ["consent_afterwards", "anti_d_advised"]
    # While she can wait, a consent comes first, and the decision names it.
    waiting = decide(woman, lay(RED, "A+"), priority=URGENT)
    assert given(waiting) == []
    assert "consent_would_open" in [reason.code for reason in line_of(waiting).refusals]


def test_c60_positive_red_cells_meanwhile() -> None:
    woman = typed("A-", sex="female", age_years=25, rhd_consent=CONSENT)
    shelf = lay(RED, "A+") + lay(Component.FROZEN_RED_CELLS, "A-")
    assert given(decide(woman, shelf)) == ["A+"]


def test_c90_a_sample_is_named_for_the_dying_whom_nothing_serves() -> None:
    decision = decide(Patient(), lay(RED, "A+", "B+"))
    (opening,) = [
        reason for reason in line_of(decision).refusals if reason.code == "typing_would_open"
    ]
    assert opening.params == {"groups": "A+ B+", "units": 2}


def test_c47_the_mothers_anti_a_is_judged_by_the_group_on_the_label() -> None:
    child = Patient(group=BloodGroup.A_POS, age_years=0, antibodies=("A",))
    assert given(decide(child, lay(RED, "A+", "O+"), quantity=2)) == ["O+"]
    told_of_her = Patient(
        group=BloodGroup.A_POS,
        age_years=0,
        mother=Mother(group=BloodGroup.O_POS, antibodies=("A",)),
    )
    assert given(decide(told_of_her, lay(RED, "A+", "O+"), quantity=2)) == ["O+"]
    # Plasma and platelets follow the child's own group.
    assert given(decide(told_of_her, lay(PLASMA, "O+", "A+"), quantity=2)) == ["A+"]


@pytest.mark.parametrize(
    ("child", "mother", "served"),
    [
        ("A+", "B+", ["O+"]),
        ("AB+", "A-", ["A+", "O+"]),
        ("B+", "B+", ["B+", "O+"]),
        ("B+", None, ["O+"]),
    ],
)
def test_c47_a_newborns_red_cells_suit_mother_and_child(
    child: str, mother: str | None, served: list[str]
) -> None:
    patient = Patient(
        group=BloodGroup(child), age_years=0, mother=Mother(group=mother and BloodGroup(mother))
    )
    shelf = lay(RED, "AB+", "B+", "A+", "O+")
    assert given(decide(patient, shelf, quantity=4)) == served


def test_c47_the_mothers_anti_d_counts_for_the_child() -> None:
    child = Patient(group=BloodGroup.O_POS, age_years=0, mother=Mother(antibodies=("D",)))
    assert given(decide(child, lay(RED, "O+", "O-"), quantity=2)) == ["O-"]


@pytest.mark.parametrize("facts", [{"antibodies": ("B",)}, {"rare_group": "cis_ab"}])
def test_c49_cis_ab_with_anti_b(facts: dict[str, object]) -> None:
    patient = Patient.model_validate({"group": "AB+", **facts})
    shelf = lay(RED, "B+", "AB+", "O+", "A+")
    assert given(decide(patient, shelf, quantity=4)) == ["A+", "O+"]
    assert given(decide(patient, lay(PLASMA, "A+", "B+", "AB+"), quantity=3)) == ["AB+"]


@pytest.mark.parametrize("rare", ["bombay", "para_bombay"])
def test_c50_bombay_is_given_bags_without_h_alone(rare: str) -> None:
    patient = Patient.model_validate({"group": "O+", "rare_group": rare})
    refused = decide(patient, lay(RED, "O+", "O-"), quantity=2)
    assert given(refused) == []
    codes = [(reason.code, reason.params.get("antigen")) for reason in line_of(refused).refusals]
    assert ("not_antigen_negative", "H") in codes
    assert "rare_blood_needed" in told(refused)
    oh = lay(RED, "O+", antigen_negative=("H",))
    assert given(decide(patient, oh)) == ["O+"]
    # Plasma as for group O.
    assert given(decide(patient, lay(PLASMA, "O+"))) == ["O+"]


@pytest.mark.parametrize("component", [PLASMA, PLATELETS])
@pytest.mark.parametrize(
    ("facts", "right"),
    [
        ({"group": "A+", "rare_group": "para_bombay"}, ["A+", "AB+"]),
        ({"group": "B+", "rare_group": "para_bombay"}, ["AB+", "B+"]),
        ({"group": "O+", "rare_group": "para_bombay"}, ["A+", "AB+", "B+", "O+"]),
        (
            {
                "group": "O+",
                "rare_group": "bombay",
                "transplant": {
                    "donor_group": "A+",
                    "recipient_group": "O+",
                    "phase": "before_engraftment",
                },
            },
            ["A+", "AB+"],
        ),
    ],
)
def test_c50_no_plasma_meets_the_a_or_b_that_rare_cells_carry(
    component: Component, facts: dict[str, object], right: list[str]
) -> None:
    patient = Patient.model_validate(facts)
    shelf = lay(component, "O+", "A+", "B+", "AB+")
    assert sorted(given(decide(patient, shelf, quantity=4))) == right


def transplanted(phase: str, donor: str, own: str, group: str | None = None) -> Patient:
    transplant = {"donor_group": donor, "recipient_group": own, "phase": phase}
    return Patient.model_validate({"group": group, "transplant": transplant})


@pytest.mark.parametrize("group", [None, "O+", "A+"])
def test_c51_until_engrafted_each_class_has_its_own_group(group: str | None) -> None:
    """Major mismatch, donor A and patient O, whatever was typed last."""
    patient = transplanted("before_engraftment", "A+", "O+", group)
    assert given(decide(patient, lay(RED, "A+", "O+"), quantity=2)) == ["O+"]
    assert given(decide(patient, lay(PLASMA, "O+", "AB+"), quantity=2)) == ["AB+"]
    assert given(decide(patient, lay(PLATELETS, "O+", "AB+", "A+"), quantity=3)) == ["A+", "AB+"]


@pytest.mark.parametrize(
    ("donor", "own", "red_cells", "plasma"),
    [
        ("O+", "A+", ["O+"], ["A+", "AB+"]),  # minor
        ("B+", "A+", ["O+"], ["AB+"]),  # bidirectional
        ("AB+", "A+", ["A+", "O+"], ["AB+"]),  # major
        ("A+", "A+", ["A+", "O+"], ["A+", "AB+"]),
    ],
)
def test_c51_every_mismatch_suits_donor_and_recipient(
    donor: str, own: str, red_cells: list[str], plasma: list[str]
) -> None:
    patient = transplanted("before_engraftment", donor, own)
    every = ("AB+", "B+", "A+", "O+")
    assert given(decide(patient, lay(RED, *every), quantity=4)) == red_cells
    assert given(decide(patient, lay(PLASMA, *every), quantity=4)) == plasma


def test_c51_an_engrafted_patient_gets_the_donors_red_cells() -> None:
    patient = transplanted("after_engraftment", "A+", "O+", "A+")
    assert given(decide(patient, lay(RED, "B+", "A+"), quantity=2)) == ["A+"]
    # RhD- counts while either is RhD-, and the donor's alone afterwards.
    before = transplanted("before_engraftment", "A-", "A+")
    assert given(decide(before, lay(RED, "A+", "A-"))) == ["A-"]
    after = transplanted("after_engraftment", "A+", "A-")
    assert given(decide(after, lay(RED, "A+", "A-"))) == ["A+"]


def test_c37_a_disputed_group_is_not_believed() -> None:
    patient = Patient(
        group=BloodGroup.B_POS,
        sex=Sex.FEMALE,
        age_years=30,
        disputed_groups=(BloodGroup.A_NEG, BloodGroup.B_POS),
    )
    shelf = lay(RED, "B+", "A-", "O+", "O-")
    assert given(decide(patient, shelf, quantity=4)) == ["O-", "O+"]
    assert given(decide(patient, lay(RED, "O+"), priority=URGENT)) == []
    assert given(decide(patient, lay(PLASMA, "B+", "AB+"), quantity=2)) == ["AB+"]
    low = lay(PLATELETS, "AB-", "A-", low_titre=True)
    assert given(decide(patient, low, quantity=2)) == ["A-", "AB-"]
    # A new sample is what opens the rest.
    waiting = decide(patient, lay(RED, "B+"))
    assert "typing_would_open" in [reason.code for reason in line_of(waiting).refusals]
    # Either may be RhD-, and then RhD- is best for a man as well.
    man = patient.but(sex=Sex.MALE, age_years=40)
    assert given(decide(man, lay(RED, "O+", "O-"))) == ["O-"]
    whole = lay(Component.WHOLE_BLOOD, "O+", "O-", low_titre=True)
    assert given(decide(man, whole)) == ["O-"]


def test_what_postgresql_judges_by_has_every_group_of_every_patient() -> None:
    """Each class of components under the group that it is chosen for, with its rule."""
    (table,) = (table for table in list_rule_tables(PACKAGED) if table.name == "compatible_groups")
    rows = {(row[0], row[2], row[3], row[4]) for row in table.rows}
    columns = {
        "red_cells": "patient_group",
        "plasma": "patient_plasma_group",
        "platelets": "patient_platelet_group",
        "whole_blood": "patient_whole_blood_group",
    }
    for patient in special_patients():
        recipients = list_recipients(patient)
        for component in (RED, CRYO, PLASMA, PLATELETS, Component.WHOLE_BLOOD):
            recipient = recipients[columns[component.spec.component_class]]
            for candidate in list_candidates(
                component=component,
                patient=patient,
                priority=DYING,
                policy=StationPolicy(),
                rules=PACKAGED,
            ):
                rule = candidate.rule.partition("@")[0]
                assert (component.value, recipient, candidate.group.value, rule) in rows


def test_the_rules_of_special_patients_are_as_the_checker_writes_them_out() -> None:
    for patient in special_patients():
        seen = other_hands.Patient.from_json(patient.model_dump(mode="json"))
        for component, priority in itertools.product(
            (RED, CRYO, PLASMA, PLATELETS, Component.WHOLE_BLOOD), Priority
        ):
            listed = list_candidates(
                component=component,
                patient=patient,
                priority=priority,
                policy=StationPolicy(),
                rules=PACKAGED,
            )
            situation = other_hands.Situation(
                component=component.value, patient=seen, priority=priority.value
            )
            assert {
                candidate.group.value: (candidate.low_titre_only, candidate.capped)
                for candidate in listed
            } == {
                group: (terms.low_titre, terms.capped)
                for group, terms in other_hands.get_allowed(situation).items()
            }


@pytest.mark.parametrize(
    "first",
    [
        {"sex": "male", "age_years": 18},
        {"sex": "male", "age_years": 40, "chronically_transfused": True},
        {"sex": "female", "age_years": 30},
        {"sex": "male", "age_years": 40, "antibodies": ("D",)},
    ],
)
@pytest.mark.parametrize("priority", [DYING, URGENT, ROUTINE])
def test_c20_scarce_rhd_negative_goes_first_to_whom_it_is_preferred_for(
    first: dict[str, object], priority: Priority
) -> None:
    man = typed("O-", age_years=70)
    preferred = Patient.model_validate({"group": "O-", **first})
    late = decide_all([man, preferred], lay(RED, "O-"), priority=priority)
    assert [given(decision) for decision in late] == [[], ["O-"]]
    partial_d = Patient.model_validate({"group": "A+", **first, "antibodies": ("D",)})
    late = decide_all([man, partial_d], lay(RED, "O-"), priority=priority)
    assert [given(decision) for decision in late] == [[], ["O-"]]
    # Of two men, and among RhD+ patients, whoever needs it first comes first.
    assert given(decide_all([man, man], lay(RED, "O-"), priority=priority)[0]) == ["O-"]
    positive = Patient.model_validate({**first, "group": "A+", "antibodies": ()})
    two = decide_all([typed("A+"), positive], lay(RED, "A+"), priority=priority)
    assert given(two[0]) == ["A+"]


def test_c33_a_c_positive_bag_is_kept_from_an_rhd_negative_woman() -> None:
    woman = typed("O-", sex="female", age_years=25)
    kept = decide(woman, lay(RED, "O-", c_positive=True), priority=URGENT)
    assert given(kept) == []
    assert "del_not_excluded" in [reason.code for reason in line_of(kept).refusals]
    for sound in ({"c_positive": True, "del_typed": True}, {"c_positive": False}):
        assert given(decide(woman, lay(RED, "O-", **sound), priority=URGENT)) == ["O-"]
    # Nobody else is kept from it: a man, a woman past 50, who is RhD+ or of Asian-type DEL.
    for other in (
        typed("O-"),
        typed("O-", sex="female", age_years=51),
        typed("O+", sex="female", age_years=25),
        woman.but(asian_del=True),
    ):
        bag = lay(RED, "O-", c_positive=True)
        assert given(decide(other, bag, priority=URGENT)) == ["O-"]
    # Where RhD+ may be given to her, so may this.
    assert given(decide(woman, lay(RED, "O+", "O-", c_positive=True))) == ["O-"]
    consented = woman.but(rhd_consent=CONSENT)
    bag = lay(RED, "O-", c_positive=True)
    assert given(decide(consented, bag, priority=URGENT)) == ["O-"]
    assert given(decide(woman.but(antibodies=("D",)), bag)) == []
    # Plasma and platelets bring no such cells.
    for component in (PLASMA, PLATELETS):
        bag = lay(component, "O-", c_positive=True)
        assert given(decide(woman, bag, priority=URGENT)) == ["O-"]
