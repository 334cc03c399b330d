"""Every command that reads a JSON file: as UTF-8, with each field once, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.dead_letters import build_correction
from cli.gateway import GatewayClient
from cli.main import app
from models.errors import ContractError

COMMANDS = [
    ["alert", "send", "FILE"],
    ["request", "new", "--file", "FILE"],
    ["donation", "results", "shigatse", "W1", "--file", "FILE"],
    ["donation", "split", "shigatse", "W1", "--file", "FILE"],
]
NOTE = '{"note": "手术室"}'


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    bodies: list[Any] = []

    def call(_: GatewayClient, *__: object, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        bodies.append(fields.get("json"))
        raise ContractError("body_not_json", line=1, column=1, detail="stop here")

    monkeypatch.setattr(GatewayClient, "call", call)
    monkeypatch.setattr("cli.send_and_wait.find_now", lambda _: "2025-01-07T01:00:00Z")
    return bodies


def run(words: list[str], path: Path, content: bytes, *, by_pipe: bool = False) -> str:
    path.write_bytes(content)
    place = "-" if by_pipe else str(path)
    found = CliRunner().invoke(
        app,
        [place if word == "FILE" else word for word in [*words, "--json"]],
        input=content if by_pipe else None,
    )
    return found.stdout + found.stderr


@pytest.mark.parametrize("by_pipe", [False, True])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_file_of_another_charset_is_named_as_such(
    words: list[str], tmp_path: Path, sent: list[Any], *, by_pipe: bool
) -> None:
    for charset in ("gb18030", "utf-16"):
        told = run(words, tmp_path / "a.json", NOTE.encode(charset), by_pipe=by_pipe)
        assert json.loads(told)["error"]["code"] == "file_not_utf8"
        assert "请用 UTF-8" in told
        assert "codec" not in told
    assert sent == []


@pytest.mark.parametrize("by_pipe", [False, True])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_field_that_stands_twice_is_refused(
    words: list[str], tmp_path: Path, sent: list[Any], *, by_pipe: bool
) -> None:
    text = b'{"patient": {"group": "O-", "group": "A+"}}'
    told = run(words, tmp_path / "a.json", text, by_pipe=by_pipe)
    assert json.loads(told)["error"]["code"] == "field_twice"
    assert sent == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_mark_before_the_text_says_nothing(
    words: list[str], tmp_path: Path, sent: list[Any]
) -> None:
    run(words, tmp_path / "a.json", NOTE.encode("utf-8-sig"))
    assert sent[0]["note"] == "手术室"
    told = run(words, tmp_path / "a.json", b'{"a": 1,\n "b": }')
    error = json.loads(told)["error"]
    assert (error["code"], "第 2 行" in error["zh"]) == ("file_not_json", True)
    told = run(words, tmp_path / "a.json", b"[]")
    assert json.loads(told)["error"]["code"] == "file_not_object"


def test_a_correction_is_read_as_strictly(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(NOTE.encode("gb18030"))
    with pytest.raises(ContractError, match="file_not_utf8"):
        build_correction(body=path, key=None, headers=())
    path.write_bytes(NOTE.encode("utf-8-sig"))
    assert build_correction(body=path, key=None, headers=()).body == NOTE.encode()


def test_an_option_beside_a_whole_request_is_refused(tmp_path: Path, sent: list[Any]) -> None:
    words = ["request", "new", "--file", "FILE"]
    for more in (["--group", "A+"], ["-n", "red_cells=1"], ["--within", "2"], ["--age-estimated"]):
        told = run([*words, *more], tmp_path / "a.json", NOTE.encode())
        assert json.loads(told)["error"]["code"] == "usage_invalid", more
        assert "--file" in told
    assert sent == []
    run([*words, "--wait", "0", "--idempotency-key", "k"], tmp_path / "a.json", NOTE.encode())
    assert sent == [{"note": "手术室"}]
