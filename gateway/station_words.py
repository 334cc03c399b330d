"""The stations' columns files: read when a station sends a file, and again when they change.

Concurrency: one event loop; the reading itself is done in a thread. A file that is not valid stops
that station's imports with the reason, and nothing else.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from models.errors import ConfigurationError, DomainRefusal
from models.own_words import NO_WORDS, OwnWords, parse_own_words

_Stamp = tuple[int, int]


class StationWords:
    """Finds the words of a station.

    Args:
        folder: Where they are, one `<station_id>.toml` each; None if there are none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, tuple[_Stamp, OwnWords]] = {}

    async def get(self, station_id: str) -> OwnWords:
        """Return the words of a station as they are now; none where it has no file.

        Raises:
            DomainRefusal: `columns_invalid`: it has a file that is not valid.
        """
        if self._folder is None:
            return NO_WORDS
        path = self._folder / f"{station_id}.toml"
        stamp = await asyncio.to_thread(_stamp_of, path)
        if stamp is None:
            return NO_WORDS
        known = self._known.get(station_id)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            words = await asyncio.to_thread(read_columns_file, path, station_id=station_id)
        except ConfigurationError as error:
            raise DomainRefusal("columns_invalid", **error.params) from error
        self._known[station_id] = (stamp, words)
        return words


def read_columns_file(path: Path, *, station_id: str | None = None) -> OwnWords:
    """Read and check one columns file.

    Raises:
        ConfigurationError: `columns_invalid`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = type(error).__name__
        raise ConfigurationError(
            "columns_invalid", file=path.name, field="(file)", rule=cause
        ) from error
    return parse_own_words(text, station_id=station_id, name=path.name)


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
