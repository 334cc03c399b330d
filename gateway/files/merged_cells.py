"""Merged cells: what a person sees over several rows or columns, put into the rows it covers.

Pure. A file keeps the value of a merged cell in its first row and column alone. Over rows it is the
value of each row. Over columns nobody can tell whose value it is: such a cell is `UNCLEAR`, and
whoever needs it is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gateway.files.cells import Cell
from models.errors import ContractError

UNCLEAR = "\0merged"
"""Stands for a cell whose value cannot be told. No file holds such a text."""

_MOST_AT_ONCE = 1_000
"""Merged cells that one row lies in. They do not overlap in a file that a program wrote."""


class Merged(NamedTuple):
    """One merged cell: rows from 1, columns from 0, the last ones included."""

    first_row: int
    first: int
    last_row: int
    last: int


def fill_merged(
    rows: Iterable[tuple[int, Sequence[Cell | None]]], merged: Sequence[Merged]
) -> Iterator[tuple[int, Sequence[Cell | None]]]:
    """Yield the rows with the values of the merged cells that they lie in.

    A row that has nothing of its own stays empty: it is none of the table.

    Raises:
        ContractError: `workbook_unreadable`: more merged cells lie over a row than can be.
    """
    starting: dict[int, list[Merged]] = defaultdict(list)
    for one in merged:
        starting[one.first_row].append(one)
    live: list[tuple[Merged, Cell | None]] = []
    for number, cells in rows:
        live = [(one, value) for one, value in live if one.last_row >= number]
        begun = [one for one in starting.pop(number, ()) if one.first < len(cells)]
        if len(live) + len(begun) > _MOST_AT_ONCE:
            raise ContractError("workbook_unreadable", detail="merged cells overlap")
        filled = _fill(cells, live, begun) if live or begun else cells
        live += [(one, cells[one.first]) for one in begun]
        yield number, filled


def _fill(
    cells: Sequence[Cell | None],
    live: Sequence[tuple[Merged, Cell | None]],
    begun: Sequence[Merged],
) -> Sequence[Cell | None]:
    if all(cell is None or cell == "" for cell in cells):
        return cells
    filled = list(cells)
    for one, value in live:
        own = filled[one.first] if one.first < len(filled) else None
        if one.first < len(filled):
            filled[one.first] = value if own in {None, "", value} else UNCLEAR
        _blur(filled, one)
    for one in begun:
        _blur(filled, one)
    return filled


def _blur(filled: list[Cell | None], one: Merged) -> None:
    for column in range(one.first + 1, min(one.last + 1, len(filled))):
        filled[column] = UNCLEAR
