"""A writer among several: it does what it likes with whatever is there, and tries until through."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

from models.components import Component
from models.errors import TransientError
from models.events.donations import DonationRecalled
from models.events.requests import RequestAmended, RequestCancelled
from models.events.shortages import OfferMade
from models.events.stock import UNDER_PROMISE, StockChange, StockChanged
from models.groups import BloodGroup
from models.laboratory import LabOutcome, LabTest
from models.requests import Amendment, Cancellation, RequestLine
from models.shortages import Offer, Shortage, ShortageLevel, ShortageStatus
from streams.ports import Received
from tests.life.facilities import GROUPS, HOSPITAL_ID, NEIGHBOUR_ID, STATION_ID
from tests.support.engine import Engine
from tests.support.laboratory import build_result, from_laboratory, list_clear
from tests.support.life_system import PgSystem
from tests.support.world import build_record, build_request, build_unit, counted, opened

_NEXT = {
    "reserved": [StockChange.PICKED, StockChange.ISSUED],
    "picked": [StockChange.ISSUED],
    "issued": [StockChange.DEPARTED, StockChange.RECEIVED],
    "in_transit": [StockChange.RECEIVED],
    "received": [StockChange.TRANSFUSED, StockChange.RETURNED],
    "returned": [StockChange.RESTOCKED],
}


def build_shortage(group: BloodGroup, *, now: datetime) -> Shortage:
    """The neighbour lacks far more of a group than will ever be offered."""
    return Shortage(
        shortage_id=f"lack-{group.name}",
        station_id=NEIGHBOUR_ID,
        component=Component.RED_CELLS,
        group=group,
        level=ShortageLevel.RED,
        status=ShortageStatus.OPEN,
        units_missing=1000,
        uncovered_units=0,
        donor_groups=(group,),
        version=1,
        assessed_at=now,
    )


class Rival:
    """A writer that does what it likes with whatever is there, at the same time as others."""

    def __init__(self, engine: Engine, *, name: str, seed: int, outcomes: Counter[str]) -> None:
        self._engine = engine
        self._system = PgSystem(engine)
        self._name = name
        self._chance = Random(seed)
        self._outcomes = outcomes
        self._numbers = 0

    async def run(self, steps: int) -> None:
        often = (
            self._ask,
            self._ask,
            self._cancel,
            self._stock,
            self._test,
            self._scan,
            self._scan,
        )
        seldom = (self._recall, self._amend, self._lend, self._wait)
        for _ in range(steps):
            act = self._chance.choice(seldom if self._chance.random() < 0.15 else often)
            await act()

    def _next(self, kind: str) -> str:
        self._numbers += 1
        return f"{self._name}-{kind}{self._numbers}"

    async def _report(self, *records: Received) -> None:
        """As the edge does: what is contended is tried again until it is through."""
        self._outcomes["under_way"] += 1
        self._outcomes["overlapping"] += self._outcomes["under_way"] > 1
        while True:
            try:
                await self._system.take(*records)
            except TransientError:
                continue
            self._outcomes["under_way"] -= 1
            return

    async def _any(self, query: str) -> tuple[Any, ...] | None:
        rows = await self._engine.fetch(query)
        return tuple(self._chance.choice(rows)) if rows else None

    async def _ask(self) -> None:
        request = build_request(
            request_id=self._next("q"),
            group=self._chance.choice(GROUPS),
            quantity=self._chance.randint(1, 2),
            now=self._engine.clock.now(),
        ).but(hospital_id=HOSPITAL_ID, station_id=STATION_ID)
        await self._report(opened(request))

    async def _cancel(self) -> None:
        found = await self._any(
            "SELECT request_id, version FROM requests WHERE status IN ('open', 'reserved')"
        )
        if found:
            cancellation = Cancellation(
                request_id=found[0], hospital_id=HOSPITAL_ID, station_id=STATION_ID, reason="x"
            )
            event = RequestCancelled(cancellation=cancellation)
            await self._report(build_record(event, source=f"hospital/{HOSPITAL_ID}"))

    async def _amend(self) -> None:
        found = await self._any(
            "SELECT request_id, version FROM requests WHERE status IN ('open', 'reserved')"
        )
        if found:
            line = RequestLine(
                line_no=1, component=Component.RED_CELLS, quantity=self._chance.randint(1, 3)
            )
            amendment = Amendment(
                request_id=found[0],
                hospital_id=HOSPITAL_ID,
                station_id=STATION_ID,
                lines=(line,),
            )
            event = RequestAmended(amendment=amendment)
            await self._report(build_record(event, source=f"hospital/{HOSPITAL_ID}"))

    async def _lend(self) -> None:
        """The neighbour lacks blood, and is offered what others may be promising just now."""
        group = self._chance.choice((BloodGroup.O_NEG, BloodGroup.O_POS))
        shortage = build_shortage(group, now=self._engine.clock.now())
        offer = Offer(
            offer_id=self._next("o"),
            shortage_id=shortage.shortage_id,
            from_station_id=STATION_ID,
            to_station_id=NEIGHBOUR_ID,
            component=Component.RED_CELLS,
            group=group,
            quantity=2,
            valid_until=self._engine.clock.now() + timedelta(hours=1),
        )
        await self._system.declare(shortage)
        await self._report(build_record(OfferMade(offer=offer), source=f"station/{STATION_ID}"))

    async def _stock(self) -> None:
        unit = build_unit(
            self._chance.choice(GROUPS),
            expires_in_h=self._chance.choice((0.4, 0.8, 2, 400)),
            unit_id=self._next("u"),
            station_id=STATION_ID,
            now=self._engine.clock.now(),
            component=Component.RED_CELLS,
        )
        released = self._chance.random() < 0.5
        await self._report(counted([unit], station_id=STATION_ID, released=released))

    async def _test(self) -> None:
        found = await self._any("SELECT donation_id, blood_group FROM units")
        if not found:
            return
        donation_id, group = str(found[0]), str(found[1])
        results = list_clear(group)
        if self._chance.random() < 0.2:
            results.append(build_result(LabTest.NAT, outcome=LabOutcome.REACTIVE))
        await self._report(*from_laboratory(donation_id, results, station_id=STATION_ID))

    async def _scan(self) -> None:
        # Mostly of promised units: there the writers get into each other's way.
        found = await self._any(
            "SELECT u.unit_id, u.epoch, u.status, u.station_id, t.to_station_id FROM units AS u "
            "LEFT JOIN promises AS p ON p.unit_id = u.unit_id AND p.status IN ('held', 'issued') "
            "LEFT JOIN transfers AS t USING (transfer_id) WHERE u.status IN ('reserved', "
            "'picked', 'issued', 'in_transit', 'received', 'returned')"
        )
        if found is None:
            return
        changes: list[StockChange] = list(StockChange)[:-1]
        if self._chance.random() < 0.7:
            changes = _NEXT[found[2]]
        change = self._chance.choice(changes)
        station_id = (found[4] if change is StockChange.RECEIVED else None) or found[3]
        event = StockChanged(
            station_id=station_id,
            unit_id=found[0],
            change=change,
            happened_at=self._engine.clock.now(),
            epoch=(found[1] or 1) if change in UNDER_PROMISE else None,
            out_of_control_s=60 if change is StockChange.RETURNED else None,
        )
        await self._report(build_record(event, source=f"station/{station_id}"))

    async def _wait(self) -> None:
        """Time passes for everybody, and what is due is fired by whoever comes first."""
        self._engine.clock.move(minutes=self._chance.choice((1, 5, 10)))
        while True:
            try:
                if not (await self._engine.services.timers.fire_one())[0]:
                    return
            except TransientError:
                continue

    async def _recall(self) -> None:
        found = await self._any("SELECT donation_id, epoch FROM units")
        if found:
            self._engine.clock.move(seconds=1)
            event = DonationRecalled(
                station_id=STATION_ID,
                donation_id=found[0],
                recall_id=self._next("c"),
                reason="rival",
                recalled_at=self._engine.clock.now(),
                recalled_by="quality",
            )
            await self._report(build_record(event, source=f"station/{STATION_ID}"))
