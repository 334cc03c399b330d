"""The demo end to end, shortened: the real system, every actor, the checker, the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.run import run_demo
from demo.scenario import Scenario

pytestmark = pytest.mark.e2e

HOURS = 7.0
"""Long enough for the staff to have given and for Lhasa's first blood to have come."""


def _shorten(scenario: Scenario) -> Scenario:
    """The first hours of the day, with the alerts that fall into them.

    Slower than the demo itself: on a loaded machine a second's delay is ten simulated minutes,
    so a donor still answers well within the grace after which she counts as a no-show.
    """
    timeline = scenario.timeline.but(
        speed=600.0, lead_s=12.0, requests_until_h=4.0, ends_after_h=HOURS, settle_s=2.0
    )
    until = scenario.at(HOURS)
    revisions = tuple(revision for revision in scenario.alerts.revision if revision.sent_at < until)
    return scenario.but(
        timeline=timeline,
        # Fewer injured of the same disaster: fewer requests, the same kinds.
        event=scenario.event.but(injured=200),
        alerts=scenario.alerts.but(revision=revisions),
        # Most are needed after this day ends: how many wait then is no measure of it.
        goals=scenario.goals.but(with_nothing_percent=100.0),
        hindsight=scenario.hindsight.but(share=0.0),
    )


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    out = tmp_path_factory.mktemp("demo")
    code = run_demo(name="dingri", state_dir=out / "state", out=out, changes=_shorten)
    yield code, out
    left = list((out / "state" / "demo").glob("**/postmaster.pid"))
    assert not left, "PostgreSQL was left running"


def _values(out: Path) -> dict[str, Any]:
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    return {check["name"]: check["value"] for check in result["checks"]}


@pytest.mark.timeout(150)
def test_every_check_holds_and_the_exit_code_says_so(played: tuple[int, Path]) -> None:
    code, out = played
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    failing = [check for check in result["checks"] if not check["holds"]]
    assert not failing
    assert result["holds"] is True
    assert code == 0


def test_the_checker_counted_on_a_day_that_really_happened(played: tuple[int, Path]) -> None:
    values = _values(played[1])
    for name in (
        "requests_lost",
        "promised_twice",
        "incompatible",
        "expired_before_arrival",
        "ineligible_calls",
    ):
        assert values[name] == 0, name
    assert values["requests_sent"] > 40
    assert values["units_delivered"] > 10
    assert values["transfers"] > 0
    assert values["nagqu_staff_ml"] == 6000
    assert values["latency_p50"] > 0
    assert values["audit_rows"] > 500
    assert values["audit_seals"] > 0
    assert values["audit_breaches"] == values["audit_broken"] == values["audit_rewritten"] == 0


def test_everything_sent_is_in_the_log_that_was_checked(played: tuple[int, Path]) -> None:
    lines = (played[1] / "sent.jsonl").read_text(encoding="utf-8").splitlines()
    types = {json.loads(line)["type"] for line in lines}
    assert {
        "blood.request.opened.v2",
        "blood.request.cancelled.v1",
        "blood.request.amended.v2",
        "blood.stock.counted.v1",
        "blood.stock.changed.v1",
        "blood.alert.received.v1",
        "blood.callout.answered.v1",
        "blood.offer.made.v1",
    } <= types


def test_c90_every_request_that_lacks_something_says_what_would_have_served(
    played: tuple[int, Path],
) -> None:
    result = json.loads((played[1] / "result.json").read_text(encoding="utf-8"))
    page = (played[1] / "report.html").read_text(encoding="utf-8")
    empty = [row for row in result["unserved"] if row["has_nothing"]]
    assert empty
    assert len(empty) == _values(played[1])["requests_with_nothing"]
    for row in result["unserved"]:
        assert row["lines"], row["request_id"]
        assert f"<code>{row['patient']}</code>" in page
        for line in row["lines"]:
            assert line["lacking"] > 0
            assert line["would_have_served"], row["request_id"]
            for lever in line["would_have_served"]:
                assert lever["zh"]
                assert lever["en"]
                assert lever["by"] or lever["kind"] == "standing"


def test_the_day_stands_beside_the_optimum_of_hindsight(played: tuple[int, Path]) -> None:
    result = json.loads((played[1] / "result.json").read_text(encoding="utf-8"))
    page = (played[1] / "report.html").read_text(encoding="utf-8")
    found, values = result["hindsight"], _values(played[1])
    assert 0 < found["share"] <= 1
    assert found["achieved"] <= found["optimum"]
    assert values["share_of_optimum"] == found["share"]
    assert values["promises_beyond_hindsight"] == 0
    weights = {row["priority"]: row["weight"] for row in found["by_priority"]}
    assert weights == {"life_threatening": 100, "urgent": 10, "routine": 1}
    for total in ("optimum", "achieved"):
        summed = sum(row[total] * row["weight"] for row in found["by_priority"])
        assert found[total] == pytest.approx(summed)
    assert "与事后最优相比" in page


def test_the_report_is_one_offline_bilingual_page(played: tuple[int, Path]) -> None:
    page = (played[1] / "report.html").read_text(encoding="utf-8")
    assert "定日地震" in page
    assert "What is real and what is synthetic" in page
    assert 'src="http' not in page
    assert page.count('class="plotly-graph-div"') == 6
