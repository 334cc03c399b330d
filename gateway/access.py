"""Who is asking, and what each scope may do. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi.routing import APIRoute
from starlette.requests import Request

from models.errors import ContractError, DomainRefusal
from streams.store.api_keys import KeyScope

PRINCIPAL = "xuelian.principal"
"""Where the middleware leaves the principal in the ASGI scope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The holder of a verified key.

    Attributes:
        facility_id: The hospital or station it speaks for; None for dispatchers and feeds.
    """

    key_id: str
    scope: KeyScope
    facility_id: str | None

    @property
    def is_dispatcher(self) -> bool:
        return self.scope is KeyScope.DISPATCHER

    @property
    def actor(self) -> str:
        """Who it is, for the audit: its facility, or the key where it speaks for none."""
        return f"{self.scope}/{self.facility_id or self.key_id}"

    @property
    def own_hospital(self) -> str | None:
        return self.facility_id if self.scope is KeyScope.HOSPITAL else None

    @property
    def own_station(self) -> str | None:
        is_station = self.scope in {KeyScope.STATION, KeyScope.NEIGHBOUR}
        return self.facility_id if is_station else None

    def may_name(self, station_id: str) -> bool:
        """Whether it may know a station's requests and hospitals by their names."""
        is_own = self.scope is KeyScope.STATION and self.own_station == station_id
        return self.is_dispatcher or is_own

    def ensure_speaks_for(self, facility_id: str) -> None:
        """Raise DomainRefusal unless it is its own facility; a dispatcher speaks for all."""
        if not self.is_dispatcher and self.facility_id != facility_id:
            raise DomainRefusal("facility_not_yours", facility_id=facility_id)


def get_principal(request: Request) -> Principal:
    """Return who is asking.

    Raises:
        ContractError: `api_key_missing`; only where the middleware does not stand before.
    """
    principal = request.scope.get(PRINCIPAL)
    if not isinstance(principal, Principal):
        raise ContractError("api_key_missing")
    return principal


def ensure_scope(principal: Principal, allowed: frozenset[KeyScope]) -> None:
    """Raise DomainRefusal unless the scope is one of those allowed."""
    if principal.scope not in allowed:
        names = ", ".join(sorted(allowed))
        raise DomainRefusal("scope_not_allowed", scope=principal.scope, allowed=names)


class Allowing:
    """A dependency that gives the principal, if its scope is one of these."""

    def __init__(self, scopes: frozenset[KeyScope]) -> None:
        self.scopes = scopes

    async def __call__(self, request: Request) -> Principal:
        principal = get_principal(request)
        ensure_scope(principal, self.scopes)
        return principal


def allow(*scopes: KeyScope) -> Allowing:
    """Make the dependency; the table of calls in `docs/api.md` is held against it."""
    return Allowing(frozenset(scopes))


def list_scopes(route: APIRoute) -> frozenset[KeyScope]:
    """List the scopes that may make a call; a route that asks for none is open to every key."""
    for dependency in route.dependant.dependencies:
        if isinstance(dependency.call, Allowing):
            return dependency.call.scopes
    return frozenset(KeyScope)
