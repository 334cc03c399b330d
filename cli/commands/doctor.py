"""`xuelian doctor`: check that everything is as it must be, and say what to do where it is not."""

from __future__ import annotations

from dataclasses import asdict

import typer

from cli.output import JsonOption, Output
from deploy.local.exit_codes import ExitCode


def doctor(*, as_json: JsonOption = False) -> None:
    """检查一切，并说明怎么办 · Check this machine and its servers, and say what to do.

    有一处不对就是代码 1 · Code 1 if anything is wrong.

    例 · Examples:
      xuelian doctor
      xuelian doctor --json | jq '.checks[] | select(.ok | not)'
    """
    from cli.doctor_checks import Check, run_checks  # noqa: PLC0415 - heavy imports stand in the commands

    out = Output(as_json=as_json)
    done: list[Check] = []
    for check in run_checks():
        done.append(check)
        if not as_json:
            mark = "[green]✓[/]" if check.ok else "[red]✗[/]"
            out.say(f"{mark} [bold]{check.name}[/]  ", end="")
            out.plain(check.detail)
            if check.fix:
                out.say(f"  → {check.fix}", style="yellow")
    failed = [check.name for check in done if not check.ok]
    out.document({"ok": not failed, "checks": [asdict(check) for check in done]})
    if failed:
        out.say(f"[red]✗[/] {len(failed)} 处不对 · {len(failed)} things are wrong")
        raise typer.Exit(ExitCode.FAILED)
    out.say("[green]✓[/] 一切正常 · all is well")
