"""The `xuelian` command in this process, for tests: its exit code, its output, its JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from cli.main import app


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command did."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> Any:  # noqa: ANN401 - JSON is what it is
        """The one JSON document on standard output; anything else there fails."""
        return json.loads(self.stdout)


async def xuelian(*words: object, env: Mapping[str, str]) -> Ran:
    """Run a command in a thread: commands run event loops of their own."""
    result = await asyncio.to_thread(
        CliRunner().invoke, app, [str(word) for word in words], env={"COLUMNS": "160", **env}
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(exit_code=result.exit_code, stdout=result.stdout, stderr=result.stderr)
