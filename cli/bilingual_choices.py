"""Choices that a person types by their code or by their Chinese name: `male` or `男`.

Imports nothing heavy until something was chosen, because `--help` loads it too.
"""

from __future__ import annotations

from collections.abc import Callable

import typer


def choose(*codes: str) -> Callable[[str | None], str | None]:
    """Return the callback of an option that takes one of these codes or their Chinese names."""

    def read(told: str | None) -> str | None:
        if told is None or told in codes:
            return told
        from models.texts.words import (  # noqa: PLC0415 - `--help` must not pay for it
            list_value_names,
            name_value,
        )

        names = list_value_names()
        found = next((code for code in codes if names.get(code) == told.strip()), None)
        if found is None:
            known = "、".join(name_value(code) for code in codes)
            raise typer.BadParameter(
                f"不能写“{told}”，只能是其中之一：{known} · {told} is none of {', '.join(codes)}"
            )
        return found

    return read
