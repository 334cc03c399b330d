"""The form of `rules/data/compatibility.toml`, which `models.compatibility` relies on.

Pure. Types only; how the rules are followed stands in `models.compatibility`.
"""

from __future__ import annotations

from pydantic import Field

from models.base import Value
from models.components import ComponentClass
from models.groups import Abo
from models.rules.citations import CitedRule, RuleSet

Groups = tuple[Abo, ...]


class AboRule(CitedRule):
    """Recipient to donor groups, best first."""

    O: Groups  # noqa: E741 - the group's own name
    A: Groups
    B: Groups
    AB: Groups

    def list_donors(self, recipient: Abo) -> Groups:
        """List the donor groups of a recipient, best first."""
        donors: Groups = getattr(self, recipient)
        return donors


class AboRules(Value):
    """One rule per class of components."""

    red_cells: AboRule
    plasma: AboRule
    platelets: AboRule
    whole_blood: AboRule

    def of_class(self, component_class: ComponentClass) -> AboRule:
        rule: AboRule = getattr(self, component_class)
        return rule


class UnknownRule(CitedRule):
    """Ages in completed years, each included."""

    female_rhd_negative_to_age_years: int = Field(ge=0)
    male_rhd_negative_to_age_years: int = Field(ge=0)


class EstimatedAgeRule(CitedRule):
    margin_years: int = Field(ge=0)


class CapRule(CitedRule):
    o_negative_units: int = Field(ge=1)


class ChildbearingRule(CitedRule):
    """Ages in completed years, both ends included."""

    female_from_age_years: int = Field(ge=0)
    female_to_age_years: int = Field(ge=0)


class DelRule(CitedRule):
    served_as_positive: bool


class KeptRule(CitedRule):
    """Days before its expiry from which a unit is no longer kept."""

    expiring_within_d: int = Field(ge=0)


class CompatibilityRules(RuleSet):
    """All rules of `compatibility.toml`."""

    abo: AboRules
    plasma_rhd: CitedRule
    unknown: UnknownRule
    estimated_age: EstimatedAgeRule
    unknown_cap: CapRule
    anti_d: CitedRule
    childbearing: ChildbearingRule
    preferred: CitedRule
    kept_for_negative: KeptRule
    rhd_fallback: AboRule
    asian_del: DelRule = Field(alias="del")
