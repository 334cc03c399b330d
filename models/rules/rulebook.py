"""The rulebook: every rule of all files under one version, typed, and found by its name.

Pure. A rulebook is a value that is handed to whatever decides by it; several may be used in one
process. The terms of each value say whether and how a station may set it
(`models.rules.overrides` checks that).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, Self

from pydantic import model_validator

from models.base import Value
from models.components import ComponentRules
from models.errors import DomainRefusal, InvariantViolation
from models.figures import FigureRules
from models.laboratory import TestingRules
from models.rules.citations import (
    Applier,
    CitedRule,
    Dated,
    Reading,
    RuleKind,
    RuleSet,
    Terms,
    read_rules,
)
from models.rules.types.antigens import AntigenRules
from models.rules.types.compatibility import CompatibilityRules
from models.rules.types.disasters import DisasterRules
from models.rules.types.donors import DonorRules
from models.rules.types.doses import OrderingUnitRules
from models.rules.types.issue import IssueRules
from models.rules.types.needs import NeedRules
from models.rules.types.packs import PackRules
from models.rules.types.policies import PolicyRules
from models.rules.types.returns import ReturnRules
from models.rules.types.safety import SafetyRules
from models.rules.types.shortages import ShortageRules

RULE_FILES: Mapping[str, type[RuleSet]] = {
    "compatibility": CompatibilityRules,
    "antigens": AntigenRules,
    "safety": SafetyRules,
    "needs": NeedRules,
    "components": ComponentRules,
    "testing": TestingRules,
    "returns": ReturnRules,
    "issue": IssueRules,
    "doses": OrderingUnitRules,
    "packs": PackRules,
    "donors": DonorRules,
    "disasters": DisasterRules,
    "shortages": ShortageRules,
    "figures": FigureRules,
    "policies": PolicyRules,
}
"""Each rule file and its type; a `Rulebook` has an attribute of the same name."""

Documents = Mapping[str, Mapping[str, Any]]
"""The rule files as they read, by name."""

PARTS = frozenset(CitedRule.model_fields)
"""The fields of a rule's citation; everything else in its table is a value."""


class RuleValue(Value):
    """One value of a rule.

    Attributes:
        value: The value in force.
        overridden: Whether a station set it.
    """

    name: str
    value: Any
    terms: Terms
    overridden: bool


class Rule(Value):
    """One rule as people read it.

    Attributes:
        file: Its file in `models/rules/data`, without the suffix.
        read: How the source was read.
        since: From when the source holds.
        until: From when it no longer holds.
        confirm: Values that a station must confirm before relying on them.
    """

    rule_id: str
    version: str
    kind: RuleKind
    applied_by: Applier
    set_in: Literal["station", "hospital"] | None
    zh: str
    en: str
    source: str
    read: Reading
    since: Dated | Literal["unknown"]
    until: Dated | None
    note: str
    confirm: tuple[str, ...]
    file: str
    values: tuple[RuleValue, ...]

    @property
    def cited(self) -> str:
        return f"{self.rule_id}@{self.version}"

    @property
    def is_to_confirm(self) -> bool:
        """Return whether a station must confirm it: a local rule, or read in no source."""
        unread = self.read is not Reading.READ or self.until is not None
        return bool(self.confirm) or unread or self.kind is RuleKind.LOCAL

    def find_value(self, name: str) -> RuleValue | None:
        return next((value for value in self.values if value.name == name), None)

    @model_validator(mode="after")
    def _may_only_what_it_can(self) -> Self:
        """Refuse that a station sets a value of a law, or one that others or a record apply."""
        names = {value.name for value in self.values}
        if not set(self.confirm) <= names:
            raise ValueError(f"{self.rule_id}: confirm names no value of it")
        if (self.read is not Reading.READ or self.until) and set(self.confirm) != names:
            raise ValueError(f"{self.rule_id}: what was not read, or is abolished, is to confirm")
        free = self.kind is not RuleKind.LAW and self.applied_by is Applier.XUELIAN
        for value in self.values:
            if value.terms.may and (not free or self.set_in):
                raise ValueError(f"{self.rule_id}: {value.name} cannot be for a station to set")
        return self


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rulebook:
    """Every rule under one version. Immutable; compared and hashed by identity.

    Attributes:
        version: Such as `2026-3`, or `2026-3+3fa9c2d1` where a station set values of its own.
        documents: The files that the rules were read from; not to be changed.
        rules: Every rule by its name, as people read it.
    """

    version: str
    documents: Documents
    rules: Mapping[str, Rule]
    compatibility: CompatibilityRules
    antigens: AntigenRules
    safety: SafetyRules
    needs: NeedRules
    components: ComponentRules
    testing: TestingRules
    returns: ReturnRules
    issue: IssueRules
    doses: OrderingUnitRules
    packs: PackRules
    donors: DonorRules
    disasters: DisasterRules
    shortages: ShortageRules
    figures: FigureRules
    policies: PolicyRules

    def list_rules(self) -> tuple[Rule, ...]:
        """List the rules in the order of the files."""
        return tuple(self.rules.values())

    def get_rule(self, name: str) -> Rule:
        """Return a rule by its name, or as a decision cites it (`name@version`).

        Raises:
            DomainRefusal: `rule_unknown`, or `rule_version_unknown`: the version is another one.
        """
        rule_id, _, version = name.partition("@")
        rule = self.rules.get(rule_id)
        if rule is None:
            raise DomainRefusal("rule_unknown", rule=rule_id, guess=self.guess(rule_id))
        if version and version != self.version:
            raise DomainRefusal(
                "rule_version_unknown", rule=rule_id, version=version, known=self.version
            )
        return rule

    def guess(self, rule_id: str) -> str:
        """Return the name that may have been meant, or a dash."""
        return next(iter(get_close_matches(rule_id, self.rules, cutoff=0.5)), "–")


def list_tables(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every table of a file that is a rule, at any depth, in the order of the file."""
    for value in document.values():
        if isinstance(value, dict):
            if "rule" in value:
                yield value
            else:
                yield from list_tables(value)


def build_rulebook(
    documents: Documents, *, overridden: frozenset[tuple[str, str]] = frozenset()
) -> Rulebook:
    """Build the rulebook of these files.

    Args:
        documents: Every file once, all of one version.
        overridden: Rule and name of each value that a station set.

    Raises:
        InvariantViolation: The files disagree on the version, or two rules share a name.
        ValidationError: A file is not of its type.
    """
    versions = {str(document["version"]) for document in documents.values()}
    if len(versions) != 1:
        raise InvariantViolation("rule_versions_differ", versions=", ".join(sorted(versions)))
    (version,) = versions
    rules: dict[str, Rule] = {}
    for file, document in documents.items():
        for table in list_tables(document):
            rule = _build_rule(table, file=file, version=version, overridden=overridden)
            if rule.rule_id in rules:
                raise InvariantViolation("rule_named_twice", rule=rule.rule_id)
            rules[rule.rule_id] = rule
    typed: dict[str, Any]
    typed = {name: form.model_validate(documents[name]) for name, form in RULE_FILES.items()}
    return Rulebook(version=version, documents=documents, rules=rules, **typed)


def _build_rule(
    table: Mapping[str, Any], *, file: str, version: str, overridden: frozenset[tuple[str, str]]
) -> Rule:
    parts = {name: table[name] for name in table if name in PARTS}
    told = CitedRule.model_validate(parts)
    return Rule(
        **{name: getattr(told, name) for name in PARTS - {"rule", "terms"}},
        rule_id=told.rule,
        version=version,
        file=file,
        values=tuple(
            RuleValue(
                name=name,
                value=table[name],
                terms=told.terms[name],
                overridden=(told.rule, name) in overridden,
            )
            for name in table
            if name not in PARTS
        ),
    )


PACKAGED = build_rulebook({name: read_rules(name) for name in RULE_FILES})
"""The rulebook as it comes with the program."""
