"""A newcomer's first hour: the README's own lines, on a state folder that is new."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.local_system import LocalSystem
from streams.settings import Settings
from tests.support.commands import xuelian
from tests.support.services import new_state_folder

pytestmark = pytest.mark.e2e

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture(scope="module")
def env() -> Iterator[dict[str, str]]:
    settings = Settings(state_dir=new_state_folder(), gateway_port=0, log_level="warning")
    with LocalSystem(settings, report=lambda _: None) as system:
        yield {**system.env, "XUELIAN_API_KEY": system.create_key("dispatcher")}


def list_lines() -> list[list[str]]:
    """The commands of the first hour after `up`, as the Chinese half of the README has them."""
    text = README.read_text(encoding="utf-8")
    block = re.search(r"### 第一个小时.*?```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    found = re.findall(r"^\.venv/bin/xuelian (.+?)(?:\s+#.*)?$", block[1], re.MULTILINE)
    return [line.split() for line in found if not line.startswith("up")]


async def test_f63_the_readmes_first_request_works_as_written(env: dict[str, str]) -> None:
    lines = list_lines()
    assert [line[0] for line in lines[:2]] == ["init", "request"]
    for words in lines:
        ran = await xuelian(*words, env=env)
        assert ran.exit_code == 0, f"{words}: {ran.stdout}{ran.stderr}"
        if words[:2] == ["request", "new"]:
            assert "已全部预留" in ran.stdout, ran.stdout
    again = await xuelian("init", "--json", env=env)
    assert (again.exit_code, again.document["units"]) == (0, 0)
    assert again.document["keys"] == {}
