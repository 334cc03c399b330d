"""Builds answers in JSON."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from starlette.responses import Response


def to_response(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with JSON; instants are written in ISO 8601, with `Z` for UTC."""
    return Response(
        orjson.dumps(content, option=orjson.OPT_UTC_Z),
        status_code=status,
        headers=dict(headers or {}),
        media_type="application/json",
    )
