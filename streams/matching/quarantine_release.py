"""Decide whether a unit may leave quarantine, from the results of its donation and its label.

Pure and deterministic. There is no other way out of quarantine to stock; PostgreSQL repeats the
rule where a unit moves from quarantined to available.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from models.decisions import Reason
from models.groups import BloodGroup
from models.laboratory import (
    FindingFate,
    FindingRule,
    LabOutcome,
    LabResult,
    LabTest,
    NeededTests,
    StationResult,
    TestingRules,
)
from models.rules.types.donors import DonorRules


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseVerdict:
    """What the results of a donation say of one of its units.

    Attributes:
        reasons: Every reason why the unit stays in quarantine; empty if it is released.
        forbidding: Those of them that are findings, which no further test resolves by itself. A
            unit that was released before must be recalled for any of them.
        fate: Fate of a unit that is still in quarantine.
    """

    reasons: tuple[Reason, ...]
    forbidding: tuple[Reason, ...]
    fate: FindingFate

    @property
    def is_released(self) -> bool:
        return not self.reasons

    def held_for_donor(
        self, registered: BloodGroup | None, *, label: BloodGroup, rules: DonorRules
    ) -> Self:
        """Return the verdict on a unit that was not released yet, with its donor's record.

        Args:
            registered: The group under which its donor is registered; None if it is not known.
            label: The unit's group as it is labelled.
            rules: The rules on donors, which the reason cites.
        """
        if registered is None or registered is label:
            return self
        reason = Reason(
            code="donor_group_differs",
            params={"label": label},
            rule=rules.cite(rules.group_agrees),
        )
        return replace(self, reasons=(*self.reasons, reason))


def list_current(results: Iterable[StationResult]) -> list[StationResult]:
    """List the results that no other result corrects, in their order."""
    known = list(results)
    corrected = {entry.result.supersedes for entry in known}
    return [entry for entry in known if entry.result.result_id not in corrected]


def decide_release(
    results: Iterable[StationResult],
    *,
    stations: Collection[str],
    label: BloodGroup,
    collected_at: datetime,
    rules: TestingRules,
) -> ReleaseVerdict:
    """Decide on one unit.

    Results of a station that has no say over the unit count only against a release: holding one
    unit of a donation gives no say over another.

    Args:
        results: Every result of its donation in any order, corrected ones too.
        stations: Stations that have a say over the unit: they had it, or the unit it was made from.
        label: The unit's group as it is labelled and registered.
        collected_at: When the unit was drawn. An earlier result is of another sample and clears
            nothing. A finding in it still stands against the unit, since its date may be the error.
        rules: Which tests a release needs, and what a finding means.

    Returns:
        Released, or every reason why not: missing (also where the nucleic-acid test is of other
        viruses), before the collection, reactive, repeatedly reactive, contradicting, group
        differs from the label.
    Source: rule set `rules/testing.toml`.
    """
    told = list_current(results)
    current = [
        entry.result
        for entry in told
        if entry.station_id in stations
        or entry.result.outcome is LabOutcome.REACTIVE
        or entry.result.group not in {None, label}
    ]
    missing: list[Reason] = []
    forbidding: list[Reason] = []
    fates: list[FindingFate] = []
    valid = [result for result in current if result.outcome is not LabOutcome.INVALID]
    for test, rule in rules.needed:
        of_test = [result for result in valid if test in rules.nat.find_tests(result)]
        if all(result.performed_at < collected_at for result in of_test):
            missing.append(
                _explain_missing(test, rule, of_test, told=told, stations=stations, rules=rules)
            )
    for test in LabTest:
        of_test = [result for result in valid if result.test is test]
        if test is LabTest.GROUPING:
            found = _judge_grouping(of_test, label, rules)
        else:
            found = _judge(of_test, rules)
        for reason, finding in found:
            forbidding.append(reason)
            fates.append(finding.fate)
    return ReleaseVerdict(
        reasons=(*missing, *forbidding),
        forbidding=tuple(forbidding),
        fate=FindingFate.DISCARD if FindingFate.DISCARD in fates else FindingFate.QUARANTINE,
    )


def _explain_missing(
    test: LabTest,
    rule: NeededTests,
    early: Sequence[LabResult],
    *,
    told: Sequence[StationResult],
    stations: Collection[str],
    rules: TestingRules,
) -> Reason:
    """Explain what is missing; results of stations that never had the unit do not count."""
    cited = rules.cite(rule)
    of_test = [entry for entry in told if test in rules.nat.find_tests(entry.result)]
    others = sorted({entry.station_id for entry in of_test} - {*stations})
    if not early and others:
        return Reason(
            code="test_of_other_station",
            params={"test": test, "stations": " ".join(others)},
            rule=cited,
        )
    if not early:
        return _explain_untested(test, rule, [entry.result for entry in told], rules=rules)
    performed_at = max(result.performed_at for result in early).isoformat(timespec="seconds")
    params: dict[str, str | int | float] = {"test": test, "performed_at": performed_at}
    return Reason(code="test_before_collection", params=params, rule=cited)


def _explain_untested(
    test: LabTest, rule: NeededTests, told: Sequence[LabResult], *, rules: TestingRules
) -> Reason:
    """Explain that nobody tested for it; a nucleic-acid test of other markers may be the cause."""
    cited = rules.cite(rule)
    others = [result for result in told if test not in rules.nat.find_tests(result)]
    methods = sorted({result.method for result in others if result.test is LabTest.NAT})
    if rule is rules.nat and methods:
        told_methods = ", ".join(methods)
        return Reason(
            code="nat_marker_missing", params={"test": test, "method": told_methods}, rule=cited
        )
    return Reason(code="test_missing", params={"test": test}, rule=cited)


def _judge(
    results: Sequence[LabResult], rules: TestingRules
) -> Iterator[tuple[Reason, FindingRule]]:
    """Judge the current results of one test other than grouping."""
    reactive = {result.run_id for result in results if result.outcome is LabOutcome.REACTIVE}
    is_contradicted = any(result.outcome is LabOutcome.NONREACTIVE for result in results)
    if not reactive:
        return
    test = results[0].test
    if is_contradicted:
        rule: FindingRule = rules.contradicting
        cited = rules.cite(rule)
        yield Reason(code="test_contradicting", params={"test": test}, rule=cited), rule
    if len(reactive) >= rules.repeated_reactive.times:
        rule = rules.repeated_reactive
        cited, runs = rules.cite(rule), len(reactive)
        reason = Reason(
            code="test_repeatedly_reactive", params={"test": test, "runs": runs}, rule=cited
        )
        yield reason, rule
    elif not is_contradicted:
        rule = rules.reactive
        cited = rules.cite(rule)
        yield Reason(code="test_reactive", params={"test": test}, rule=cited), rule


def _judge_grouping(
    results: Sequence[LabResult], label: BloodGroup, rules: TestingRules
) -> Iterator[tuple[Reason, FindingRule]]:
    groups = sorted({result.group for result in results if result.group is not None})
    if len(groups) > 1:
        rule = rules.contradicting
        told, cited = ", ".join(groups), rules.cite(rule)
        yield Reason(code="groups_contradicting", params={"groups": told}, rule=cited), rule
    for group in groups:
        if group != label:
            rule = rules.group_differs
            cited = rules.cite(rule)
            reason = Reason(
                code="group_differs", params={"label": label, "laboratory": group}, rule=cited
            )
            yield reason, rule
