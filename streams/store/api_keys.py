"""API keys: made, found and revoked. Only the SHA-256 of a secret is kept.

A key reads `xl_<key_id>_<secret>`. The secret is drawn from 24 random bytes: nobody guesses 192
bits, so the hash need be neither slow nor salted.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from models.access import KeyScope
from models.base import Identifier
from models.errors import ContractError, DomainRefusal
from streams.ports import Clock
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    import asyncpg

    from streams.store.database import Database

_QUERIES = load_queries("api_keys")
_IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)

PREFIX = "xl_"
_SECRET_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is kept.

    Attributes:
        facility_id: The hospital or station it speaks for; None for dispatchers and feeds.
    """

    key_id: str
    secret_hash: str
    scope: KeyScope
    facility_id: str | None
    label: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A new key with its whole text, which is shown once and kept nowhere."""

    key_id: str
    text: str


def split_key(text: str) -> tuple[str, str] | None:
    """Return (key id, secret) of `xl_<key_id>_<secret>`, or None if it does not read so."""
    if not text.startswith(PREFIX):
        return None
    # An identifier holds no underscore; a secret may.
    key_id, _, secret = text.removeprefix(PREFIX).partition("_")
    return (key_id, secret) if key_id and secret else None


def hash_secret(secret: str) -> str:
    """Return what is kept of a secret: `sha256$` and 64 hexadecimal digits."""
    return f"sha256${sha256(secret.encode()).hexdigest()}"


def is_secret(secret: str, secret_hash: str) -> bool:
    """Return whether a secret is the one that was hashed, in a time that tells nothing of it."""
    return compare_digest(hash_secret(secret).encode(), secret_hash.encode())


class PgKeys:
    """The keys of one database. Safe for concurrent tasks."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def create(
        self,
        *,
        scope: KeyScope,
        facility_id: str | None,
        label: str,
        key_id: str | None = None,
    ) -> IssuedKey:
        """Make a key.

        Args:
            scope: What it may do.
            facility_id: Whom it speaks for; given exactly where the scope has a facility.
            label: For people: who holds it.
            key_id: A readable identifier; by default a random one.

        Raises:
            ContractError: `key_scope_invalid`: scope and facility do not go together.
            DomainRefusal: `api_key_id_taken`.
        """
        if scope.has_facility != (facility_id is not None):
            raise ContractError("key_scope_invalid", scope=scope)
        key_id = _IDENTIFIER.validate_python(key_id or secrets.token_hex(6))
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        async with self._database.connection() as connection:
            status = await _QUERIES.add_key(
                connection,
                key_id=key_id,
                secret_hash=hash_secret(secret),
                scope=scope,
                facility_id=facility_id,
                label=label,
                created_at=self._clock.now(),
            )
        if str(status).endswith(" 0"):
            raise DomainRefusal("api_key_id_taken", key_id=key_id)
        return IssuedKey(key_id=key_id, text=f"{PREFIX}{key_id}_{secret}")

    async def find(self, key_id: str) -> ApiKey | None:
        async with self._database.connection() as connection:
            rows = [_to_key(row) async for row in _QUERIES.find_key(connection, key_id=key_id)]
        return rows[0] if rows else None

    async def list_all(self) -> list[ApiKey]:
        """List every key, revoked ones too, oldest first."""
        async with self._database.connection() as connection:
            return [_to_key(row) async for row in _QUERIES.list_keys(connection)]

    async def revoke(self, key_id: str) -> None:
        """Revoke a key; gateways refuse it within a minute.

        Raises:
            DomainRefusal: `api_key_unknown`.
        """
        async with self._database.connection() as connection:
            status = await _QUERIES.revoke_key(
                connection, key_id=key_id, revoked_at=self._clock.now()
            )
        if str(status).endswith(" 0"):
            raise DomainRefusal("api_key_unknown", key_id=key_id)


def _to_key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(**{**dict(row), "scope": KeyScope(row["scope"])})
