"""The board, the sent log and the figures: what the report's numbers are made of."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.day_record import Board, Given, percentile
from demo.event_lines import Storyteller
from demo.http_clients import SentLog
from demo.random_draws import divide, draw
from demo.scenario import read_scenario
from models.decisions import Decision, Outcome
from models.donors import CallOut, CallOutStatus
from models.envelope import Envelope
from models.events.donors import CallOutClosed, CallOutIssued
from models.events.requests import RequestDecided

AT = datetime(2025, 1, 7, 2, tzinfo=UTC)


def _board() -> Board:
    return Board(storyteller=Storyteller(read_scenario("dingri")))


def _call(number: int) -> CallOut:
    return CallOut(
        call_out_id=f"c-{number}",
        donor_id=f"d-{number}",
        station_id="nagqu",
        cause_id="a-1",
        wave=1,
        called_at=AT,
    )


def _issued(*numbers: int) -> CallOutIssued:
    return CallOutIssued(
        station_id="nagqu",
        cause_id="a-1",
        wave=1,
        donations_wanted=2,
        calls=tuple(_call(number) for number in numbers),
    )


def test_a_wave_is_counted_and_told_in_both_languages() -> None:
    board = _board()
    board.see(_issued(1, 2, 3), AT)
    assert board.count_calls()["nagqu"]["called"] == 3
    assert board.moments[0].zh == "那曲第 1 波呼叫 3 人（需 2 人次）"
    assert "3 called" in board.moments[0].en


def test_a_closed_call_is_not_open_any_more() -> None:
    board = _board()
    board.see(_issued(1, 2), AT)
    closed = CallOutClosed(
        station_id="nagqu",
        cause_id="a-1",
        status=CallOutStatus.STOOD_DOWN,
        call_out_ids=("c-1",),
        closed_at=AT,
    )
    board.see(closed, AT)
    assert board.count_calls()["nagqu"] == {"stood_down": 1, "called": 1}


def test_donations_that_the_system_does_not_know_do_not_count() -> None:
    board = _board()
    board.donated = {
        "u-1": Given(station_id="nagqu", staff=True, volume_ml=240),
        "u-2": Given(station_id="nagqu", staff=True, volume_ml=240),
        "u-3": Given(station_id="lhasa", staff=True, volume_ml=240),
    }
    row = {"call_out_id": "c-1", "donor_id": "d-1", "status": "donated", "unit_id": "u-1"}
    board.settle_calls("nagqu", [row])
    assert set(board.donated) == {"u-1", "u-3"}


def test_a_sent_request_without_a_decision_is_deciding() -> None:
    board = _board()
    board.sent = 2
    decision = Decision(
        decision_id="x-1",
        request_id="r-1",
        hospital_id="dingri-county",
        station_id="shigatse",
        version=1,
        outcome=Outcome.WAITING,
        waiting_for="donors_and_neighbours",
        decided_at=AT,
        rules_version="2026-3",
    )
    board.see(RequestDecided(decision=decision), AT)
    assert board.count_requests() == {"waiting": 1, "deciding": 1}


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.001, 1.0)]
)
def test_percentiles_are_nearest_ranks(share: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], share) == expected


def test_a_division_adds_up_to_the_whole() -> None:
    parts = divide(25, {"O": 0.342, "A": 0.2872, "B": 0.2817, "AB": 0.0891})
    assert sum(parts.values()) == 25
    assert parts == {"O": 9, "A": 7, "B": 7, "AB": 2}


def test_draws_of_one_name_do_not_move_those_of_another() -> None:
    first = draw(1, "donor", "x").random()
    draw(1, "donor", "y").random()
    assert draw(1, "donor", "x").random() == first
    assert draw(2, "donor", "x").random() != first


def test_the_sent_log_keeps_what_is_no_json_as_text(tmp_path: Path) -> None:
    log = SentLog(tmp_path / "sent.jsonl")
    envelope = Envelope(
        id="e-1",
        type="blood.request.opened.v1",
        source="hospital/x",
        subject="r-1",
        time=AT,
        key="shigatse",
        data=b"{broken",
    )
    log.note_envelope(envelope, accepted=True)
    log.close()
    (row,) = [json.loads(line) for line in (tmp_path / "sent.jsonl").read_text().splitlines()]
    assert row["body"] == "{broken"
    assert row["accepted"] is True
