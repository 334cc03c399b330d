"""Refuses what the parser alone accepts in silence: an option given twice, and `nan` and `inf`.

The parser's classes are private to typer, so they are told apart by what they have.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import partial
from typing import Any

import typer

from cli.output import remember_json


def guard(command: Any) -> None:  # noqa: ANN401 - typer's own classes are private
    """Let a command and all commands below it refuse repeated options, and `nan` and `inf`."""
    command.parse_args = partial(_parse, command, command.parse_args)
    for below in getattr(command, "commands", {}).values():
        guard(below)


def _parse(command: Any, parse: Any, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - as above
    if args and not ctx.resilient_parsing:
        _, _, order = command.make_parser(ctx).parse_args(args=list(args))
        if any(param.name == "as_json" for param in order):
            remember_json(ctx, value=True)
        for param, times in Counter(order).items():
            is_repeatable = getattr(param, "multiple", False) or getattr(param, "count", False)
            if times > 1 and not is_repeatable and not _is_help(param, ctx):
                raise typer.BadParameter(
                    f"写了 {times} 次，只能写一次 · written {times} times, and once is all",
                    ctx=ctx,
                    param_hint=max(param.opts, key=len),
                )
    rest = parse(ctx, args)
    for param in command.params:
        if not _is_finite(ctx.params.get(param.name)):
            raise typer.BadParameter("要写一个数 · must be a number", ctx=ctx, param=param)
    return rest


def _is_finite(value: object) -> bool:
    values = value if isinstance(value, tuple | list) else (value,)
    return all(math.isfinite(number) for number in values if isinstance(number, float))


def _is_help(param: Any, ctx: Any) -> bool:  # noqa: ANN401 - as above
    return not set(param.opts).isdisjoint(ctx.help_option_names)
