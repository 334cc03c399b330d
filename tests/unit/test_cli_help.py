"""Every command explains itself in both languages, with examples, quickly."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from cli.main import app

HEAVY = ("asyncpg", "aiokafka", "faust", "fastapi", "structlog", "httpx", "models", "streams")
"""Pydantic is not among them: typer itself loads it to read the arguments of a command."""

COMMANDS = {
    "up", "demo", "worker", "gateway", "relay", "migrate", "topics apply", "topics check",
    "services up", "services down", "services status", "keys create", "keys list", "keys revoke",
    "stock export", "stock reconcile list", "stock reconcile show", "stock reconcile close",
    "figures", "scan", "labels check", "stock import", "stock change", "stock show",
    "columns show", "columns check", "columns remember", "donation show", "donation results",
    "donation split", "donation recall", "request new", "request show", "request cancel",
    "request amend", "request confirm", "hand give", "hand take-back", "hand hold",
    "hand end-hold", "hand holds", "hand stand-down", "hand resume", "hand cancel-transfer",
    "alert send", "alert list", "alert confirm", "alert end", "alert activations",
    "shortages", "overdue", "events tail", "dlq list", "dlq show", "dlq replay", "doctor",
    "station list", "station show", "station set", "hospital list", "hospital show",
    "hospital set", "route list", "route set",
    "donor import", "donor list", "donor show", "donor set",
    "audit verify", "audit show", "rules list", "rules show", "rules check", "rules laws",
    "status", "explain", "init", "request list", "call-outs list", "call-outs show",
    "transfers list", "transfers show",
    "activations list", "activations show", "patient show", "patient tell", "patient correct",
}  # fmt: skip


def _paths() -> Iterator[tuple[str, ...]]:
    def walk(command: object, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        children = getattr(command, "commands", None)
        if children is None:
            yield path
            return
        for name, child in children.items():
            yield from walk(child, (*path, name))

    yield from walk(get_command(app), ())


PATHS = sorted(_paths())


def run(*words: str, columns: int = 100) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": str(columns)})
    return result.exit_code, result.output


def test_every_command_that_was_asked_for_is_there() -> None:
    assert {" ".join(path) for path in PATHS} == COMMANDS


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_has_both_languages_examples_and_json(path: tuple[str, ...]) -> None:
    exit_code, text = run(*path, "--help")
    assert exit_code == 0
    assert any("\u4e00" <= letter <= "\u9fff" for letter in text)
    assert "例 · Example" in text
    assert f"xuelian {' '.join(path)}" in text
    assert "--json" in text


@pytest.mark.parametrize("group", ["", "keys", "dlq", "request", "topics", "services", "events"])
def test_a_group_alone_lists_its_commands(group: str) -> None:
    exit_code, text = run(*group.split())
    assert exit_code == 2
    assert "Usage" in text
    assert "·" in text


def test_the_root_tells_the_exit_codes() -> None:
    _, text = run("--help")
    assert "退出代码 · exit codes" in text
    assert "3 依赖不可用" in text


def test_help_loads_nothing_heavy() -> None:
    """What is not imported costs nothing: an own process, since this one has loaded it all."""
    code = (
        "import sys, json; sys.argv = ['xuelian', 'keys', 'create', '--help']\n"
        "from cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        f"sys.stderr.write(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "xuelian keys create" in done.stdout
    assert json.loads(done.stderr) == []
