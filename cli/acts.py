"""One act sent to the gateway, with the engine's own word: a tick stands for what it has done.

The gateway keeps an act in the log before the engine judges it. So the call waits, and the line
says which of the two has happened.
"""

from __future__ import annotations

from typing import Any

from cli.gateway import GatewayClient
from cli.output import Output
from cli.resolve import load_settings

WAIT_S = 8
"""Seconds that the engine's word is waited for; it usually takes a few hundredths."""


def send_act(path: str, body: object, *, out: Output, what: str) -> dict[str, Any]:
    """Post, wait for the engine, and say what became of it.

    Args:
        path: Of the gateway, behind its address.
        body: JSON.
        out: Where to.
        what: Names the act, or where to look for it, at the end of the line.

    Raises:
        GatewayRefusedError: The gateway or the engine refused it.
        TransientError: The gateway is away.
    """
    with (
        GatewayClient(load_settings(), wait_s=WAIT_S) as gateway,
        out.progress("等待引擎 · waiting for the engine"),
    ):
        answer = gateway.call("POST", path, json=body, headers={"Prefer": f"wait={WAIT_S}"})
    out.document(answer)
    if answer.get("status") == "done":
        out.say(f"[green]✓[/] 已执行 · done: {what}")
    else:
        out.say(
            "[yellow]…[/] 已写入日志，引擎尚未判断，不要当作已执行 · kept in the log; "
            f"the engine has not spoken yet, do not take it for done: {what}"
        )
    return answer
