"""TOML that a station writes by hand: parsed, or refused with the place of the mistake. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError

from models.base import Value
from models.errors import ConfigurationError, ContractError
from models.texts import Text, render
from models.texts.validation import describe_broken, find_place


class StationFile(Value):
    """What a station's own file holds."""

    station_id: str | None = None


F = TypeVar("F", bound=StationFile)

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


def parse_station_file(
    model: type[F],
    content: bytes,
    *,
    code: str,
    station_id: str | None,
    name: str,
    check: Callable[[F], None] | None = None,
) -> F:
    """Read a station's own file.

    Args:
        model: What the file holds; it names its station.
        content: TOML, UTF-8.
        code: Of the error.
        station_id: The station whose file it must be; None takes any.
        name: The name of the file, for errors.
        check: Raises ContractError where the content breaks further rules.

    Raises:
        ConfigurationError: `code`, with the first fault and its place.
    """

    def refuse(place: str, rule: Text) -> ConfigurationError:
        return ConfigurationError(code, file=name, field=place, rule=str(rule))

    try:
        table = load_station_toml(content)
    except ContractError as error:
        raise refuse("TOML", render(error.code, error.params)) from error
    try:
        found = model.model_validate(table)
        if check is not None:
            check(found)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise refuse(find_place(first) or "(file)", describe_broken(first)) from error
    except ContractError as error:
        raise refuse(error.code, render(error.code, error.params)) from error
    if found.station_id is None or station_id not in {None, found.station_id}:
        rule = render("must_be_station", {"station_id": station_id or "STATION"})
        raise refuse("station_id", rule)
    return found
