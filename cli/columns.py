"""Reads a station's columns file on this machine, checks it and adds to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from cli.files import ensure_folder_writable
from gateway.files.station_files import read_station_file
from gateway.files.station_words import OwnWords, parse_own_words
from models.errors import ConfigurationError
from streams.settings import Settings

Kind = Literal["units", "donors"]


def read_columns_file(path: Path, *, station_id: str | None = None) -> OwnWords:
    """Read and check one columns file.

    Raises:
        ConfigurationError: `columns_invalid`.
    """
    return read_station_file(path, parse_own_words, code="columns_invalid", station_id=station_id)


def find_words(settings: Settings, station_id: str) -> tuple[Path | None, OwnWords]:
    """Return the columns file of a station, if it has one here, and its words.

    Raises:
        ConfigurationError: `columns_invalid`.
    """
    if settings.columns_dir is None:
        return None, OwnWords()
    path = settings.columns_dir / f"{station_id}.toml"
    if not path.exists():
        return None, OwnWords()
    return path, read_columns_file(path, station_id=station_id)


def remember(
    settings: Settings, station_id: str, kind: Kind, maps: Sequence[str], ignore: Sequence[str]
) -> Path:
    """Write headings into the file of a station; the old file is kept beside it as `.bak`.

    Raises:
        ConfigurationError: `columns_not_set`, `columns_invalid`.
        ContractError: A heading or a column that cannot be remembered, or `folder_not_writable`.
    """
    path, words = plan_words(settings, station_id, kind, maps, ignore)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.with_suffix(".toml.bak").write_bytes(path.read_bytes())
    fresh = path.with_suffix(".toml.new")
    fresh.write_text(write_own_words(words), encoding="utf-8")
    fresh.replace(path)
    return path


def plan_words(
    settings: Settings, station_id: str, kind: Kind, maps: Sequence[str], ignore: Sequence[str]
) -> tuple[Path, OwnWords]:
    """Return what would be remembered and where; raise as `remember` does, and write nothing."""
    if settings.columns_dir is None:
        raise ConfigurationError("columns_not_set")
    _, words = find_words(settings, station_id)
    words = words.but(station_id=station_id).with_call(kind, maps, ignore)
    ensure_folder_writable(settings.columns_dir)
    return settings.columns_dir / f"{station_id}.toml", words


def write_own_words(words: OwnWords) -> str:
    """Return the file of a station, as `parse_own_words` reads it."""
    blocks: list[tuple[str, Mapping[str, str], tuple[str, ...]]] = [
        ("units", words.units.headings, words.units.ignore),
        ("donors", words.donors.headings, words.donors.ignore),
    ]
    lines = [f"station_id = {_quote(words.station_id or '')}"]
    for kind, headings, ignore in blocks:
        if ignore:
            told = ", ".join(map(_quote, dict.fromkeys(ignore)))
            lines += ["", f"[{kind}]", f"ignore = [{told}]"]
        lines += _to_table(f"{kind}.headings", headings)
    lines += _to_table("products", words.products) + _to_table("statuses", words.statuses)
    return "\n".join([*lines, ""])


def _to_table(name: str, pairs: Mapping[str, str]) -> list[str]:
    told = [f"{_quote(key)} = {_quote(value)}" for key, value in pairs.items()]
    return ["", f"[{name}]", *told] if told else []


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(" " if ord(letter) < 32 else letter for letter in escaped) + '"'  # noqa: PLR2004
