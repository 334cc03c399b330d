"""The safety kernel, fast: what the mutation check runs on every mutant.

The oracle is asked about the small spaces, and about a share of the large ones, of which
`tests/property/test_safety_kernel.py` asks about all. Beside it stand what an oracle of reasons
cannot see: parameters, cited rules, standing obstacles, the order of candidates, and the table of
components.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest

from checker.unit_attributes import FROZEN
from checker.unit_states import NEXT
from models import compatibility
from models.clearance import NO_TRAITS, Cleared, Refused, Step
from models.compatibility import Candidate, find_candidate, list_candidates
from models.components import Component
from models.emergency_release import EmergencyRelease
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient, Sex
from models.requests import HardAttributes, Priority
from models.rules.rulebook import PACKAGED
from models.safety import (
    STEP_FROM,
    clear,
    find_release,
    list_patient_obstacles,
    list_standing_obstacles,
)
from models.texts import list_texts
from models.units import UnitStatus, UnitTraits
from tests.oracle.components import COMPONENTS
from tests.oracle.safety import STEP_TO
from tests.support import kernel_need_spaces as need_spaces
from tests.support import kernel_spaces as spaces
from tests.support.kernel_cases import Case, compare, list_kinds
from tests.support.kernel_groups import donors_of_del, groups, special_groups
from tests.support.kernel_tables import CONSENT
from tests.support.rules import change_rule
from tests.support.safety import build_facts, build_purpose, build_route, build_transfer
from tests.support.world import NOW

DRAWN = (
    Component.WASHED_RED_CELLS,
    Component.POOLED_PLATELETS,
    Component.FRESH_FROZEN_PLASMA,
    Component.APHERESIS_GRANULOCYTES,
)
"""One of each class of components, each asked about a share of the spaces of groups."""

DYING = Priority.LIFE_THREATENING


def agree(cases: Iterable[Case], *, at_least: int) -> None:
    count, differing = compare(cases, most=5)
    assert not differing, "\n".join(list_kinds(differing))
    assert count >= at_least


# Cheap spaces stand first: the mutation check stops at the first that notices. A share of the dear
# ones stands before all, because most of what they would notice shows in it.


def test_shares_of_the_dear_spaces_agree() -> None:
    dear = (
        groups([*DRAWN, Component.CRYOPRECIPITATE, Component.RED_CELLS]),
        special_groups(DRAWN),
        donors_of_del((Component.RED_CELLS, Component.PLATELETS)),
        spaces.places(),
        spaces.shelf_lives(),
        need_spaces.stated(),
        spaces.journeys(),
    )
    for space in dear:
        agree(islice(space, 0, None, 43), at_least=100)


def test_ages_of_blood_agree() -> None:
    agree(spaces.ages_of_blood(), at_least=50)


def test_platelet_antigens_and_mothers_agree() -> None:
    agree(need_spaces.platelet_antigens(), at_least=500)
    agree(need_spaces.mothers(), at_least=200)


def test_ages_in_days_agree() -> None:
    agree(need_spaces.ages(), at_least=200)
    agree(need_spaces.irradiations(), at_least=400)


def test_washed_cells_agree() -> None:
    agree(need_spaces.washed(), at_least=300)


def test_identical_groups_agree() -> None:
    agree(spaces.identical_only(), at_least=500)


def test_demands_agree() -> None:
    agree(spaces.demands((Component.WASHED_RED_CELLS, Component.PLATELETS)), at_least=4_000)


def test_donors_of_del_agree() -> None:
    agree(donors_of_del((Component.RED_CELLS, Component.PLATELETS)), at_least=3_000)


def test_antigens_agree() -> None:
    components = (Component.WHOLE_BLOOD, Component.FROZEN_RED_CELLS, Component.PLATELETS)
    agree(spaces.antigens(components), at_least=6_000)


def test_hla_types_agree() -> None:
    agree(need_spaces.hla(), at_least=5_000)


def test_f06_times_of_need_agree() -> None:
    agree(spaces.needs(), at_least=1_100)


def test_mixtures_agree() -> None:
    agree(spaces.mixtures(2_000, seed=18467), at_least=2_000)


@pytest.mark.parametrize("component", [*DRAWN, Component.CRYOPRECIPITATE])
def test_groups_agree(component: Component) -> None:
    agree(groups([component]), at_least=10_000)


@pytest.mark.parametrize("component", DRAWN)
def test_groups_of_special_patients_agree(component: Component) -> None:
    agree(special_groups([component]), at_least=5_000)


def test_places_agree() -> None:
    agree(spaces.places(), at_least=18_000)


def test_shelf_lives_agree() -> None:
    agree(spaces.shelf_lives(), at_least=2_500)


def test_needs_of_a_patient_agree() -> None:
    agree(need_spaces.stated(), at_least=4_000)


def test_journeys_agree() -> None:
    agree(spaces.journeys(), at_least=22_000)


@pytest.mark.slow
def test_groups_of_every_patient_agree() -> None:
    agree(groups([Component.RED_CELLS]), at_least=80_000)


def test_lives_agree() -> None:
    agree(spaces.lives(), at_least=30_000)


def test_every_status_has_its_place() -> None:
    """A new status lets nothing happen until it is placed here and in the oracle."""
    assert set(STEP_FROM) == set(UnitStatus)
    for status, step in STEP_FROM.items():
        told = [name for name, state in STEP_TO.items() if state in NEXT[status]]
        assert told == ([] if step is None else [step.value]), status


def test_components_are_as_the_sources_say() -> None:
    specs = PACKAGED.components.component
    assert {component.value for component in specs} == set(COMPONENTS)
    for component, spec in specs.items():
        told = COMPONENTS[component.value]
        assert spec.component_class.value == told.kind
        assert (spec.storage_temp_c, spec.transport_temp_c) == (told.storage_c, told.transport_c)
        assert spec.shelf_life_h == told.shelf_d * 24
        assert spec.frozen is (component.value in FROZEN)


def ask(*, purpose: Any = None, route: Any = None, **unit: Any) -> Cleared | Refused:  # noqa: ANN401
    return clear(
        build_facts(**unit),
        purpose=purpose or build_purpose(),
        step=Step.RESERVE,
        route=route or build_route(),
        now=NOW,
        rules=PACKAGED,
    )


def test_a_clearance_says_what_for_when_and_under_which_rule() -> None:
    purpose = build_purpose()
    answer = ask(purpose=purpose, group=BloodGroup.O_POS)

    assert isinstance(answer, Cleared)
    assert (answer.unit, answer.purpose) == (build_facts(group=BloodGroup.O_POS), purpose)
    assert (answer.step, answer.at) == (Step.RESERVE, NOW)
    assert answer.candidate == find_candidate(
        BloodGroup.O_POS,
        component=Component.RED_CELLS,
        patient=purpose.patient,
        priority=purpose.priority,
        policy=purpose.policy,
        rules=PACKAGED,
    )
    assert not answer.capped


def test_a_clearance_for_a_station_has_no_candidate_and_no_cap() -> None:
    answer = ask(purpose=build_transfer())

    assert isinstance(answer, Cleared)
    assert answer.candidate is None
    assert not answer.capped


def test_a_clearance_under_the_cap_says_so() -> None:
    unknown = build_purpose(patient=Patient(sex=Sex.FEMALE, age_years=30))
    answer = ask(purpose=unknown, group=BloodGroup.O_NEG)

    assert isinstance(answer, Cleared)
    assert answer.capped


ANTIBODY = Patient(group=BloodGroup.A_POS, antibodies=("C",))
TOLD: list[tuple[str, dict[str, Any], dict[str, object], str]] = [
    ("at_other_station", {"station_id": "lhasa"}, {"station_id": "lhasa"}, ""),
    ("status_forbids", {"status": UnitStatus.ISSUED}, {"status": "issued"}, ""),
    ("not_released", {"released": False}, {}, "unit.release"),
    ("recalled", {"recalled": True}, {}, "unit.recall"),
    ("expires_before_arrival", {"expires_at": NOW + timedelta(seconds=9)}, {}, "unit.expiry"),
    (
        "expires_before_needed",
        {"purpose": build_purpose(needed_by=NOW + timedelta(days=2))},
        {},
        "unit.expiry",
    ),
    (
        "expires_during_use",
        {"expires_at": NOW + timedelta(hours=3)},
        {"takes_s": 14_400},
        "unit.outlives_use",
    ),
    ("out_of_control", {"out_of_control_s": 1801}, {}, "transport.out_of_control"),
    ("other_component", {"component": Component.WASHED_RED_CELLS}, {}, ""),
    ("other_group", {"group": BloodGroup.B_POS}, {}, "red_cells.abo"),
    (
        "hospital_cannot_use",
        {"route": build_route(unusable=(Component.RED_CELLS,))},
        {"component": "red_cells"},
        "",
    ),
    (
        "transfused_too_late",
        {"route": build_route(temperature_kept=False, transport_s=14_400)},
        {},
        "transport.out_of_control",
    ),
    (
        "restocked_too_late",
        {
            "purpose": build_transfer(),
            "route": build_route(temperature_kept=False, transport_s=1801),
        },
        {},
        "transport.out_of_control",
    ),
    (
        "lacks_attribute",
        {"purpose": build_purpose(attributes=HardAttributes(irradiated=True))},
        {"attribute": "irradiated"},
        "request.attributes",
    ),
    (
        "hla_untyped",
        {
            "traits": UnitTraits(irradiated=True),
            "purpose": build_purpose(attributes=HardAttributes(hla_matched=("B7",))),
        },
        {"loci": "B"},
        "platelets.hla_selected",
    ),
    (
        "hla_mismatched",
        {
            "traits": UnitTraits(irradiated=True, hla=("B7", "B*58:01")),
            "purpose": build_purpose(attributes=HardAttributes(hla_matched=("B7",))),
        },
        {"antigen": "B*58:01"},
        "platelets.hla_selected",
    ),
    (
        "hla_antibody_hits",
        {
            "component": Component.PLATELETS,
            "traits": UnitTraits(irradiated=True, hla=("A2", "A33")),
            "purpose": build_purpose(
                component=Component.PLATELETS,
                patient=Patient(group=BloodGroup.A_POS, hla_antibodies=("A*33:03",)),
            ),
        },
        {"antigen": "A33"},
        "platelets.hla_selected",
    ),
    (
        "not_antigen_negative",
        {
            "component": Component.PLATELETS,
            "purpose": build_purpose(
                component=Component.PLATELETS,
                patient=Patient(group=BloodGroup.A_POS, platelet_antibodies=("CD36",)),
            ),
        },
        {"antigen": "CD36"},
        "platelets.antibodies",
    ),
    (
        "irradiated_too_long_ago",
        {
            "traits": UnitTraits(irradiated_at=NOW - timedelta(hours=30)),
            "collected_at": NOW - timedelta(days=2),
            "expires_at": NOW + timedelta(days=2),
            "purpose": build_purpose(
                patient=Patient(group=BloodGroup.A_POS, indications=("exchange",)),
                priority=DYING,
            ),
        },
        {"hours": 24},
        "need.exchange",
    ),
    (
        "relative_not_irradiated",
        {"traits": UnitTraits(of_relative=True)},
        {},
        "unit.of_relative",
    ),
    (
        "lacks_attribute",
        {
            "purpose": build_purpose(
                patient=Patient(group=BloodGroup.A_POS, indications=("gvhd_risk",)),
            )
        },
        {"attribute": "irradiated"},
        "need.gvhd_risk",
    ),
    (
        "too_old",
        {
            "collected_at": NOW - timedelta(days=6),
            "purpose": build_purpose(patient=Patient(group=BloodGroup.A_POS, age_years=0)),
        },
        {"max_age_d": 5},
        "need.infant",
    ),
    (
        "not_antigen_negative",
        {
            "purpose": build_purpose(
                patient=Patient(group=BloodGroup.A_POS, indications=("anti_cd38",)),
            )
        },
        {"antigen": "K"},
        "need.anti_cd38",
    ),
    (
        "too_old",
        {
            "collected_at": NOW - timedelta(days=2),
            "purpose": build_purpose(attributes=HardAttributes(max_age_d=1)),
        },
        {"max_age_d": 1},
        "request.attributes",
    ),
    (
        # Young enough on arrival, five days later when it is used no more.
        "too_old",
        {
            "collected_at": NOW - timedelta(days=5),
            "expires_at": NOW + timedelta(days=20),
            "purpose": build_purpose(
                attributes=HardAttributes(max_age_d=7), needed_by=NOW + timedelta(days=6)
            ),
        },
        {"max_age_d": 7},
        "request.attributes",
    ),
    (
        "group_not_identical",
        {
            "group": BloodGroup.O_POS,
            "purpose": build_purpose(attributes=HardAttributes(identical_group_only=True)),
        },
        {},
        "request.attributes",
    ),
    (
        "not_antigen_negative",
        {"purpose": build_purpose(patient=ANTIBODY)},
        {"antigen": "C"},
        "red_cells.antibodies",
    ),
    (
        "o_negative_cap",
        {
            "group": BloodGroup.O_NEG,
            "purpose": build_purpose(patient=Patient(sex=Sex.FEMALE), capped_units=4),
        },
        {"cap": 4},
        "unknown.o_negative_cap",
    ),
]
PLATELETS = build_purpose(component=Component.PLATELETS)
PLASMA = build_purpose(component=Component.FROZEN_PLASMA)
OF_PLASMA: dict[str, Any] = {"component": Component.FROZEN_PLASMA, "purpose": PLASMA}
LONGEST = "transport.longest"
WARM = {"temperature_kept": False}
AT_THE_LIMIT: list[dict[str, Any]] = [
    {"route": build_route(transport_s=86_400)},
    {
        "component": Component.PLATELETS,
        "purpose": PLATELETS,
        "route": build_route(transport_s=86_400),
    },
    {"out_of_control_s": 1800},
    {**OF_PLASMA, "out_of_control_s": 0},
    {"route": build_route(**WARM, transport_s=14_399)},
    {"out_of_control_s": 1799, "route": build_route(**WARM, transport_s=12_600)},
    {"purpose": build_transfer(), "route": build_route(**WARM, transport_s=1800)},
    {
        "out_of_control_s": 900,
        "purpose": build_transfer(),
        "route": build_route(**WARM, transport_s=900),
    },
    {
        "component": Component.FROZEN_PLASMA,
        "traits": UnitTraits(irradiated=False, of_relative=True),
        "purpose": PLASMA,
    },
    {"traits": UnitTraits(irradiated=True, of_relative=True)},
]
"""Asked at the very limit, or where a rule does not reach: nothing is wrong."""
TOLD += [
    (
        "hospital_cannot_thaw",
        {
            "component": Component.FROZEN_PLASMA,
            "purpose": PLASMA,
            "route": build_route(can_thaw=False),
        },
        {},
        "hospital.thawing",
    ),
    (
        "temperature_not_kept",
        {
            "component": Component.FROZEN_PLASMA,
            "purpose": PLASMA,
            "route": build_route(temperature_kept=False),
        },
        {},
        "transport.temperature",
    ),
    (
        "unagitated_too_long",
        {
            "component": Component.PLATELETS,
            "purpose": PLATELETS,
            "route": build_route(transport_s=86_401),
        },
        {"hours": 24},
        "transport.agitation",
    ),
    (
        "not_low_titre",
        {"component": Component.PLATELETS, "purpose": PLATELETS, "group": BloodGroup.O_POS},
        {},
        "platelets.abo",
    ),
    (
        "not_deglycerolised",
        {
            "component": Component.FROZEN_RED_CELLS,
            "purpose": build_purpose(component=Component.FROZEN_RED_CELLS),
        },
        {"component": "deglycerolised_red_cells"},
        "red_cells.deglycerolised",
    ),
    ("transit_too_long", {"route": build_route(transport_s=86_401)}, {"hours": 24}, LONGEST),
    ("out_of_control", {**OF_PLASMA, "out_of_control_s": 1}, {}, "transport.out_of_control"),
    ("other_component", {"purpose": build_transfer(component=Component.PLATELETS)}, {}, ""),
    ("other_group", {"purpose": build_transfer(groups=(BloodGroup.A_NEG,))}, {}, ""),
]


@pytest.mark.parametrize(
    ("code", "asked", "params", "rule"), TOLD, ids=lambda value: value if type(value) is str else ""
)
def test_a_reason_names_its_facts_and_its_rule(
    code: str, asked: dict[str, Any], params: dict[str, object], rule: str
) -> None:
    """One thing is wrong, one reason is told, and its text says what it names."""
    answer = ask(**asked)
    assert isinstance(answer, Refused)
    (reason,) = answer.reasons

    assert (reason.code, reason.params) == (code, params)
    assert reason.rule == (f"{rule}@2026-3" if rule else "")
    named = set(re.findall(r"{(\w+)}", list_texts()[code].zh))
    assert named <= set(params)


@pytest.mark.parametrize("asked", AT_THE_LIMIT, ids=str)
def test_at_a_limit_nothing_is_wrong(asked: dict[str, Any]) -> None:
    assert isinstance(ask(**asked), Cleared)


def test_no_release_counts_where_the_station_allows_none() -> None:
    release = EmergencyRelease(clinician="Dr Pema", reason="bleeding", passes=("antibodies",))
    purpose = build_purpose(patient=ANTIBODY, priority=DYING, release=release)
    allows_none = change_rule("safety", "emergency_release", allowed=False)
    assert find_release(purpose, PACKAGED) == release
    assert find_release(purpose, allows_none) is None


def test_an_expired_unit_has_both_reasons() -> None:
    answer = ask(expires_at=NOW)
    assert isinstance(answer, Refused)

    assert [(reason.code, reason.rule) for reason in answer.reasons] == [
        ("expired", "unit.expiry@2026-3"),
        ("expires_before_arrival", "unit.expiry@2026-3"),
    ]


def obstacles(*, used_at: Any = NOW, purpose: Any = None, **unit: Any) -> list[str]:  # noqa: ANN401
    asked = purpose or build_purpose()
    return [
        reason.code
        for reason in list_patient_obstacles(
            build_facts(**unit), asked, used_at=used_at, rules=PACKAGED
        )
    ]


def test_what_left_is_judged_by_the_patient_alone() -> None:
    """Where it lies, what it is called there and whether its time is up are others' to judge."""
    gone = {"status": UnitStatus.RECEIVED, "station_id": "elsewhere", "expires_at": NOW}
    assert obstacles(**gone) == []
    assert obstacles(**gone, recalled=True, released=False) == []
    assert obstacles(**gone, group=BloodGroup.B_POS) == ["other_group"]
    assert obstacles(**gone, component=Component.PLATELETS)[0] == "other_component"


def test_what_left_fits_no_holder_of_an_antibody_and_no_other_demand() -> None:
    immune = build_purpose(patient=Patient(group=BloodGroup.A_POS, antibodies=("E",)))
    assert obstacles(purpose=immune) == ["not_antigen_negative"]
    fresh = build_purpose(attributes=HardAttributes(max_age_d=5, irradiated=True))
    collected_at = NOW - timedelta(days=5)
    assert obstacles(purpose=fresh, collected_at=collected_at) == ["lacks_attribute"]
    late = NOW + timedelta(seconds=1)
    assert obstacles(purpose=fresh, collected_at=collected_at, used_at=late) == [
        "lacks_attribute",
        "too_old",
    ]


def test_what_left_is_no_longer_counted_under_the_cap() -> None:
    unknown = build_purpose(patient=Patient(), priority=DYING, capped_units=99)
    assert isinstance(ask(purpose=unknown, group=BloodGroup.O_NEG), Refused)
    assert obstacles(purpose=unknown, group=BloodGroup.O_NEG) == []


def test_no_line_is_hopeless_that_some_unit_could_serve() -> None:
    assert list_standing_obstacles(build_purpose(), build_route(can_thaw=False), PACKAGED) == ()


def test_a_hopeless_line_has_every_reason_that_holds_whatever_the_unit() -> None:
    unknown = build_purpose(component=Component.WHOLE_BLOOD, patient=Patient())
    useless = build_route(can_thaw=False, unusable=(Component.WHOLE_BLOOD, Component.FROZEN_PLASMA))

    codes = [reason.code for reason in list_standing_obstacles(unknown, useless, PACKAGED)]
    assert codes == ["hospital_cannot_use", "no_group_allowed"]
    (none,) = list_standing_obstacles(unknown, build_route(), PACKAGED)
    assert (none.code, none.rule) == ("no_group_allowed", "unknown.group@2026-3")
    codes = [reason.code for reason in list_standing_obstacles(PLASMA, useless, PACKAGED)]
    assert codes == ["hospital_cannot_thaw", "hospital_cannot_use"]


def ranked(group: str | None, component: Component, priority: Priority, **changes: Any) -> str:  # noqa: ANN401
    """The candidates in order; `*` marks those of low titre only, `!` those under the cap."""
    patient = Patient(group=None if group is None else BloodGroup(group), **changes)
    policy = StationPolicy(low_titre_a_plasma=True)
    listed = list_candidates(
        component=component, patient=patient, priority=priority, policy=policy, rules=PACKAGED
    )
    assert [candidate.rank for candidate in listed] == list(range(len(listed)))
    return " ".join(
        candidate.group + "*" * candidate.low_titre_only + "!" * candidate.capped
        for candidate in listed
    )


RED, WHOLE, PLATELET, FFP, CRYO = (
    Component.RED_CELLS,
    Component.WHOLE_BLOOD,
    Component.PLATELETS,
    Component.FRESH_FROZEN_PLASMA,
    Component.CRYOPRECIPITATE,
)
URGENT, ROUTINE = Priority.URGENT, Priority.ROUTINE
ORDERS: list[tuple[str | None, Component, Priority, dict[str, Any], str]] = [
    ("AB+", RED, URGENT, {}, "AB+ A+ B+ O+ AB- A- B- O-"),
    ("AB-", RED, URGENT, {}, "AB- A- B- O-"),
    ("AB-", RED, DYING, {"rhd_consent": CONSENT}, "AB- A- B- O- AB+ A+ B+ O+"),
    ("A+", RED, URGENT, {}, "A+ O+ A- O-"),
    ("B-", RED, DYING, {"rhd_consent": CONSENT}, "B- O- B+ O+"),
    ("A-", RED, DYING, {"rhd_consent": CONSENT}, "A- O- A+ O+"),
    ("B+", RED, URGENT, {}, "B+ O+ B- O-"),
    ("A-", RED, URGENT, {"asian_del": True}, "A+ O+ A- O-"),
    ("A-", WHOLE, DYING, {"asian_del": True}, "A+ A- O+* O-*"),
    ("A-", WHOLE, DYING, {"rhd_consent": CONSENT}, "A- O-* A+ O+*"),
    ("A+", WHOLE, DYING, {}, "A+ A- O+* O-*"),
    ("A+", WHOLE, DYING, {"antibodies": ("D",)}, "A- O-*"),
    ("A+", WHOLE, URGENT, {}, "A+ A-"),
    (None, WHOLE, DYING, {"sex": "male", "age_years": 40}, "O+* O-*!"),
    (None, RED, DYING, {"sex": "male", "age_years": 18}, "O+ O-!"),
    (None, RED, URGENT, {"sex": "female", "age_years": 30}, "O+ O-!"),
    (None, RED, ROUTINE, {"sex": "female", "age_years": 50}, "O-!"),
    (None, RED, ROUTINE, {"sex": "female", "age_years": 51}, "O+ O-!"),
    ("A-", RED, URGENT, {"sex": "male", "age_years": 19}, "A- O- A+ O+"),
    ("A-", RED, URGENT, {"sex": "male", "age_years": 18}, "A- O-"),
    ("A-", RED, URGENT, {"sex": "male"}, "A- O-"),
    ("A-", RED, URGENT, {"sex": "female", "age_years": 50}, "A- O-"),
    ("A-", RED, DYING, {"sex": "female", "age_years": 50}, "A- O- A+ O+"),
    ("A-", RED, DYING, {"antibodies": ("D",)}, "A- O-"),
    ("A-", RED, ROUTINE, {"sex": "male", "age_years": 70, "rhd_consent": CONSENT}, "A- O-"),
    (None, RED, URGENT, {"sex": "male", "age_years": 19}, "O+ O-!"),
    (None, RED, DYING, {"antibodies": ("D",)}, "O-"),
    ("O-", FFP, URGENT, {}, "O+ O- A+ A- B+ B- AB+ AB-"),
    ("A-", FFP, URGENT, {}, "A+ A- AB+ AB- B+* B-*"),
    ("B-", FFP, URGENT, {}, "B+ B- AB+ AB- A+* A-*"),
    ("AB+", FFP, URGENT, {}, "AB+ AB- A+* A-* B+* B-*"),
    ("A+", CRYO, DYING, {}, "A+ A- B+ B- AB+ AB- O+ O-"),
    ("B-", CRYO, URGENT, {"age_years": 18}, "B+ B- A+ A- AB+ AB- O+ O-"),
    ("A+", CRYO, URGENT, {}, "A+ A- AB+ AB- B+* B-*"),
    ("A+", CRYO, DYING, {"age_years": 17}, "A+ A- AB+ AB- B+* B-*"),
    (None, CRYO, DYING, {}, "A+ A- B+ B- AB+ AB- O+ O-"),
    (None, CRYO, URGENT, {"age_years": 17}, "AB+ AB- A+* A-*"),
    (None, FFP, URGENT, {}, "AB+ AB- A+* A-*"),
    ("A+", PLATELET, URGENT, {}, "A+ B+* O+* AB+ A- B-* O-* AB-"),
    ("B-", PLATELET, URGENT, {"sex": "male"}, "B- A-* O-* AB- B+ A+* O+* AB+"),
    ("O-", PLATELET, URGENT, {"sex": "female", "age_years": 0}, "O- A- B- AB-"),
    ("O-", PLATELET, URGENT, {"sex": "male"}, "O- A- B- AB- O+ A+ B+ AB+"),
    ("AB-", PLATELET, URGENT, {"asian_del": True}, "AB+ A+* B+* O+* AB- A-* B-* O-*"),
    ("O-", PLATELET, DYING, {"sex": "female", "age_years": 5}, "O- A- B- AB- O+ A+ B+ AB+"),
    (None, PLATELET, ROUTINE, {}, "A-* O-* AB- B-*"),
    (None, PLATELET, URGENT, {"sex": "male", "age_years": 19}, "A+* O+* AB+ B+* A-* O-* AB- B-*"),
    (None, PLATELET, DYING, {}, "A+* O+* AB+ B+* A-* O-* AB- B-*"),
    (None, PLATELET, DYING, {"antibodies": ("D",)}, "A-* O-* AB- B-*"),
]


@pytest.mark.parametrize(("group", "component", "priority", "changes", "order"), ORDERS)
def test_candidates_stand_in_this_order(
    group: str | None,
    component: Component,
    priority: Priority,
    changes: dict[str, Any],
    order: str,
) -> None:
    assert ranked(group, component, priority, **changes) == order


RULES: list[tuple[str, str | None, Component, dict[str, Any], str]] = [
    ("A+", "A+", RED, {}, "red_cells.abo"),
    ("A+", "A-", RED, {"asian_del": True}, "rhd.asian_del"),
    ("A-", "A-", RED, {"asian_del": True}, "red_cells.abo"),
    ("A+", "A-", RED, {"rhd_consent": CONSENT}, "rhd.consented_fallback"),
    ("O+", "A-", WHOLE, {"rhd_consent": CONSENT}, "rhd.consented_fallback"),
    ("O+", "A-", WHOLE, {"asian_del": True}, "rhd.asian_del"),
    ("O+", "A+", WHOLE, {}, "whole_blood.abo"),
    ("O-", None, RED, {}, "unknown.group"),
    ("AB+", None, FFP, {}, "unknown.group"),
    ("AB+", None, PLATELET, {}, "unknown.group"),
    ("AB+", "AB+", FFP, {}, "plasma.abo"),
    ("A+", "AB+", FFP, {}, "plasma.low_titre_a"),
    ("B+", "AB+", FFP, {}, "plasma.low_titre"),
    ("A+", "B+", FFP, {}, "plasma.low_titre"),
    ("B+", "A+", CRYO, {}, "cryoprecipitate.abo"),
    ("B+", "A+", CRYO, {"age_years": 5}, "plasma.low_titre"),
    ("B+", None, CRYO, {}, "unknown.group"),
    ("A+", "A-", RED, {}, "rhd.lifesaving"),
    ("A+", "A-", RED, {"sex": "male", "age_years": 40}, "rhd.unprotected"),
    ("O+", "A+", PLATELET, {}, "platelets.abo"),
]


@pytest.mark.parametrize(("donor", "group", "component", "changes", "rule"), RULES)
def test_a_candidate_cites_its_rule(
    donor: str, group: str | None, component: Component, changes: dict[str, Any], rule: str
) -> None:
    found = find_candidate(
        BloodGroup(donor),
        component=component,
        patient=Patient(group=None if group is None else BloodGroup(group), **changes),
        priority=DYING,
        policy=StationPolicy(low_titre_a_plasma=True),
        rules=PACKAGED,
    )
    assert found is not None
    assert found.rule == f"{rule}@2026-3"


def test_a_candidate_is_the_best_until_others_stand_before_it() -> None:
    assert Candidate(group=BloodGroup.O_NEG, rule="red_cells.abo@2026-3").rank == 0


def test_two_patients_who_differ_by_their_reference_alone_are_one_to_the_rules() -> None:
    compatibility._list_candidates.cache_clear()
    for reference in ("bed-1", "bed-2", None):
        list_candidates(
            component=RED,
            patient=Patient(group=BloodGroup.A_POS, reference=reference),
            priority=URGENT,
            policy=StationPolicy(),
            rules=PACKAGED,
        )

    assert compatibility._list_candidates.cache_info().misses == 1


def test_a_unit_has_no_traits_and_is_where_it_lies_unless_told() -> None:
    assert UnitTraits() == NO_TRAITS
    assert build_facts().traits is NO_TRAITS
    assert not build_facts().may_have_left


@pytest.mark.parametrize(
    ("age_years", "estimated", "protected"),
    [
        (0, False, True),
        (0, True, True),
        (9, True, True),
        (50, False, True),
        (51, False, False),
        (60, True, True),
        (61, True, False),
    ],
)
def test_an_estimated_age_is_read_towards_protection(
    age_years: int, *, estimated: bool, protected: bool
) -> None:
    """A woman's RhD+ platelets, by the margin of 10 years beyond 50, and none taken from 0."""
    woman = Patient(
        group=BloodGroup.A_NEG, sex=Sex.FEMALE, age_years=age_years, age_estimated=estimated
    )
    found = find_candidate(
        BloodGroup.A_POS,
        component=Component.PLATELETS,
        patient=woman,
        priority=Priority.URGENT,
        policy=StationPolicy(),
        rules=PACKAGED,
    )
    assert (found is None) is protected


def test_what_is_kept_for_rhd_negative_patients_names_its_rule() -> None:
    assert (
        PACKAGED.compatibility.cite(PACKAGED.compatibility.kept_for_negative)
        == "rhd.kept_for_negative@2026-3"
    )
