"""Refuses a parameter or header that a caller states twice: it is unclear which value counts.

It is a dependency of the app, so that no route can forget it. The route says which parameters are
lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import get_origin

from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from starlette.requests import Request

from gateway.http.calls import list_waits
from models.errors import ContractError

_SINGLE_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "Last-Event-ID",
)


async def ensure_stated_once(request: Request) -> None:
    """Refuse a parameter or header that is stated twice and is not a list.

    Raises:
        ContractError: `parameter_twice` or `header_twice`; it names the first such field.
    """
    twice = _list_twice(name for name, _ in request.query_params.multi_items())
    # This is looked up only when needed: hardly any call states a parameter twice.
    lists = _list_valued(request.scope["route"]) if twice else frozenset()
    for name in twice:
        if name not in lists:
            raise ContractError("parameter_twice", field=name[:60])
    for header in _SINGLE_HEADERS:
        if len(request.headers.getlist(header)) > 1:
            raise ContractError("header_twice", field=header)
    # The header `Prefer` may be repeated (RFC 7240), but the same preference may not.
    if len(list_waits(request)) > 1:
        raise ContractError("header_twice", field="Prefer")


def _list_twice(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _list_valued(route: APIRoute) -> frozenset[str]:
    fields = get_flat_params(route.dependant)
    return frozenset(
        field.alias for field in fields if get_origin(field.field_info.annotation) in {tuple, list}
    )
