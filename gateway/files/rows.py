"""Makes values of the rows of a sheet or of JSON, or lists everything that is wrong with them.

Pure. A file is taken whole or not at all, unless its sender allows the good rows without the
others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Generic

from pydantic import ValidationError

from gateway.files.cells import CellError
from gateway.files.heading_words import fold
from gateway.files.table_values import (
    FieldFault,
    Layout,
    Parsed,
    Row,
    RowError,
    TableRow,
    V,
    shorten,
)
from models.base import Value
from models.errors import ContractError
from models.texts.fixes import fix_of
from models.texts.validation import describe_broken


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


class _RowCollection(Generic[V]):
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
    collection = _RowCollection(layout, station_id)
    for row in rows:
        collection.add(row)
    errors = collection.errors
    if not collection.values and not errors:
        errors = [RowError(row=1, column="", code="file_empty")]
    # It is not known which rows a note is about, so with a note no rows are taken in part.
    keep = not errors or (partial and all(error.code != "note_speaks" for error in errors))
    return Parsed(
        values=tuple(collection.values) if keep else (),
        places=tuple(collection.places) if keep else (),
        named=tuple(collection.named) if keep else (),
        errors=tuple(errors),
        refused_rows=len({(error.sheet, error.row) for error in errors}),
        left_out=left_out,
    )


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
