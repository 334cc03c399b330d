"""Finds the head of a sheet and reads the rows below it, cell by cell.

Pure. Here each cell is only read; `gateway.files.table_values` makes a value of the row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from gateway.files.cells import Cell, CellError, clean
from gateway.files.columns import WORDS
from gateway.files.heading_words import fold, to_word
from gateway.files.merged_cells import UNCLEAR
from gateway.files.rows import list_faulty
from gateway.files.sheet_heads import Head, count_known, read_head
from gateway.files.sheets import HEAD_WITHIN, Sheet, UnreadableRowError
from gateway.files.table_values import (
    Doubt,
    Fields,
    Layout,
    Row,
    RowError,
    TableRow,
    shorten,
)

_HEAD_NAMES = 3
"""Number of known headings that make a row the head."""

_UNREAD = object()
_Cells = tuple[int, Sequence[Cell | None]]


def read_sheet(sheet: Sheet, layout: Layout[Any]) -> Iterator[Row] | None:
    """Yield the rows of a sheet below its head; empty cells mean "not given".

    Args:
        sheet: The sheet; its rows are consumed.
        layout: The layout of the expected rows.

    Returns:
        None if no row of the sheet looks like a head; then it is another kind of sheet.
    """
    above: list[_Cells] = []
    rows = iter(sheet.rows)
    try:
        for number, cells in rows:
            if any(clean(cell) is not None for cell in cells):
                above.append((number, cells))
                known = count_known(cells, layout.words)
                if known >= _HEAD_NAMES:
                    titles = (sheet.name, *_list_texts(above[:-1]))
                    top, rows = _take_second(above[-1], known, rows, layout)
                    return _read_below(sheet.name, top, rows, layout, titles)
            if number >= HEAD_WITHIN:
                break
    except UnreadableRowError as error:
        return iter([_unreadable(sheet.name, error)])
    if sheet.name or not above:
        return None
    return _read_below(sheet.name, above[0], iter(above[1:]), layout)


def _list_texts(rows: Iterable[_Cells]) -> Iterator[str]:
    for _, cells in rows:
        yield from map(str, _list_filled(cells))


def _take_second(
    top: _Cells, known: int, rows: Iterator[_Cells], layout: Layout[Any]
) -> tuple[_Cells, Iterator[_Cells]]:
    """Return the head and the rows below it; a second row of headings is preferred to the first.

    A sheet may have 血型, merged over both columns, above ABO and RhD; or it may have Chinese
    headings in the first row and English ones in the next.
    """
    second = next(rows, None)
    if second is None:
        return top, rows
    if count_known(second[1], layout.words) >= known:
        return second, rows
    return top, chain([second], rows)


def _read_below(
    name: str,
    top: _Cells,
    rows: Iterator[_Cells],
    layout: Layout[Any],
    titles: Iterable[str] = (),
) -> Iterator[Row]:
    head, wrong = read_head(name, *top, layout)
    head = replace(head, titles=tuple(filter(None, titles)))
    yield from wrong
    if wrong:
        return
    try:
        for number, cells in rows:
            yield from _read_row(name, number, cells, head, layout)
    except UnreadableRowError as error:
        yield _unreadable(name, error)


def _read_row(
    name: str, number: int, cells: Sequence[Cell | None], head: Head, layout: Layout[Any]
) -> Iterator[Row]:
    line = TableRow(name, number, {}, cells, head.show)
    if _is_beside(cells):
        yield from _list_warnings(line, head)
        return
    if len(cells) != head.width:
        if all(clean(cell) is None for cell in cells):
            return
        code = _judge_width(cells, head)
        if code:
            yield _ask_alone(line, head) or line.to_error("", code)
            return
    wrong = _read_fields(line, head)
    is_little = (line.fields or wrong) and len(line.fields) <= 1 + len(head.emptied)
    alone = _ask_alone(line, head) if is_little else None
    if alone is not None:
        yield alone
    elif wrong:
        yield from list_faulty(line, wrong, layout)
    elif line.fields:
        yield line


def _judge_width(cells: Sequence[Cell | None], head: Head) -> str:
    """Return the code of what is wrong with the width of a row; empty if nothing is."""
    if len(cells) < head.width:
        return "row_too_short"
    beyond = any(clean(cell) is not None for cell in cells[head.width :])
    return "row_too_long" if beyond else ""


def _unreadable(sheet: str, error: UnreadableRowError) -> RowError:
    params = {"detail": error.detail[:120]}
    return RowError(sheet=sheet, row=error.row, column="", code="csv_unreadable", params=params)


def _read_fields(line: TableRow, head: Head) -> list[RowError]:
    """Read the cells of a row into its fields; return what is wrong with them."""
    cells, fields = line.source, line.fields
    wrong: list[RowError] = []
    for column in head.columns:
        raw = cells[column.at]
        value = column.known.get(raw, _UNREAD) if raw.__class__ is str else _UNREAD
        if value is _UNREAD:
            try:
                value = column.read_cell(raw)
            except CellError as error:
                wrong.append(line.to_error(column.name, error.code))
                continue
        if value is not None:
            fields[column.name] = value
    if head.emptied and fields:
        fields.update(dict.fromkeys(head.emptied.difference(fields)))
    if head.unnamed:
        wrong += _list_unnamed(line, head)
    return [*wrong, *_list_unsaid(line, head, wrong)] if fields else wrong


def _list_unsaid(line: TableRow, head: Head, wrong: Sequence[RowError]) -> Iterator[RowError]:
    """Yield an error where a row leaves open whether it may be used, or says that it may not."""
    if head.stated and line.fields.keys().isdisjoint(head.stated):
        yield from _ask_stated(line, head.stated[0], wrong)
    if head.doubt is not None:
        yield from _list_doubts(line, head, head.doubt)


def _list_unnamed(line: TableRow, head: Head) -> Iterator[RowError]:
    """Yield an error for a value without a heading, since its meaning is not known."""
    for at in head.unnamed:
        cell = line.source[at]
        if cell is not UNCLEAR and clean(cell) is not None:
            params: dict[str, str | int] = {"number": at + 1, "found": shorten(cell)}
            yield line.to_error("", "column_unnamed", params=params)


def _ask_stated(line: TableRow, column: str, wrong: Sequence[RowError]) -> Iterator[RowError]:
    """Yield an error where a sheet has a column for the use of a unit and the row leaves it empty.

    A row that says in another column that the unit is not released needs nothing more.
    """
    fields: Fields = line.fields
    if fields.get("released") is False or any(error.column == column for error in wrong):
        return
    yield line.to_error(column, "status_missing")


def _list_doubts(line: TableRow, head: Head, doubt: Doubt) -> Iterator[RowError]:
    """Yield errors where text that is passed over says that a bag may not be used."""
    for at, heading in head.passed:
        raw = line.source[at]
        cell = None if raw is UNCLEAR else clean(raw)
        text = "" if cell is None else str(cell)
        code = doubt(line.fields, heading, text)
        if code is not None:
            shown = shorten(heading)
            yield RowError(
                sheet=line.sheet,
                row=line.row,
                column=shown,
                code=code,
                params={"heading": shown},
                heading=shown,
                found=(shorten(text),) if text else (),
            )
    for title in head.titles:
        code = doubt(line.fields, "", title)
        if code is not None:
            yield line.to_error("", code, params={"found": shorten(title)})


_BESIDE = (*WORDS.totals, *WORDS.notes)
_BESIDE_LETTERS = {letter for word in _BESIDE for letter in (word[0], word[0].upper())}


def _is_beside(cells: Sequence[Cell | None]) -> bool:
    """Return whether a row sums up the rows above it, or is a note below the table. Few rows are.

    Its first letter is checked first, which is quick. A row is a sum by its first word; it is a
    note only if all its filled cells are notes.
    """
    first = next((cell for cell in cells if cell not in {None, ""}), None)
    if not isinstance(first, str) or fold(first)[:1] not in _BESIDE_LETTERS:
        return False
    return to_word(first) in WORDS.totals or all(map(_is_note, _list_filled(cells)))


def _list_warnings(line: TableRow, head: Head) -> Iterator[RowError]:
    """Yield an error where a note says that some bags may not be used: 备注：末两袋自体."""
    if head.doubt is None:
        return
    for cell in _list_filled(line.source):
        if isinstance(cell, str) and _is_note(cell) and WORDS.use.find_reason(cell) is not None:
            yield line.to_error("", "note_speaks", params={"found": shorten(cell)})


def _is_note(cell: Cell) -> bool:
    return isinstance(cell, str) and to_word(cell).startswith(_BESIDE)


def _list_filled(cells: Sequence[Cell | None]) -> list[Cell]:
    filled = (clean(cell) for cell in cells if cell is not UNCLEAR)
    return [cell for cell in filled if cell is not None]


def _ask_alone(line: TableRow, head: Head) -> RowError | None:
    """Return an error that asks about a row with a single filled cell; None for other rows."""
    filled = _list_filled(line.source)
    if len(filled) != 1:
        return None
    found = "…" if head.private else shorten(filled[0])
    return line.to_error("", "row_of_one_cell", params={"found": found})


def read_sheets(
    sheets: Iterable[Sheet], layout: Layout[Any]
) -> tuple[list[Iterator[Row]], tuple[str, ...]]:
    """Read every sheet that has a head; return also the names of the other sheets."""
    read: list[Iterator[Row]] = []
    left_out = []
    for sheet in sheets:
        rows = read_sheet(sheet, layout)
        if rows is not None:
            read.append(rows)
        elif sheet.name:
            left_out.append(sheet.name)
    return read, tuple(left_out)
