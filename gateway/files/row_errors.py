"""Describes the errors of a file for a clerk: the same fault of many rows is one line. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.files.table_values import RowError
from models.texts import Text, render

_IN_ROWS = {
    "attestation_missing": "rows_attestation_missing",
    "released_before_collected": "rows_released_before_collected",
    "released_in_future": "rows_released_in_future",
}
"""Refusals whose text names the unit, to the text that is used where the row is named already."""

_FOUND_MOST = 5
"""Most different texts of a fault that are shown; further ones have the same cause."""


def group_errors(errors: Iterable[RowError]) -> tuple[RowError, ...]:
    """Join errors that report the same fault of the same column, in the order of their rows.

    Errors that were joined before stay as they are.
    """
    groups: dict[object, list[RowError]] = {}
    for error in errors:
        params = () if error.code in _IN_ROWS else tuple(sorted(error.params.items()))
        key = (error.sheet, error.column, error.heading, error.code, error.rule, params)
        groups.setdefault((key, error.spans), []).append(error)
    return tuple(_merge(group) for group in groups.values())


def _merge(group: Sequence[RowError]) -> RowError:
    if len(group) == 1:
        return group[0]
    rows = sorted({error.row for error in group})
    found = tuple(dict.fromkeys(text for error in group for text in error.found))
    shown = found[:_FOUND_MOST] + (("…",) if len(found) > _FOUND_MOST else ())
    return replace(group[0], row=rows[0], rows=len(rows), spans=_to_spans(rows), found=shown)


def _to_spans(rows: Sequence[int]) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    for row in rows:
        if spans and row == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], row)
        else:
            spans.append((row, row))
    return tuple(spans)


_SPANS_MOST = 8


def describe_place(error: RowError) -> str:
    """Return where an error is, in the file's own words: `第 2–31 行 血型“A型”`.

    Where the file has English headings, the place is in English too: `rows 2-31, group “A”`.
    """
    found = "".join(f"“{text}”" for text in error.found)
    heading = error.heading or error.column
    spans = error.spans or ((error.row, error.row),)
    if heading.isascii() and heading:
        rows = _join(spans, dash="-", comma=", ")
        told = f"{'row' if error.rows == 1 else 'rows'} {rows}"
        return ", ".join(part for part in (error.sheet, told, f"{heading} {found}".strip()) if part)
    place = f"第 {_join(spans, dash='–', comma='、')} 行"
    return " ".join(part for part in (error.sheet, place, f"{heading}{found}") if part)


def _join(spans: Sequence[tuple[int, int]], *, dash: str, comma: str) -> str:
    told = [
        str(first) if first == last else f"{first}{dash}{last}"
        for first, last in spans[:_SPANS_MOST]
    ]
    return comma.join([*told, "…"] if len(spans) > _SPANS_MOST else told)


def describe_fault(error: RowError) -> Text:
    """Return what is wrong and what to do about it."""
    return render(_IN_ROWS.get(error.code, error.code), error.params)
