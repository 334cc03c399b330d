"""The stations' own files of labels and columns: read when needed, and again when they change.

Concurrency: one event loop; a file is read in a thread. A file that is not valid stops only what
its station does with that file, and the station is told the reason.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from gateway.files.station_words import NO_WORDS, OwnWords, parse_own_words
from gateway.labels.label_file import LabelBook, parse_label_book
from models.errors import ConfigurationError, DomainRefusal
from models.texts import render

_Stamp = tuple[int, int]
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class _Reader(Protocol[V_co]):
    def __call__(self, path: Path, *, station_id: str | None = None) -> V_co: ...


class StationFiles(Generic[V]):
    """Finds the stations' files of one kind.

    Args:
        folder: Holds one `<station_id>.toml` for each station; None if there are no files.
        read: Reads and checks a file.
    """

    def __init__(self, folder: Path | None, read: _Reader[V]) -> None:
        self._folder = folder
        self._read = read
        self._known: dict[str, tuple[_Stamp, V]] = {}

    async def find(self, station_id: str) -> V | None:
        """Return the present content of a station's file; None where the station has no file.

        Raises:
            DomainRefusal: The file is not valid. The caller is told what is wrong with it, because
                it is the station's own file.
        """
        if self._folder is None:
            return None
        path = self._folder / f"{station_id}.toml"
        stamp = await asyncio.to_thread(_stamp_of, path)
        if stamp is None:
            return None
        known = self._known.get(station_id)
        if known is not None and known[0] == stamp:
            return known[1]
        try:
            value = await asyncio.to_thread(self._read, path, station_id=station_id)
        except ConfigurationError as error:
            raise DomainRefusal(error.code, **error.params) from error
        self._known[station_id] = (stamp, value)
        return value


async def get_label_book(files: StationFiles[LabelBook], station_id: str) -> LabelBook:
    """Return a station's label file as it is now.

    Raises:
        DomainRefusal: `labels_not_set`, `labels_invalid`.
    """
    book = await files.find(station_id)
    if book is None:
        raise DomainRefusal("labels_not_set", station_id=station_id)
    return book


async def get_own_words(files: StationFiles[OwnWords], station_id: str) -> OwnWords:
    """Return the words of a station as they are now; `NO_WORDS` where it has no file.

    Raises:
        DomainRefusal: `columns_invalid`.
    """
    return await files.find(station_id) or NO_WORDS


def read_label_file(path: Path, *, station_id: str | None = None) -> LabelBook:
    """Read and check one label file.

    Raises:
        ConfigurationError: `labels_invalid`.
    """
    content = _read_bytes(path, code="labels_invalid")
    return parse_label_book(content, station_id=station_id, name=path.name)


def read_columns_file(path: Path, *, station_id: str | None = None) -> OwnWords:
    """Read and check one columns file.

    Raises:
        ConfigurationError: `columns_invalid`.
    """
    content = _read_bytes(path, code="columns_invalid")
    return parse_own_words(content, station_id=station_id, name=path.name)


def _read_bytes(path: Path, *, code: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        detail = error.strerror or type(error).__name__
        rule = str(render("station_file_unreadable", {"path": path, "detail": detail}))
        raise ConfigurationError(code, file=path.name, field="(file)", rule=rule) from error


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
