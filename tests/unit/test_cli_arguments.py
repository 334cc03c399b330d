"""What is written twice on the command line, or is no number, is refused by every command."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli.main import app

_GROUP = typer.main.get_command(app)


def list_options(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[list[str], Any]]:  # noqa: ANN401 - typer's own
    """Yield each option of each command, with the words that lead to it."""
    for param in command.params:
        if param.param_type_name == "option":
            yield list(path), param
    for name, below in getattr(command, "commands", {}).items():
        yield from list_options(below, (*path, name))


ALL = [(path, param) for path, param in list_options(_GROUP) if "--help" not in param.opts]
ONCE = [(path, param) for path, param in ALL if not param.multiple]
MANY = [(path, param) for path, param in ALL if param.multiple]


def write(param: Any, number: int) -> list[str]:  # noqa: ANN401 - typer's own
    """An option in one of its spellings, with its value where it takes one."""
    spellings = [*param.opts, *param.secondary_opts]
    name = spellings[number % len(spellings)]
    return [name] if param.is_flag else [name, *[str(number)] * param.nargs]


@pytest.mark.parametrize(
    ("path", "param"),
    ONCE,
    ids=[" ".join([*path, max(param.opts, key=len)]) for path, param in ONCE],
)
def test_an_option_that_is_written_twice_is_refused(path: list[str], param: Any) -> None:  # noqa: ANN401 - typer's own
    name = max(param.opts, key=len)
    found = CliRunner().invoke(app, [*path, *write(param, 0), *write(param, 1)])
    assert found.exit_code == 2
    told = f"{name}：写了 2 次，只能写一次"
    if name == "--json":
        assert json.loads(found.stdout)["error"]["zh"] == told
    else:
        assert found.stderr.startswith(f"✗ {told} · {name}: written 2 times")


def test_all_commands_are_looked_at() -> None:
    paths = {" ".join(path) for path, _ in ALL}
    assert {"", "request new", "stock import", "alert send", "dlq replay", "up"} <= paths
    assert {"need", "antibody", "attribute", "maps", "ignore", "topic"} <= {
        param.name for _, param in MANY
    }


@pytest.mark.parametrize(
    "words",
    [
        ["request", "new", "--group", "O-", "--group", "A+", "-n", "red_cells=1"],
        ["request", "new", "--group=O-", "-n", "red_cells=1", "--group", "O-"],
        ["request", "new", "-n", "red_cells=1", "--packs", "1", "--packs", "1"],
    ],
    ids=" ".join,
)
def test_a_lost_instruction_is_refused_in_json_too(words: list[str]) -> None:
    for place in (len(words), 2):
        found = CliRunner().invoke(app, [*words[:place], "--json", *words[place:]])
        assert found.exit_code == 2
        error = json.loads(found.stdout)["error"]
        assert (error["code"], "写了 2 次" in error["zh"]) == ("usage_invalid", True)


def test_what_may_be_repeated_may() -> None:
    words = ["request", "new", "-n", "red_cells=1", "--need", "platelets=1", "-a", "irradiated"]
    words += ["-a", "washed", "--sex", "x", "--json"]
    found = CliRunner().invoke(app, words)
    assert json.loads(found.stdout)["error"]["zh"].startswith("--sex")
    assert CliRunner().invoke(app, ["status", "--help", "--help"]).exit_code == 0


@pytest.mark.parametrize("none", ["nan", "inf"])
@pytest.mark.parametrize(
    "words",
    [
        ["station", "set", "shigatse", "--at", "29.3"],
        ["donor", "set", "shigatse", "d-1", "--weight-kg"],
        ["route", "set", "shigatse", "lhasa"],
        ["request", "new", "-n", "red_cells=1", "--within"],
        ["scan", "return", "-s", "shigatse", "x", "--out-of-control-min"],
        ["stock", "import", "shigatse", __file__, "--wait"],
    ],
    ids=" ".join,
)
def test_what_is_no_number_is_refused(words: list[str], none: str) -> None:
    """JSON has no such value, and every comparison with it is false."""
    found = CliRunner().invoke(app, [*words, none])
    assert found.exit_code == 2, found.output
    assert re.search("要写一个数|最大|最小", found.stderr)
