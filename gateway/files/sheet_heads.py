"""Reads the head of a sheet: which heading names which column, and what to ask if it is unclear.

Pure. A heading that is not known, or may stand for several columns, is asked about in one sentence
together with the columns that were not found. It is never guessed, and never passed over without a
question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.files.cells import Cell, CellError, Reader, clean, read_code, read_text
from gateway.files.columns import WORDS
from gateway.files.heading_words import HeadingWords
from gateway.files.merged_cells import UNCLEAR
from gateway.files.table_values import Doubt, Layout, RowError, shorten

_KNOWN_MOST = 10_000
"""Different texts of a column whose reading is remembered: most columns repeat few texts."""


@dataclass(frozen=True, slots=True)
class Column:
    """The place of a column and how its cells are read.

    Attributes:
        at: The index of the column, from 0.
        repeats: Whether its texts repeat, so that their readings are remembered.
        known: The texts that were read before, with their values.
    """

    at: int
    name: str
    heading: str
    read: Reader
    repeats: bool
    known: dict[Any, object] = field(default_factory=dict)

    def read_cell(self, raw: Cell | None) -> object:
        """Return the value of a cell; None if it is empty. Raises CellError."""
        if raw is UNCLEAR:
            raise CellError("cell_merged")
        cell = clean(raw)
        value = None if cell is None else self.read(cell)
        if self.repeats and isinstance(raw, str) and len(self.known) < _KNOWN_MOST:
            self.known[raw] = value
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The columns of a sheet.

    Attributes:
        unnamed: The indices of columns without a heading; they must be empty.
        stated: Columns that say whether a unit may be used; every row must fill one of them.
        private: Columns whose content no error repeats.
        emptied: Columns in which an empty cell means that there is no value.
        passed: The index and heading of each column that is passed over.
        titles: The name of the sheet, and the texts above its head.
        doubt: Judges whether `passed` or `titles` speak against how a row would be taken.
    """

    row: int
    width: int
    columns: tuple[Column, ...]
    unnamed: tuple[int, ...]
    stated: tuple[str, ...]
    words: HeadingWords
    private: frozenset[str]
    emptied: frozenset[str]
    passed: tuple[tuple[int, str], ...] = ()
    titles: tuple[str, ...] = ()
    doubt: Doubt | None = None

    def show(self, column: str, cells: Sequence[Cell | None]) -> tuple[str, str]:
        """Return the sheet's heading of a column, and the column's content in a row."""
        for known in self.columns:
            if known.name == column:
                cell = clean(cells[known.at]) if known.at < len(cells) else None
                is_told = cell is not None and cell is not UNCLEAR and column not in self.private
                return known.heading, shorten(cell) if is_told else ""
        return self.words.title_of(column), ""


def count_known(cells: Sequence[Cell | None], words: HeadingWords) -> int:
    """Count the cells of a row that are headings."""
    return sum(
        isinstance(cell, str) and (words.find(cell) is not None or bool(words.list_meanings(cell)))
        for cell in cells
        if cell
    )


def read_head(
    sheet: str, row: int, cells: Sequence[Cell | None], layout: Layout[Any]
) -> tuple[Head, list[RowError]]:
    """Return the head, and what is wrong with it."""
    reader = _HeadReader(sheet, row, layout)
    for at, cell in enumerate(cells):
        text = None if cell is UNCLEAR else clean(cell)
        if text is None:
            reader.unnamed.append(at)
        else:
            reader.take(at, str(text))
    reader.settle_ambiguous()
    return reader.to_head(len(cells)), [*reader.errors, *reader.list_questions()]


class _HeadReader:
    """A head that is being read: the columns that were found, and the open questions."""

    def __init__(self, sheet: str, row: int, layout: Layout[Any]) -> None:
        self._sheet = sheet
        self._row = row
        self._layout = layout
        self._words = layout.words
        self._columns: list[Column] = []
        self._unknown: list[str] = []
        self._ambiguous: list[tuple[int, str, tuple[str, ...]]] = []
        self._passed: list[tuple[int, str]] = []
        self.unnamed: list[int] = []
        self.errors: list[RowError] = []

    def take(self, at: int, heading: str) -> None:
        if self._words.is_ignored(heading):
            self._passed.append((at, heading))
            return
        name = self._words.find(heading)
        if name is not None and name in self._layout.columns:
            self._add(at, name, heading)
        elif meanings := self._words.list_meanings(heading):
            self._ambiguous.append((at, heading, meanings))
        else:
            self._unknown.append(heading)

    def _add(self, at: int, name: str, heading: str) -> None:
        if name in self._names():
            self.errors.append(
                RowError(
                    sheet=self._sheet,
                    row=self._row,
                    column=name,
                    code="column_twice",
                    heading=shorten(heading),
                )
            )
            return
        read = self._layout.readers.get(name, read_text)
        shown = shorten(heading)
        self._columns.append(
            Column(at, name, shown, read, repeats=read not in {read_text, read_code})
        )

    def _names(self) -> set[str]:
        return {column.name for column in self._columns}

    def settle_ambiguous(self) -> None:
        """Take an ambiguous heading for the only missing required column, if it may stand for it.

        If there are two such headings, or the column is optional, a question is asked.
        """
        if len(self._ambiguous) == 1 and not self._unknown:
            at, heading, meanings = self._ambiguous[0]
            absent = [name for name in meanings if name not in self._names()]
            missing = self._list_missing()
            fitting = [name for name in absent if [name] == missing]
            if fitting:
                self._ambiguous.clear()
                self._add(at, fitting[0], heading)
                return
        self._unknown += [heading for _, heading, _ in self._ambiguous]

    def _list_missing(self) -> list[str]:
        names = self._names()
        required = (
            (options,) if isinstance(options, str) else options for options in self._layout.required
        )
        return [options[0] for options in required if not names.intersection(options)]

    def list_questions(self) -> list[RowError]:
        """Return the questions to the sender of the file: at most one of each kind."""
        guarded = self._layout.doubt is not None
        of_use = [heading for heading in self._unknown if guarded and WORDS.says_use(heading)]
        unknown = [heading for heading in self._unknown if heading not in of_use]
        asked = [self._ask_of_use(of_use)] if of_use else []
        missing = self._list_missing()
        if not missing and not unknown:
            return asked
        titles = [self._words.title_of(name) for name in missing]
        params: dict[str, str | int] = {
            "missing": "、".join(titles),
            "columns": ", ".join(missing),
            "unknown": "".join(f"“{shorten(heading)}”" for heading in unknown),
            "first": shorten(unknown[0]) if unknown else "",
            "column": missing[0] if missing else "",
        }
        code = "column_unclear"
        if not unknown:
            code = "column_missing"
        elif not missing:
            code = "column_unknown"
        column = missing[0] if missing else shorten(unknown[0])
        return [
            RowError(
                sheet=self._sheet,
                row=self._row,
                column=column,
                code=code,
                params=params,
                heading=self._title_of(column),
            ),
            *asked,
        ]

    def _ask_of_use(self, unknown: Sequence[str]) -> RowError:
        """Ask about headings that say whether a unit may be used; they cannot be passed over."""
        first = shorten(unknown[0])
        told = "".join(f"“{shorten(heading)}”" for heading in unknown)
        return RowError(
            sheet=self._sheet,
            row=self._row,
            column=first,
            code="column_tells_use",
            params={"unknown": told, "first": first},
            heading=first,
        )

    def _title_of(self, column: str) -> str:
        """Return the name of a column for people, in the language of the head."""
        headings = [*(known.heading for known in self._columns), *self._unknown]
        is_english = all(heading.isascii() for heading in headings)
        return column if is_english else self._words.title_of(column)

    def to_head(self, width: int) -> Head:
        names = self._names()
        return Head(
            row=self._row,
            width=width,
            columns=tuple(self._columns),
            unnamed=tuple(self.unnamed),
            stated=next(
                (told for group in self._layout.stated if (told := _within(group, names))), ()
            ),
            words=self._words,
            private=self._layout.private,
            emptied=self._layout.emptied & self._names(),
            passed=tuple(self._passed),
            doubt=self._layout.doubt,
        )


def _within(columns: Sequence[str], names: set[str]) -> tuple[str, ...]:
    return tuple(name for name in columns if name in names)
