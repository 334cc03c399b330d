"""Reads request bodies: JSON objects and imported files, with every fault named."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from gateway.files.row_errors import group_errors
from gateway.files.sheets import Sheet, open_file
from gateway.files.tables import Parsed, ensure_table
from gateway.invalid_content import FieldError, InvalidContent, of_rows, of_validation
from models.base import Value
from models.strict_json import load_strictly
from models.texts import render

M = TypeVar("M", bound=BaseModel)
V = TypeVar("V", bound=Value)

_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


async def read_object(request: Request) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ContractError: `body_not_json`, `field_twice`, or `fields_invalid` if it is not an object.
    """
    content = load_strictly(await request.body())
    if not isinstance(content, dict):
        raise InvalidContent(
            "fields_invalid",
            [FieldError("(body)", str(render("broken_object")), render("fix_structure"))],
        )
    return content


def validate(model: type[M], fields: Mapping[str, Any], **given: str) -> M:
    """Validate what was sent, completed by the `given` fields, which the caller may not choose.

    Raises:
        ContractError: `fields_invalid` with everything that is wrong; also if the caller sent a
            field of `given`.
    """
    chosen = [name for name in given if name in fields]
    if chosen:
        raise InvalidContent(
            "fields_invalid",
            [
                FieldError(name, str(render("broken_given")), render("fix_extra_forbidden"))
                for name in chosen
            ],
        )
    try:
        return model.model_validate({**fields, **given})
    except ValidationError as error:
        raise of_validation(error.errors(include_url=False, include_input=True)) from error


async def read_rows(
    request: Request,
    *,
    rows_in: str,
    from_sheets: Callable[[Sequence[Sheet]], Parsed[V]],
    from_json: Callable[[Sequence[object]], Parsed[V]],
) -> tuple[Parsed[V], dict[str, Any]]:
    """Read an import by its content type: CSV, a spreadsheet or JSON.

    Args:
        request: Its body is taken whole, and read in a thread of its own.
        rows_in: The name of the array in the JSON object.
        from_sheets: Parses the sheets of a file.
        from_json: Parses the array.

    Returns:
        The rows or what is wrong with them, and the other fields of the JSON object.

    Raises:
        ContractError: `media_type_unknown`, `charset_unknown`, `workbook_unreadable`,
            `no_table_found`, `body_not_json`, `field_twice`.
    """
    raw, content_type = await request.body(), request.headers.get("content-type", "")

    def read() -> Parsed[V] | None:
        sheets = open_file(raw, content_type)
        return None if sheets is None else ensure_table(from_sheets(sheets))

    parsed = await asyncio.to_thread(read)
    if parsed is not None:
        return parsed, {}
    rest = await read_object(request)
    rows = rest.pop(rows_in, None)
    if not isinstance(rows, list):
        wrong = FieldError(rows_in, str(render("broken_array")), render("fix_structure"))
        raise InvalidContent("fields_invalid", [wrong])
    return await asyncio.to_thread(from_json, rows), rest


def ensure_whole(parsed: Parsed[V]) -> tuple[V, ...]:
    """Return the rows of an import that has no error.

    Raises:
        ContractError: `rows_invalid` with everything that is wrong.
    """
    if parsed.errors:
        raise of_rows(group_errors(parsed.errors), in_all=len(parsed.errors))
    return parsed.values


def find_traceparent(request: Request) -> str | None:
    """Return the W3C trace context of the caller; None if there is none of the right form."""
    trace = request.headers.get("traceparent")
    return trace if trace and _TRACEPARENT.fullmatch(trace) else None
