"""Tables that people send: rows of a sheet or of JSON into values, or everything wrong with them.

Pure. A file is taken whole or not at all, unless its sender says that the good rows may go alone.
Errors name the sheet, the row as a spreadsheet counts it (in JSON the first element is row 1) and
the column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from models.base import Value
from models.cells import Reader
from models.columns import HeadingWords
from models.errors import ContractError
from models.messages.broken import describe_broken
from models.messages.fixes import fix_of

V = TypeVar("V", bound=Value)
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """One thing that is wrong.

    Attributes:
        sheet: Its name; empty for a CSV and for JSON.
        row: As a spreadsheet counts.
        column: Its name; empty where the row as a whole is wrong.
        code: Of the text that says what is wrong.
        rule: The rule that was broken, in both languages; empty where the text says all.
    """

    row: int
    column: str
    code: str
    sheet: str = ""
    rule: str = ""
    params: Mapping[str, str | int] = field(default_factory=dict)


class RowFault(NamedTuple):
    """What is wrong with a value as a whole: code, column, what the text names."""

    code: str
    column: str
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Generic[V]):
    """What a file holds.

    Attributes:
        values: In the order of the file.
        places: Sheet and row of each value.
        errors: In the order of their rows. With any of them there are no values, unless the file
            was read in part.
        refused_rows: Rows that have an error.
        left_out: Sheets that hold something and have no head that is known.
    """

    values: tuple[V, ...] = ()
    places: tuple[tuple[str, int], ...] = ()
    errors: tuple[RowError, ...] = ()
    refused_rows: int = 0
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout(Generic[V]):
    """How a row becomes a value.

    Attributes:
        words: Headings of each column, and those that are passed over.
        required: Columns that a sheet must have; of several together, any one.
        optional: Columns that it may have.
        readers: Column to what reads its cell; columns without one are taken as text.
        parts: Column to the one that it is a part of: where the part is wrong, so is the whole.
        build: Puts the fields of a row into the shape of the model; raises ContractError where it
            cannot tell the identity.
        check: Tells what a value breaks beyond its own rules: a column, a code, what it names.
    """

    model: type[V]
    words: HeadingWords
    identity: str
    required: tuple[str | tuple[str, ...], ...]
    optional: tuple[str, ...]
    readers: Mapping[str, Reader]
    build: Callable[[Fields], Fields]
    parts: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[V], RowFault | None] | None = None

    @property
    def columns(self) -> frozenset[str]:
        required = {
            name for one in self.required for name in ((one,) if isinstance(one, str) else one)
        }
        return frozenset({*required, *self.optional})


@dataclass(frozen=True, slots=True)
class Line:
    """One row with its fields."""

    sheet: str
    row: int
    fields: Fields


Row = Line | RowError


def read_json(rows: Sequence[object]) -> Iterator[Row]:
    """Yield JSON objects as rows."""
    for row, fields in enumerate(rows, start=1):
        if isinstance(fields, dict):
            yield Line("", row, dict(fields))
        else:
            yield RowError(row=row, column="", code="fix_structure")


class _Collecting(Generic[V]):
    """Values and errors of one file, row by row."""

    def __init__(self, layout: Layout[V], station_id: str) -> None:
        self._layout = layout
        self._station_id = station_id
        self._seen: dict[str, tuple[str, int]] = {}
        self.values: list[V] = []
        self.places: list[tuple[str, int]] = []
        self.errors: list[RowError] = []

    def add(self, found: Row) -> None:
        if isinstance(found, RowError):
            self.errors.append(found)
            return
        station = found.fields.get("station_id", self._station_id)
        if station != self._station_id:
            params = {"facility_id": str(station)[:64]}
            self._refuse(found, "station_id", "facility_not_yours", params)
            return
        value, wrong = validate_row(found.sheet, found.row, found.fields, self._layout)
        first = self._remember(found, value)
        if first is not None:
            told: dict[str, str | int] = {"row": first[1]}
            self._refuse(found, self._layout.identity, "id_twice", told)
        self.errors += wrong
        if value is not None and first is None:
            self.values.append(value)
            self.places.append((found.sheet, found.row))

    def _remember(self, found: Line, value: V | None) -> tuple[str, int] | None:
        """Return where the same identity stood before."""
        identity = str(found.fields.get(self._layout.identity, "")) or _identity_of(value)
        if not identity:
            return None
        place = (found.sheet, found.row)
        first = self._seen.setdefault(identity, place)
        return None if first is place else first

    def _refuse(self, found: Line, column: str, code: str, params: Mapping[str, str | int]) -> None:
        self.errors.append(
            RowError(sheet=found.sheet, row=found.row, column=column, code=code, params=params)
        )


def _identity_of(value: Value | None) -> str:
    unit = getattr(value, "unit", None)
    return str(unit.unit_id) if unit is not None else ""


def finish(
    rows: Iterable[Row],
    layout: Layout[V],
    station_id: str,
    *,
    partial: bool = False,
    left_out: tuple[str, ...] = (),
) -> Parsed[V]:
    """Make values of the rows of one station, or collect every error.

    Args:
        rows: Of all sheets.
        layout: How a row becomes a value.
        station_id: Whose rows they must be.
        partial: Keep the good rows beside the errors of the others.
        left_out: Sheets that were not read.
    """
    collecting = _Collecting(layout, station_id)
    for found in rows:
        collecting.add(found)
    errors = collecting.errors
    if not collecting.values and not errors:
        errors = [RowError(row=1, column="", code="file_empty")]
    keep = partial or not errors
    return Parsed(
        values=tuple(collecting.values) if keep else (),
        places=tuple(collecting.places) if keep else (),
        errors=tuple(errors),
        refused_rows=len({(error.sheet, error.row) for error in errors}),
        left_out=left_out,
    )


def validate_row(
    sheet: str, row: int, fields: Fields, layout: Layout[V]
) -> tuple[V | None, tuple[RowError, ...]]:
    try:
        value = layout.model.model_validate(layout.build(dict(fields)))
    except ContractError as error:
        named = {name: str(told) for name, told in error.params.items()}
        column, code = layout.identity, error.code
        return None, (RowError(sheet=sheet, row=row, column=column, code=code, params=named),)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, tuple(
            RowError(
                sheet=sheet,
                row=row,
                column=_column_of(detail["loc"], detail["msg"], layout),
                code=fix_of(detail["type"]),
                rule=str(describe_broken(detail)),
            )
            for detail in details
        )
    fault = layout.check(value) if layout.check else None
    if fault is None:
        return value, ()
    code, column, params = fault
    return None, (RowError(sheet=sheet, row=row, column=column, code=code, params=params),)


def _column_of(loc: Sequence[str | int], message: str, layout: Layout[Any]) -> str:
    """The column that an error is about; rules over a whole value name the field they blame."""
    names = [part for part in loc if isinstance(part, str)]
    if names and names[-1] not in {"unit", "traits", "location", "attestation"}:
        return names[-1]
    blamed = re.search(r"Value error, (\w+)", message)
    return blamed[1] if blamed and blamed[1] in layout.columns else ""
