"""The values of reading a table: its layout, its rows, its faults. Pure.

Errors name the sheet, the row as a spreadsheet counts it (in JSON the first element is row 1) and
the column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from gateway.files.cells import Reader
from gateway.files.heading_words import HeadingWords
from models.base import Value
from models.errors import ContractError

V = TypeVar("V", bound=Value)
Fields = dict[str, Any]
Doubt = Callable[[Fields, str, str], str | None]
"""Judges a row by text that is otherwise passed over. It takes the row's fields, the heading of the
text's column (empty for a title) and the text; it returns the code of the reason why the row is not
taken so, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """A fault of a file, in a single row or in the same way in several rows.

    Attributes:
        sheet: The name of the sheet; empty for a CSV and for JSON.
        row: The row as a spreadsheet counts it; of several rows, the first.
        column: The name of the column; empty where the row as a whole is wrong.
        code: The code of the text that says what is wrong.
        rule: The rule that was broken, in both languages; empty where the text of `code` suffices.
        heading: The file's heading of the column; empty where no heading is in question.
        found: The content of the cells; empty where they are empty or must not be repeated.
        spans: First and last row of each run of rows; empty for `row` alone.
        rows: The number of rows that have the fault.
    """

    row: int
    column: str
    code: str
    sheet: str = ""
    rule: str = ""
    params: Mapping[str, str | int] = field(default_factory=dict)
    heading: str = ""
    found: tuple[str, ...] = ()
    spans: tuple[tuple[int, int], ...] = ()
    rows: int = 1


class FieldFault(Exception):
    """A row cannot be put into the shape of its model; has the column to blame and the reason."""

    def __init__(
        self, code: str, column: str, params: Mapping[str, str | int] | None = None
    ) -> None:
        self.column = column
        self.code = code
        self.params = params or {}
        super().__init__(f"{column}: {code}")


class RowFault(NamedTuple):
    """What is wrong with a value as a whole: code, column, and the parameters of the text."""

    code: str
    column: str
    params: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Generic[V]):
    """The content of a file.

    Attributes:
        values: The values in the order of the file.
        places: The sheet and row of each value.
        named: The file's name for each value; None where the layout has no `named_by`.
        errors: The errors in the order of their rows. If there is any, there are no values, unless
            the file was read in part.
        refused_rows: The number of rows that have an error.
        left_out: Sheets that are not empty and have no known head.
    """

    values: tuple[V, ...] = ()
    places: tuple[tuple[str, int], ...] = ()
    named: tuple[object, ...] = ()
    errors: tuple[RowError, ...] = ()
    refused_rows: int = 0
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout(Generic[V]):
    """How a row becomes a value.

    Attributes:
        model: The type of the values.
        words: The headings of each column, and those that are passed over.
        identity: The column that identifies a value.
        required: Columns that a sheet must have; of a tuple of columns it must have any one.
        optional: Columns that a sheet may have.
        readers: The reader of each column's cells; a column without one is taken as text.
        build: Puts the fields of a row into the shape of the model; raises ContractError where the
            identity is not clear, and FieldFault.
        parts: Column to the column that it is a part of: if the part is wrong, so is the whole.
        check: Finds what a value breaks beyond its model's own rules.
        stated: Groups of columns that say whether a unit may be used. Of the first group that a
            sheet has, every row must fill a column.
        private: Columns whose content no error repeats.
        emptied: Columns in which an empty cell means that there is no value; in all other columns
            an empty cell means "not given".
        named_by: The column that holds the file's name for a value.
        identity_key: Returns the same key for all spellings of an identity.
        measured: Columns whose numbers are read in JSON as they are in a sheet.
        spelled_once: Columns in which a value must have the same spelling in the whole file, each
            with the code of the error for a second spelling.
        doubt: Judges the columns that are passed over, and the titles; None judges none.
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
    stated: tuple[tuple[str, ...], ...] = ()
    private: frozenset[str] = frozenset()
    emptied: frozenset[str] = frozenset()
    named_by: str = ""
    identity_key: Callable[[str], str] = str
    measured: frozenset[str] = frozenset()
    spelled_once: Mapping[str, str] = field(default_factory=dict)
    doubt: Doubt | None = None

    @property
    def columns(self) -> frozenset[str]:
        required = {
            name
            for options in self.required
            for name in ((options,) if isinstance(options, str) else options)
        }
        return frozenset({*required, *self.optional})


Shown = Callable[[str, Any], tuple[str, str]]
"""Returns the heading of a column and the content of its cell, from the column and the raw row."""


class TableRow(NamedTuple):
    """One row with its fields.

    Attributes:
        source: The row as it was sent.
        show: Returns what an error names of the row.
    """

    sheet: str
    row: int
    fields: Fields
    source: Any
    show: Shown

    def to_error(
        self,
        column: str,
        code: str,
        *,
        rule: str = "",
        params: Mapping[str, str | int] | None = None,
    ) -> RowError:
        """Return an error of this row, with the file's own words for the column and the cell."""
        heading, found = self.show(column, self.source) if column else ("", "")
        return RowError(
            sheet=self.sheet,
            row=self.row,
            column=column,
            code=code,
            rule=rule,
            params=params or {},
            heading=heading,
            found=(found,) if found else (),
        )


Row = TableRow | RowError

_SHOWN_MOST = 60


def shorten(cell: object) -> str:
    """Return the content of a cell as an error shows it: in one line, not too long."""
    text = " ".join(str(cell).split())
    return text if len(text) <= _SHOWN_MOST else f"{text[:_SHOWN_MOST]}…"


def ensure_table(parsed: Parsed[V]) -> Parsed[V]:
    """Return what was read of a file.

    Raises:
        ContractError: `no_table_found`: it has sheets, and none of them has a known head.
    """
    if parsed.left_out and [error.code for error in parsed.errors] == ["file_empty"]:
        raise ContractError("no_table_found")
    return parsed
