"""The form of `rules/data/compatibility.toml`, which `models.compatibility` relies on.

Pure. Types only; how the rules are followed stands in `models.compatibility`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.base import Value
from models.components import Component
from models.groups import Abo
from models.rules.citations import CitedRule, RuleSet, read_rules

Groups = tuple[Abo, ...]


class AboRule(CitedRule):
    """Recipient to donor groups, best first."""

    O: Groups  # noqa: E741 - the group's own name
    A: Groups
    B: Groups
    AB: Groups

    def list_donors(self, recipient: Abo | None) -> Groups:
        """List the donor groups of a recipient, best first; None is unknown, and may be AB."""
        donors: Groups = getattr(self, recipient or Abo.AB)
        return donors


class UnknownAboRule(AboRule):
    """A rule that has a row of its own for a patient of unknown group."""

    unknown: Groups

    def list_donors(self, recipient: Abo | None) -> Groups:
        """List the donor groups of a recipient, best first; None is unknown."""
        return self.unknown if recipient is None else super().list_donors(recipient)


class CryoprecipitateRule(UnknownAboRule):
    """The age is in completed years, included."""

    adult_from_age_years: int = Field(ge=0)


class AboRules(Value):
    """One rule per class of components; cryoprecipitate has its own."""

    red_cells: AboRule
    plasma: AboRule
    low_titre_plasma: UnknownAboRule
    cryoprecipitate: CryoprecipitateRule
    platelets: UnknownAboRule
    whole_blood: AboRule

    def of_component(self, component: Component) -> AboRule:
        if component is Component.CRYOPRECIPITATE:
            return self.cryoprecipitate
        rule: AboRule = getattr(self, component.spec.component_class)
        return rule


class UnknownRule(CitedRule):
    """Ages in completed years, each included.

    Attributes:
        rhd_positive_for_all: RhD+ comes first for everyone whose need is not routine; if not, the
            ages protect.
    """

    rhd_positive_for_all: bool
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


class PreferredRule(CitedRule):
    """The age is in completed years, included."""

    to_age_years: int = Field(ge=0)


class SwitchRule(CitedRule):
    allowed: bool


class MotherRule(CitedRule):
    """The age is in days of life, the last one included."""

    antibodies_to_age_d: int = Field(ge=0)


class TransplantRule(CitedRule):
    """Whose group counts once a transplant has engrafted; before it, both count for everything."""

    red_cells_after: Literal["donor", "both"]
    platelets_after: Literal["donor", "both"]
    plasma_after: Literal["donor", "both"]


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
    preferred: PreferredRule
    kept_for_negative: KeptRule
    rhd_fallback: AboRule
    rhd_unprotected: SwitchRule
    rhd_lifesaving: SwitchRule
    asian_del: DelRule = Field(alias="del")
    del_donors: CitedRule
    transplant: TransplantRule
    rare: CitedRule
    mother: MotherRule
    disputed: CitedRule


_RULES = CompatibilityRules.model_validate(read_rules("compatibility"))

TRANSPLANT_RULE, MOTHER_RULE = _RULES.transplant, _RULES.mother
"""No station sets them: for whom blood is chosen must not depend on who reads the record."""
