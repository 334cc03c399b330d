"""The tables of PostgreSQL that repeat what the rules say, as rows made of a rulebook.

PostgreSQL holds promises and moves of units against them, whoever writes. Pure.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from models.compatibility import cite_group_rule, list_candidates
from models.components import Component
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient, RhdConsent, Sex
from models.requests import Priority
from models.rules.rulebook import Rulebook
from models.unit_states import MOVES

Row = Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTable:
    """A table whose rows follow from the rules.

    Attributes:
        columns: Names, in the order of each row.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def digest(self) -> str:
        """Return the digest of all rows, whatever their order."""
        return sha256(orjson.dumps([self.columns, sorted(self.rows)])).hexdigest()


RULE_TABLES: Mapping[str, tuple[str, ...]] = {
    "unit_transitions": ("from_state", "to_state", "cause", "actors", "needs_release", "promise"),
    "needed_tests": ("test", "unnamed_counts"),
    "compatible_groups": (
        "component", "of_class", "recipient", "donor", "rule", "low_titre", "priorities", "needs",
    ),
}  # fmt: skip
"""The columns of each such table."""


def list_rule_tables(rules: Rulebook) -> tuple[RuleTable, ...]:
    """Make every such table of a rulebook."""
    groups = _build_table("compatible_groups", _list_compatible_groups(rules))
    return (*list_quick_tables(rules), groups)


def list_quick_tables(rules: Rulebook) -> tuple[RuleTable, ...]:
    """Make the tables that are made in no time; the compatible groups take seconds."""
    unnamed_counts = rules.testing.nat.unnamed_counts
    tests = [
        (test.value, rule is rules.testing.nat and unnamed_counts)
        for test, rule in rules.testing.needed
    ]
    return (
        _build_table("unit_transitions", _list_transitions()),
        _build_table("needed_tests", tests),
    )


def _build_table(name: str, rows: Iterable[Row]) -> RuleTable:
    return RuleTable(name=name, columns=RULE_TABLES[name], rows=tuple(rows))


def _list_transitions() -> Iterator[Row]:
    for (start, end), move in MOVES.items():
        yield (
            start.value if start else "",
            end.value,
            move.cause,
            sorted(actor.value for actor in move.actors),
            move.needs_release,
            move.promise.value,
        )


_CONSENT = RhdConsent(physician="-", signed_by="-")


@dataclass(slots=True)
class _Terms:
    """Under which circumstances a group was offered, over all patients that were asked about."""

    low_titre: bool
    priorities: set[str] = field(default_factory=set)
    only_with_consent: bool = True
    only_as_del: bool = True

    @property
    def needs(self) -> str:
        if self.only_with_consent:
            return "consent"
        return "asian_del" if self.only_as_del else ""


def _list_compatible_groups(rules: Rulebook) -> Iterator[Row]:
    """Ask the engine for each kind of patient; a component stands for all under its rule."""
    of_rule: dict[str, list[Component]] = {}
    for component in Component:
        of_rule.setdefault(cite_group_rule(component, rules), []).append(component)
    for components in of_rule.values():
        terms = _ask(components[0], rules)
        for component in components:
            for (recipient, donor, rule), found in terms.items():
                yield (
                    component.value, component.spec.component_class.value, recipient, donor, rule,
                    found.low_titre, sorted(found.priorities), found.needs,
                )  # fmt: skip


def _ask(component: Component, rules: Rulebook) -> Mapping[tuple[str, str, str], _Terms]:
    terms: dict[tuple[str, str, str], _Terms] = {}
    policies = (StationPolicy(low_titre_a_plasma=False), StationPolicy(low_titre_a_plasma=True))
    for patient, priority, policy in itertools.product(_list_patients(), Priority, policies):
        for candidate in list_candidates(
            component=component, patient=patient, priority=priority, policy=policy, rules=rules
        ):
            rule = candidate.rule.partition("@")[0]
            key = (str(patient.group or "unknown"), candidate.group.value, rule)
            found = terms.setdefault(key, _Terms(candidate.low_titre_only))
            found.low_titre &= candidate.low_titre_only
            found.priorities.add(priority.value)
            found.only_with_consent &= patient.rhd_consent is not None
            found.only_as_del &= patient.asian_del
    return terms


def _list_patients() -> Iterable[Patient]:
    """List one patient for each set of facts on which a group may depend, beside age limits.

    A holder of anti-D gets fewer groups and none that others do not, so none is asked about.
    """
    exceptions = ((None, False), (_CONSENT, False), (_CONSENT, True))
    for group, sex, age, asian_del, (consent, prophylaxis) in itertools.product(
        (None, *BloodGroup), (None, *Sex), (None, 5, 30, 90), (False, True), exceptions
    ):
        yield Patient(
            group=group,
            sex=sex,
            age_years=age,
            asian_del=asian_del,
            rhd_consent=consent,
            anti_d_prophylaxis_ordered=prophylaxis,
        )
