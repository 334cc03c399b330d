"""Find the head of a sheet and read the rows below it, cell by cell.

Pure. What a row comes to is the business of `models.tables`; here each cell is only read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from models.cells import Cell, CellError, Reader, clean, read_code, read_text
from models.columns import WORDS, fold, to_word
from models.sheets import Sheet, UnreadableRowError
from models.tables import Fields, Layout, Line, Row, RowError, validate_row

HEAD_WITHIN = 10
"""A title, a date and the name of the station may stand above the head; so many rows at most."""

_HEAD_NAMES = 3
"""A row with so many known headings is the head."""


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
            found.append(_Column(at, name, read, repeats=read not in {read_text, read_code}))
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
        others = validate_row("", row, fields, layout)[1]
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
