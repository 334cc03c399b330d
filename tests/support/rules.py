"""A station's own rules in tests: files of them, and the rulebooks that they make."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

from models.rules.overrides import Checked, check_overrides
from models.rules.rulebook import PACKAGED, Rulebook, build_rulebook

HEADING = 'station = "shigatse"\nversion = "1"\napproved_by = "a test"\n'

Changes = Mapping[str, Mapping[str, object]]


def write_file(changes: Changes) -> str:
    """A station's file; plain values read the same in JSON and TOML."""
    lines = [HEADING]
    for rule_id, values in changes.items():
        lines.append(f'[rules."{rule_id}"]')
        lines += [
            f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items()
        ]
    return "\n".join(lines) + "\n"


def check(changes: Changes) -> Checked:
    return check_overrides(write_file(changes).encode())


def accept(changes: Changes) -> Rulebook:
    """The rulebook of a file that has no mistake."""
    checked = check(changes)
    assert not checked.mistakes, [str(mistake) for mistake in checked.mistakes]
    return checked.rules


def change_rule(file: str, path: str, **changes: object) -> Rulebook:
    """The package's rulebook with other values in one rule, whatever a station may set.

    Args:
        file: Of `models/rules/data`, without the suffix.
        path: Of the rule's table in it, such as `abo.red_cells`.
        changes: The values.
    """
    documents = {name: deepcopy(dict(document)) for name, document in PACKAGED.documents.items()}
    table: Any = documents[file]
    for step in path.split("."):
        table = table[step]
    table.update(changes)
    return build_rulebook(documents)


class Effect(NamedTuple):
    """What a station changes, and something told that comes out otherwise then."""

    rule_id: str
    name: str
    value: object
    tell: Callable[[Rulebook], object]

    @property
    def place(self) -> tuple[str, str]:
        return self.rule_id, self.name

    def __str__(self) -> str:
        return f"{self.rule_id}.{self.name}"

    def ensure(self) -> None:
        """Fail unless what is told follows the rulebook it is told by."""
        own = accept({self.rule_id: {self.name: self.value}})
        before, after = self.tell(PACKAGED), self.tell(own)
        assert after != before
        assert self.tell(PACKAGED) == before
