"""Stock and donor imports: CSV or JSON in, values out, or everything that is wrong with them.

Pure. A file is taken whole or not at all: with any error the values are empty. Errors name the row
as a spreadsheet counts it (the head of a CSV is row 1; in JSON the first element is row 1) and the
column.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from models.base import Value
from models.donors import Donor
from models.errors import ContractError
from models.events.stock import CountedUnit

V = TypeVar("V", bound=Value)
Fields = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowError:
    """One thing that is wrong.

    Attributes:
        row: As a spreadsheet counts; 1 for the head of a CSV.
        column: Its name; empty where the row as a whole is wrong.
        code: Of the text that says what is wrong.
        rule: In the words of the rule that was broken, English; empty where the text says all.
    """

    row: int
    column: str
    code: str
    rule: str = ""
    params: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Generic[V]):
    """Values in the order of the file, or errors in the order of their rows; never both."""

    values: tuple[V, ...] = ()
    errors: tuple[RowError, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout(Generic[V]):
    """How a row becomes a value.

    Attributes:
        required: Columns that a CSV must have.
        readers: Column to what reads its cell; columns without one are taken as text.
        prefixes: Where a column stands in the value, if not at the top.
    """

    model: type[V]
    identity: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    readers: Mapping[str, Callable[[str], Any]]
    build: Callable[[Fields], Fields]


class _CellError(Exception):
    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


_YES = frozenset({"true", "1", "yes", "y", "是"})
_NO = frozenset({"false", "0", "no", "n", "否"})


def _read_flag(cell: str) -> bool:
    word = cell.lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise _CellError("flag_invalid")


def _read_names(cell: str) -> list[str]:
    """Several names in one cell: parted by spaces, semicolons or `|`."""
    return [name for name in re.split(r"[\s;；|]+", cell) if name]


def _read_instant(cell: str) -> str:
    if not re.search(r"(Z|[+-]\d{2}:?\d{2})$", cell, flags=re.IGNORECASE):
        raise _CellError("time_zone_missing")
    return cell


_TRAIT_FLAGS = ("leukoreduced", "irradiated", "cmv_negative", "washed", "low_titre")
_TRAITS = (*_TRAIT_FLAGS, "antigen_negative", "hla")
_UNIT_COLUMNS = (
    "unit_id",
    "donation_id",
    "component",
    "group",
    "volume_ml",
    "collected_at",
    "expires_at",
)


def _build_unit(station_id: str) -> Callable[[Fields], Fields]:
    def build(row: Fields) -> Fields:
        released = {"released": row.pop("released")} if "released" in row else {}
        traits = {name: row.pop(name) for name in _TRAITS if name in row}
        if traits:
            row["traits"] = {**row.get("traits", {}), **traits}
        return {"unit": {"station_id": station_id, **row}, **released}

    return build


def _units(station_id: str) -> _Layout[CountedUnit]:
    return _Layout(
        model=CountedUnit,
        identity="unit_id",
        required=_UNIT_COLUMNS,
        optional=("station_id", "released", *_TRAITS),
        readers={
            **dict.fromkeys((*_TRAIT_FLAGS, "released"), _read_flag),
            **dict.fromkeys(("antigen_negative", "hla"), _read_names),
            **dict.fromkeys(("collected_at", "expires_at"), _read_instant),
        },
        build=_build_unit(station_id),
    )


def _build_donor(station_id: str) -> Callable[[Fields], Fields]:
    def build(row: Fields) -> Fields:
        place = {name: row.pop(name) for name in ("lat", "lon") if name in row}
        if place:
            row["location"] = {**row.get("location", {}), **place}
        return {"station_id": station_id, **row}

    return build


def _donors(station_id: str) -> _Layout[Donor]:
    instants = ("unavailable_until", "deferred_until", "consented_at")
    return _Layout(
        model=Donor,
        identity="donor_id",
        required=("donor_id", "name", "contact", "group", "sex", "born_on", "weight_kg"),
        optional=(
            "station_id",
            "lat",
            "lon",
            "staff",
            "repeat_without_reaction",
            "last_whole_blood_on",
            "last_platelets_on",
            *instants,
        ),
        readers={
            **dict.fromkeys(("staff", "repeat_without_reaction"), _read_flag),
            **dict.fromkeys(instants, _read_instant),
        },
        build=_build_donor(station_id),
    )


def parse_units_csv(text: str, *, station_id: str) -> Parsed[CountedUnit]:
    """Read counted units of one station from a CSV with a head.

    Args:
        text: The decoded file. Empty cells mean "not given".
        station_id: Whose count it is; a `station_id` column must agree.
    """
    return _finish(_read_csv(text, _units(station_id)), _units(station_id), station_id)


def parse_units_json(rows: Sequence[object], *, station_id: str) -> Parsed[CountedUnit]:
    """Read counted units from JSON objects with the columns of the CSV, or with `traits` nested."""
    return _finish(_read_json(rows), _units(station_id), station_id)


def parse_donors_csv(text: str, *, station_id: str) -> Parsed[Donor]:
    """Read donors of one station from a CSV with a head. As `parse_units_csv`."""
    return _finish(_read_csv(text, _donors(station_id)), _donors(station_id), station_id)


def parse_donors_json(rows: Sequence[object], *, station_id: str) -> Parsed[Donor]:
    """Read donors from JSON objects. As `parse_units_json`."""
    return _finish(_read_json(rows), _donors(station_id), station_id)


def decode_file(raw: bytes, *, charset: str) -> str:
    """Decode a file; a byte-order mark is dropped.

    Raises:
        ContractError: `charset_unknown`: no such charset, or the bytes are not of it.
    """
    try:
        return raw.decode(charset).removeprefix("\ufeff")
    except (LookupError, UnicodeDecodeError) as error:
        raise ContractError("charset_unknown", charset=charset[:40]) from error


_Row = tuple[int, Fields] | RowError


def _read_csv(text: str, layout: _Layout[Any]) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        head = [name.strip() for name in next(reader, [])]
        wrong = list(_check_head(head, layout))
        yield from wrong
        if wrong:
            return
        for cells in reader:
            # The line where the row ends: what an editor shows for a row without line breaks.
            if any(cell.strip() for cell in cells):
                yield from _read_cells(reader.line_num, head, cells, layout)
    except csv.Error as error:
        yield RowError(
            row=reader.line_num,
            column="",
            code="csv_unreadable",
            params={"detail": str(error)[:120]},
        )


def _check_head(head: Sequence[str], layout: _Layout[Any]) -> Iterator[RowError]:
    if not any(head):
        yield RowError(row=1, column="", code="file_empty")
        return
    for name in layout.required:
        if name not in head:
            yield RowError(row=1, column=name, code="column_missing")
    for at, name in enumerate(head):
        if name not in {*layout.required, *layout.optional}:
            yield RowError(row=1, column=name[:60], code="column_unknown")
        elif name in head[:at]:
            yield RowError(row=1, column=name, code="column_twice")


def _read_cells(
    row: int, head: Sequence[str], cells: Sequence[str], layout: _Layout[Any]
) -> Iterator[_Row]:
    if len(cells) != len(head):
        code = "row_too_long" if len(cells) > len(head) else "row_too_short"
        yield RowError(row=row, column="", code=code)
        return
    fields: Fields = {}
    wrong: list[RowError] = []
    for name, raw in zip(head, cells, strict=True):
        cell = raw.strip()
        if not cell:
            continue
        try:
            fields[name] = layout.readers.get(name, str)(cell)
        except _CellError as error:
            wrong.append(RowError(row=row, column=name, code=error.code))
    if not wrong:
        yield row, fields
        return
    yield from wrong
    # The other cells of the row are checked as well: everything wrong is told at once.
    known = {error.column for error in wrong}
    yield from (error for error in _validate(row, fields, layout)[1] if error.column not in known)


def _read_json(rows: Sequence[object]) -> Iterator[_Row]:
    if not rows:
        yield RowError(row=1, column="", code="file_empty")
    for row, fields in enumerate(rows, start=1):
        if isinstance(fields, dict):
            yield row, dict(fields)
        else:
            yield RowError(row=row, column="", code="fix_structure")


def _finish(rows: Iterator[_Row], layout: _Layout[V], station_id: str) -> Parsed[V]:
    values: list[V] = []
    errors: list[RowError] = []
    seen: dict[str, int] = {}
    for found in rows:
        if isinstance(found, RowError):
            errors.append(found)
            continue
        row, fields = found
        if fields.get("station_id", station_id) != station_id:
            errors.append(
                RowError(
                    row=row,
                    column="station_id",
                    code="facility_not_yours",
                    params={"facility_id": str(fields["station_id"])[:64]},
                )
            )
            continue
        identity = str(fields.get(layout.identity, ""))
        if identity and identity in seen:
            errors.append(
                RowError(
                    row=row,
                    column=layout.identity,
                    code="id_twice",
                    params={"row": seen[identity]},
                )
            )
        seen.setdefault(identity, row)
        value, wrong = _validate(row, fields, layout)
        errors += wrong
        if value is not None:
            values.append(value)
    if not values and not errors:
        errors.append(RowError(row=1, column="", code="file_empty"))
    return Parsed(errors=tuple(errors)) if errors else Parsed(values=tuple(values))


def _validate(
    row: int, fields: Fields, layout: _Layout[V]
) -> tuple[V | None, tuple[RowError, ...]]:
    try:
        return layout.model.model_validate(layout.build(dict(fields))), ()
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return None, tuple(
            RowError(
                row=row,
                column=_column_of(detail["loc"], detail["msg"], layout),
                code=fix_of(detail["type"]),
                rule=detail["msg"][:300],
            )
            for detail in details
        )


def _column_of(loc: Sequence[str | int], message: str, layout: _Layout[Any]) -> str:
    """The column that an error is about; rules over a whole value name the field they blame."""
    names = [part for part in loc if isinstance(part, str)]
    if names and names[-1] not in {"unit", "traits", "location"}:
        return names[-1]
    known = (*layout.required, *layout.optional)
    blamed = re.search(r"Value error, (\w+)", message)
    return blamed[1] if blamed and blamed[1] in known else ""


_FIXES = {
    "missing": "fix_missing",
    "extra_forbidden": "fix_extra_forbidden",
    "enum": "fix_enum",
    "literal_error": "fix_enum",
    "json_invalid": "fix_json",
    "value_error": "fix_other",
}
_FIX_FAMILIES = (
    ("datetime", "fix_datetime"),
    ("timezone", "fix_datetime"),
    ("date", "fix_date"),
    ("string", "fix_text"),
    ("int", "fix_number"),
    ("float", "fix_number"),
    ("greater", "fix_number"),
    ("less", "fix_number"),
    ("finite", "fix_number"),
    ("model", "fix_structure"),
    ("dict", "fix_structure"),
    ("tuple", "fix_structure"),
    ("list", "fix_structure"),
    ("too_", "fix_structure"),
)


def fix_of(rule_type: str) -> str:
    """Return the code of the text that says what to do about a broken rule of pydantic's."""
    if rule_type in _FIXES:
        return _FIXES[rule_type]
    found = (fix for start, fix in _FIX_FAMILIES if rule_type.startswith(start))
    return next(found, "fix_other")
