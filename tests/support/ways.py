"""The way of a call through the modules of the house, followed while it runs."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[2]
HOUSE = ("gateway", "streams")
ROOMS = ("gateway/files", "gateway/labels")
"""Rooms of parsers, which count as one stay if they are closed."""


class Place(NamedTuple):
    """A function of the house."""

    module: str
    function: str


class Entry(NamedTuple):
    """A call of a function of the house by another module; no caller at the beginning of a way."""

    caller: Place | None
    callee: Place


@dataclass
class Way:
    """What a call went through, as it was followed.

    Attributes:
        entries: Every call of one module by another, once, in order.
        is_over: The end was reached; nothing more is noted.
    """

    entries: dict[Entry, None] = field(default_factory=dict)
    is_over: bool = False

    @property
    def modules(self) -> list[str]:
        """Every module that was entered, in the order of first entry."""
        return list(dict.fromkeys(entry.callee.module for entry in self.entries))

    def list_stays(self) -> list[str]:
        """List the modules in the order of first entry; a closed room is named by its door."""
        return list(dict.fromkeys(map(self._to_stay(), self.modules)))

    def list_returns(self) -> list[Entry]:
        """List the calls back into a stay that stands before the caller's."""
        to_stay, stays = self._to_stay(), self.list_stays()
        return [
            entry
            for entry in self.entries
            if entry.caller is not None
            and stays.index(to_stay(entry.callee.module))
            < stays.index(to_stay(entry.caller.module))
        ]

    def _to_stay(self) -> Callable[[str], str]:
        doors = {room: door for room in ROOMS if (door := self._find_door(room)) is not None}
        return lambda module: doors.get(_room_of(module), module)

    def _find_door(self, room: str) -> str | None:
        """Return the one module by which a closed room is entered; None if it is not closed."""
        doors = set()
        for caller, callee in self.entries:
            is_within = _room_of(callee.module) == room
            is_from_within = caller is not None and _room_of(caller.module) == room
            if is_from_within and not is_within:
                return None
            if is_within and not is_from_within:
                doors.add(callee.module)
        return doors.pop() if len(doors) == 1 else None


def _room_of(module: str) -> str:
    return module.rpartition("/")[0]


_WAY: ContextVar[Way | None] = ContextVar("way", default=None)
_LAST: ContextVar[Place | None] = ContextVar("last", default=None)
"""The function in which a thread or task of the call was begun."""


@contextmanager
def follow(
    start: Callable[..., Any], end: Callable[..., Any], *, ground: Collection[str] = ()
) -> Iterator[Way]:
    """Note what a call goes through from the start of one function to that of another.

    Threads and tasks that the call begins are followed, those of other calls are not.

    Args:
        start: The function in which the way begins; it is a part of it.
        end: The function at which it ends; it is no part of it.
        ground: Modules that are not noted. What they call is called by whoever called them.
    """
    way, start_code, end_code = Way(), _code_of(start), _code_of(end)

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if way.is_over or event not in {"call", "return"}:
            return
        if event == "call" and code is start_code and _WAY.get() is None:
            _WAY.set(way)
        if _WAY.get() is not way:
            return
        if event == "call" and code is end_code:
            way.is_over = True
            return
        module = _module_of(code)
        if module is None or module in ground:
            return
        caller = _find_caller(frame, ground)
        if event == "return":
            _LAST.set(caller)
            return
        here = Place(module, code.co_qualname)
        if caller is None or caller.module != module:
            way.entries.setdefault(Entry(caller, here))
        _LAST.set(here)

    # Threads are made anew, so that each of them is followed from its beginning.
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(initializer=sys.setprofile, initargs=(note,)) as threads:
        loop.set_default_executor(threads)
        sys.setprofile(note)
        try:
            yield way
        finally:
            sys.setprofile(None)
            loop.set_default_executor(ThreadPoolExecutor())


@cache
def _module_of(code: CodeType) -> str | None:
    path = Path(code.co_filename)
    if path.suffix != ".py" or not path.is_relative_to(ROOT) or code.co_name == "<module>":
        return None
    module = path.relative_to(ROOT)
    return module.as_posix() if module.parts[0] in HOUSE else None


def _find_caller(frame: FrameType, ground: Collection[str]) -> Place | None:
    """Return the nearest function of the house that called; a new thread's is who began it."""
    is_begun = True
    above = frame.f_back
    while above is not None:
        module = _module_of(above.f_code)
        if module is not None:
            is_begun = False
            if module not in ground:
                return Place(module, above.f_code.co_qualname)
        above = above.f_back
    return _LAST.get() if is_begun else None


def _code_of(function: Callable[..., Any]) -> CodeType:
    assert isinstance(function, FunctionType)
    return function.__code__
