"""Makes the app from given parts. There is no module-level app: the caller chooses the parts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from starlette.responses import Response

from gateway.gateway_parts import GatewayParts
from gateway.http import error_handlers
from gateway.http.middleware import Authenticated, Bounded, DepartedClients, Measured, Strict
from gateway.http.openapi import describe
from gateway.http.repeated_parameters import ensure_stated_once
from gateway.http.routes import (
    alerts,
    call_outs,
    counts,
    donations,
    donors,
    events,
    exports,
    facilities,
    figures,
    hand_work,
    health,
    journeys,
    operations,
    overview,
    patients,
    reconciliations,
    requests,
    scans,
    shortages,
    status,
    stock,
)
from gateway.runtime import Gateway

DESCRIPTION = """
血联：应急血液调度。系统提出、预留、调运并记录；
它不替代医院的交叉配血，也不替代血站的法定放行。

Xuelian dispatches emergency blood. It proposes, reserves, routes and records; it does not replace
the hospital's crossmatch or the station's legal release of a unit.

`Authorization: Bearer xl_<key_id>_<secret>`. 错误都是 problem+json (RFC 9457)；503 之后用同一个
`Idempotency-Key` 再发 · every error is problem+json; after a 503 send again with the same
`Idempotency-Key`.
""".strip()


def create_app(parts: GatewayParts) -> FastAPI:
    """Make the app; its tasks run from its start-up to its shutdown.

    Args:
        parts: The caller keeps the database open; the app starts and stops the publisher.
    """
    gateway = Gateway(parts)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with gateway.run():
            yield

    app = FastAPI(
        title="血联 · Xuelian",
        version="1",
        description=DESCRIPTION,
        lifespan=lifespan,
        dependencies=[Depends(ensure_stated_once)],
        default_response_class=Response,
        docs_url=None,
        redoc_url=None,
    )
    app.state.gateway = gateway
    app.add_middleware(Strict)
    app.add_middleware(Bounded)
    app.add_middleware(Authenticated, authenticator=gateway.authenticator)
    app.add_middleware(Measured, metrics=gateway.metrics)
    app.add_middleware(DepartedClients)
    error_handlers.install(app)
    for part in (
        overview,
        requests,
        hand_work,
        patients,
        status,
        stock,
        donations,
        scans,
        counts,
        exports,
        reconciliations,
        figures,
        donors,
        call_outs,
        alerts,
        shortages,
        facilities,
        journeys,
        events,
        operations,
        health,
    ):
        app.include_router(part.router)
    setattr(app, "openapi", lambda: describe(app))  # noqa: B010 - the framework's own way to replace it
    return app
