"""What was done for what stock does not cover: told as it is, never as it is hoped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.sought import join_texts, tell_sought

RED: list[dict[str, Any]] = [{"component": "red_cells", "uncovered": 8}]
PLATELETS: list[dict[str, Any]] = [{"component": "platelets", "uncovered": 1}]


def codes(**given: Any) -> list[str]:  # noqa: ANN401 - any argument
    told = tell_sought(
        **{"lines": RED, "calls": [], "transfers": [], "donors": 0, "neighbours": (), **given}
    )
    return [one["code"] for one in told]


def test_f11_nobody_was_asked_is_said_so() -> None:
    assert codes() == ["sought_no_donors", "sought_no_neighbour", "sought_still_missing"]


def test_f11_platelets_say_that_nobody_is_called() -> None:
    told = codes(lines=PLATELETS, donors=70, neighbours=("lhasa",))
    assert told == ["sought_by_appointment", "sought_neighbours", "sought_still_missing"]


def test_f11_donors_are_called_only_when_they_were() -> None:
    assert codes(donors=3)[0] == "sought_not_called"
    calls = [{"status": "called", "calls": 4}, {"status": "accepted", "calls": 2}]
    told = tell_sought(lines=RED, calls=calls, transfers=[], donors=9, neighbours=())
    assert told[0]["params"] == {"calls": 6, "accepted": 2}


def test_f12_a_transfer_on_its_way_is_told_with_its_hour() -> None:
    transfer = {
        "from_station_id": "lhasa",
        "status": "agreed",
        "units": 2,
        "agreed_at": datetime(2025, 1, 7, 6, 40, tzinfo=UTC),
        "eta_s": 3600,
    }
    told = tell_sought(lines=RED, calls=[], transfers=[transfer], donors=0, neighbours=("lhasa",))
    text = join_texts(told)["zh"]
    assert "lhasa 调来 2 单位，预计 01-07 15:40（北京时间）到" in text
    assert text.endswith("缺 8 单位；调来的若都给这份申请，仍缺 6 单位")
    gone = [{**transfer, "status": "cancelled"}]
    assert "sought_transfer" not in codes(transfers=gone)


def test_f11_nothing_is_sought_where_nothing_is_missing() -> None:
    assert codes(lines=[{"component": "red_cells", "uncovered": 0}]) == []
