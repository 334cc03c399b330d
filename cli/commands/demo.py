"""`xuelian demo`: replay a disaster with real input through the whole real system."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.output import JsonOption, Output


def demo(
    name: Annotated[
        str | None, typer.Argument(help="演示的名称 · its name", show_default=False)
    ] = None,
    *,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="结果文件夹 · folder of the results", show_default="build/demo"),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """回放一场灾害 · Replay a disaster through the real system; without a name, list them.

    例 · Examples:
      xuelian demo
      xuelian demo dingri
    """
    out = Output(as_json=as_json)
    known = list_demos()
    if name is None:
        out.document({"demos": known})
        for scenario in known:
            out.plain(f"xuelian demo {scenario}")
        return
    from models.errors import ConfigurationError  # noqa: PLC0415 - heavy imports stand in commands

    if name not in known:
        raise ConfigurationError("demo_unknown", name=name, known=", ".join(known))
    from cli.files import ensure_folder_writable  # noqa: PLC0415 - the same
    from demo import run_demo  # noqa: PLC0415 - the same
    from deploy.local.resolved_settings import load_settings  # noqa: PLC0415 - the same

    folder = folder or Path("build/demo")
    ensure_folder_writable(folder)
    state_dir = load_settings().state_dir
    raise typer.Exit(run_demo(name=name, state_dir=state_dir, out=folder, json=as_json))


def list_demos() -> list[str]:
    """List every folder of the demo package that holds a scenario.

    Raises:
        ConfigurationError: `demo_not_shipped`: the demo is in the source tree alone.
    """
    from importlib.resources import files  # noqa: PLC0415 - heavy imports stand in the commands
    from importlib.util import find_spec  # noqa: PLC0415 - the same

    if find_spec("demo") is None:
        from models.errors import ConfigurationError  # noqa: PLC0415 - the same

        raise ConfigurationError("demo_not_shipped")
    return sorted(
        entry.name
        for entry in files("demo").iterdir()
        if entry.is_dir() and entry.joinpath("scenario.toml").is_file()
    )
