"""The installation of one rulebook as the rules that a whole process follows.

The composition root calls it once, before anything is decided. Each file is validated against its
types first, so that either every reader follows the new rulebook or all stay with the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from models import compatibility
from models.components import ComponentRules, component_rules
from models.figures import FigureRules, figure_rules
from models.laboratory import TestingRules, testing_rules
from models.rules.citations import RuleSet
from models.rules.in_force import InForce
from models.rules.rulebook import Rulebook, rulebook
from models.rules.types.antigens import AntigenRules, antigen_rules
from models.rules.types.compatibility import CompatibilityRules
from models.rules.types.disasters import DisasterRules, disaster_rules
from models.rules.types.donors import DonorRules, donor_rules
from models.rules.types.issue import IssueRules, issue_rules
from models.rules.types.packs import PackRules, pack_rules
from models.rules.types.policies import PolicyRules, policy_rules
from models.rules.types.returns import ReturnRules, return_rules
from models.rules.types.safety import SafetyRules, safety_rules
from models.rules.types.shortages import ShortageRules, shortage_rules

FORMS: Mapping[str, type[RuleSet]] = {
    "compatibility": CompatibilityRules,
    "antigens": AntigenRules,
    "safety": SafetyRules,
    "components": ComponentRules,
    "testing": TestingRules,
    "returns": ReturnRules,
    "issue": IssueRules,
    "packs": PackRules,
    "donors": DonorRules,
    "disasters": DisasterRules,
    "shortages": ShortageRules,
    "figures": FigureRules,
    "policies": PolicyRules,
}
"""The type of each rule file."""

_READERS: Mapping[str, InForce[Any]] = {
    "antigens": antigen_rules,
    "safety": safety_rules,
    "components": component_rules,
    "testing": testing_rules,
    "returns": return_rules,
    "issue": issue_rules,
    "packs": pack_rules,
    "donors": donor_rules,
    "disasters": disaster_rules,
    "shortages": shortage_rules,
    "figures": figure_rules,
    "policies": policy_rules,
}


def follow_rulebook(rules: Rulebook) -> None:
    """Follow this rulebook from now on, in the whole process.

    Raises:
        ValidationError: A file is not of its form; the earlier rules stay in force.
    """
    formed = {name: form.model_validate(rules.documents[name]) for name, form in FORMS.items()}
    for name, reader in _READERS.items():
        reader.install(formed[name])
    compatibility.follow(rules.documents["compatibility"])
    rulebook.install(rules)


@contextmanager
def followed(rules: Rulebook) -> Iterator[None]:
    """Follow this rulebook in the whole process for the length of a block."""
    before = rulebook()
    follow_rulebook(rules)
    try:
        yield
    finally:
        follow_rulebook(before)
