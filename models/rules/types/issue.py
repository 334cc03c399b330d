"""The conditions of issue without a serological crossmatch, as cited data.

Pure. The rules stand in `rules/data/issue.toml`; this module gives them types.
"""

from __future__ import annotations

from pydantic import Field

from models.rules.citations import CitedRule, RuleSet, read_rules


class ElectronicIssueRule(CitedRule):
    """Every condition must hold; else the hospital crossmatches.

    Attributes:
        concordant_abo_results: The least number of results that agree.
        results_on_current_sample: The least number of them that are on the current sample.
        no_significant_antibody: The patient has none, neither now nor on record.
        agrees_with_history: The group is that of every earlier result and statement.
        sample_max_age_h: The most hours since the current sample was taken.
    """

    concordant_abo_results: int = Field(ge=1)
    results_on_current_sample: int = Field(ge=1)
    no_significant_antibody: bool
    agrees_with_history: bool
    sample_max_age_h: int = Field(ge=1)


class IssueRules(RuleSet):
    """All rules of `issue.toml`."""

    electronic: ElectronicIssueRule
    crossmatch: CitedRule


ELECTRONIC_RULE = IssueRules.model_validate(read_rules("issue")).electronic
"""As it is packaged: records of patients are kept by it, whatever a station's own values are."""
