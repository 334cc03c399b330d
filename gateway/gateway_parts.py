"""The parts of a gateway. They are composed by the command that starts it, never here."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from models.rules.rulebook import Rulebook
from streams.ports import Clock, EventPublisher, EventTail, Unread
from streams.settings import Settings
from streams.store.database import Database
from streams.store.directory import PgDirectory


class Publisher(EventPublisher, Protocol):
    """A publisher that the gateway starts and stops with itself."""

    @property
    def is_stopped(self) -> bool: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class GatewayParts:
    """What one gateway needs.

    Attributes:
        settings: The settings of this process.
        rules: The station's rulebook.
        database: Opened by the caller, who also closes it.
        publisher: Started and stopped by the gateway; its own time limit should be about 3 s, after
            which the caller of a request is told that it is not confirmed.
        tail: Follows what the engine publishes, to wake the calls and streams that wait.
        clock: The only source of event times; simulated in drills.
        directories: Hospitals, stations and routes.
        probe_kafka: Returns if a broker answers, else raises TransientError.
        measure_unread: Returns what no worker has acknowledged, or raises TransientError.
        monotonic: Real seconds, for the age of caches.
    """

    settings: Settings
    rules: Rulebook
    database: Database
    publisher: Publisher
    tail: EventTail
    clock: Clock
    directories: PgDirectory
    probe_kafka: Callable[[], Awaitable[None]]
    measure_unread: Callable[[], Awaitable[Sequence[Unread]]]
    monotonic: Callable[[], float] = time.monotonic
