"""Every check is applied once, under a name of its own."""

from __future__ import annotations

from checker.check_list import list_results
from checker.evidence import World


def test_no_check_stands_twice() -> None:
    names = [check.name for check in list_results(World())]
    assert len(names) > 40
    assert len(set(names)) == len(names)
