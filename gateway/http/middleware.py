"""Pure ASGI middleware: let clients leave, measure, verify the key, bound the body, read its JSON.

They run in this order, outermost first. Everything under `/v1` needs a key; a route cannot forget
it. The body is counted while it is read, and no JSON that names a field twice reaches a route.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import anyio
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.auth import Authenticator
from gateway.http import problems
from gateway.http.scopes import PRINCIPAL
from gateway.metrics import GatewayMetrics
from models.errors import ContractError, XuelianError
from models.strict_json import load_strictly
from models.topics import MAX_MESSAGE_BYTES

log = structlog.get_logger(__name__)

PROTECTED = "/v1/"

MAX_FILE_BYTES = 48_000_000
"""A file of 100,000 units has about 10 MB as CSV and 35 MB as JSON; it is published in parts."""

_TAKES_FILES = re.compile(r"/v1/stations/[^/]+/(stock|stock/preview|donors)")
_BEARER = b"bearer "


class BodyTooLargeError(HTTPException):
    """The body is larger than a record may be. The framework lets an HTTPException pass through."""

    def __init__(self, found: int, limit: int) -> None:
        self.found = found
        self.limit = limit
        super().__init__(status_code=413)


_OF_LEAVING = (anyio.BrokenResourceError, anyio.ClosedResourceError, ClientDisconnect)


class DepartedClients:
    """Logs a client that leaves in the middle of its answer, instead of raising a server error.

    A stream whose connection is cut fails inside the framework, with the errors of its queues.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_left = False

        async def watch() -> Message:
            nonlocal has_left
            message = await receive()
            has_left = has_left or message["type"] == "http.disconnect"
            return message

        try:
            await self._app(scope, watch, send)
        except Exception as error:
            if not (has_left and _is_of_leaving(error)):
                raise
            log.info("client_left", path=scope["path"])


def _is_of_leaving(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_of_leaving(inner) for inner in error.exceptions)
    return isinstance(error, _OF_LEAVING)


class Measured:
    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: GatewayMetrics,
        monotonic: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._monotonic()

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "(none)")
                method = scope["method"]
                self._metrics.answers.labels(method, route, message["status"]).inc()
                self._metrics.seconds.labels(method, route).observe(self._monotonic() - began)
            await send(message)

        await self._app(scope, receive, count)


class Authenticated:
    """Verifies the key of everything under `/v1/` and leaves the principal in the scope."""

    def __init__(self, app: ASGIApp, *, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PROTECTED):
            try:
                text = _find_key(scope)
                principal = self._authenticator.find_fresh(text)
                if principal is None:
                    principal = await self._authenticator.verify(text)
            except XuelianError as error:
                await problems.to_response(error)(scope, receive, send)
                return
            scope[PRINCIPAL] = principal
        await self._app(scope, receive, send)


def _find_key(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"authorization" and value[: len(_BEARER)].lower() == _BEARER:
            text: str = value[len(_BEARER) :].decode("latin-1").strip()
            return text
    raise ContractError("api_key_missing")


class Bounded:
    """Refuses a body over the limit: by its declared length at once, else while it is read."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: int = MAX_MESSAGE_BYTES,
        file_limit: int = MAX_FILE_BYTES,
    ) -> None:
        self._app = app
        self._limit = limit
        self._file_limit = file_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._file_limit if _TAKES_FILES.fullmatch(scope["path"]) else self._limit
        declared = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
        if declared.isdigit() and int(declared) > limit:
            error = ContractError("record_too_large", found=int(declared), limit=limit)
            await problems.to_response(error)(scope, receive, send)
            return
        read = 0

        async def count() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise BodyTooLargeError(read, limit)
            return message

        await self._app(scope, count, send)


class Strict:
    """Refuses JSON that names a field twice, because a parser would drop one of the two values.

    Files are checked where they are read: they are large, and some are read in another process.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _may_bring_json(scope):
            await self._app(scope, receive, send)
            return
        taken: list[Message] = []
        try:
            while not taken or taken[-1].get("more_body", False):
                taken.append(await receive())
        except BodyTooLargeError as error:
            await self._app(scope, _failing_with(error), send)
            return
        body = b"".join(message.get("body", b"") for message in taken)
        try:
            if body:
                load_strictly(body)
        except ContractError as error:
            await problems.to_response(error)(scope, receive, send)
            return
        again = iter(taken)

        async def replay() -> Message:
            message = next(again, None)
            return await receive() if message is None else message

        await self._app(scope, replay, send)


def _failing_with(error: BodyTooLargeError) -> Receive:
    """Raise the error again when the framework reads, so that it is answered like any other."""

    async def fail() -> Message:
        raise error

    return fail


def _may_bring_json(scope: Scope) -> bool:
    if scope["method"] in {"GET", "HEAD", "OPTIONS"} or _TAKES_FILES.fullmatch(scope["path"]):
        return False
    kind: bytes = next((v for k, v in scope["headers"] if k == b"content-type"), b"json")
    return b"json" in kind.lower()
