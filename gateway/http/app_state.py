"""The state of the app: the gateway that its routes use."""

from __future__ import annotations

from starlette.requests import Request

from gateway.runtime import Gateway


def get_gateway(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway
