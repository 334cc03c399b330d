"""One HTTP call as a route reads it: the headers that steer it, its moment and its body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from gateway.intake.acceptance import IDEMPOTENCY_KEY, Caller
from gateway.invalid_content import FieldError, InvalidContent, of_validation
from models.errors import ContractError
from models.strict_json import load_strictly
from models.texts import render
from streams.ports import Clock

MAX_WAIT_S = 30
M = TypeVar("M", bound=BaseModel)

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class HttpCall:
    """A call; each header is checked when a route asks for it.

    Args:
        request: The call as it came.
        clock: The gateway's.
    """

    def __init__(self, request: Request, *, clock: Clock) -> None:
        self._request = request
        self._clock = clock

    @property
    def content_type(self) -> str:
        return self._request.headers.get("content-type", "")

    def now(self) -> datetime:
        return self._clock.now()

    def find_idempotency_key(self) -> str | None:
        """Return the Idempotency-Key, if there is one.

        Raises:
            ContractError: `idempotency_key_invalid`: not an identifier.
        """
        key = self._request.headers.get("idempotency-key")
        if key is not None and not _KEY.fullmatch(key):
            raise ContractError("idempotency_key_invalid")
        return key

    def get_idempotency_key(self) -> str:
        """Return the Idempotency-Key.

        Raises:
            ContractError: `idempotency_key_missing` or `idempotency_key_invalid`.
        """
        key = self.find_idempotency_key()
        if key is None:
            raise ContractError("idempotency_key_missing")
        return key

    def find_if_match(self) -> str | None:
        """Return the version that a change was made from, without quotes; None if not stated."""
        stated = self._request.headers.get("if-match")
        return None if stated is None else stated.strip().strip('"')

    def find_last_event_id(self) -> str | None:
        """Return the Last-Event-ID: where an event stream broke off; None if it begins."""
        return self._request.headers.get("last-event-id")

    def get_wait_s(self) -> int:
        """Return how long the caller is willing to wait, whole seconds; 0 without `Prefer: wait=N`.

        Other preferences are ignored, as RFC 7240 asks.

        Raises:
            ContractError: `prefer_invalid`: not a whole number up to the limit.
        """
        text = next(iter(list_waits(self._request)), "0")
        if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) > MAX_WAIT_S:
            raise ContractError("prefer_invalid", limit=MAX_WAIT_S)
        return int(text)

    def find_traceparent(self) -> str | None:
        """Return the W3C trace context of the caller; None if there is none of the right form."""
        trace = self._request.headers.get("traceparent")
        return trace if trace and _TRACEPARENT.fullmatch(trace) else None

    def settle_moment(self, given: datetime | None, *, field: str) -> datetime:
        """Return the given moment; where none is given and no Idempotency-Key is used, return now.

        Raises:
            ContractError: `moment_needed`: a repeat under a key must state the same moment.
        """
        if given is not None:
            return given
        if self.find_idempotency_key() is not None:
            raise ContractError("moment_needed", field=field)
        return self.now()

    def to_caller(
        self, source: str, *, key: str | None = None, named_by: str = IDEMPOTENCY_KEY
    ) -> Caller:
        """Return on whose behalf events are sent: a repeat under a key is the same events.

        Args:
            source: The source of the events.
            key: Replaces a missing Idempotency-Key; without either, equal content is a repeat.
            named_by: The field that `key` was taken from.

        Raises:
            ContractError: `idempotency_key_invalid`, `prefer_invalid`.
        """
        own = self.find_idempotency_key()
        return Caller(
            source=source,
            key=own or key,
            named_by=IDEMPOTENCY_KEY if own else named_by,
            traceparent=self.find_traceparent(),
            wait_s=self.get_wait_s(),
        )

    async def read_content(self) -> bytes:
        """Read the body whole; the middleware bounds its size."""
        return await self._request.body()

    async def read_object(self) -> dict[str, Any]:
        """Read a JSON object.

        Raises:
            ContractError: `body_not_json`, `field_twice`, or `fields_invalid` if it is no object.
        """
        content = load_strictly(await self._request.body())
        if not isinstance(content, dict):
            wrong = FieldError("(body)", str(render("broken_object")), render("fix_structure"))
            raise InvalidContent("fields_invalid", [wrong])
        return content


def list_waits(request: Request) -> list[str]:
    """List the values of every preference `wait`, as text that is not checked yet."""
    preferences = re.split(r"[,;]", ",".join(request.headers.getlist("prefer")))
    parts = [preference.partition("=") for preference in preferences]
    return [value.strip().strip('"') for name, _, value in parts if name.strip().lower() == "wait"]


def validate(model: type[M], fields: Mapping[str, Any], **given: str) -> M:
    """Validate what was sent, completed by the `given` fields, which the caller may not choose.

    Raises:
        ContractError: `fields_invalid` with everything that is wrong; also if the caller sent a
            field of `given`.
    """
    chosen = [name for name in given if name in fields]
    if chosen:
        raise InvalidContent(
            "fields_invalid",
            [
                FieldError(name, str(render("broken_given")), render("fix_extra_forbidden"))
                for name in chosen
            ],
        )
    try:
        return model.model_validate({**fields, **given})
    except ValidationError as error:
        raise of_validation(error.errors(include_url=False, include_input=True)) from error
