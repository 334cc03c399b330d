"""Our own decisions, read back: what stock left uncovered becomes a shortage and a call-out.

The event only says where to look; what is acted on is what PostgreSQL holds now.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from models.errors import ContractError
from models.events.requests import RequestDecided
from models.topics import AppName
from streams.ports import DirectorySource, Received, Timer, TimerKind, UnitOfWork
from streams.services.shortages import ShortageService
from streams.services.stations import get_named_station

READER = AppName.SUPPLY

ASSESS_EVERY_S = 60
"""Stations that cover everything are assessed on this grid, however many requests they decide.
A grid, not a delay: a delay would be moved on for ever by a steady stream."""


class DecisionService:
    """Decides what follows from decisions on requests.

    Args:
        directories: Which stations there are.
        shortages: Assesses a station.
    """

    def __init__(self, *, directories: DirectorySource, shortages: ShortageService) -> None:
        self._directories = directories
        self._shortages = shortages
        self._set_for: dict[str, datetime] = {}

    def concerns(self, record: Received, now: datetime) -> bool:
        """Pass over what is covered, once the next assessment of its station is set."""
        if not isinstance(record.event, RequestDecided):
            return True
        decision = record.event.decision
        if any(line.uncovered for line in decision.lines):
            return True
        return self._set_for.get(decision.station_id) != find_next_assessment(now)

    def note_committed(self, records: Sequence[Received], now: datetime) -> None:
        for record in records:
            if isinstance(record.event, RequestDecided):
                self._set_for[record.event.decision.station_id] = find_next_assessment(now)

    async def decide(self, work: UnitOfWork, records: Sequence[Received], now: datetime) -> None:
        """Act on new records; the `Decide` of this topic. Each station is assessed once."""
        lacking: dict[str, str] = {}
        covered: set[str] = set()
        for record in records:
            try:
                decided = await self._read(record)
            except ContractError as error:
                await work.inbox.quarantine(record, error, reader=READER, now=now)
                continue
            decision = decided.decision
            if any(line.uncovered for line in decision.lines):
                lacking.setdefault(decision.station_id, record.envelope.id)
            else:
                covered.add(decision.station_id)
        for station_id, caused_by in sorted(lacking.items()):
            await self._shortages.assess(work, station_id, caused_by=caused_by, now=now)
        for station_id in sorted(covered - set(lacking)):
            work.schedule(
                Timer(
                    kind=TimerKind.SHORTAGE_ASSESSMENT,
                    subject=station_id,
                    due_at=find_next_assessment(now),
                )
            )

    async def _read(self, record: Received) -> RequestDecided:
        event = record.event
        if not isinstance(event, RequestDecided):
            raise ContractError("event_not_for_topic", type=event.TYPE)
        await get_named_station(self._directories, event.decision.station_id)
        return event


def find_next_assessment(now: datetime) -> datetime:
    """Return the next instant of the grid, strictly after now."""
    passed = int(now.timestamp()) // ASSESS_EVERY_S
    return datetime.fromtimestamp((passed + 1) * ASSESS_EVERY_S, UTC)
