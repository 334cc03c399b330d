"""A station's own rules in tests: files of them, and following them for the length of a block."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from models.rules.following import followed
from models.rules.overrides import Checked, check_overrides
from models.rules.rulebook import PACKAGED, Rulebook, rulebook

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


@contextmanager
def following(changes: Changes) -> Iterator[Rulebook]:
    """Follow a station's own rules; the package's stand again afterwards, whatever happens."""
    rules = accept(changes)
    assert rulebook() is PACKAGED
    with followed(rules):
        yield rules


class Effect(NamedTuple):
    """What a station changes, and something told that comes out otherwise then."""

    rule_id: str
    name: str
    value: object
    tell: Callable[[], object]

    @property
    def place(self) -> tuple[str, str]:
        return self.rule_id, self.name

    def __str__(self) -> str:
        return f"{self.rule_id}.{self.name}"

    def ensure(self) -> None:
        """Fail unless the station's value changes what is told, for as long as it is in force."""
        before = self.tell()
        with following({self.rule_id: {self.name: self.value}}):
            after = self.tell()
        assert after != before
        assert self.tell() == before
