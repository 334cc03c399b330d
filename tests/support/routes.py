"""What the routes of the gateway say of themselves."""

from __future__ import annotations

from fastapi.routing import APIRoute

from gateway.http.scopes import ScopeCheck
from models.access import KeyScope


def list_scopes(route: APIRoute) -> frozenset[KeyScope]:
    """List the scopes that may make a call; a route that asks for none is open to every key."""
    for dependency in route.dependant.dependencies:
        if isinstance(dependency.call, ScopeCheck):
            return dependency.call.scopes
    return frozenset(KeyScope)
