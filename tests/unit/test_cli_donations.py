"""One donation on a terminal: who told a result decides which bags it counts for."""

from __future__ import annotations

import pytest

from cli.donations import print_donation
from cli.output import Output


def test_each_result_is_shown_with_the_station_that_told_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = {
        "result_id": "r-1",
        "station_id": "lhasa",
        "test": "nat",
        "outcome": "nonreactive",
        "group": None,
        "method": "PCR",
        "run_id": "run-1",
        "performed_at": "2025-01-07T01:00:00Z",
        "performed_by": "lab",
        "supersedes": None,
    }
    answer = {"donation_id": "W1", "units": [], "results": [result], "recalls": []}
    print_donation(Output(as_json=False), {**answer, "recipients": []})
    assert "lhasa" in capsys.readouterr().out
