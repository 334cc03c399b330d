"""Errors of content that is not valid: each wrong field or row, the broken rule, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.code_hints import find_word
from gateway.files.row_errors import describe_fault, describe_place
from gateway.files.table_values import RowError
from models.errors import ContractError
from models.possible_times import Impossible
from models.texts import Text, render
from models.texts.fixes import fix_of
from models.texts.validation import describe_broken, find_place, list_true
from models.texts.words import name_field


class FieldError(NamedTuple):
    """One field that is wrong: where it is, which rule it broke, what to do.

    Attributes:
        place: Where it is in an imported file, or in which entries of a list; read by programs.
    """

    field: str
    rule: str
    what_to_do: Text
    place: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "field": self.field,
            "rule": self.rule,
            "what_to_do": str(self.what_to_do),
        }
        name = name_field(self.field)
        if name is not None:
            told["name"] = name
        return {**told, **(self.place or {})}


class InvalidContent(ContractError):
    """The request was understood, but its content is not valid; carries every field error."""

    def __init__(
        self, code: str, /, fields: Sequence[FieldError], *, errors: int | None = None
    ) -> None:
        super().__init__(code, errors=len(fields) if errors is None else errors)
        self.fields = tuple(fields)


def of_validation(errors: Sequence[Mapping[str, Any]]) -> InvalidContent:
    """Make an error of what pydantic found; the input itself is not repeated.

    A fault that many entries of a list share is reported once, with its first places.
    """
    return _of_fields(
        FieldError(
            field=find_place(error) or "(body)",
            rule=str(describe_broken(error))[:600],
            what_to_do=find_word(error) or render(fix_of(str(error["type"]))),
        )
        for error in list_true(errors)
    )


_PLACES_TOLD = 5
"""How many places of a fault are named that many entries of a list have."""


def _of_fields(fields: Iterable[FieldError]) -> InvalidContent:
    groups: dict[object, list[FieldError]] = {}
    for error in fields:
        path = ".".join("" if part.isdecimal() else part for part in error.field.split("."))
        groups.setdefault((path, error.rule, error.what_to_do), []).append(error)
    told = [_merge(group) for group in groups.values()]
    return InvalidContent("fields_invalid", told, errors=sum(map(len, groups.values())))


def _merge(group: Sequence[FieldError]) -> FieldError:
    first, count = group[0], len(group)
    if count == 1:
        return first
    places = [error.field for error in group[:_PLACES_TOLD]]
    more = ["…"] if count > len(places) else []
    params = {"rule": first.rule, "count": count, "places": ", ".join([*places, *more])}
    rule = str(render("broken_in_places", params))
    return first._replace(rule=rule, place={"count": count, "places": places})


def of_impossible(moments: Sequence[Impossible]) -> InvalidContent:
    """Make an error of moments that cannot be true, with each field and the reason."""
    told = [(moment.field, render(moment.code, moment.params)) for moment in moments]
    return _of_fields(FieldError(field, str(text), text) for field, text in told)


MAX_ROWS_TOLD = 500
"""Most faults of a file that are reported one by one; further ones usually have the same causes."""


def of_row(error: RowError) -> FieldError:
    """Make a field error of a fault in a file, with its sheet, rows, heading and cell."""
    told = describe_fault(error)
    place = {
        "code": error.code,
        "sheet": error.sheet,
        "rows": [list(span) for span in error.spans or ((error.row, error.row),)],
        "column": error.column,
        "found": list(error.found),
    }
    where = describe_place(error)
    return FieldError(field=where, rule=error.rule or str(told), what_to_do=told, place=place)


def of_rows(errors: Sequence[RowError], *, in_all: int | None = None) -> InvalidContent:
    """Make an error of the faults of an imported file; only the first ones are reported."""
    fields = [of_row(error) for error in errors[:MAX_ROWS_TOLD]]
    return InvalidContent("rows_invalid", fields, errors=in_all or len(errors))


def of_refused(errors: Sequence[RowError]) -> InvalidContent:
    """Make an error of rows that are well formed but must not be taken in."""
    fields = [of_row(error) for error in errors[:MAX_ROWS_TOLD]]
    return InvalidContent("units_refused", fields, errors=len(errors))
