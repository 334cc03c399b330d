"""Verify API keys: once against PostgreSQL, then from memory by the SHA-256 of the whole key.

A verified key is valid for a minute without a look at PostgreSQL; then its row is read again, which
notices a revocation. While PostgreSQL is away a verified key stays valid for 15 minutes, so that
the gateway goes on taking requests in.

Concurrency: one event loop. At most two keys are looked up at a time; a call that waited for the
same key finds it in memory. When too many calls wait, further ones are refused, so that guessing
keys takes at most two connections from the urgent path.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

import structlog

from models.access import Principal
from models.errors import ContractError, TransientError
from streams.store.api_keys import ApiKey, is_secret, split_key

log = structlog.get_logger(__name__)

FRESH_S = 60.0
"""A revoked key is refused at most this long after the revocation."""

STALE_S = 900.0
"""How long a verified key stays valid while PostgreSQL is away."""

RECHECK_LIMIT_S = 0.5
"""Longest time that a look at PostgreSQL may delay a request of the urgent path; if it fails, the
key is not looked up again within `RECHECK_PAUSE_S`."""

RECHECK_PAUSE_S = 5.0
REFUSED_S = 10.0
"""How long a refused key is refused again without a look; a new key is not affected by this."""

MAX_KEPT = 4096
MAX_REFUSED = 1024
MAX_LOOKS = 2
MAX_WAITING = 64


class KeySource(Protocol):
    async def find(self, key_id: str) -> ApiKey | None:
        """Return a key, revoked or not; raises TransientError while PostgreSQL is away."""
        ...


@dataclass(slots=True, kw_only=True)
class _Known:
    """A verified key.

    Attributes:
        confirmed_at: When PostgreSQL last confirmed the key, monotonic seconds.
        look_again_at: When to look the key up again, monotonic seconds.
    """

    principal: Principal
    key: ApiKey
    confirmed_at: float
    look_again_at: float


class Authenticator:
    """Turns the text of a key into a principal.

    Args:
        keys: Finds keys by their identifier.
        monotonic: Real seconds; drills do not speed up the age of a key.
    """

    def __init__(self, *, keys: KeySource, monotonic: Callable[[], float]) -> None:
        self._keys = keys
        self._monotonic = monotonic
        self._known: OrderedDict[bytes, _Known] = OrderedDict()
        self._refused: OrderedDict[bytes, float] = OrderedDict()
        self._places = asyncio.Semaphore(MAX_LOOKS)
        self._waiting = 0

    def find_fresh(self, text: str) -> Principal | None:
        """Return the principal of a key that was verified a moment ago; this is the usual case."""
        known = self._known.get(_digest(text))
        if known is None or self._monotonic() >= known.look_again_at:
            return None
        return known.principal

    async def verify(self, text: str) -> Principal:
        """Return the principal that the key belongs to.

        Raises:
            ContractError: `api_key_invalid`: no such key, another secret, or revoked.
            TransientError: The key cannot be verified now: PostgreSQL is away, or too many calls
                wait for a look.
        """
        digest = _digest(text)
        if self._refused.get(digest, 0.0) > self._monotonic():
            raise ContractError("api_key_invalid")
        if self._waiting >= MAX_WAITING and digest not in self._known:
            raise TransientError("auth_busy")
        self._waiting += 1
        try:
            async with self._places:
                return await self._decide(digest, text)
        finally:
            self._waiting -= 1

    async def _decide(self, digest: bytes, text: str) -> Principal:
        principal = self.find_fresh(text)
        if principal is not None:
            return principal
        known = self._known.get(digest)
        if known is None:
            return await self._meet(digest, text)
        return await self._look_again(digest, known)

    async def _meet(self, digest: bytes, text: str) -> Principal:
        """Verify a key that is not in the cache."""
        parts = split_key(text)
        key = await self._keys.find(parts[0]) if parts else None
        if key is None or parts is None or key.revoked_at is not None:
            raise self._refuse(digest)
        if not is_secret(parts[1], key.secret_hash):
            log.warning("api_key_wrong_secret", key_id=key.key_id)
            raise self._refuse(digest)
        return self._keep(digest, key)

    async def _look_again(self, digest: bytes, known: _Known) -> Principal:
        """Confirm a verified key; its row must still hold the hash that was verified."""
        try:
            async with asyncio.timeout(RECHECK_LIMIT_S):
                key = await self._keys.find(known.key.key_id)
        except (TransientError, TimeoutError) as error:
            now = self._monotonic()
            if now - known.confirmed_at >= STALE_S:
                raise TransientError("postgres_away") from error
            known.look_again_at = min(now + RECHECK_PAUSE_S, known.confirmed_at + STALE_S)
            return known.principal
        same = key is not None and key.secret_hash == known.key.secret_hash
        if key is None or not same or key.revoked_at is not None:
            del self._known[digest]
            raise self._refuse(digest)
        return self._keep(digest, key)

    def _keep(self, digest: bytes, key: ApiKey) -> Principal:
        principal = Principal(key_id=key.key_id, scope=key.scope, facility_id=key.facility_id)
        now = self._monotonic()
        self._known[digest] = _Known(
            principal=principal, key=key, confirmed_at=now, look_again_at=now + FRESH_S
        )
        self._known.move_to_end(digest)
        while len(self._known) > MAX_KEPT:
            self._known.popitem(last=False)
        return principal

    def _refuse(self, digest: bytes) -> ContractError:
        self._refused[digest] = self._monotonic() + REFUSED_S
        self._refused.move_to_end(digest)
        while len(self._refused) > MAX_REFUSED:
            self._refused.popitem(last=False)
        return ContractError("api_key_invalid")


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
