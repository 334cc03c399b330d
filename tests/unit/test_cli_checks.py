"""`xuelian doctor` never shows a cross alone: each says what is wrong and what to do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cli.checks import _failed, check_gateway
from cli.failures import ExitCode, Failure, GatewayRefusedError
from models.errors import ConfigurationError, TransientError
from streams.settings import Settings


@contextmanager
def answering(status: int, body: object) -> Iterator[Settings]:
    """A server on loopback that answers everything so, as a gateway would."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Settings(gateway_url=f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()


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
