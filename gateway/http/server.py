"""Serves the app with uvicorn, uvloop and httptools; event streams end when the server stops."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

from gateway.runtime import Gateway

SHUTDOWN_S = 5
"""Calls that wait for a decision get this long to end; the request is kept in the log anyway."""


class GatewayServer(uvicorn.Server):
    """Ends the event streams first, because uvicorn waits for open answers before it stops the app.

    It ends by itself once the gateway is no longer alive; `gateway.ended` then names the part.
    """

    def __init__(self, config: uvicorn.Config, gateway: Gateway) -> None:
        super().__init__(config)
        self._gateway = gateway

    async def on_tick(self, counter: int) -> bool:
        """Look ten times a second whether to stop."""
        return await super().on_tick(counter) or not self._gateway.alive

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._gateway.wakes.close()
        await super().shutdown(sockets)


def build_server(app: FastAPI, *, host: str, port: int) -> GatewayServer:
    """Build a server for an app of `create_app`.

    Args:
        app: Made by `create_app`.
        host: Address to listen on.
        port: 0 picks a free one; `server.servers[0].sockets[0].getsockname()` tells which.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    return GatewayServer(config, app.state.gateway)
