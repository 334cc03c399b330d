from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.document_figures import quote
from bench.percentiles import summarise
from bench.results import MeasuredCheck, inform, within, write_result


def test_percentiles_are_nearest_rank() -> None:
    summary = summarise([number / 1000 for number in range(1, 101)])
    assert (summary.p50_ms, summary.p90_ms, summary.p99_ms, summary.max_ms) == (50, 90, 99, 100)


def test_no_samples_is_a_failure() -> None:
    with pytest.raises(ValueError, match="no samples"):
        summarise([])


def test_a_bound_holds_on_its_own_side() -> None:
    assert within("a", 1.5, unit="×", bound=1.5, side="<=").holds
    assert not within("a", 1.6, unit="×", bound=1.5, side="<=").holds
    assert within("a", 0.7, unit="×", bound=0.6, side=">=").holds
    assert not within("a", 0.5, unit="×", bound=0.6, side=">=").holds


def test_results_are_written_and_quoted(tmp_path: Path) -> None:
    checks = [
        inform("a.b", 1234.5, unit="ms"),
        MeasuredCheck(name="c", value=2, unit="×", goal="<= 1"),
    ]
    path = write_result(
        "bench", checks, started_at=datetime(2025, 1, 7, tzinfo=UTC), folder=tmp_path
    )
    result = json.loads(path.read_text())
    assert [check["name"] for check in result["checks"]] == ["a.b", "c"]
    filled = quote("before\n<!-- result:bench -->\nstale figures\n<!-- end -->\nafter", result)
    assert "1,234.5" in filled
    assert "stale" not in filled
    assert filled.startswith("before")
    assert filled.endswith("after")


def test_a_document_without_the_place_is_refused() -> None:
    result = {"target": "bench", "machine": {}, "checks": []}
    with pytest.raises(ValueError, match="0 places"):
        quote("nothing here", result)
