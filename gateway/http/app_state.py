"""The state of the app: the gateway that its routes use."""

from __future__ import annotations

from starlette.requests import Request

from gateway.runtime import Gateway

LOOK_LIMIT_S = 1.0
"""PostgreSQL counts as away for a call that can do without it after this time."""


def get_gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway
