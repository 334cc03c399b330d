"""The house: one name for one thing, no name that a newcomer cannot read, no side door."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("models", "streams", "gateway", "deploy", "cli", "demo", "bench", "checker", "tests/life")
SOURCES = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for room in ROOMS
    for path in sorted((ROOT / room).rglob("*.py"))
}
TESTS = {
    path: ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "tests").rglob("*.py"))
}
RIDDLES = {
    "causes", "clearing", "closing", "deciding", "edge", "entering", "letters",
    "looking", "moves", "once", "optimistic", "parts", "places", "progress", "reading",
    "sealing", "sent", "sought", "stages", "submitting", "vandals", "verifying", "wire",
}  # fmt: skip
"""Names that modules had, and that say nothing of what they hold."""
CLAUSES = {
    "By", "For", "From", "How", "If", "What", "When", "Where", "Whether", "Which", "Who", "Whose",
    "Why",
}  # fmt: skip
"""Words with which a clause begins that leaves out its subject."""
NO_VERBS = CLAUSES | {
    "A", "All", "An", "Each", "Every", "Its", "No", "Nothing", "Of", "The", "This",
}  # fmt: skip
"""Words with which a docstring begins that says what something is and not what is done."""


def test_a_class_name_is_of_one_thing() -> None:
    found = defaultdict(list)
    for path, tree in SOURCES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(str(path.relative_to(ROOT)))
    assert len(found) > 500
    twice = {name: places for name, places in found.items() if len(places) > 1}
    assert all(len(places) == 2 for places in twice.values()), twice
    assert {
        name: places
        for name, places in twice.items()
        if name not in SAID_AGAIN or not any(place.startswith("checker/") for place in places)
    } == {}
    assert twice.keys() == SAID_AGAIN


SAID_AGAIN = {
    "Activation", "CallOut", "DeadLetter", "Decision", "Donor", "Law", "Patient", "Recall",
    "Shortage", "Transfer", "Unit",
}  # fmt: skip
"""One thing of which the checker has a class of its own: it shares no code with what it checks."""


def test_functions_are_named_by_what_they_do() -> None:
    names = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, tree in {**SOURCES, **TESTS}.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and re.fullmatch(r"_?tells?(_.*)?", node.name)
    }
    assert names == set()


@pytest.mark.parametrize(
    "room", ["models", "streams", "gateway", "deploy", "cli", "checker", "demo", "bench", "tests"]
)
def test_what_a_loop_goes_through_has_a_name(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.target.lineno}"
        for path, tree in {**SOURCES, **TESTS}.items()
        if path.is_relative_to(ROOT / room)
        for node in ast.walk(tree)
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension)
        and any(isinstance(name, ast.Name) and name.id == "one" for name in ast.walk(node.target))
    ]
    assert not found, "a unit in a loop is `unit`, not `one`"


MOST_PARAMETERS = 6


def test_no_function_takes_a_bag_of_arguments() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, tree in SOURCES.items()
        if not path.is_relative_to(ROOT / "tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len(list_parameters(node)) > MOST_PARAMETERS
        # The options of a command are its interface, and typer reads them from its parameters.
        and (path.parent != ROOT / "cli" / "commands" or node.name.startswith("_"))
    ]
    assert not found, "name the value that these arguments make up, or split the function"


def list_parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """List what a call must or may state: every parameter but `self` and `cls`."""
    told = node.args
    names = [each.arg for each in (*told.posonlyargs, *told.args, *told.kwonlyargs)]
    return [name for at, name in enumerate(names) if at or name not in {"self", "cls"}]


def test_the_docstring_of_a_function_begins_with_what_it_does() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path, tree in SOURCES.items()
        if not path.is_relative_to(ROOT / "tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (ast.get_docstring(node) or "Return").split()[0] in NO_VERBS
    ]
    assert not found, "a verb comes first: Return whether …, List the …"


def test_the_docstring_of_a_module_begins_with_what_it_holds_or_does() -> None:
    found = [
        str(path.relative_to(ROOT))
        for path, tree in SOURCES.items()
        if not path.is_relative_to(ROOT / "tests")
        and (ast.get_docstring(tree) or "The").split()[0] in CLAUSES
    ]
    assert not found, "the field's term comes first: Doses: how much of what is asked …"


@pytest.mark.parametrize("room", ["models", "streams", "gateway", "deploy", "cli"])
def test_no_module_is_a_riddle(room: str) -> None:
    names = set()
    for path in (ROOT / room).rglob("*.py"):
        names |= {path.stem, path.parent.name}
    assert names & RIDDLES == set()


def test_a_route_is_given_the_call_and_not_the_raw_request() -> None:
    routes = ROOT / "gateway" / "http" / "routes"
    sources = {path: tree for path, tree in SOURCES.items() if path.parent == routes}
    assert len(sources) > 15
    imported = {
        (path.name, name.name)
        for path, tree in sources.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert [path for path, name in imported if name == "Request"] == []


def test_a_port_is_of_one_noun() -> None:
    ports = ROOT / "streams" / "ports"
    bases = {
        node.name: [ast.unparse(base) for base in node.bases]
        for path, tree in SOURCES.items()
        if path.is_relative_to(ports)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    told = {name: found for name, found in bases.items() if "Protocol" in found}
    assert len(told) > 10
    joined = {name: found for name, found in told.items() if found != ["Protocol"]}
    assert joined == {}, "what takes several ports is given each by its name"


def list_gateway() -> set[str]:
    """List the rooms and modules of the gateway, as the contracts of imports name them."""
    found = (ROOT / "gateway").iterdir()
    return {
        f"gateway.{path.stem}"
        for path in found
        if (path.is_dir() or path.suffix == ".py") and not path.stem.startswith("__")
    }


def test_no_module_of_the_gateway_is_left_out_of_its_contracts() -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contracts = {contract["name"]: contract for contract in linter["importlinter"]["contracts"]}
    below_http = contracts["Below gateway.http nothing knows HTTP"]
    assert set(below_http["source_modules"]) == list_gateway() - {
        "gateway.http",
        "gateway.bootstrap",
    }
    by_themselves = contracts["Files and labels are read without the rest of the gateway"]
    sources = set(by_themselves["source_modules"])
    assert set(by_themselves["forbidden_modules"]) == list_gateway() - sources
