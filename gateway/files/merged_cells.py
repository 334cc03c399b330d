"""Puts the value of a merged cell into all the rows that the cell covers.

Pure. A file keeps the value of a merged cell only in its first row and column. Over rows it is the
value of each row. Over columns it is not known to which column the value belongs: such a cell is
`UNCLEAR`, and a column that needs it gets an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gateway.files.cells import Cell
from models.errors import ContractError

UNCLEAR = "\0merged"
"""Stands for a cell whose value is not known. No file holds such a text."""

_MOST_AT_ONCE = 1_000
"""Most merged cells that cover the same row. In a file that a program wrote they do not overlap."""


class Merged(NamedTuple):
    """A merged cell: rows count from 1, columns from 0, and the last ones are included."""

    first_row: int
    first: int
    last_row: int
    last: int


def fill_merged(
    rows: Iterable[tuple[int, Sequence[Cell | None]]], merged: Sequence[Merged]
) -> Iterator[tuple[int, Sequence[Cell | None]]]:
    """Yield the rows with the values of the merged cells that cover them.

    A row without a value of its own stays empty: it does not belong to the table.

    Raises:
        ContractError: `workbook_unreadable`: more merged cells cover a row than is possible.
    """
    starting: dict[int, list[Merged]] = defaultdict(list)
    for block in merged:
        starting[block.first_row].append(block)
    live: list[tuple[Merged, Cell | None]] = []
    for number, cells in rows:
        live = [(block, value) for block, value in live if block.last_row >= number]
        begun = [block for block in starting.pop(number, ()) if block.first < len(cells)]
        if len(live) + len(begun) > _MOST_AT_ONCE:
            raise ContractError("workbook_unreadable", detail="merged cells overlap")
        filled = _fill(cells, live, begun) if live or begun else cells
        live += [(block, cells[block.first]) for block in begun]
        yield number, filled


def _fill(
    cells: Sequence[Cell | None],
    live: Sequence[tuple[Merged, Cell | None]],
    begun: Sequence[Merged],
) -> Sequence[Cell | None]:
    if all(cell is None or cell == "" for cell in cells):
        return cells
    filled = list(cells)
    for block, value in live:
        own = filled[block.first] if block.first < len(filled) else None
        if block.first < len(filled):
            filled[block.first] = value if own in {None, "", value} else UNCLEAR
        _blur(filled, block)
    for block in begun:
        _blur(filled, block)
    return filled


def _blur(filled: list[Cell | None], block: Merged) -> None:
    for column in range(block.first + 1, min(block.last + 1, len(filled))):
        filled[column] = UNCLEAR
