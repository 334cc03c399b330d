"""Shows whether the process lives and is ready, its metrics, and the principal of the key."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from gateway.http import problems
from gateway.http.dependencies import GatewayDep
from gateway.http.openapi import problems as documented
from gateway.http.responses import to_response
from gateway.http.scopes import KnownKey
from gateway.reason_texts import explain
from gateway.runtime import Gateway
from models.errors import ConfigurationError, TransientError

router = APIRouter(tags=["health"])

CHECK_LIMIT_S = 2.0
"""A dependency that does not answer within this time is away."""


@router.get(
    "/healthz",
    summary="进程是否活着 · Whether the process lives",
    responses={500: {"description": "须重启 · must be restarted"}},
)
async def healthz(gateway: GatewayDep) -> Response:
    if not gateway.alive:
        return problems.build(status=500, code="internal_error", params={"reference": "task"})
    return to_response({"status": "alive"})


@router.get(
    "/readyz",
    summary="是否就绪，若否，为何 · Whether it is ready, and why not",
    responses={503: {"description": "未就绪 · not ready"}},
)
async def readyz(gateway: GatewayDep) -> Response:
    checks = [
        *await asyncio.gather(
            _check("kafka", "kafka_unreachable", gateway.parts.probe_kafka()),
            _check("postgres", "postgres_unreachable", gateway.pages.ping()),
        ),
        _check_itself(gateway),
    ]
    ready = all(check["ok"] for check in checks)
    content = {"status": "ready" if ready else "not_ready", "checks": checks}
    if ready:
        return to_response(content)
    headers = {"Retry-After": str(problems.RETRY_AFTER_S)}
    return to_response(content, status=503, headers=headers)


@router.get("/metrics", summary="Prometheus 指标 · Prometheus metrics")
async def metrics(gateway: GatewayDep) -> Response:
    page = generate_latest(gateway.metrics.registry)
    return Response(page, headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get(
    "/v1/me",
    summary="这个密钥是谁的 · Whose key this is",
    responses=documented(),
)
async def me(gateway: GatewayDep, principal: KnownKey) -> Response:
    return to_response(
        {
            "key_id": principal.key_id,
            "scope": principal.scope,
            "facility_id": principal.facility_id,
            "now": gateway.clock.now(),
        }
    )


def _check_itself(gateway: Gateway) -> dict[str, Any]:
    """Check the gateway's own parts: without its tasks and its publisher it cannot do its work."""
    if gateway.ended is not None:
        reason = explain("gateway_part_ended", {"part": gateway.ended})
    elif gateway.parts.publisher.is_stopped:
        reason = explain("gateway_stopping")
    else:
        return {"name": "gateway", "ok": True, "reason": None}
    return {"name": "gateway", "ok": False, "reason": reason}


async def _check(name: str, code: str, probe: Awaitable[None]) -> dict[str, Any]:
    try:
        async with asyncio.timeout(CHECK_LIMIT_S):
            await probe
    except (TransientError, ConfigurationError, TimeoutError):
        return {"name": name, "ok": False, "reason": explain(code)}
    return {"name": name, "ok": True, "reason": None}
