"""What releases a unit, and every reason that keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pytest

from checker.database_rows import Result
from checker.quarantine_release import list_missing
from models.groups import BloodGroup
from models.laboratory import FindingFate, LabOutcome, LabResult, LabTest, StationResult
from models.rules.rulebook import PACKAGED
from streams.matching.quarantine_release import ReleaseVerdict, decide_release
from tests.support.laboratory import MARKERS, NEEDED, REPORTED, build_result, list_clear
from tests.support.rules import accept
from tests.support.world import NOW

A_POS = BloodGroup("A+")
SCREENS = [test for test in NEEDED if test is not LabTest.GROUPING]
DRAWN = NOW - timedelta(days=2)
REACTIVE = {"outcome": LabOutcome.REACTIVE}


def decide(results: list[LabResult], *, others: list[LabResult] | None = None) -> ReleaseVerdict:
    """Decide on a unit of station A; the others are results that station B told."""
    told = [StationResult(station_id="A", result=result) for result in results]
    told += [StationResult(station_id="B", result=result) for result in others or []]
    return decide_release(
        told, stations={"A"}, label=A_POS, collected_at=DRAWN, rules=PACKAGED.testing
    )


def codes(results: list[LabResult]) -> list[str]:
    verdict = decide(results)
    assert verdict.is_released is not bool(verdict.reasons)
    return [reason.code for reason in verdict.reasons]


def list_each(*, without: Iterable[LabTest] = ()) -> list[LabResult]:
    """A clear result of every needed test, each virus by a nucleic-acid test of its own."""
    return list_clear("A+", tests=NEEDED, without=without)


def test_seven_clear_results_release_in_any_order() -> None:
    assert (len(REPORTED), len(NEEDED)) == (7, 9)
    assert codes(list_clear("A+")) == []
    assert codes(list_clear("A+")[::-1]) == []
    assert codes(list_each()) == []


@pytest.mark.parametrize("test", NEEDED)
def test_without_any_one_of_them_it_stays(test: LabTest) -> None:
    verdict = decide(list_each(without=[test]))
    assert [(reason.code, reason.params["test"]) for reason in verdict.reasons] == [
        ("test_missing", test)
    ]
    assert verdict.reasons[0].rule.endswith("@2026-3")
    assert not verdict.forbidding


@pytest.mark.parametrize("test", NEEDED)
def test_an_invalid_run_is_no_result(test: LabTest) -> None:
    results = list_each(without=[test])
    invalid = build_result(test, outcome=LabOutcome.INVALID, group=None)
    assert codes([*results, invalid]) == ["test_missing"]
    assert codes([*list_each(), invalid]) == []


@pytest.mark.parametrize("test", SCREENS)
def test_findings_of_a_screen(test: LabTest) -> None:
    clear = list_each(without=[test])
    first, second = build_result(test, **REACTIVE), build_result(test, **REACTIVE)
    same_run = build_result(test, **REACTIVE, run_id=first.run_id)
    negative = build_result(test)
    assert codes([*clear, first]) == ["test_reactive"]
    assert codes([*clear, first, same_run]) == ["test_reactive"]
    assert codes([*clear, first, second]) == ["test_repeatedly_reactive"]
    assert codes([*clear, first, negative]) == ["test_contradicting"]
    assert codes([*clear, first, second, negative]) == [
        "test_contradicting",
        "test_repeatedly_reactive",
    ]
    verdicts = [
        decide([*clear, *found]).fate for found in ([first], [first, second], [first, negative])
    ]
    assert verdicts == [FindingFate.QUARANTINE, FindingFate.DISCARD, FindingFate.QUARANTINE]


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        ("PCR HBV", ["nat_hcv", "nat_hiv"]),
        ("hbv-dna", ["nat_hcv", "nat_hiv"]),
        ("乙肝核酸", ["nat_hcv", "nat_hiv"]),
        ("HCV RNA/HIV-1 RNA duplex", ["nat_hbv"]),
        ("HEV RNA", ["nat_hbv", "nat_hcv", "nat_hiv"]),
        ("戊型肝炎病毒核酸", ["nat_hbv", "nat_hcv", "nat_hiv"]),
        ("HBV/HCV/HIV triplex", []),
        ("三联核酸 (乙肝、丙肝、艾滋病毒)", []),
        ("PCR", []),
    ],
)
def test_c34_a_nucleic_acid_test_counts_for_the_viruses_that_it_names(
    method: str, missing: list[str]
) -> None:
    nat = build_result(LabTest.NAT, method=method)
    verdict = decide([*list_clear("A+", without=[LabTest.NAT]), nat])
    assert verdict.is_released is not bool(missing)
    assert [reason.params["test"] for reason in verdict.reasons] == missing
    assert {reason.code for reason in verdict.reasons} <= {"nat_marker_missing"}
    named = list_missing([to_checked(nat)], collected_at=DRAWN)
    assert [test for test in named if test in MARKERS] == missing
    added = [build_result(LabTest(test)) for test in missing]
    assert decide([*list_clear("A+", without=[LabTest.NAT]), nat, *added]).is_released


def to_checked(result: LabResult) -> Result:
    """The result as the checker reads it."""
    return Result(
        result_id=result.result_id,
        donation_id="D",
        test=result.test,
        outcome=result.outcome,
        blood_group=result.group,
        supersedes=result.supersedes,
        recorded_at=NOW,
        method=result.method,
    )


def test_c34_a_station_may_ask_that_every_method_names_its_viruses() -> None:
    rules = accept({"testing.nat": {"unnamed_counts": False}}).testing
    told = [StationResult(station_id="A", result=result) for result in list_clear("A+")]
    verdict = decide_release(told, stations={"A"}, label=A_POS, collected_at=DRAWN, rules=rules)
    assert [reason.params["test"] for reason in verdict.reasons] == [*MARKERS]


def test_c34_a_reactive_marker_forbids_whatever_the_triplex_says() -> None:
    for test in MARKERS:
        found = decide([*list_clear("A+"), build_result(test, **REACTIVE)])
        assert [(reason.code, reason.params["test"]) for reason in found.forbidding] == [
            ("test_reactive", test)
        ]
    for method in ("PCR HBV", "PCR", "HEV RNA"):
        reactive = build_result(LabTest.NAT, **REACTIVE, method=method)
        assert [reason.code for reason in decide([*list_each(), reactive]).forbidding] == [
            "test_reactive"
        ]


def test_grouping_must_be_the_labels_and_one() -> None:
    clear = list_clear("A+", without=[LabTest.GROUPING])
    a_pos = build_result(LabTest.GROUPING, group="A+")
    a_neg = build_result(LabTest.GROUPING, group="A-")
    assert codes([*clear, a_pos]) == []
    assert codes([*clear, a_neg]) == ["group_differs"]
    assert codes([*clear, a_pos, a_neg]) == ["groups_contradicting", "group_differs"]


def test_a_correction_takes_the_place_of_what_it_corrects() -> None:
    clear = list_clear("A+", without=[LabTest.NAT])
    wrong = build_result(LabTest.NAT, **REACTIVE)
    right = build_result(LabTest.NAT, supersedes=wrong.result_id, note="wells swapped")
    assert codes([*clear, wrong, right]) == []
    back = build_result(LabTest.NAT, **REACTIVE, supersedes=right.result_id, note="they were not")
    assert codes([*clear, wrong, right, back]) == ["test_reactive"]


def test_every_reason_is_told_at_once() -> None:
    results = [
        build_result(LabTest.HBSAG, **REACTIVE),
        build_result(LabTest.GROUPING, group="B+"),
    ]
    found = codes(results)
    assert found.count("test_missing") == 7
    assert {"test_reactive", "group_differs"} <= set(found)


@pytest.mark.parametrize(
    ("changes", "blamed"),
    [
        ({"test": LabTest.GROUPING, "group": None}, "group"),
        ({"test": LabTest.GROUPING, "group": "A+", "outcome": "reactive"}, "group"),
        ({"test": LabTest.GROUPING, "group": None, "outcome": "reactive"}, "outcome"),
        ({"test": LabTest.NAT, "group": "A+"}, "outcome"),
        ({"test": LabTest.NAT, "outcome": None}, "outcome"),
        ({"test": LabTest.NAT, "supersedes": "r-1"}, "note"),
        ({"test": LabTest.NAT, "result_id": "r-1", "supersedes": "r-1", "note": "x"}, "supersedes"),
    ],
)
def test_a_result_that_says_too_little_or_too_much_is_none(
    changes: dict[str, object], blamed: str
) -> None:
    with pytest.raises(ValueError, match=f"{blamed}: "):
        build_result(**changes)  # type: ignore[arg-type] # any field


def test_f57_a_bag_that_contradicts_its_donors_record_waits_and_nothing_is_found() -> None:
    verdict = decide(list_clear("A+"))
    held = verdict.held_for_donor(BloodGroup.O_POS, label=A_POS, rules=PACKAGED.donors)
    assert [reason.code for reason in held.reasons] == ["donor_group_differs"]
    assert not held.is_released
    assert held.forbidding == ()
    assert verdict.held_for_donor(A_POS, label=A_POS, rules=PACKAGED.donors).is_released
    assert verdict.held_for_donor(None, label=A_POS, rules=PACKAGED.donors).is_released


def test_f34_of_a_station_without_a_say_only_what_speaks_against_a_release_counts() -> None:
    reactive = build_result(LabTest.NAT, **REACTIVE)
    withdrawn = build_result(LabTest.NAT, supersedes=reactive.result_id, note="wrong donation")
    missing = decide([], others=list_clear("A+"))
    assert [reason.code for reason in missing.reasons] == ["test_of_other_station"] * 9
    assert missing.reasons[0].params["stations"] == "B"
    found = decide(list_clear("A+"), others=[reactive])
    assert [reason.code for reason in found.forbidding] == ["test_contradicting"]
    assert decide(list_clear("A+"), others=[reactive, withdrawn]).is_released
    (grouping,) = list_clear("B+", tests=[LabTest.GROUPING])
    regrouped = decide(list_clear("A+"), others=[grouping])
    assert [reason.code for reason in regrouped.forbidding] == [
        "groups_contradicting",
        "group_differs",
    ]
