"""Fits a table to its terminal: no identifier is broken, and nothing is cut.

Lines break only at spaces and between Chinese characters. If the columns still do not fit beside
each other, each row is printed as a record of its own. Does no IO.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

_BETWEEN, _EDGES = 3, 2
"""Characters that the box of the house style takes between two columns, and at both edges."""

_INDENT = "    "
_CHINESE = 8
"""A column of Chinese text may be as narrow as four characters, and no narrower."""

_WIDE = "⺀-鿿＀-｠　-〿"
# A moment, spaces, a run that is never broken, a short word of Chinese, or one wide character; the
# last two with the marks that end them.
_TOKEN = re.compile(
    r"(?:\d{4}-)?\d\d-\d\d \d\d:\d\d|\s+"
    rf"|[^\s{_WIDE}]+|(?<![一-鿿])[一-鿿]{{2,4}}(?![一-鿿])[，。；：、）”！？]*"
    r"|.[，。；：、）”！？]*"
)
_HAN = re.compile(rf"[{_WIDE}]+")

Row = Sequence[Text]


def fit(table: Table, width: int) -> Table | Text:
    """Return the table as it fits into a terminal of this width, or its rows as records."""
    heads = [Text(str(column.header)) for column in table.columns]
    rows = list(_rows_of(table))
    widths = _share(heads if table.show_header else [], rows, width, len(heads))
    if widths is None:
        return _to_records(table, heads, rows, width)
    for column, head, wide in zip(table.columns, heads, widths, strict=True):
        column.header = wrap(head, wide)
        column.no_wrap = True
        column.width = wide
    fitted = Table(
        *table.columns,
        title=table.title,
        title_justify=table.title_justify,
        title_style=table.title_style,
        box=table.box,
        pad_edge=table.pad_edge,
        show_header=table.show_header,
    )
    for column in fitted.columns:
        column._cells = []  # noqa: SLF001 - rich has no other way to take cells out
    for row in rows:
        fitted.add_row(*(wrap(cell, wide) for cell, wide in zip(row, widths, strict=True)))
    return fitted


def wrap(text: Text, width: int) -> Text:
    """Return a text with its lines broken where they may be."""
    lines: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        breaks, at, used = [], 0, 0
        for token in _TOKEN.findall(line.plain):
            long = cell_len(token)
            # Spaces at the end of a line take no room.
            if used and used + long > width and not token.isspace():
                breaks.append(at)
                used = 0
            at += len(token)
            used += long
        lines += [_bare(part) for part in line.divide(breaks)]
    return Text("\n").join(lines)


def _bare(line: Text) -> Text:
    line.rstrip()
    return line


def _rows_of(table: Table) -> Iterator[Row]:
    columns = [list(column.cells) for column in table.columns]
    for cells in zip(*columns, strict=True):
        yield [cell if isinstance(cell, Text) else Text.from_markup(str(cell)) for cell in cells]


def _share(
    heads: Sequence[Text], rows: Sequence[Row], width: int, columns: int
) -> list[int] | None:
    """Return the width of each column; None if they do not fit beside each other."""
    room = width - _BETWEEN * (columns - 1) - _EDGES
    texts = [[row[at] for row in rows] for at in range(columns)]
    for at, head in enumerate(heads):
        texts[at].append(head)
    wanted = [max(map(_measure, column), default=0) for column in texts]
    if sum(wanted) <= room:
        return wanted
    least = [max(map(_measure_least, column), default=0) for column in texts]
    free = room - sum(least)
    if free < 0:
        return None
    # The columns that lack least are given all of it first.
    widths = list(least)
    by_lack = sorted(range(columns), key=lambda at: wanted[at] - least[at])
    for left, at in zip(range(columns, 0, -1), by_lack, strict=True):
        more = min(wanted[at] - least[at], free // left)
        widths[at] += more
        free -= more
    return widths


def _measure(text: Text) -> int:
    return max(map(cell_len, text.plain.split("\n")), default=0)


def _measure_least(text: Text) -> int:
    longest = max(map(cell_len, _TOKEN.findall(text.plain)), default=0)
    chinese = max(map(cell_len, _HAN.findall(text.plain)), default=0)
    return max(longest, min(chinese, _CHINESE))


def _to_records(table: Table, heads: Sequence[Text], rows: Sequence[Row], width: int) -> Text:
    lines = [Text(str(table.title), style="bold")] if table.title else []
    for row in rows:
        lines.append(Text.assemble("\n", wrap(row[0], width)))
        lines += [
            _to_line(head, cell, width)
            for head, cell in zip(heads[1:], row[1:], strict=True)
            if cell.plain
        ]
    return Text("\n").join([*lines, Text("")])


def _to_line(head: Text, cell: Text, width: int) -> Text:
    """Return a field in one line if it fits, else below its name."""
    named = f"  {head.plain}: " if head.plain else "  "
    if "\n" not in cell.plain and cell_len(named) + cell_len(cell.plain) <= width:
        return Text.assemble(named, cell)
    below = wrap(cell, width - len(_INDENT)).split("\n", allow_blank=True)
    return Text("\n").join(
        [Text(named.rstrip()), *(Text.assemble(_INDENT, line) for line in below)]
    )
