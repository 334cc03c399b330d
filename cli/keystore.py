"""Makes, lists and revokes API keys directly in PostgreSQL, without a gateway.

Not for use inside an event loop: each call runs a loop of its own.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from models.access import KeyScope
from models.errors import ContractError
from models.rules.rulebook import PACKAGED
from streams.clock import parse_clock
from streams.settings import Settings
from streams.store.api_keys import ApiKey, IssuedKey, PgKeys
from streams.store.command_database import run_on_database
from streams.store.database import Database
from streams.store.directory import PgDirectory

# An identifier without the underscore, which separates the id from the secret in the key's text.
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:-]{0,63}")


def create_key(
    settings: Settings,
    *,
    scope: str,
    facility_id: str | None,
    label: str,
    key_id: str | None = None,
) -> IssuedKey:
    """Make a key.

    Raises:
        ContractError: `key_id_invalid`, or as `PgKeys.create` does.
        DomainRefusal: `api_key_id_taken`.
        TransientError: PostgreSQL is away.
    """
    if key_id is not None and _IDENTIFIER.fullmatch(key_id) is None:
        raise ContractError("key_id_invalid", key_id=key_id)

    async def create(database: Database) -> IssuedKey:
        return await _keys(settings, database).create(
            scope=KeyScope(scope), facility_id=facility_id, label=label, key_id=key_id
        )

    return run_on_database(settings, create)


def find_stranger(settings: Settings, *, scope: str, facility_id: str) -> list[str] | None:
    """Check whether a key would speak for a facility that is not registered.

    Returns:
        None if the facility is registered; else the registered names that are close to it.
    """

    async def look(database: Database) -> list[str] | None:
        directory = await PgDirectory(database, PACKAGED).refresh()
        known = directory.hospitals if scope == KeyScope.HOSPITAL else directory.stations
        if facility_id in known:
            return None
        return get_close_matches(facility_id, known, n=3)

    return run_on_database(settings, look)


def list_keys(settings: Settings) -> list[ApiKey]:
    """List every key, revoked ones too, oldest first."""

    async def listing(database: Database) -> list[ApiKey]:
        return await _keys(settings, database).list_all()

    return run_on_database(settings, listing)


def revoke_key(settings: Settings, key_id: str) -> None:
    """Revoke a key. Raises DomainRefusal `api_key_unknown`."""

    async def revoke(database: Database) -> None:
        await _keys(settings, database).revoke(key_id)

    run_on_database(settings, revoke)


def _keys(settings: Settings, database: Database) -> PgKeys:
    return PgKeys(database, parse_clock(settings.clock))
