"""The services in memory as a system to be driven."""

from __future__ import annotations

from datetime import datetime

from bench.life.drive import DIRECTORY, Seen
from bench.life.engine import MemoryEngine
from bench.life.model import Promise
from bench.life.rows import UnitRow
from models.requests import TERMINAL_REQUEST_STATUSES
from models.units import Unit, UnitStatus
from streams.ports import Received


class MemorySystem:
    """Implements `drive.System`."""

    def __init__(self) -> None:
        self.engine = MemoryEngine(DIRECTORY)

    async def feed(self, record: Received, now: datetime) -> None:
        await self.engine.feed(record, now)

    async def fire_due(self, now: datetime) -> None:
        await self.engine.fire_due(now)

    async def collect(self, unit: Unit) -> None:
        self.engine.state.units[unit.unit_id] = UnitRow(
            unit=unit,
            status=UnitStatus.COLLECTED,
            released_at=None,
            attested_by=None,
            parent_id=None,
        )

    async def look(self) -> Seen:
        state = self.engine.state
        held: dict[str, list[str]] = {
            request_id: []
            for request_id, row in state.requests.items()
            if row.status not in TERMINAL_REQUEST_STATUSES
        }
        promises = []
        for row in state.promises.values():
            request_id = row.live.request_id or ""
            if row.live.status in {"held", "issued"}:
                promises.append(
                    Promise(
                        promise_id=row.live.promise_id,
                        unit_id=row.unit_id,
                        request_id=request_id,
                        status=row.live.status,
                    )
                )
            if row.live.status == "held" and request_id in held:
                held[request_id].append(row.unit_id)
        units = {unit_id: (str(row.status), row.epoch) for unit_id, row in state.units.items()}
        return Seen(units=units, promises=promises, held=held)
