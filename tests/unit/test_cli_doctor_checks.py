"""`xuelian doctor` never shows a cross alone: each says what is wrong and what to do."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from cli.doctor_checks import Check, _failed, build_unread, check_gateway, check_processes
from cli.failures import Failure, GatewayRefusedError
from deploy.local.exit_codes import ExitCode
from deploy.local.running_systems import hold_folder
from models.errors import ConfigurationError, TransientError
from streams.ports import Unread
from streams.settings import Settings
from tests.support.answering import answering
from tests.support.world import NOW


def test_a_worker_that_does_not_answer_is_told(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    assert "未检查" in check_processes(settings).detail
    with (
        hold_folder(tmp_path) as note,
        answering(200, {}) as well,
        answering(503, {"reasons": {"stock": "a record is in flight for 40 s"}}) as stuck,
    ):
        urls = {"urgent": well.gateway_url, "supply": well.gateway_url}
        note.report_places("http://127.0.0.1:8000", urls)
        assert check_processes(settings).ok
        note.report_places("http://127.0.0.1:8000", {**urls, "supply": stuck.gateway_url})
        frozen = check_processes(settings)
        assert not frozen.ok
        assert frozen.fix
        assert "supply" in frozen.detail
        assert "in flight for 40 s" in frozen.detail
        note.report_places("http://127.0.0.1:8000", {**urls, "supply": "http://127.0.0.1:9"})
        assert not check_processes(settings).ok
        note.report_places("http://127.0.0.1:8000", urls)
        note.report_failing(["supply"])
        assert "supply 反复退出" in check_processes(settings).detail
    # What ended leaves its note behind; nobody holds the folder any more.
    assert "未检查" in check_processes(settings).detail


def unready(name: str) -> dict[str, object]:
    reason = {"code": "x", "zh": f"{name} 没有回答", "en": f"{name} does not answer"}
    return {
        "status": "not_ready",
        "checks": [
            {"name": "kafka", "ok": True, "reason": None},
            {"name": name, "ok": False, "reason": reason},
        ],
    }


@pytest.mark.parametrize("name", ["kafka", "postgres", "gateway", "of_a_newer_gateway"])
def test_f87_a_gateway_that_is_not_ready_says_why(name: str) -> None:
    with answering(503, unready(name)) as settings:
        check = check_gateway(settings)
    assert not check.ok
    assert f"{name} 没有回答 · {name} does not answer" in check.detail
    assert check.fix


def test_f87_a_gateway_that_is_ready_is_fine() -> None:
    with answering(200, {"status": "ready", "checks": []}) as settings:
        assert check_gateway(settings).ok


@pytest.mark.parametrize(
    "error",
    [
        GatewayRefusedError(Failure(code="http_error", zh="", en="", exit_code=ExitCode.AWAY)),
        TransientError("from_a_newer_peer"),
        ConfigurationError("topic_config_wrong", topic="t", key="k", found=1, expected=2),
        RuntimeError(),
    ],
)
def test_f87_no_cross_without_a_reason_and_a_next_step(error: Exception) -> None:
    check = _failed("网关 · gateway", error)
    assert check.detail.strip(" ·")
    assert check.fix


def test_what_no_worker_reads_is_told_with_what_to_do() -> None:
    urgent = Unread(
        reader="xuelian-urgent",
        topic="blood.requests.v1",
        records=3,
        since=NOW - timedelta(seconds=42),
    )
    supply = Unread(reader="xuelian-supply", topic="blood.stock.v1", records=0, since=None)
    late = build_unread([urgent, supply], now=NOW)
    assert not late.ok
    assert "blood.requests.v1 3" in late.detail
    assert "42 s" in late.detail
    assert "xuelian worker urgent" in late.fix
    assert "supply" not in late.fix + late.detail
    # What was written a moment ago is on its way, and no fault.
    assert build_unread([urgent], now=NOW - timedelta(seconds=40)).ok
    assert build_unread([supply], now=NOW) == Check(name=late.name, ok=True, detail="没有 · none")
