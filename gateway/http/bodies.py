"""Reads what a body holds: a value of a model, or the rows of an import, with every fault named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.files.row_errors import group_errors
from gateway.files.sheets import Sheet, open_file
from gateway.files.table_values import Parsed, ensure_table
from gateway.http.call_headers import HttpCall
from gateway.invalid_content import FieldError, InvalidContent, of_rows, of_validation
from models.base import Value
from models.texts import render

M = TypeVar("M", bound=BaseModel)
V = TypeVar("V", bound=Value)


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
    call: HttpCall,
    *,
    rows_in: str,
    from_sheets: Callable[[Sequence[Sheet]], Parsed[V]],
    from_json: Callable[[Sequence[object]], Parsed[V]],
) -> tuple[Parsed[V], dict[str, Any]]:
    """Read an import by its content type: CSV, a spreadsheet or JSON.

    Args:
        call: Its body is taken whole, and read in a thread of its own.
        rows_in: The name of the array in the JSON object.
        from_sheets: Parses the sheets of a file.
        from_json: Parses the array.

    Returns:
        The rows or what is wrong with them, and the other fields of the JSON object.

    Raises:
        ContractError: `media_type_unknown`, `charset_unknown`, `workbook_unreadable`,
            `no_table_found`, `body_not_json`, `field_twice`.
    """
    raw, content_type = await call.read_content(), call.content_type

    def read() -> Parsed[V] | None:
        sheets = open_file(raw, content_type)
        return None if sheets is None else ensure_table(from_sheets(sheets))

    parsed = await asyncio.to_thread(read)
    if parsed is not None:
        return parsed, {}
    rest = await call.read_object()
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
