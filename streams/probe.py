"""The HTTP probe of a worker process: whether it is alive, whether it is ready, and its metrics."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Reasons = Callable[[], Mapping[str, str]]


def build_probe(reasons: Reasons) -> Callable[..., Awaitable[None]]:
    """Build the ASGI application: `/healthz`, `/readyz` (503 with the reasons), `/metrics`."""

    async def app(scope: Mapping[str, Any], receive: object, send: Any) -> None:  # noqa: ANN401, ARG001
        if scope["type"] != "http":
            return
        status, media, body = _answer(scope["path"], reasons())
        headers = [(b"content-type", media.encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def _answer(path: str, reasons: Mapping[str, str]) -> tuple[int, str, bytes]:
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest()
    if path == "/healthz":
        return 200, "application/json", b'{"alive":true}'
    if path == "/readyz":
        body = json.dumps({"ready": not reasons, "reasons": dict(reasons)}).encode()
        return (503 if reasons else 200), "application/json", body
    return 404, "application/json", b'{"paths":["/healthz","/readyz","/metrics"]}'


class ProbeServer(uvicorn.Server):
    """A server that leaves the process's signals to the worker, which stops it by `should_exit`."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def build_server(reasons: Reasons, *, host: str, port: int) -> ProbeServer:
    config = uvicorn.Config(
        build_probe(reasons),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
    )
    return ProbeServer(config)
