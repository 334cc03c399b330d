"""Builders of laboratory results: the clear set of a donation, and single findings."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import datetime

from models.events.donations import DonationTested
from models.groups import BloodGroup
from models.laboratory import LabOutcome, LabResult, LabTest
from models.rules.rulebook import PACKAGED
from streams.ports import Received
from tests.support.world import NOW, build_record

_NUMBERS = itertools.count(1)
NEEDED = tuple(test for test, _ in PACKAGED.testing.needed)
MARKERS = (LabTest.NAT_HBV, LabTest.NAT_HCV, LabTest.NAT_HIV)
REPORTED = tuple(test for test in LabTest if test not in MARKERS)
"""What a laboratory with one nucleic-acid test for all three viruses reports of a donation."""


def build_result(test: LabTest = LabTest.NAT, **changes: object) -> LabResult:
    """A nonreactive result, or grouping O+, unless told otherwise."""
    number = next(_NUMBERS)
    found: dict[str, object] = (
        {"group": BloodGroup.O_POS}
        if test is LabTest.GROUPING
        else {"outcome": LabOutcome.NONREACTIVE}
    )
    return LabResult.model_validate(
        {
            "result_id": f"res-{number:06d}",
            "test": test,
            **found,
            "method": "test method",
            "run_id": f"run-{number:06d}",
            "performed_at": NOW,
            "performed_by": "laboratory",
            **changes,
        }
    )


def list_clear(
    group: BloodGroup | str,
    *,
    without: Iterable[LabTest] = (),
    tests: Iterable[LabTest] = REPORTED,
) -> list[LabResult]:
    """Every result that a laboratory reports, clear, for a label of this group."""
    left_out = set(without)
    return [
        build_result(test, group=BloodGroup(group))
        if test is LabTest.GROUPING
        else build_result(test)
        for test in tests
        if test not in left_out
    ]


def from_laboratory(
    donation_id: str,
    results: Iterable[LabResult],
    *,
    station_id: str = "shigatse",
    at: datetime = NOW,
) -> list[Received]:
    """A record per result, as the laboratory of a station tells them."""
    return [
        build_record(
            DonationTested(station_id=station_id, donation_id=donation_id, result=result),
            source=f"station/{station_id}",
            at=at,
        )
        for result in results
    ]
