"""TOML that a station writes by hand: parsed, or refused with the place of the mistake. Pure."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from models.errors import ContractError

_PLACE = re.compile(r" \(at line (?P<line>\d+), column (?P<column>\d+)\)$")
_END = " (at end of document)"
"""How a message of the parser ends that names no line."""


def load_station_toml(content: bytes) -> dict[str, Any]:
    """Parse a file of UTF-8, with or without the byte order mark that editors of Windows write.

    Raises:
        ContractError: `toml_not_utf8`, `toml_syntax`, `toml_syntax_at_end`.
    """
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ContractError("toml_not_utf8", line=line) from error
    except tomllib.TOMLDecodeError as error:
        told = str(error)
        place = _PLACE.search(told)
        if place is None:
            raise ContractError("toml_syntax_at_end", detail=told.removesuffix(_END)) from error
        line, column = map(int, place.groups())
        raise ContractError(
            "toml_syntax", line=line, column=column, detail=told[: place.start()]
        ) from error
