"""Red-cell antigens that matter, as cited data.

Pure. The rules stand in `rules/antigens.toml`; what an antibody demands stands with the kernel's.
"""

from __future__ import annotations

from models.citations import CitedRule, RuleSet, read_rules
from models.in_force import InForce
from models.patients import Antigens


class EastAsiaRule(CitedRule):
    antigens: Antigens


class AntigenRules(RuleSet):
    """The whole file."""

    east_asia: EastAsiaRule


antigen_rules = InForce(AntigenRules.model_validate(read_rules("antigens")))
"""Call it for the rules in force."""
