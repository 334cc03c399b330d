"""Read what a caller sent: JSON objects and imported files, with every fault named."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from email.message import Message
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from gateway.problems import FieldError, InvalidContent, of_rows, of_validation
from models.base import Value
from models.errors import ContractError
from models.messages import render
from models.tables import Parsed, decode_file

M = TypeVar("M", bound=BaseModel)
V = TypeVar("V", bound=Value)

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


async def read_object(request: Request) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ContractError: `body_not_json`, or `fields_invalid` if it is JSON but no object.
    """
    try:
        content = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise ContractError("body_not_json", detail=str(error)[:200]) from error
    if not isinstance(content, dict):
        raise InvalidContent(
            "fields_invalid",
            [FieldError("(body)", "must be a JSON object", render("fix_structure"))],
        )
    return content


def validate(model: type[M], fields: Mapping[str, Any], **given: str) -> M:
    """Validate what was sent, completed by what the caller may not choose.

    Raises:
        ContractError: `fields_invalid` with everything that is wrong; also if a caller names a
            field that is given.
    """
    chosen = [name for name in given if name in fields]
    if chosen:
        raise InvalidContent(
            "fields_invalid",
            [
                FieldError(name, "is given by the system", render("fix_extra_forbidden"))
                for name in chosen
            ],
        )
    try:
        return model.model_validate({**fields, **given})
    except ValidationError as error:
        raise of_validation(error.errors(include_url=False, include_input=False)) from error


async def read_rows(
    request: Request,
    *,
    rows_in: str,
    from_csv: Callable[[str], Parsed[V]],
    from_json: Callable[[Sequence[object]], Parsed[V]],
) -> tuple[tuple[V, ...], dict[str, Any]]:
    """Read an import, CSV or JSON by its content type.

    Args:
        request: The body is taken whole.
        rows_in: Name of the array in the JSON object.
        from_csv: Parser of the decoded file.
        from_json: Parser of the array.

    Returns:
        The rows, and what else the JSON object held.

    Raises:
        ContractError: `rows_invalid` with everything that is wrong, `media_type_unknown`,
            `charset_unknown`, `body_not_json`.
    """
    head = Message()
    head["content-type"] = request.headers.get("content-type", "")
    kind = head.get_content_type()
    if kind == "text/csv":
        charset = str(head.get_param("charset") or "utf-8")
        parsed, rest = from_csv(decode_file(await request.body(), charset=charset)), {}
    elif kind == "application/json":
        rest = await read_object(request)
        rows = rest.pop(rows_in, None)
        if not isinstance(rows, list):
            wrong = FieldError(rows_in, "must be an array", render("fix_structure"))
            raise InvalidContent("fields_invalid", [wrong])
        parsed = from_json(rows)
    else:
        known = "text/csv, application/json"
        raise ContractError("media_type_unknown", found=kind[:60], known=known)
    if parsed.errors:
        raise of_rows(parsed.errors)
    return parsed.values, rest


def find_traceparent(request: Request) -> str | None:
    """Return the W3C trace context of the caller; one of another form is left out."""
    trace = request.headers.get("traceparent")
    return trace if trace and _TRACEPARENT.fullmatch(trace) else None
