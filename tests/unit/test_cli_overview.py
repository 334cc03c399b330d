"""What `xuelian status` and `xuelian request list` show in a terminal of 80 columns."""

from __future__ import annotations

from typing import Any

import pytest

from cli.output import Output
from cli.overview import describe_uncovered, print_overview, print_requests

REQUEST: dict[str, Any] = {
    "request_id": "3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a10",
    "hospital_id": "dingri-county-hospital",
    "patient_group": "AB-",
    "priority": "life_threatening",
    "status": "partly_refused",
    "needed_by": "2025-01-07T03:05:00+00:00",
    "is_late": True,
    "lines": [
        {"component": "red_cells", "measure": "unit", "quantity": 14, "missing": 12},
        {"component": "fresh_frozen_plasma", "measure": "ml", "quantity": 400, "missing": 0},
    ],
}
SHORTAGE = {
    "level": "orange", "station_id": "shigatse", "component": "red_cells", "group": "AB-",
    "units_missing": 12, "uncovered_units": 3, "opened_at": "2025-01-07T01:05:00+00:00",
}  # fmt: skip


ACTIVATION = {
    "event_key": "us6000pi9w", "station_id": "shigatse", "status": "open", "lead": True,
    "needs": [{"component": "red_cells", "units": 40}], "donors_wanted": 80,
    "opened_at": "2025-01-07T01:05:00+00:00", "activation_id": REQUEST["request_id"],
}  # fmt: skip
TRANSFER = {
    "from_station_id": "lhasa", "to_station_id": "shigatse", "status": "in_transit",
    "units": [1, 2], "unit_ids": [], "agreed_at": "2025-01-07T01:05:00+00:00",
    "transfer_id": REQUEST["request_id"],
}  # fmt: skip


def test_a_request_is_readable_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_requests(Output(), [REQUEST], title="申请 · requests")
    told = capsys.readouterr().out
    assert "…" not in told
    for word in (
        "危及生命 dingri-county-hospital AB-", REQUEST["request_id"], "悬浮红细胞",
        "要 14 U", "缺 12 U", "新鲜冰冻血浆", "要 400 毫升", "2025-01-07 11:05", "北京时间",
        "已过 · late",
    ):  # fmt: skip
        assert word in told


def test_the_overview_is_readable_at_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    found = {
        "as_of": "2025-01-07T01:05:00+00:00", "requests": [REQUEST], "shortages": [SHORTAGE],
        "activations": [ACTIVATION], "calls": [], "transfers": [TRANSFER], "dead_letters": 0,
        "unread": {"known": True, "records": 0},
    }  # fmt: skip
    print_overview(Output(), found)
    told = capsys.readouterr().out
    assert "…" not in told
    for word in (
        "orange", "shigatse", "悬浮红细胞 AB-", "缺 12", "us6000pi9w", "悬浮红细胞 40",
        "lhasa → shigatse", "2 袋", "2025-01-07 09:05",
    ):  # fmt: skip
        assert word in told


@pytest.mark.parametrize(("lives", "is_told"), [(1, True), (0, False)])
def test_dead_letters_are_told_with_the_lives_and_the_oldest(
    capsys: pytest.CaptureFixture[str], lives: int, *, is_told: bool
) -> None:
    found = {
        "as_of": "2025-01-07T01:05:00+00:00", "requests": [], "shortages": [], "activations": [],
        "calls": [], "transfers": [], "dead_letters": 3, "dead_letters_life_threatening": lives,
        "dead_letters_oldest_at": "2025-01-07T01:04:00+00:00",
        "unread": {"known": True, "records": 0},
    }  # fmt: skip
    print_overview(Output(), found)
    told = capsys.readouterr().out
    assert "3 条记录未能接受" in told
    assert "2025-01-07 09:04" in told
    assert ("危及生命" in told) is is_told


def build_unread(capsys: pytest.CaptureFixture[str], unread: dict[str, object]) -> str:
    found = {
        "as_of": "2025-01-07T01:05:00+00:00", "requests": [], "shortages": [], "activations": [],
        "calls": [], "transfers": [], "dead_letters": 0, "unread": unread,
    }  # fmt: skip
    print_overview(Output(), found)
    return capsys.readouterr().out


def test_what_no_worker_has_read_is_told_with_its_age(capsys: pytest.CaptureFixture[str]) -> None:
    waiting: dict[str, object] = {
        "known": True, "records": 3, "oldest_s": 42, "oldest_at": "2025-01-07T01:04:18Z",
        "topics": [{"topic": "blood.requests.v1", "reader": "xuelian-urgent", "records": 3}],
    }  # fmt: skip
    told = build_unread(capsys, waiting)
    for word in ("‼", "42 s", "2025-01-07 09:04", "blood.requests.v1", "xuelian doctor"):
        assert word in told
    fresh = build_unread(capsys, {**waiting, "oldest_s": 1})
    assert "3" in fresh
    assert "xuelian doctor" not in fresh
    reason = {"zh": "Kafka 没有回答", "en": "Kafka does not answer"}
    away = build_unread(capsys, {"known": False, "reason": reason})
    assert "不知道" in away
    assert "Kafka does not answer" in away
    assert "worker" not in build_unread(capsys, {"known": True, "records": 0})


def test_exercises_are_counted_apart(capsys: pytest.CaptureFixture[str]) -> None:
    found = {
        "as_of": "2025-01-07T01:05:00+00:00", "requests": [], "shortages": [], "calls": [],
        "activations": [ACTIVATION, {**ACTIVATION, "exercise": True}, ACTIVATION], "transfers": [],
        "dead_letters": 0, "unread": {"known": True, "records": 0},
    }  # fmt: skip
    print_overview(Output(), found)
    told = capsys.readouterr().out
    assert "应急启动 · activations 2" in told
    assert "演练 · exercises 1" in told
    print_overview(Output(), {**found, "activations": [{**ACTIVATION, "exercise": True}]})
    told = capsys.readouterr().out
    assert "应急启动 · activations" not in told
    assert "演练 · exercises 1" in told


@pytest.mark.parametrize(
    ("waiting", "told"),
    [
        (None, "等 3 · waiting"),
        ([("routine", 3)], "等 3 · waiting"),
        ([("urgent", 1), ("routine", 2)], "急 1 · urgent，等 2 · waiting"),
        ([("life_threatening", 2), ("urgent", 1)], "急 3 · urgent"),
    ],
)
def test_only_who_cannot_wait_is_told_as_urgent(
    waiting: list[tuple[str, int]] | None, told: str
) -> None:
    row = dict(SHORTAGE)
    if waiting is not None:
        row["waiting"] = [{"priority": priority, "units": units} for priority, units in waiting]
    assert describe_uncovered(row) == told
