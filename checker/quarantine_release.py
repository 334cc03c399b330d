"""Judges whether results of the laboratory release a unit, by the checker's own rule.

Pure. Clean results count only from stations that had the unit: another station that had a unit of
the same donation clears its own unit alone. What speaks against a unit counts whoever tells it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TypeVar

from checker.database_rows import Result
from checker.unit_states import NEEDED_TESTS

_NAMES = {
    "nat_hbv": r"hbv|乙(型)?肝",
    "nat_hcv": r"hcv|丙(型)?肝",
    "nat_hiv": r"hiv|艾滋",
    "": r"h[adeg]v|htlv|cmv|ebv|b19|wnv|zikv|denv|[甲丁戊](型)?肝|巨细胞|eb病毒|细小病毒",
}
"""How a method names a virus; the last row is of viruses for which no blood is released."""

AnyResult = TypeVar("AnyResult", bound=Result)


def list_counting(
    known: Sequence[AnyResult], *, group: str, say: Collection[str | None]
) -> list[AnyResult]:
    """List the results that count for a unit.

    Args:
        known: Every result of its donation, those that were corrected included.
        group: On its label.
        say: The stations that had it.
    """
    corrected = {result.supersedes for result in known}
    return [
        result
        for result in known
        if result.result_id not in corrected
        and result.outcome != "invalid"
        and (result.station_id in say or _is_against(result, group))
    ]


def list_missing(counting: Sequence[Result], *, collected_at: datetime) -> list[str]:
    """List the needed tests without a result of a sample of this collection."""
    own = [result for result in counting if (result.performed_at or collected_at) >= collected_at]
    return sorted(NEEDED_TESTS.difference(*(name_tests(r.test, r.method) for r in own)))


def name_tests(test: str, method: str) -> frozenset[str]:
    """Return what a result is a result of: a `nat` tests for the viruses that its method names.

    A method that names no virus at all is that of the test for all three together.
    """
    if test != "nat":
        return frozenset({test})
    named = {marker for marker, names in _NAMES.items() if re.search(names, method, re.IGNORECASE)}
    return frozenset(named - {""} if named else _NAMES.keys() - {""})


def list_against(counting: Sequence[AnyResult], *, group: str) -> list[AnyResult]:
    """List the results that forbid a release: reactive, or of another group than the label's."""
    return [result for result in counting if _is_against(result, group)]


def _is_against(result: Result, group: str) -> bool:
    return result.outcome == "reactive" or result.blood_group not in {None, group}
