"""The driven system: the services in memory, or the same services on PostgreSQL in the tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from models.directory import Directory
from models.donors import CallOut
from models.groups import BloodGroup
from models.shortages import Shortage
from streams.ports import Received
from tests.life.model_objects import SeenPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenUnit:
    """A unit as the system has it.

    Attributes:
        epoch: Of its last promise; 0 if it was never promised.
        may_have_left: Its last hold lapsed, and nobody has seen it since.
    """

    state: str
    station_id: str
    epoch: int
    may_have_left: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemState:
    """The state of the system.

    Attributes:
        promises: The live promises.
        held: Request id to the units that it holds and that were not issued; ended requests are
            missing.
    """

    units: Mapping[str, SeenUnit]
    promises: Sequence[SeenPromise]
    held: Mapping[str, Sequence[str]]


class System(Protocol):
    """Takes records, fires the due timers, and shows its units and promises."""

    async def feed(self, record: Received, now: datetime) -> None: ...

    async def fire_due(self, now: datetime) -> None: ...

    async def look(self) -> SystemState: ...

    async def await_donor(self, call: CallOut, group: BloodGroup) -> None:
        """Let a called donor of this group have arrived, so that a donation can be reported."""
        ...

    async def declare(self, shortage: Shortage) -> None:
        """Declare a shortage of a station, so that a neighbour's offer can be taken."""
        ...

    async def put_directory(self, directory: Directory) -> None:
        """Replace the facilities and routes from now on."""
        ...
