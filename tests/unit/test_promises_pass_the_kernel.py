"""Every place that promises a unit, or lets one leave, and nothing beside them.

Read from the source, so that a new writer has to be written down here, with what clears it. That
a writer cannot do without a clearance is held by its types (`test_safety_seal.py`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("models", "streams", "gateway", "cli", "deploy", "demo")

_PROMISING = re.compile(
    r"INSERT\s+INTO\s+promises\b|UPDATE\s+units\b[^;]*?\bSET\s+status\s*=\s*'reserved'"
    r"|UPDATE\s+promises\b[^;]*?\bSET\s+status\s*=\s*'held'",
    re.IGNORECASE,
)
_STATEMENT = re.compile(r"^(?:-- name: (\w+)|CREATE (?:OR REPLACE )?FUNCTION (\w+))", re.MULTILINE)

WRITERS = {
    "streams/store/queries/shortages.sql": {"promise_to_transfer"},
    "streams/store/schema/functions/requests.sql": {"write_rulings"},
}
"""The statements and functions in which SQL promises a unit."""


def list_promising(sql: str) -> set[str]:
    """The named statements and functions that make a promise."""
    bare = re.sub(r"--(?! name:).*", "", sql)
    starts = [(found.start(), found[1] or found[2]) for found in _STATEMENT.finditer(bare)]
    return {
        next((name for start, name in reversed(starts) if start <= statement.start()), "")
        for statement in _PROMISING.finditer(bare)
    }


def test_sql_promises_in_two_places() -> None:
    found = {
        path.relative_to(ROOT).as_posix(): names
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.sql"))
        if (names := list_promising(path.read_text(encoding="utf-8")))
    }
    assert found == WRITERS


@pytest.mark.parametrize(
    "planted",
    [
        "-- name: seize\nINSERT INTO promises (unit_id) VALUES ('u');",
        "-- name: seize\nUPDATE units AS u SET\n    status = 'reserved' WHERE unit_id = 'u';",
        "-- name: seize\nUPDATE promises SET status = 'held';",
        "CREATE FUNCTION seize() AS $$\n insert  into promises VALUES ('u'); $$",
    ],
)
def test_the_scan_of_sql_sees_a_promise(planted: str) -> None:
    assert list_promising(planted) == {"seize"}


@cache
def modules() -> tuple[tuple[str, ast.Module], ...]:
    return tuple(
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
    )


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@cache
def calls(node: ast.AST) -> tuple[tuple[str, ast.Call], ...]:
    return tuple(
        (ast.unparse(inner.func).rpartition(".")[2], inner)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Call)
    )


def test_no_sql_of_promises_stands_in_python() -> None:
    found = [
        name
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _PROMISING.search(node.value)
    ]
    assert found == []


SQL_CALLERS: Mapping[str, set[tuple[str, str]]] = {
    "promise_to_transfer": {
        ("streams/store/shortages.py", "promise_to_transfer"),
        ("streams/services/shortage_offers.py", "_agree"),
    },
    "write_rulings": {("streams/store/requests.py", "_write_rows")},
    "settle": {("streams/store/optimistic_unit_of_work.py", "_settle")},
}
"""Who calls what promises. The port's `promise_to_transfer` takes clearances, `_write_rows` and
`_settle` take rulings, and a ruling is made of clearances."""


@pytest.mark.parametrize("called", sorted(SQL_CALLERS))
def test_only_these_call_what_promises(called: str) -> None:
    found = {
        (name, function.name)
        for name, tree in modules()
        for function in functions(tree)
        for told, _ in calls(function)
        if told == called
    }
    assert found == SQL_CALLERS[called]


def list_moves(status: str) -> dict[str, set[str]]:
    """By module, the functions that move a unit to this status, by name or by `move_unit`."""
    found: dict[str, set[str]] = {}
    for name, tree in modules():
        for function in functions(tree):
            for called, call in calls(function):
                if called not in {"move", "move_unit"}:
                    continue
                told = [
                    ast.unparse(argument)
                    for argument in (*call.args, *(k.value for k in call.keywords))
                ]
                if f"UnitStatus.{status}" in told:
                    found.setdefault(name, set()).add(function.name)
    return found


def test_no_service_moves_a_unit_into_a_promise() -> None:
    assert list_moves("RESERVED") == {}


def test_a_unit_is_picked_and_issued_only_when_cleared_again() -> None:
    moving = {"PICKED": "_pick", "ISSUED": "_issue"}
    for status, mover in moving.items():
        assert list_moves(status) == {"streams/services/unit_scans.py": {mover}}
    tree = dict(modules())["streams/services/unit_scans.py"]
    for function in functions(tree):
        if function.name in moving.values():
            order = [told for told, _ in calls(function) if told in {"clear_promised", "move"}]
            assert order == ["clear_promised", "move"], function.name


def test_states_are_told_by_name_where_units_move() -> None:
    """Else the scans above would not see where a unit goes."""
    unseen = []
    for name, tree in modules():
        for function in functions(tree):
            for called, call in calls(function):
                if called == "move" and len(call.args) > 3:
                    to = ast.unparse(call.args[2])
                    if not to.startswith("UnitStatus."):
                        unseen.append((name, function.name, to))
    assert unseen == []


KERNEL_CALLERS = {
    ("streams/matching/allocation/line_state.py", "RESERVE"),
    ("streams/matching/offers.py", "RESERVE"),
    # These count or order only: nothing is promised by them.
    ("demo/clairvoyant.py", "RESERVE"),
    ("demo/serving_options.py", "RESERVE"),
    ("streams/matching/offered_units.py", "RESERVE"),
    ("streams/matching/allocation/remedies.py", "RESERVE"),
    ("streams/matching/allocation/frozen_red_cells.py", "RESERVE"),
    ("streams/services/unit_clearance.py", "RESERVE"),
    ("streams/services/unit_clearance.py", "the caller's"),
}


def test_the_kernel_is_asked_where_units_are_chosen_and_where_they_leave() -> None:
    found = set()
    for name, tree in modules():
        imports = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "models.safety"
            for alias in node.names
        }
        for called, call in calls(tree):
            if called == "clear" and "clear" in imports:
                step = next(ast.unparse(k.value) for k in call.keywords if k.arg == "step")
                found.add((name, step.removeprefix("Step.") if "." in step else "the caller's"))
    assert found == KERNEL_CALLERS


@pytest.mark.parametrize("called", ["release_held", "take_back"])
def test_what_frees_many_units_is_called_where_a_rematch_is_set(called: str) -> None:
    found = {
        name
        for name, tree in modules()
        for told, call in calls(tree)
        if told == called and "stock" in ast.unparse(call.func)
    }
    assert found == {"streams/services/unit_moves.py"}
