"""No query sorts by the text of a number: an output name that hides a column is never sorted by.

PostgreSQL takes a bare name in ORDER BY for the output column first. `tx::text AS tx … ORDER BY tx`
therefore sorts by digits, and 1005 comes before 815.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("models", "streams", "gateway", "cli", "checker", "bench", "demo", "deploy", "tests")
_ALIAS = re.compile(r"\bAS\s+([a-z_]+)\b", re.IGNORECASE)
_ORDER = re.compile(
    r"\bORDER\s+BY\b(.*?)(?:\bLIMIT\b|\bFOR\b|\bOFFSET\b|\bROWS\b|\bON\b|\bRETURNING\b|;|$)",
    re.IGNORECASE | re.DOTALL,
)
_KEY = re.compile(r"^([a-z_]+)(?:\s+(?:ASC|DESC))?(?:\s+NULLS\s+\w+)?$", re.IGNORECASE)


def hidden_and_sorted(statement: str) -> set[str]:
    """Return the output names that are computed from a column of their own name and sorted by."""
    hidden = set()
    for alias in _ALIAS.finditer(statement):
        name, expression = alias[1], _expression_before(statement, alias.start())
        expression = re.sub(r"'[^']*'", "", expression)
        computed = not re.fullmatch(rf"(\w+\.)?{name}", expression, re.IGNORECASE)
        if computed and re.search(rf"\b{name}\b", expression):
            hidden.add(name)
    return hidden & set(_sort_keys(statement))


def _expression_before(statement: str, end: int) -> str:
    """Walk back to the comma or SELECT that begins the item."""
    depth = 0
    for at in range(end - 1, -1, -1):
        letter = statement[at]
        depth += {")": 1, "(": -1}.get(letter, 0)
        is_edge = letter == "," and depth == 0
        if depth < 0 or is_edge:
            return statement[at + 1 : end].strip()
        if depth == 0 and re.match(
            r"\b(SELECT|DISTINCT|RETURNING)\b", statement[at:], re.IGNORECASE
        ):
            return re.sub(r"^\w+\s*", "", statement[at:end]).strip()
    return statement[:end].strip()


def _sort_keys(statement: str) -> Iterator[str]:
    for order in _ORDER.finditer(statement):
        depth, key = 0, ""
        for letter in order[1]:
            depth += {"(": 1, ")": -1}.get(letter, 0)
            if depth < 0:
                break
            if letter == "," and depth == 0:
                yield from _bare(key)
                key = ""
            else:
                key += letter
        yield from _bare(key)


def _bare(key: str) -> Iterator[str]:
    found = _KEY.match(key.strip())
    if found:
        yield found[1]


def statements() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.sql")):
            text = re.sub(r"--[^\n]*", "", path.read_text(encoding="utf-8"))
            for number, statement in enumerate(text.split(";")):
                yield f"{path.relative_to(ROOT)}#{number}", statement
        for path in sorted((ROOT / room).rglob("*.py")):
            if path == Path(__file__):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node.value


def test_f26_no_query_sorts_by_a_name_that_hides_a_column() -> None:
    sorting = [(where, text) for where, text in statements() if "ORDER BY" in text]
    assert len(sorting) > 80
    wrong = {where: names for where, text in sorting if (names := hidden_and_sorted(text))}
    assert not wrong


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("SELECT tx::text AS tx, row_id FROM outbox ORDER BY tx, row_id LIMIT 5", {"tx"}),
        ("SELECT a, o.tx::text AS tx FROM outbox AS o ORDER BY a DESC, tx DESC", {"tx"}),
        (
            "SELECT CASE WHEN status = 'x' THEN 'y' ELSE status END AS status ORDER BY status",
            {"status"},
        ),
        ("SELECT lower(body ->> 'tx') AS tx FROM outbox ORDER BY tx", set()),
        ("SELECT o.tx AS tx, row_id FROM outbox AS o ORDER BY tx", set()),
        ("SELECT tx::text AS tx FROM outbox ORDER BY outbox.tx", set()),
        ("SELECT tx::text AS position_tx FROM outbox ORDER BY tx", set()),
    ],
)
def test_f26_the_lint_sees_the_kind(statement: str, names: set[str]) -> None:
    assert hidden_and_sorted(statement) == names
