"""Counts what each line of a request asks for, and what no bag promised to it covers. Pure.

It is counted from the promises, whatever became of the request: of one that has ended nobody looks
for more, but what it never got is still told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from models.components import Component
from models.doses import LabelledBag
from models.requests import RequestLine, UrgentRequest

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bag:
    """What the label of a promised bag says."""

    component: Component
    volume_ml: int


def list_missing(request: UrgentRequest, bags: Iterable[Row]) -> list[tuple[RequestLine, int]]:
    """List the lines of a request, each with what its bags do not cover, in its measure.

    Args:
        request: As it reads now; a line that an amendment took out is not among its lines.
        bags: Bags under a promise that is held, issued or received: `line_no`, `component`,
            `volume_ml`.
    """
    of_line: dict[int, list[Row]] = {}
    for row in bags:
        of_line.setdefault(row["line_no"], []).append(row)
    return [
        (line, line.find_owed(read_bags(of_line.get(line.line_no, ())))) for line in request.lines
    ]


def read_bags(rows: Iterable[Row]) -> list[LabelledBag]:
    """Return what the labels of some rows say."""
    return [_Bag(component=Component(row["component"]), volume_ml=row["volume_ml"]) for row in rows]


def describe_lines(request: UrgentRequest, bags: Iterable[Row], *, missing: str) -> list[Row]:
    """Describe the lines of a request as answers have them.

    Args:
        request: As of `list_missing`.
        bags: As of `list_missing`.
        missing: The name under which the answer tells what is not covered.
    """
    return [
        {
            "line_no": line.line_no,
            "component": line.component,
            "measure": line.measure,
            "quantity": line.quantity,
            missing: amount,
        }
        for line, amount in list_missing(request, bags)
    ]


def complete_row(row: Row) -> dict[str, Any]:
    """Return a row of a list of requests with its lines, in place of its body and bags."""
    request = UrgentRequest.of_row(row["body"])
    told = {name: value for name, value in row.items() if name not in {"body", "bags"}}
    return {**told, "lines": describe_lines(request, row["bags"], missing="missing")}
