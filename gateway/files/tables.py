"""Turns the rows of a sheet or of JSON into values, or lists everything that is wrong with them.

Pure. A file is taken whole or not at all, unless its sender allows the good rows without the
others. Errors name the sheet, the row as a spreadsheet counts it (in JSON the first element is row
1) and the column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from gateway.files.cells import CellError, Reader
from gateway.files.columns import HeadingWords, fold
from models.base import Value
from models.errors import ContractError
from models.texts.fixes import fix_of
from models.texts.validation import describe_broken

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


def read_json(rows: Sequence[object], layout: Layout[Any]) -> Iterator[Row]:
    """Yield JSON objects as rows; texts are read as the cells of a sheet are."""

    def show(column: str, source: Mapping[str, object]) -> tuple[str, str]:
        value = source.get(column)
        is_shown = isinstance(value, str | int | float) and column not in layout.private
        return column, shorten(value) if is_shown else ""

    for row, source in enumerate(rows, start=1):
        if isinstance(source, dict):
            yield from _read_object(TableRow("", row, dict(source), source, show), layout)
        else:
            yield RowError(row=row, column="", code="fix_structure")


def _read_object(line: TableRow, layout: Layout[Any]) -> Iterator[Row]:
    wrong: list[RowError] = []
    for name, value in line.source.items():
        read = layout.readers.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        is_read = isinstance(value, str) or (is_number and name in layout.measured)
        if read is None or not is_read:
            continue
        try:
            line.fields[name] = read(fold(value) if isinstance(value, str) else value)
        except CellError as error:
            del line.fields[name]
            wrong.append(line.to_error(name, error.code))
    yield from list_faulty(line, wrong, layout) if wrong else (line,)


def list_faulty(
    line: TableRow, wrong: Sequence[RowError], layout: Layout[Any]
) -> Iterator[RowError]:
    """Yield the errors of unreadable cells and of the other cells, so that all are reported."""
    yield from wrong
    known = {name for error in wrong for name in (error.column, layout.parts.get(error.column))}
    # If a cell that says whether the unit may be used is unreadable, the row is not judged as if
    # that cell were empty.
    stated = {name for columns in layout.stated for name in columns}
    judged = layout if known.isdisjoint(stated) else replace(layout, check=None)
    yield from (error for error in validate_row(line, judged)[1] if error.column not in known)


class _Collecting(Generic[V]):
    """Values and errors of one file, row by row."""

    def __init__(self, layout: Layout[V], station_id: str) -> None:
        self._layout = layout
        self._station_id = station_id
        self._seen: dict[str, tuple[str, str, int]] = {}
        self._spelled: dict[tuple[str, str], tuple[str, int]] = {}
        self.values: list[V] = []
        self.places: list[tuple[str, int]] = []
        self.named: list[object] = []
        self.errors: list[RowError] = []

    def add(self, found: Row) -> None:
        if isinstance(found, RowError):
            self.errors.append(found)
            return
        station = found.fields.get("station_id", self._station_id)
        if station != self._station_id:
            params = {"facility_id": str(station)[:64]}
            self.errors.append(found.to_error("station_id", "facility_not_yours", params=params))
            return
        value, wrong = validate_row(found, self._layout)
        first = self._remember(found, value)
        if first is not None:
            other, _, row = first
            is_same = other == self._describe_identity(found, value)
            code = "id_twice" if is_same else "id_twice_otherwise"
            told: dict[str, str | int] = {"row": row}
            if not is_same:
                told["other"] = other[:64]
            self.errors.append(found.to_error(self._layout.identity, code, params=told))
        spelled = list(self._list_spelled(found))
        self.errors += (*wrong, *spelled)
        if value is not None and first is None and not spelled:
            self.values.append(value)
            self.places.append((found.sheet, found.row))
            self.named.append(found.fields.get(self._layout.named_by))

    def _list_spelled(self, found: TableRow) -> Iterator[RowError]:
        """Yield an error where a value is spelled differently than in an earlier row."""
        for column, code in self._layout.spelled_once.items():
            written = str(found.fields.get(column, "")).upper()
            if written:
                key = (column, self._layout.identity_key(written))
                other, row = self._spelled.setdefault(key, (written, found.row))
                if other != written:
                    yield found.to_error(column, code, params={"row": row, "other": other[:64]})

    def _remember(self, found: TableRow, value: V | None) -> tuple[str, str, int] | None:
        """Return how and where the same identity was given in an earlier row; None if in none."""
        identity = self._describe_identity(found, value)
        if not identity:
            return None
        place = (identity, found.sheet, found.row)
        first = self._seen.setdefault(self._layout.identity_key(identity), place)
        return None if first is place else first

    def _describe_identity(self, found: TableRow, value: V | None) -> str:
        return str(found.fields.get(self._layout.identity, "")) or _identity_of(value)


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
        rows: The rows of all sheets.
        layout: How a row becomes a value.
        station_id: The station whose rows they must be.
        partial: Keep the good rows beside the errors of the others.
        left_out: Sheets that were not read.
    """
    collecting = _Collecting(layout, station_id)
    for row in rows:
        collecting.add(row)
    errors = collecting.errors
    if not collecting.values and not errors:
        errors = [RowError(row=1, column="", code="file_empty")]
    # It is not known which rows a note is about, so with a note no rows are taken in part.
    keep = not errors or (partial and all(error.code != "note_speaks" for error in errors))
    return Parsed(
        values=tuple(collecting.values) if keep else (),
        places=tuple(collecting.places) if keep else (),
        named=tuple(collecting.named) if keep else (),
        errors=tuple(errors),
        refused_rows=len({(error.sheet, error.row) for error in errors}),
        left_out=left_out,
    )


def ensure_table(parsed: Parsed[V]) -> Parsed[V]:
    """Return what was read of a file.

    Raises:
        ContractError: `no_table_found`: it has sheets, and none of them has a known head.
    """
    if parsed.left_out and [error.code for error in parsed.errors] == ["file_empty"]:
        raise ContractError("no_table_found")
    return parsed


def validate_row(line: TableRow, layout: Layout[V]) -> tuple[V | None, tuple[RowError, ...]]:
    """Make the value of a row, or list everything that is wrong with it."""
    try:
        value = layout.model.model_validate(layout.build(dict(line.fields)))
    except FieldFault as fault:
        return None, _list_fault(line, fault, layout)
    except ContractError as error:
        named = {name: str(param) for name, param in error.params.items()}
        return None, (line.to_error(layout.identity, error.code, params=named),)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, tuple(
            line.to_error(
                _column_of(detail["loc"], detail["msg"], layout),
                fix_of(detail["type"]),
                rule=str(describe_broken(detail)),
            )
            for detail in details
        )
    fault_found = layout.check(value) if layout.check else None
    if fault_found is None:
        return value, ()
    code, column, params = fault_found
    return None, (line.to_error(column, code, params=params),)


def _list_fault(line: TableRow, fault: FieldFault, layout: Layout[Any]) -> tuple[RowError, ...]:
    """List a fault, and what is wrong with the rest of the row."""
    whole = layout.parts.get(fault.column, fault.column)
    family = {whole, *(part for part, of in layout.parts.items() if of == whole)}
    rest = {name: value for name, value in line.fields.items() if name not in family}
    others: tuple[RowError, ...] = ()
    if len(rest) < len(line.fields):
        others = validate_row(line._replace(fields=rest), layout)[1]
    told = line.to_error(fault.column, fault.code, params=fault.params)
    return (told, *(error for error in others if error.column not in family))


def _column_of(loc: Sequence[str | int], message: str, layout: Layout[Any]) -> str:
    """Return the column that an error is about; a rule over a whole value names the field."""
    names = [part for part in loc if isinstance(part, str)]
    if names and names[-1] not in {"unit", "traits", "location", "attestation"}:
        return names[-1]
    blamed = re.search(r"Value error, (\w+)", message)
    return blamed[1] if blamed and blamed[1] in layout.columns else ""
