"""The request headers that steer a call: Idempotency-Key, If-Match and Prefer. Pure."""

from __future__ import annotations

import re

from starlette.requests import Request

from models.errors import ContractError

MAX_WAIT_S = 30
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


def find_idempotency_key(request: Request) -> str | None:
    """Return the Idempotency-Key, if there is one.

    Raises:
        ContractError: `idempotency_key_invalid`: not an identifier.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not _KEY.fullmatch(key):
        raise ContractError("idempotency_key_invalid")
    return key


def get_idempotency_key(request: Request) -> str:
    """Return the Idempotency-Key.

    Raises:
        ContractError: `idempotency_key_missing` or `idempotency_key_invalid`.
    """
    key = find_idempotency_key(request)
    if key is None:
        raise ContractError("idempotency_key_missing")
    return key


def get_if_match(request: Request) -> str | None:
    """Return the version that a change was made from, without its quotes; None if not stated."""
    stated = request.headers.get("if-match")
    return None if stated is None else stated.strip().strip('"')


def get_wait_s(request: Request) -> int:
    """Return how long the caller is willing to wait, whole seconds; 0 without `Prefer: wait=N`.

    Other preferences are ignored, as RFC 7240 asks.

    Raises:
        ContractError: `prefer_invalid`: not a whole number up to the limit.
    """
    text = next(iter(list_waits(request)), "0")
    if not re.fullmatch(r"[0-9]{1,3}", text) or int(text) > MAX_WAIT_S:
        raise ContractError("prefer_invalid", limit=MAX_WAIT_S)
    return int(text)


def list_waits(request: Request) -> list[str]:
    """List the values of every preference `wait`, as text that is not checked yet."""
    preferences = re.split(r"[,;]", ",".join(request.headers.getlist("prefer")))
    parts = [preference.partition("=") for preference in preferences]
    return [value.strip().strip('"') for name, _, value in parts if name.strip().lower() == "wait"]
