"""The principal of an HTTP call, and the scopes that a route is for."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from models.access import KeyScope, Principal
from models.errors import ContractError, DomainRefusal

PRINCIPAL = "xuelian.principal"
"""The key under which the middleware leaves the principal in the ASGI scope."""


def get_principal(request: Request) -> Principal:
    """Return the principal of the call.

    Raises:
        ContractError: `api_key_missing`; only where the middleware did not run before.
    """
    principal = request.scope.get(PRINCIPAL)
    if not isinstance(principal, Principal):
        raise ContractError("api_key_missing")
    return principal


async def identify(request: Request) -> Principal:
    """Give the principal of a call that any key may make."""
    return get_principal(request)


def ensure_scope(principal: Principal, allowed: frozenset[KeyScope]) -> None:
    """Raise DomainRefusal unless the scope is one of those allowed."""
    if principal.scope not in allowed:
        names = ", ".join(sorted(allowed))
        raise DomainRefusal("scope_not_allowed", scope=principal.scope, allowed=names)


class ScopeCheck:
    """A dependency that gives the principal, if its scope is among the allowed scopes."""

    def __init__(self, scopes: frozenset[KeyScope]) -> None:
        self.scopes = scopes

    async def __call__(self, request: Request) -> Principal:
        principal = get_principal(request)
        ensure_scope(principal, self.scopes)
        return principal


def allow(*scopes: KeyScope) -> ScopeCheck:
    """Make the dependency; a test compares the table of calls in `docs/api.md` with it."""
    return ScopeCheck(frozenset(scopes))


KnownKey = Annotated[Principal, Depends(identify)]
Dispatcher = Annotated[Principal, Depends(allow(KeyScope.DISPATCHER))]
StationStaff = Annotated[Principal, Depends(allow(KeyScope.STATION))]
Ward = Annotated[Principal, Depends(allow(KeyScope.HOSPITAL))]
Holder = Annotated[Principal, Depends(allow(KeyScope.STATION, KeyScope.DISPATCHER))]
"""Who answers for what a station holds."""
Party = Annotated[
    Principal, Depends(allow(KeyScope.HOSPITAL, KeyScope.STATION, KeyScope.DISPATCHER))
]
"""Who takes part in a request."""
Reader = Annotated[
    Principal,
    Depends(allow(KeyScope.DISPATCHER, KeyScope.STATION, KeyScope.NEIGHBOUR, KeyScope.HOSPITAL)),
]
