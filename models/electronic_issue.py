"""Electronic issue: whether red cells may go to a patient without a serological crossmatch. Pure.

Told of every line with red cells that are reserved, with each condition that does not hold; where
one does not, the hospital crossmatches. The age of the sample is the hospital's to see.

Source: rules/data/issue.toml (issue.electronic, issue.crossmatch).
"""

from __future__ import annotations

from collections.abc import Iterator

from models.decisions import Reason
from models.patients import GroupBasis, Indication, Patient
from models.rules.rulebook import Rulebook
from models.rules.types.issue import ElectronicIssueRule

_CURRENT = {GroupBasis.ONE_SAMPLE, GroupBasis.TWO_SAMPLES}
"""Bases of a group that were determined on the sample of now; at least one result of them is."""


def explain_issue(patient: Patient, rules: Rulebook) -> tuple[Reason, ...]:
    """Explain why a patient's red cells are crossmatched, or that they need not be.

    Args:
        patient: As the record of the patient says.
        rules: The rulebook to decide by.

    Returns:
        `issue_electronic` alone, or every `crossmatch_` reason.
    """
    rule = rules.issue.electronic
    cited = rules.issue.cite(rule)
    found = (*_explain_group(patient, rule), *_explain_antibodies(patient))
    if found:
        return tuple(reason.but(rule=cited) for reason in found)
    params = {"results": patient.concordant_results, "hours": rule.sample_max_age_h}
    return (Reason(code="issue_electronic", params=params, rule=cited),)


def _explain_group(patient: Patient, rule: ElectronicIssueRule) -> Iterator[Reason]:
    if patient.group is None:
        yield Reason(code="crossmatch_untyped")
        return
    if patient.disputed_groups:
        groups = " ".join(patient.disputed_groups)
        yield Reason(code="crossmatch_history_differs", params={"groups": groups})
    if patient.transplant or patient.rare_group or patient.mother:
        yield Reason(code="crossmatch_more_than_one_group")
    current = 1 if patient.group_basis in _CURRENT else 0
    if current < rule.results_on_current_sample:
        params: dict[str, str | int | float]
        params = {"results": current, "needed": rule.results_on_current_sample}
        yield Reason(code="crossmatch_not_on_current_sample", params=params)
    if patient.concordant_results < rule.concordant_abo_results:
        params = {"results": patient.concordant_results, "needed": rule.concordant_abo_results}
        yield Reason(code="crossmatch_results_missing", params=params)


def _explain_antibodies(patient: Patient) -> Iterator[Reason]:
    if antibodies := sorted(patient.all_antibodies):
        params: dict[str, str | int | float] = {"antibodies": ", ".join(antibodies)}
        yield Reason(code="crossmatch_antibodies", params=params)
    if Indication.ANTI_CD38 in patient.indications:
        yield Reason(code="crossmatch_screen_disturbed")
