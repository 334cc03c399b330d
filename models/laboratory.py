"""Laboratory results of a donation, and the rules on which of them release a unit.

Pure. The rules stand in `rules/data/testing.toml`; this module gives them types. A result is never
changed: a correction is a result of its own that names the result it supersedes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from models.base import Identifier, Instant, Line, Value
from models.broken_rule import BrokenRuleError
from models.groups import BloodGroup
from models.rules.citations import CitedRule, RuleSet


class LabTest(StrEnum):
    """What a donation is tested for.

    nat: The nucleic-acid test of HBV, HCV and HIV together. Where its method names a virus, it is
        the test of what it names alone (`list_markers`).
    """

    HBSAG = "hbsag"
    ANTI_HCV = "anti_hcv"
    ANTI_HIV = "anti_hiv"
    SYPHILIS = "syphilis"
    ALT = "alt"
    NAT = "nat"
    NAT_HBV = "nat_hbv"
    NAT_HCV = "nat_hcv"
    NAT_HIV = "nat_hiv"
    GROUPING = "grouping"


_MARKERS: Mapping[LabTest, tuple[str, ...]] = {
    LabTest.NAT_HBV: ("HBV", "乙肝", "乙型肝炎"),
    LabTest.NAT_HCV: ("HCV", "丙肝", "丙型肝炎"),
    LabTest.NAT_HIV: ("HIV", "艾滋"),
}
"""How a method names the virus of each marker."""

_OTHER_VIRUSES = (
    "HAV", "HDV", "HEV", "HGV", "HTLV", "CMV", "EBV", "B19", "WNV", "ZIKV", "DENV",
    "甲肝", "甲型肝炎", "丁肝", "丁型肝炎", "戊肝", "戊型肝炎", "巨细胞", "EB病毒", "细小病毒",
)  # fmt: skip
"""A nucleic-acid test whose method names one of these, and no marker, clears nothing."""


def list_markers(method: str) -> tuple[LabTest, ...] | None:
    """List the markers that the method of a `nat` result names; None if it names no virus."""
    told = method.upper()
    named = tuple(test for test, names in _MARKERS.items() if any(name in told for name in names))
    if not named and not any(name in told for name in _OTHER_VIRUSES):
        return None
    return named


class LabOutcome(StrEnum):
    """What a run found; ALT above the laboratory's limit is reported as reactive.

    invalid: the run failed its controls; it says nothing about the donation.
    """

    NONREACTIVE = "nonreactive"
    REACTIVE = "reactive"
    INVALID = "invalid"


class LabResult(Value):
    """One result of one test on one donation.

    Attributes:
        outcome: Of every test but grouping.
        group: Of grouping and of no other test; left out there where the run was invalid.
        method: As the laboratory names it, such as ELISA or PCR.
        run_id: The run or plate; two results of one run are not two findings.
        performed_by: Who answers for it: a person or an analyser, never the donor.
        supersedes: The result of the same station that this one corrects; it no longer counts.
        note: Why; needed for a correction.
    """

    result_id: Identifier
    test: LabTest
    outcome: LabOutcome | None = None
    group: BloodGroup | None = None
    method: Line = Field(min_length=1)
    run_id: Identifier
    performed_at: Instant
    performed_by: Line = Field(min_length=1)
    supersedes: Identifier | None = None
    note: Line = ""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.test is LabTest.GROUPING:
            if (self.group is None) == (self.outcome is None):
                raise BrokenRuleError("grouping_without_group", "group")
            if self.outcome not in {None, LabOutcome.INVALID}:
                raise BrokenRuleError("grouping_reactive", "outcome")
        elif self.outcome is None or self.group is not None:
            raise BrokenRuleError("group_without_grouping", "outcome", test=self.test)
        if self.supersedes is not None and not self.note:
            raise BrokenRuleError("correction_without_note", "note")
        if self.supersedes == self.result_id:
            raise BrokenRuleError("correction_of_itself", "supersedes")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class StationResult:
    """A result, and the station whose laboratory reported it."""

    station_id: str
    result: LabResult


class FindingFate(StrEnum):
    """What a finding means for a unit that was not released."""

    QUARANTINE = "quarantine"
    DISCARD = "discard"


class NeededTests(CitedRule):
    tests: tuple[LabTest, ...] = Field(min_length=1)


class FindingRule(CitedRule):
    """A rule on a finding: `fate` is that of units still in quarantine when it is made."""

    fate: FindingFate


class RepeatedRule(FindingRule):
    """A rule on a repeated finding: `times` reactive results, of different runs, make one."""

    times: int = Field(ge=2)


class NatRule(NeededTests):
    """`unnamed_counts`: whether a `nat` whose method names no virus counts for all markers."""

    unnamed_counts: bool

    def find_tests(self, result: LabResult) -> tuple[LabTest, ...]:
        """Return the tests that a result is a result of."""
        if result.test is not LabTest.NAT:
            return (result.test,)
        named = list_markers(result.method)
        if named is None:
            return self.tests if self.unnamed_counts else ()
        return named


class TestingRules(RuleSet):
    """The rules of release."""

    __test__ = False  # not a test class, whatever its name looks like to a test runner

    serology: NeededTests
    nat: NatRule
    grouping: NeededTests
    reactive: FindingRule
    repeated_reactive: RepeatedRule
    contradicting: FindingRule
    group_differs: FindingRule

    @property
    def needed(self) -> tuple[tuple[LabTest, NeededTests], ...]:
        """Return every test that a release needs, with the rule that says so."""
        rules = (self.serology, self.nat, self.grouping)
        return tuple((test, rule) for rule in rules for test in rule.tests)
