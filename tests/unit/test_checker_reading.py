"""What the checker reads: the sent log, headers of records, and who was set aside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from checker.checks.arrivals import find_lost_requests
from checker.database_rows import DeadLetter, Request, Rows
from checker.evidence import World, canonical
from checker.kafka_log import Log, to_record
from checker.report import CheckResult, Finding, Report
from checker.request_versions import RequestRowError, read_histories
from checker.sent_log import SentLogError, SentMessage, read_sent
from tests.support.seeding import minutes

LINE = {"event_id": "e1", "type": "blood.request.opened.v1", "subject": "r1", "accepted": True}


def test_the_sent_log_keeps_its_order_and_skips_blank_lines(tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"
    other = LINE | {"event_id": "e2", "accepted": None}
    path.write_text(f"{json.dumps(LINE)}\n\n{json.dumps(other)}\n", encoding="utf-8")

    assert [(sent.event_id, sent.accepted) for sent in read_sent(path)] == [
        ("e1", True),
        ("e2", None),
    ]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"event_id": "e1"}', json.dumps(LINE | {"accepted": "yes"})]
)
def test_a_line_that_is_not_understood_is_refused_by_its_number(line: str, tmp_path: Path) -> None:
    path = tmp_path / "sent.jsonl"
    path.write_text(f"{json.dumps(LINE)}\n{line}\n", encoding="utf-8")

    with pytest.raises(SentLogError, match="line 2"):
        read_sent(path)


def test_a_record_with_broken_headers_is_kept() -> None:
    record = to_record(
        topic="blood.stock.v1",
        partition=0,
        offset=7,
        key=None,
        value=b"\xff",
        headers=[("ce_id", b"\xff"), ("ce_sequence", "²".encode())],
    )

    assert (record.event_id, record.sequence, record.body) == (None, None, None)


def sent(event_id: str = "e1", subject: str = "r1", body: object = None) -> SentMessage:
    return SentMessage(
        event_id=event_id,
        source="hospital/h",
        type="blood.request.opened.v1",
        subject=subject,
        accepted=True,
        body=body,
    )


def lost(*messages: SentMessage, **letter: object) -> list[str]:
    fields: dict[str, object] = {"headers": [], "body": None} | letter
    row = DeadLetter(
        topic="blood.requests.v1",
        partition=0,
        log_offset=3,
        body=fields["body"],  # type: ignore[arg-type]  # bytes or None by the tests below
        headers=fields["headers"],
    )
    world = World(sent=messages, rows=Rows(dead_letters=[row]), log=Log())
    return [finding.subject for finding in find_lost_requests(world)]


def test_a_quarantined_message_is_known_by_its_headers_in_either_form() -> None:
    assert lost(sent(), headers=[["ce_id", "e1"], ["ce_subject", "r1"]]) == []
    assert lost(sent(), headers={"ce_id": "e1", "ce_subject": "r1"}) == []


def test_a_reused_id_in_quarantine_does_not_hide_the_loss_of_the_first() -> None:
    letter = [["ce_id", "e1"], ["ce_subject", "r2"]]
    assert lost(sent(), sent(subject="r2"), headers=letter) == ["r1"]


def test_a_message_without_readable_headers_is_known_by_its_body() -> None:
    assert lost(sent(body={"b": 1, "a": 2}), body=b'{"a": 2,"b":1}') == []
    assert lost(sent(body="not json"), body=b"not json") == []
    assert lost(sent(body={"b": 2}), body=b'{"b": 1}') == ["r1"]
    assert lost(sent(body=None), body=b"null") == ["r1"]


def test_equal_json_is_equal_text() -> None:
    assert canonical('{"b": 1, "a": [1]}') == canonical({"a": [1], "b": 1})
    assert canonical(b"\xff") != canonical(b"\xfe")


def test_a_request_without_a_patient_is_not_guessed_at() -> None:
    request = Request(
        request_id="r1",
        hospital_id="h",
        station_id="s",
        priority="urgent",
        needed_by=minutes(1),
        status="open",
        waiting_for="x",
        version=1,
        body={},
        decided_at=minutes(0),
    )
    with pytest.raises(RequestRowError, match="r1"):
        read_histories(World(rows=Rows(requests=[request])))


def test_a_report_keeps_few_examples_and_every_count() -> None:
    findings = [Finding(subject=f"r{number:03}", told="x") for number in range(50)]
    failed = CheckResult.of(name="a", title="a", unit="u", findings=findings)
    told = CheckResult.of(name="b", title="b", unit="u", findings=findings, told=True)
    report = Report(checks=(failed, told), read={})

    assert (failed.value, len(failed.examples), failed.holds) == (50, 20, False)
    assert (told.goal, told.holds) == (None, True)
    assert [check.name for check in report.list_failed()] == ["a"]
    assert report.to_json()["holds"] is False
    with pytest.raises(KeyError):
        report.get("c")
