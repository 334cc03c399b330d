"""Tables that people send: rows of a CSV or of JSON into values, or everything wrong with them.

Pure. A file is taken whole or not at all: with any error the values are empty. Errors name the row
as a spreadsheet counts it (the head of a CSV is row 1; in JSON the first element is row 1) and the
column.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from models.base import Value
from models.errors import ContractError
from models.messages.fixes import fix_of

V = TypeVar("V", bound=Value)
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """One thing that is wrong.

    Attributes:
        row: As a spreadsheet counts; 1 for the head of a CSV.
        column: Its name; empty where the row as a whole is wrong.
        code: Of the text that says what is wrong.
        rule: In the words of the rule that was broken, English; empty where the text says all.
    """

    row: int
    column: str
    code: str
    rule: str = ""
    params: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Generic[V]):
    """Values in the order of the file, or errors in the order of their rows; never both."""

    values: tuple[V, ...] = ()
    errors: tuple[RowError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout(Generic[V]):
    """How a row becomes a value.

    Attributes:
        required: Columns that a CSV must have.
        readers: Column to what reads its cell; columns without one are taken as text.
        prefixes: Where a column stands in the value, if not at the top.
    """

    model: type[V]
    identity: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    readers: Mapping[str, Callable[[str], Any]]
    build: Callable[[Fields], Fields]


class CellError(Exception):
    """A cell cannot be read; the code says why."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def decode_file(raw: bytes, *, charset: str) -> str:
    """Decode a file; a byte-order mark is dropped.

    Raises:
        ContractError: `charset_unknown`: no such charset, or the bytes are not of it.
    """
    try:
        return raw.decode(charset).removeprefix("\ufeff")
    except (LookupError, UnicodeDecodeError) as error:
        raise ContractError("charset_unknown", charset=charset[:40]) from error


Row = tuple[int, Fields] | RowError


def read_csv(text: str, layout: Layout[Any]) -> Iterator[Row]:
    """Yield the rows of a CSV with a head; empty cells mean "not given", empty rows nothing."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [name.strip() for name in next(reader, [])]
        wrong = list(_check_head(head, layout))
        yield from wrong
        if wrong:
            return
        for cells in reader:
            # The line where the row ends: what an editor shows for a row without line breaks.
            if any(cell.strip() for cell in cells):
                yield from _read_cells(reader.line_num, head, cells, layout)
    except csv.Error as error:
        yield RowError(
            row=reader.line_num,
            column="",
            code="csv_unreadable",
            params={"detail": str(error)[:120]},
        )


def _check_head(head: Sequence[str], layout: Layout[Any]) -> Iterator[RowError]:
    if not any(head):
        yield RowError(row=1, column="", code="file_empty")
        return
    for name in layout.required:
        if name not in head:
            yield RowError(row=1, column=name, code="column_missing")
    for at, name in enumerate(head):
        if name not in {*layout.required, *layout.optional}:
            yield RowError(row=1, column=name[:60], code="column_unknown")
        elif name in head[:at]:
            yield RowError(row=1, column=name, code="column_twice")


def _read_cells(
    row: int, head: Sequence[str], cells: Sequence[str], layout: Layout[Any]
) -> Iterator[Row]:
    if len(cells) != len(head):
        code = "row_too_long" if len(cells) > len(head) else "row_too_short"
        yield RowError(row=row, column="", code=code)
        return
    fields: Fields = {}
    wrong: list[RowError] = []
    for name, raw in zip(head, cells, strict=True):
        cell = raw.strip()
        if not cell:
            continue
        try:
            fields[name] = layout.readers.get(name, str)(cell)
        except CellError as error:
            wrong.append(RowError(row=row, column=name, code=error.code))
    if not wrong:
        yield row, fields
        return
    yield from wrong
    # The other cells of the row are checked as well: everything wrong is told at once.
    known = {error.column for error in wrong}
    yield from (error for error in _validate(row, fields, layout)[1] if error.column not in known)


def read_json(rows: Sequence[object]) -> Iterator[Row]:
    """Yield JSON objects as rows."""
    if not rows:
        yield RowError(row=1, column="", code="file_empty")
    for row, fields in enumerate(rows, start=1):
        if isinstance(fields, dict):
            yield row, dict(fields)
        else:
            yield RowError(row=row, column="", code="fix_structure")


def finish(rows: Iterator[Row], layout: Layout[V], station_id: str) -> Parsed[V]:
    """Make values of the rows of one station, or collect every error."""
    values: list[V] = []
    errors: list[RowError] = []
    seen: dict[str, int] = {}
    for found in rows:
        if isinstance(found, RowError):
            errors.append(found)
            continue
        row, fields = found
        if fields.get("station_id", station_id) != station_id:
            errors.append(
                RowError(
                    row=row,
                    column="station_id",
                    code="facility_not_yours",
                    params={"facility_id": str(fields["station_id"])[:64]},
                )
            )
            continue
        identity = str(fields.get(layout.identity, ""))
        if identity and identity in seen:
            errors.append(
                RowError(
                    row=row,
                    column=layout.identity,
                    code="id_twice",
                    params={"row": seen[identity]},
                )
            )
        seen.setdefault(identity, row)
        value, wrong = _validate(row, fields, layout)
        errors += wrong
        if value is not None:
            values.append(value)
    if not values and not errors:
        errors.append(RowError(row=1, column="", code="file_empty"))
    return Parsed(errors=tuple(errors)) if errors else Parsed(values=tuple(values))


def _validate(row: int, fields: Fields, layout: Layout[V]) -> tuple[V | None, tuple[RowError, ...]]:
    try:
        return layout.model.model_validate(layout.build(dict(fields))), ()
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, tuple(
            RowError(
                row=row,
                column=_column_of(detail["loc"], detail["msg"], layout),
                code=fix_of(detail["type"]),
                rule=detail["msg"][:300],
            )
            for detail in details
        )


def _column_of(loc: Sequence[str | int], message: str, layout: Layout[Any]) -> str:
    """The column that an error is about; rules over a whole value name the field they blame."""
    names = [part for part in loc if isinstance(part, str)]
    if names and names[-1] not in {"unit", "traits", "location", "attestation"}:
        return names[-1]
    known = (*layout.required, *layout.optional)
    blamed = re.search(r"Value error, (\w+)", message)
    return blamed[1] if blamed and blamed[1] in known else ""
