"""The stations' own files of labels and columns: read when needed, and again when they change.

Concurrency: one event loop; a file is read in a thread. A file that is not valid stops only what
its station does with that file, and the station is told the reason.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from models.errors import ConfigurationError, DomainRefusal
from models.texts import render

_Stamp = tuple[int, int]
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)


class _Parser(Protocol[V_co]):
    def __call__(self, content: bytes, *, station_id: str | None, name: str) -> V_co: ...


class StationFiles(Generic[V]):
    """Finds the stations' files of one kind.

    Args:
        folder: Holds one `<station_id>.toml` for each station; None if there are no files.
        parse: Checks the content of a file.
        code: The code of the error of a file that cannot be read.
    """

    def __init__(self, folder: Path | None, parse: _Parser[V], *, code: str) -> None:
        self._folder = folder
        self._parse = parse
        self._code = code
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
            value = await asyncio.to_thread(
                read_station_file, path, self._parse, code=self._code, station_id=station_id
            )
        except ConfigurationError as error:
            raise DomainRefusal(error.code, **error.params) from error
        self._known[station_id] = (stamp, value)
        return value


def read_station_file(
    path: Path, parse: _Parser[V], *, code: str, station_id: str | None = None
) -> V:
    """Read and check one file.

    Args:
        path: The file.
        parse: Checks its content.
        code: The code of the error if it cannot be read.
        station_id: The station whose file it must be; None takes any.

    Raises:
        ConfigurationError: `code`, or as `parse` does.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        detail = error.strerror or type(error).__name__
        rule = str(render("station_file_unreadable", {"path": path, "detail": detail}))
        raise ConfigurationError(code, file=path.name, field="(file)", rule=rule) from error
    return parse(content, station_id=station_id, name=path.name)


def _stamp_of(path: Path) -> _Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size
