"""The stations' label files: read when a station scans, and again when its file has changed.

Concurrency: one event loop; the reading itself is done in a thread. A file that is not valid
stops that station's scans with the reason, and nothing else.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from models.errors import ConfigurationError, DomainRefusal
from models.labels.book import LabelBook, parse_label_book

_Stamp = tuple[int, int]


class LabelBooks:
    """Finds the label file of a station.

    Args:
        folder: Where they are, one `<station_id>.toml` each; None if there are none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: dict[str, tuple[_Stamp, LabelBook]] = {}

    async def get(self, station_id: str) -> LabelBook:
        """Return a station's label file as it is now.

        Raises:
            DomainRefusal: `labels_not_set`: it has none; `labels_invalid`: it has one that is not
                valid. The caller is told what is wrong with it: it is the station's own.
        """
        if self._folder is None:
            raise DomainRefusal("labels_not_set", station_id=station_id)
        path = self._folder / f"{station_id}.toml"
        stamp = await asyncio.to_thread(_stamp_of, path)
        if stamp is None:
            raise DomainRefusal("labels_not_set", station_id=station_id)
        known = self._known.get(station_id)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            book = await asyncio.to_thread(read_label_file, path, station_id=station_id)
        except ConfigurationError as error:
            raise DomainRefusal("labels_invalid", **error.params) from error
        self._known[station_id] = (stamp, book)
        return book


def read_label_file(path: Path, *, station_id: str | None = None) -> LabelBook:
    """Read and check one label file.

    Raises:
        ConfigurationError: `labels_invalid`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = type(error).__name__
        raise ConfigurationError(
            "labels_invalid", file=path.name, field="(file)", rule=cause
        ) from error
    return parse_label_book(text, station_id=station_id, name=path.name)


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
