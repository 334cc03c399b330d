"""Tables that people send: rows of a sheet or of JSON into values, or everything wrong with them.

Pure. A file is taken whole or not at all, unless its sender says that the good rows may go alone.
Errors name the sheet, the row as a spreadsheet counts it (in JSON the first element is row 1) and
the column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from models.base import Value
from models.cells import Cell, CellError, Reader, clean, read_text
from models.columns import WORDS, HeadingWords, fold, to_word
from models.messages.fixes import fix_of
from models.sheets import Sheet, UnreadableRowError

V = TypeVar("V", bound=Value)
Fields = dict[str, Any]

HEAD_WITHIN = 10
"""A title, a date and the name of the station may stand above the head; so many rows at most."""

_HEAD_NAMES = 3
"""A row with so many known headings is the head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """One thing that is wrong.

    Attributes:
        sheet: Its name; empty for a CSV and for JSON.
        row: As a spreadsheet counts.
        column: Its name; empty where the row as a whole is wrong.
        code: Of the text that says what is wrong.
        rule: In the words of the rule that was broken, English; empty where the text says all.
    """

    row: int
    column: str
    code: str
    sheet: str = ""
    rule: str = ""
    params: Mapping[str, str | int] = field(default_factory=dict)


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
        build: Puts the fields of a row into the shape of the model.
    """

    model: type[V]
    words: HeadingWords
    identity: str
    required: tuple[str | tuple[str, ...], ...]
    optional: tuple[str, ...]
    readers: Mapping[str, Reader]
    build: Callable[[Fields], Fields]
    parts: Mapping[str, str] = field(default_factory=dict)

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


_UNREAD = object()
_KNOWN_MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Column:
    """Where a column stands and how its cells are read.

    Attributes:
        known: What was read of a text before: most columns say few things many times.
    """

    at: int
    name: str
    read: Reader
    repeats: bool
    known: dict[Any, object] = field(default_factory=dict)

    def read_cell(self, raw: Cell | None) -> object:
        """Return what a cell says; None if nothing. Raises CellError."""
        cell = clean(raw)
        value = None if cell is None else self.read(cell)
        if self.repeats and isinstance(raw, str) and len(self.known) < _KNOWN_MOST:
            self.known[raw] = value
        return value


@dataclass(frozen=True, slots=True)
class _Head:
    """The columns of a sheet."""

    row: int
    width: int
    columns: tuple[_Column, ...]


def read_sheet(
    sheet: Sheet, layout: Layout[Any], *, ignore: frozenset[str] = frozenset()
) -> Iterator[Row] | None:
    """Yield the rows of a sheet below its head; empty cells mean "not given".

    Args:
        sheet: Its rows are read here.
        layout: Of what is expected.
        ignore: Headings that are passed over, as `to_word` writes them.

    Returns:
        None if the sheet holds nothing that looks like a head; then it is another kind of sheet.
    """
    above: list[tuple[int, Sequence[Cell | None]]] = []
    rows = iter(sheet.rows)
    try:
        for number, cells in rows:
            if any(clean(cell) is not None for cell in cells):
                above.append((number, cells))
                if _count_known(cells, layout) >= _HEAD_NAMES:
                    return _named(sheet.name, _read_below(above[-1], rows, layout, ignore))
            if number >= HEAD_WITHIN:
                break
    except UnreadableRowError as error:
        return iter([_unreadable(error)])
    if sheet.name or not above:
        return None
    return _named(sheet.name, _read_below(above[0], iter(above[1:]), layout, ignore))


def _named(name: str, rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        if isinstance(row, Line):
            yield Line(name, row.row, row.fields)
        else:
            yield RowError(
                sheet=name,
                row=row.row,
                column=row.column,
                code=row.code,
                rule=row.rule,
                params=row.params,
            )


def _count_known(cells: Sequence[Cell | None], layout: Layout[Any]) -> int:
    return sum(
        isinstance(cell, str) and layout.words.find(cell) is not None for cell in cells if cell
    )


def _read_below(
    top: tuple[int, Sequence[Cell | None]],
    rows: Iterator[tuple[int, Sequence[Cell | None]]],
    layout: Layout[Any],
    ignore: frozenset[str],
) -> Iterator[Row]:
    head, wrong = _read_head(*top, layout, ignore)
    yield from wrong
    if wrong:
        return
    try:
        for number, cells in rows:
            yield from _read_cells(number, head, cells, layout)
    except UnreadableRowError as error:
        yield _unreadable(error)


def _unreadable(error: UnreadableRowError) -> RowError:
    return RowError(
        row=error.row, column="", code="csv_unreadable", params={"detail": error.detail[:120]}
    )


def _read_head(
    row: int, cells: Sequence[Cell | None], layout: Layout[Any], ignore: frozenset[str]
) -> tuple[_Head, list[RowError]]:
    found: list[_Column] = []
    unknown: list[RowError] = []
    known = layout.columns
    for at, cell in enumerate(cells):
        text = clean(cell)
        if text is None:
            continue
        heading = str(text)
        name = layout.words.find(heading)
        if to_word(heading) in ignore:
            continue
        if name is None or name not in known:
            if not layout.words.is_ignored(heading):
                unknown.append(RowError(row=row, column=heading[:60], code="column_unknown"))
        elif any(name == other.name for other in found):
            unknown.append(RowError(row=row, column=name, code="column_twice"))
        else:
            read = layout.readers.get(name, read_text)
            found.append(_Column(at, name, read, repeats=read is not read_text))
    names = {column.name for column in found}
    missing = [
        RowError(row=row, column=options[0], code="column_missing")
        for options in ((one,) if isinstance(one, str) else one for one in layout.required)
        if not names.intersection(options)
    ]
    return _Head(row, len(cells), tuple(found)), [*missing, *unknown]


def _read_cells(
    row: int, head: _Head, cells: Sequence[Cell | None], layout: Layout[Any]
) -> Iterator[Row]:
    if len(cells) != head.width:
        filled = [at for at, cell in enumerate(cells) if clean(cell) is not None]
        if not filled:
            return
        if len(cells) < head.width or filled[-1] >= head.width:
            code = "row_too_short" if len(cells) < head.width else "row_too_long"
            yield RowError(row=row, column="", code=code)
            return
    fields, wrong = _read_fields(row, head, cells)
    if _is_total(cells):
        return
    if wrong:
        yield from wrong
        # The other cells of the row are checked as well: everything wrong is told at once.
        known = {name for one in wrong for name in (one.column, layout.parts.get(one.column))}
        others = _validate("", row, fields, layout)[1]
        yield from (error for error in others if error.column not in known)
    elif fields:
        yield Line("", row, fields)


def _read_fields(
    row: int, head: _Head, cells: Sequence[Cell | None]
) -> tuple[Fields, list[RowError]]:
    fields: Fields = {}
    wrong: list[RowError] = []
    for column in head.columns:
        raw = cells[column.at]
        value = column.known.get(raw, _UNREAD) if raw.__class__ is str else _UNREAD
        if value is _UNREAD:
            try:
                value = column.read_cell(raw)
            except CellError as error:
                wrong.append(RowError(row=row, column=column.name, code=error.code))
                continue
        if value is not None:
            fields[column.name] = value
    return fields, wrong


_TOTAL_LETTERS = {letter for word in WORDS.totals for letter in (word[0], word[0].upper())}


def _is_total(cells: Sequence[Cell | None]) -> bool:
    """Whether the first filled cell says so. Nearly no row is: its first letter tells."""
    first = next((cell for cell in cells if cell not in {None, ""}), None)
    if not isinstance(first, str) or fold(first)[:1] not in _TOTAL_LETTERS:
        return False
    return to_word(first) in WORDS.totals


def read_json(rows: Sequence[object]) -> Iterator[Row]:
    """Yield JSON objects as rows."""
    for row, fields in enumerate(rows, start=1):
        if isinstance(fields, dict):
            yield Line("", row, dict(fields))
        else:
            yield RowError(row=row, column="", code="fix_structure")


def read_sheets(
    sheets: Iterable[Sheet], layout: Layout[Any], *, ignore: frozenset[str] = frozenset()
) -> tuple[list[Iterator[Row]], tuple[str, ...]]:
    """Read every sheet that has a head; the names of the others, where they are not empty."""
    read: list[Iterator[Row]] = []
    left_out = []
    for sheet in sheets:
        rows = read_sheet(sheet, layout, ignore=ignore)
        if rows is not None:
            read.append(rows)
        elif sheet.name:
            left_out.append(sheet.name)
    return read, tuple(left_out)


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
        value, wrong = _validate(found.sheet, found.row, found.fields, self._layout)
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


def _validate(
    sheet: str, row: int, fields: Fields, layout: Layout[V]
) -> tuple[V | None, tuple[RowError, ...]]:
    try:
        return layout.model.model_validate(layout.build(dict(fields))), ()
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, tuple(
            RowError(
                sheet=sheet,
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
    if names and names[-1] not in {"unit", "traits", "location"}:
        return names[-1]
    blamed = re.search(r"Value error, (\w+)", message)
    return blamed[1] if blamed and blamed[1] in layout.columns else ""
