"""Antigens, antibodies and the attributes that a request may demand, as cited data.

Pure. The rules stand in `rules/antigens.toml` and `rules/attributes.toml`.
"""

from __future__ import annotations

from models.citations import CitedRule, RuleSet, read_rules
from models.in_force import InForce
from models.patients import Antigens


class EastAsiaRule(CitedRule):
    antigens: Antigens


class NegativeUnitsRule(CitedRule):
    """Which antibodies demand units shown to lack the antigen.

    Attributes:
        demanding: Antigens whose antibodies always do.
        unlisted_demand_too: An antibody that is not listed is treated like one that is.
    """

    demanding: Antigens
    unlisted_demand_too: bool

    def demands_negative_units(self, antigen: str) -> bool:
        """Return whether an antibody against this antigen demands units that lack it."""
        return self.unlisted_demand_too or antigen in self.demanding


class AntigenRules(RuleSet):
    """The whole file `antigens.toml`."""

    east_asia: EastAsiaRule
    negative: NegativeUnitsRule


class AttributeRules(RuleSet):
    """The whole file `attributes.toml`."""

    leukoreduced: CitedRule
    irradiated: CitedRule
    cmv_negative: CitedRule
    washed: CitedRule
    low_titre: CitedRule
    hla: CitedRule
    antigen_negative: CitedRule
    max_age: CitedRule
    identical: CitedRule


antigen_rules = InForce(AntigenRules.model_validate(read_rules("antigens")))
"""Call it for the rules in force."""

attribute_rules = InForce(AttributeRules.model_validate(read_rules("attributes")))
"""Call it for the rules in force."""
