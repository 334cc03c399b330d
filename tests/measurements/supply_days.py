"""The days of stations, lived through the real services: what `make bench-locks` measures by.

Stock comes in, is counted again, tested, promised, scanned until it is transfused, lent to a
neighbour; alerts call donors and are cancelled.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from models.alerts import Alert, AlertKind, Casualties
from models.components import Component
from models.donors import Answer
from models.envelope import Envelope
from models.errors import TransientError
from models.events import EventData
from models.events.alerts import AlertReceived
from models.events.donations import DonationTested
from models.events.donors import CallOutAnswered
from models.events.requests import RequestOpened
from models.events.shortages import OfferMade
from models.events.stock import (
    UNDER_PROMISE,
    Attestation,
    CountedUnit,
    StockChange,
    StockChanged,
    StockCounted,
)
from models.facilities import Location
from models.groups import BloodGroup
from models.laboratory import LabOutcome, LabResult, LabTest
from models.patients import Patient
from models.requests import Priority, RequestLine, UrgentRequest
from models.shortages import Offer
from models.topics import TopicName, find_topic_of
from models.units import Unit
from streams.clock import SystemClock
from streams.ports import Received, Record
from streams.store.database import Database

WORKERS = 2
BATCH = 64

ALERT_EVERY = 8
"""Rounds of the first station between two disasters."""

ANSWERS = {"accepted": Answer.ARRIVED, "arrived": Answer.DEFERRED}
FIRST_ANSWERS = (Answer.DECLINED, Answer.ACCEPTED)

CLOCK = SystemClock()


@dataclass(slots=True)
class Seen:
    """What is counted in one run.

    Attributes:
        waits_s: For how long each transaction waited for its locks.
        busy_s: For how long all transactions lasted together.
        most: Transactions after which it is enough.
    """

    waits_s: list[float] = field(default_factory=list)
    busy_s: float = 0.0
    transactions: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    most: int = 0
    is_enough: asyncio.Event = field(default_factory=asyncio.Event)

    def commit(self) -> None:
        self.transactions += 1
        if self.transactions == self.most:
            self.is_enough.set()


class Queue:
    """The records of one topic of one worker, decided in batches as a consumer loop does."""

    def __init__(self, handle: Callable[[Sequence[Record]], Awaitable[Any]], seen: Seen) -> None:
        self._handle = handle
        self._seen = seen
        self._waiting: asyncio.Queue[tuple[Received, asyncio.Future[None]]] = asyncio.Queue()

    async def decide(self, record: Received) -> None:
        """Return once a record's transaction has committed."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._waiting.put((record, done))
        await done

    async def run(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            records = [record for record, _ in batch]
            while not await self._is_decided(records):
                pass
            self._seen.commit()
            self._seen.kinds[records[0].topic] += len(records)
            for _, done in batch:
                done.set_result(None)

    async def _is_decided(self, records: Sequence[Record]) -> bool:
        try:
            await self._handle(records)
        except TransientError:
            self._seen.kinds["again"] += 1
            await asyncio.sleep(0.002)
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """All that the stations' days need of the running system."""

    stations: Sequence[str]
    queues: Sequence[dict[TopicName, Queue]]
    urgent: Queue
    database: Database
    seen: Seen

    async def send(self, event: EventData, *, source: str) -> None:
        """Send an event to the worker that has its key; return once it is decided."""
        topic = find_topic_of(event.TYPE)
        if topic is None:
            raise RuntimeError(event.TYPE)
        number = self.seen.kinds["records"] = self.seen.kinds["records"] + 1
        body, now = event.to_body(), CLOCK.now()
        envelope = Envelope(
            id=f"e-{number}", type=event.TYPE, source=source, subject=event.subject,
            time=now, key=event.key, data=body,
        )  # fmt: skip
        record = Received(
            topic=topic.name, partition=0, offset=number, envelope=envelope, event=event,
            digest=hashlib.sha256(body).hexdigest(),
        )  # fmt: skip
        if topic.name is TopicName.REQUESTS:
            await self.urgent.decide(record)
            return
        at = self.stations.index(event.key) if event.key in self.stations else 0
        await self.queues[at % WORKERS][topic.name].decide(record)


class Day:
    """The days of one station, one after the other."""

    def __init__(self, town: Town, at: int) -> None:
        self._town = town
        self._at = at
        self._id = town.stations[at]
        # Every other station holds what its neighbour lacks.
        self._neighbour = town.stations[at ^ 1]
        self._lends = at % 2 == 0
        self._round = 0

    async def run(self) -> None:
        while True:
            self._round += 1
            await self._live()

    async def _live(self) -> None:
        name = f"{self._id}-{self._round}".upper()
        kept = [self._unit(f"{name}-{number}", BloodGroup.A_POS) for number in range(6)]
        lent = [self._unit(f"{name}-L{n}", BloodGroup.B_POS) for n in range(2 * self._lends)]
        await self._count([*kept, *lent])
        await self._serve(f"r-{name}", BloodGroup.A_POS, 3)
        await self._count(kept)
        await self._test(name)
        await self._answer()
        if not self._lends:
            await self._borrow(name)
        if self._at == 0 and self._round % ALERT_EVERY in {1, ALERT_EVERY // 2}:
            await self._alert()
        left = await self._town.database.fetch(
            "SELECT unit_id FROM units WHERE station_id = $1 AND status = 'available' "
            "AND blood_group = 'A+' ORDER BY unit_id LIMIT 8",
            self._id,
        )
        for row in left:
            await self._scan(row["unit_id"], StockChange.DISCARDED, reason="bench")

    def _unit(self, unit_id: str, group: BloodGroup) -> Unit:
        now = CLOCK.now()
        return Unit(
            unit_id=unit_id, donation_id=f"D{unit_id}", station_id=self._id, group=group,
            component=Component.RED_CELLS, volume_ml=200,
            collected_at=now - timedelta(days=3), expires_at=now + timedelta(days=20),
        )  # fmt: skip

    async def _count(self, units: Sequence[Unit], *, released: bool = True) -> None:
        now = CLOCK.now()
        event = StockCounted(
            station_id=self._id, counted_at=now,
            units=tuple(CountedUnit(unit=unit, released=released) for unit in units),
            attestation=Attestation(released_by="bench", released_at=now - timedelta(days=1)),
        )  # fmt: skip
        await self._town.send(event, source=f"station/{self._id}")

    async def _serve(self, request_id: str, group: BloodGroup, quantity: int) -> None:
        hospital_id = f"{self._id}-hospital"
        request = UrgentRequest(
            request_id=request_id, hospital_id=hospital_id, station_id=self._id,
            patient=Patient(group=group), priority=Priority.URGENT,
            needed_by=CLOCK.now() + timedelta(hours=6),
            lines=(RequestLine(line_no=1, component=Component.RED_CELLS, quantity=quantity),),
        )  # fmt: skip
        await self._town.send(RequestOpened(request=request), source=f"hospital/{hospital_id}")
        await self._deliver(request_id, is_patient=True)

    async def _deliver(self, bound_to: str, *, is_patient: bool) -> None:
        """Scan what was promised, step by step, until the patient or the neighbour has it."""
        rows = await self._town.database.fetch(
            "SELECT unit_id, epoch FROM promises "
            "WHERE coalesce(request_id, transfer_id) = $1 AND status = 'held'",
            bound_to,
        )
        for row in rows:
            unit_id, epoch = row["unit_id"], row["epoch"]
            giver = self._id if is_patient else self._neighbour
            for change in (StockChange.PICKED, StockChange.ISSUED):
                await self._scan(unit_id, change, epoch=epoch, station_id=giver)
            await self._scan(unit_id, StockChange.RECEIVED, epoch=epoch)
            if is_patient:
                await self._scan(unit_id, StockChange.TRANSFUSED, epoch=epoch)

    async def _scan(
        self,
        unit_id: str,
        change: StockChange,
        *,
        epoch: int | None = None,
        station_id: str | None = None,
        reason: str = "",
    ) -> None:
        event = StockChanged(
            station_id=station_id or self._id, unit_id=unit_id, change=change,
            happened_at=CLOCK.now(), epoch=epoch if change in UNDER_PROMISE else None,
            done_by="bench", reason=reason,
        )  # fmt: skip
        await self._town.send(event, source=f"station/{event.station_id}")

    async def _test(self, name: str) -> None:
        """Take a bag into quarantine and tell all of its results: it is released."""
        unit = self._unit(f"{name}-Q", BloodGroup.A_POS)
        await self._count([unit], released=False)
        for test in LabTest:
            is_grouping = test is LabTest.GROUPING
            result = LabResult(
                result_id=f"{name}-{test}", test=test,
                outcome=None if is_grouping else LabOutcome.NONREACTIVE,
                group=unit.group if is_grouping else None,
                method="bench", run_id=name, performed_at=CLOCK.now(), performed_by="bench",
            )  # fmt: skip
            event = DonationTested(station_id=self._id, donation_id=unit.donation_id, result=result)
            await self._town.send(event, source=f"station/{self._id}")

    async def _answer(self) -> None:
        """Take each call that is out a step further: no donor gives, so all can be called again."""
        calls = await self._town.database.fetch(
            "SELECT call_out_id, donor_id, status FROM call_outs WHERE station_id = $1 "
            "AND status IN ('called', 'accepted', 'arrived') ORDER BY call_out_id LIMIT 4",
            self._id,
        )
        for number, call in enumerate(calls):
            event = CallOutAnswered(
                call_out_id=call["call_out_id"], donor_id=call["donor_id"], station_id=self._id,
                answer=ANSWERS.get(call["status"], FIRST_ANSWERS[number % 2]),
                answered_at=CLOCK.now(),
            )  # fmt: skip
            await self._town.send(event, source=f"station/{self._id}")

    async def _borrow(self, name: str) -> None:
        """Ask for what the station has not; the neighbour offers it once the shortage is told."""
        shortages = await self._town.database.fetch(
            "SELECT shortage_id FROM shortages WHERE station_id = $1 AND status = 'open' "
            "AND blood_group = 'B+'",
            self._id,
        )
        if not shortages:
            await self._serve(f"r-{name}-B", BloodGroup.B_POS, 2)
            return
        offer = Offer(
            offer_id=f"o-{name}", shortage_id=shortages[0]["shortage_id"],
            from_station_id=self._neighbour, to_station_id=self._id,
            component=Component.RED_CELLS, group=BloodGroup.B_POS, quantity=2,
            valid_until=CLOCK.now() + timedelta(hours=1),
        )  # fmt: skip
        await self._town.send(OfferMade(offer=offer), source=f"station/{self._neighbour}")
        transfers = await self._town.database.fetch(
            "SELECT transfer_id FROM transfers WHERE offer_id = $1", offer.offer_id
        )
        for row in transfers:
            await self._deliver(row["transfer_id"], is_patient=False)
        waiting = await self._town.database.fetch(
            "SELECT DISTINCT request_id FROM promises INNER JOIN requests USING (request_id) "
            "WHERE station_id = $1 AND promises.status = 'held' LIMIT 4",
            self._id,
        )
        for row in waiting:
            await self._deliver(row["request_id"], is_patient=True)

    async def _alert(self) -> None:
        """A disaster, and its end half of the time later."""
        number, is_end = self._round // ALERT_EVERY, self._round % ALERT_EVERY != 1
        now = CLOCK.now()
        alert = Alert(
            alert_id=f"a-{number}-{is_end}", event_key=f"quake-{number}", revision=1 + is_end,
            kind=AlertKind.CANCEL if is_end else AlertKind.ALERT, source="bench",
            sent_at=now, occurred_at=now, location=Location(lat=29.0, lon=88.0),
            casualties=Casualties(injured=3000),
        )  # fmt: skip
        await self._town.send(AlertReceived(alert=alert), source="feed/bench")
