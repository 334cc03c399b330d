"""Sends one act to the gateway and waits for the engine: a tick means that the engine has done it.

The gateway keeps an act in the log before the engine judges it. So the call waits, and the line
says which of the two has happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.failures import GatewayRefusedError
from cli.gateway import GatewayClient
from cli.output import Output
from cli.repeat_command import make_key, repeat_told
from deploy.local.resolved_settings import load_settings
from models.errors import TransientError
from streams.clock import parse_clock
from streams.settings import Settings

WAIT_S = 8
"""Seconds to wait for the engine's answer; it usually takes a few hundredths of a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What makes a repeat of an act the same act.

    Attributes:
        key: The key as given; None makes up a new key.
        moment: The field with the time of the act, which must be the same in a repeat.
        at: The time as given; None is now.
    """

    key: str | None
    moment: str | None = None
    at: str | None = None


def find_now(settings: Settings) -> str:
    """Return the present by the gateway's clock; that of a workstation may be wrong.

    If the gateway does not answer, the call that follows reports it.
    """
    try:
        with GatewayClient(settings) as gateway:
            return str(gateway.call("GET", "/v1/me")["now"])
    except (GatewayRefusedError, TransientError):
        return parse_clock(settings.clock).now().isoformat()


def send_act(
    path: str,
    body: Mapping[str, Any],
    *,
    out: Output,
    what: str,
    act: Act | None,
    settled: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Post an act, wait for the engine, and print the outcome.

    Args:
        path: Path of the gateway, behind its address.
        body: JSON.
        out: Where to print.
        what: Names the act, or where to look for it, at the end of the line.
        act: What makes a repeat the same act; None where the body itself has an identity.
        settled: Options that were asked for and must be the same in a repeat.

    Raises:
        GatewayRefusedError: The gateway or the engine refused it.
        TransientError: The gateway is away.
    """
    settings = load_settings()
    headers, same = {"Prefer": f"wait={WAIT_S}"}, dict(settled or {})
    if act is not None:
        headers["Idempotency-Key"] = same["--idempotency-key"] = make_key(act.key)
    if act is not None and act.moment is not None and not body.get(act.moment):
        same["--at"] = act.at or find_now(settings)
        body = {**body, act.moment: same["--at"]}
    with (
        GatewayClient(settings, wait_s=WAIT_S) as gateway,
        out.progress("等待引擎 · waiting for the engine"),
        repeat_told(same),
    ):
        answer = gateway.call("POST", path, json=body, headers=headers)
    out.document(answer)
    if answer.get("status") == "done":
        out.say(f"[green]✓[/] 已执行 · done: {what}")
    else:
        out.say(
            "[yellow]…[/] 已写入日志，引擎尚未判断，不要当作已执行 · kept in the log; "
            f"the engine has not spoken yet, do not take it for done: {what}"
        )
    return answer
