"""One sequence: steps drawn at random, told to the system and foretold by the plain model.

The system is anything that takes records, fires what is due, and shows its units and promises: the
services in memory here, the same services on PostgreSQL in the tests.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Protocol

from bench.life.model import SEVEN, Bag, Finding, Model, Promise
from models.components import Component
from models.directory import Directory
from models.envelope import Envelope
from models.events import EventData
from models.events.donations import DonationRecalled, DonationSplit, DonationTested, MadeComponent
from models.events.requests import RequestCancelled, RequestOpened
from models.events.stock import (
    UNDER_PROMISE,
    Attestation,
    CountedUnit,
    StockChange,
    StockChanged,
    StockCounted,
)
from models.facilities import Hospital, Location, Station
from models.groups import BloodGroup
from models.patients import Patient, Sex
from models.requests import Cancellation, Priority, RequestLine, UrgentRequest
from models.testing import LabOutcome, LabResult, LabTest
from models.topics import find_topic_of
from models.units import Unit
from streams.ports import Received

STATION_ID, HOSPITAL_ID = "station", "hospital"
ETA_S = 1800
BEGIN = datetime(2025, 1, 7, 1, tzinfo=UTC)
GROUPS = ("O-", "O+", "A+", "B+")
WEIGHTS = {
    "count": 4,
    "collect": 1,
    "split": 2,
    "test_one": 2,
    "test_all": 3,
    "ask": 3,
    "cancel": 1,
    "scan": 10,
    "recall": 1,
    "wait": 2,
}
"""Step to how often it is taken; chosen so that most kinds of moves are seen in a few hundred."""

_ADDING = frozenset({"count", "collect"})
_SHARE_SIBLINGS = 0.3
_SHARE_RELEASED = 0.5
_SHARE_CORRECTIONS = 0.5
_SHARE_RIGHT_EPOCHS = 0.9
_SHARE_NEXT_STEPS = 0.7
_SHARE_TIMERS_IN_TIME = 0.7
MOST_BAGS = 14
"""Enough for several in every state; more would only make the sequences slower."""

PLACE = Location(lat=29.3, lon=88.9)
STATION = Station(
    station_id=STATION_ID, name_zh="站", name_en="station", location=PLACE, daily_demand={}
)
HOSPITAL = Hospital(
    hospital_id=HOSPITAL_ID, name_zh="院", name_en="hospital", location=PLACE, station_id=STATION_ID
)
DIRECTORY = Directory(
    stations={STATION_ID: STATION},
    hospitals={HOSPITAL_ID: HOSPITAL},
    routes={(STATION_ID, HOSPITAL_ID): ETA_S},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How things stand.

    Attributes:
        units: Unit id to its state and the epoch of its last promise.
        held: Request id to the units that it holds and that were not issued; ended ones missing.
    """

    units: Mapping[str, tuple[str, int]]
    promises: Sequence[Promise]
    held: Mapping[str, Sequence[str]]


class System(Protocol):
    """What is driven."""

    async def feed(self, record: Received, now: datetime) -> None: ...

    async def fire_due(self, now: datetime) -> None: ...

    async def collect(self, unit: Unit) -> None:
        """A donor gave whole blood: a collected unit is there."""
        ...

    async def look(self) -> Seen: ...


class Drive:
    """One sequence of random steps.

    Args:
        system: Fresh, or used by other sequences: the names are this one's own.
        chance: Everything that is drawn comes from it.
        name: Makes its identifiers.
    """

    def __init__(self, system: System, *, chance: Random, name: str = "s") -> None:
        self._system = system
        self._chance = chance
        self._name = name
        self._numbers = 0
        self._offset = 0
        self.now = BEGIN
        self.model = Model(eta=timedelta(seconds=ETA_S))
        self.taken: Counter[str] = Counter()
        self._lapse = False
        self._collected_at: dict[str, datetime] = {}

    async def run(self, steps: int) -> None:
        """Take so many steps, comparing after each.

        Raises:
            BreachError: At the first thing that is not as it must be.
        """
        for _ in range(steps):
            await self.step()

    async def step(self) -> None:
        """Take one step, drawn by weight."""
        await self.take(self._chance.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))[0])

    async def take(self, name: str) -> None:
        """Take the step of this name, let the system come to rest, and compare."""
        acts = {
            "count": self._count,
            "collect": self._collect,
            "split": self._split,
            "test_one": self._test_one,
            "test_all": self._test_all,
            "ask": self._ask,
            "cancel": self._cancel,
            "scan": self._scan,
            "recall": self._recall,
            "wait": self._wait,
        }
        self.taken[name] += 1
        if name not in _ADDING or len(self.model.bags) < MOST_BAGS:
            await acts[name]()
        # Timers fire late as well: the next scan may come before them.
        is_rest = self._chance.random() < _SHARE_TIMERS_IN_TIME
        if is_rest:
            await self._system.fire_due(self.now)
            self.model.expire(self.now)
        seen = await self._system.look()
        states = {unit_id: state for unit_id, (state, _) in seen.units.items()}
        self.model.compare(states, seen.promises, now=self.now, lapse=self._lapse)
        self._lapse = self._lapse and not is_rest

    def _next(self, kind: str) -> str:
        self._numbers += 1
        return f"{self._name}-{kind}{self._numbers}"

    def _pick(self, bags: Sequence[Bag]) -> Bag | None:
        return self._chance.choice(bags) if bags else None

    async def _tell(self, event: EventData, source: str = f"station/{STATION_ID}") -> None:
        self._offset += 1
        topic = find_topic_of(event.TYPE)
        body = event.to_body()
        envelope = Envelope(
            id=self._next("e"),
            type=event.TYPE,
            source=source,
            subject=event.subject,
            time=self.now,
            key=event.key,
            data=body,
        )
        record = Received(
            topic=topic.name if topic else "",
            partition=0,
            offset=self._offset,
            envelope=envelope,
            event=event,
            digest=hashlib.sha256(body).hexdigest(),
        )
        await self._system.feed(record, self.now)

    def _make(self, component: Component) -> Unit:
        known = [bag for bag in self.model.bags.values() if bag.component == component]
        sibling = self._pick(known) if self._chance.random() < _SHARE_SIBLINGS else None
        hours = self._chance.choice((1, 6, 48, 400))
        return Unit(
            unit_id=self._next("u"),
            donation_id=sibling.donation_id if sibling else self._next("d"),
            station_id=STATION_ID,
            component=component,
            group=BloodGroup(sibling.group if sibling else self._chance.choice(GROUPS)),
            volume_ml=400,
            collected_at=self.now - timedelta(hours=1),
            expires_at=self.now + timedelta(hours=hours),
        )

    def _believe(self, unit: Unit, state: str, *, attested: bool = False) -> None:
        self.model.bags[unit.unit_id] = Bag(
            unit_id=unit.unit_id,
            donation_id=unit.donation_id,
            group=unit.group,
            component=unit.component,
            state=state,
            expires_at=unit.expires_at,
            released=attested,
            attested=attested,
        )

    async def _count(self) -> None:
        unit, released = self._make(Component.RED_CELLS), self._chance.random() < _SHARE_RELEASED
        who = Attestation(released_by="quality", released_at=unit.collected_at)
        counted = CountedUnit(unit=unit, released=released)
        await self._tell(
            StockCounted(
                station_id=STATION_ID, counted_at=self.now, units=(counted,), attestation=who
            )
        )
        if not self.model.may_count(unit.donation_id, group=unit.group, released=released):
            return
        self._believe(unit, "available" if released else "quarantined", attested=released)
        if not released:
            self.model.settle(unit.donation_id, self.now)

    async def _collect(self) -> None:
        unit = self._make(Component.WHOLE_BLOOD)
        if unit.donation_id in self.model.recalled:
            return
        await self._system.collect(unit)
        self._collected_at[unit.unit_id] = unit.collected_at
        self._believe(unit, "collected")

    async def _split(self) -> None:
        bag = self._pick(
            [bag for bag in self.model.bags.values() if bag.component == "whole_blood"]
        )
        if bag is None:
            return
        made = [
            MadeComponent(unit_id=self._next("u"), component=component, volume_ml=150)
            for component in (Component.RED_CELLS, Component.FRESH_FROZEN_PLASMA)
        ]
        await self._tell(
            DonationSplit(
                station_id=STATION_ID,
                donation_id=bag.donation_id,
                unit_id=bag.unit_id,
                split_at=self.now,
                components=tuple(made),
            )
        )
        if bag.state not in {"collected", "quarantined"}:
            return
        bag.state = "split"
        for one in made:
            life = timedelta(days=35 if one.component is Component.RED_CELLS else 365)
            self.model.bags[one.unit_id] = Bag(
                unit_id=one.unit_id,
                donation_id=bag.donation_id,
                group=bag.group,
                component=one.component,
                state="quarantined",
                expires_at=self._collected_at[bag.unit_id] + life,
            )
        self.model.settle(bag.donation_id, self.now)

    async def _test_one(self) -> None:
        bag = self._pick(list(self.model.bags.values()))
        if bag is None:
            return
        test = self._chance.choice(SEVEN)
        if test == "grouping":
            found = self._chance.choice((bag.group, bag.group, "AB-", "invalid"))
        else:
            found = self._chance.choice(("nonreactive", "nonreactive", "reactive", "invalid"))
        known = [one for one in self.model.findings.get(bag.donation_id, []) if one.test == test]
        corrected = {one.corrects for one in known}
        open_ones = [one for one in known if one.result_id not in corrected]
        corrects = (
            self._chance.choice(open_ones).result_id
            if open_ones and self._chance.random() < _SHARE_CORRECTIONS
            else None
        )
        await self._tell_result(bag.donation_id, test, found, corrects=corrects)

    async def _test_all(self) -> None:
        waiting = [bag for bag in self.model.bags.values() if bag.state == "quarantined"]
        bag = self._pick(waiting)
        if bag is None:
            return
        done = {one.test for one in self.model.findings.get(bag.donation_id, [])}
        for test in SEVEN:
            if test not in done:
                found = bag.group if test == "grouping" else "nonreactive"
                await self._tell_result(bag.donation_id, test, found)

    async def _tell_result(
        self, donation_id: str, test: str, found: str, *, corrects: str | None = None
    ) -> None:
        is_group = test == "grouping" and found != "invalid"
        one = Finding(
            result_id=self._next("r"),
            test=test,
            found=found,
            run=self._next("run"),
            corrects=corrects,
        )
        result = LabResult(
            result_id=one.result_id,
            test=LabTest(test),
            outcome=None if is_group else LabOutcome(found),
            group=BloodGroup(found) if is_group else None,
            method="driven",
            run_id=one.run,
            performed_at=self.now,
            performed_by="laboratory",
            supersedes=corrects,
            note="corrected" if corrects else "",
        )
        await self._tell(
            DonationTested(station_id=STATION_ID, donation_id=donation_id, result=result)
        )
        self.model.findings.setdefault(donation_id, []).append(one)
        self.model.settle(donation_id, self.now)

    async def _ask(self) -> None:
        request_id = self._next("q")
        group, quantity = self._chance.choice((*GROUPS, "AB+")), self._chance.randint(1, 2)
        line = RequestLine(line_no=1, component=Component.RED_CELLS, quantity=quantity)
        request = UrgentRequest(
            request_id=request_id,
            hospital_id=HOSPITAL_ID,
            station_id=STATION_ID,
            patient=Patient(group=BloodGroup(group), sex=Sex.MALE, age_years=40),
            priority=self._chance.choice(list(Priority)),
            needed_by=self.now + timedelta(hours=self._chance.choice((1, 12))),
            lines=(line,),
        )
        self.model.patients[request_id] = (group, quantity)
        await self._tell(RequestOpened(request=request), f"hospital/{HOSPITAL_ID}")

    async def _cancel(self) -> None:
        if not self.model.patients:
            return
        request_id = self._chance.choice(list(self.model.patients))
        held = (await self._system.look()).held.get(request_id)
        cancellation = Cancellation(
            request_id=request_id, hospital_id=HOSPITAL_ID, station_id=STATION_ID, reason="x"
        )
        await self._tell(RequestCancelled(cancellation=cancellation), f"hospital/{HOSPITAL_ID}")
        if held is not None:
            self.model.give_back(held)

    async def _scan(self) -> None:
        bag = self._pick(list(self.model.bags.values()))
        if bag is None:
            return
        change = self._draw_change(bag)
        epoch = (await self._system.look()).units[bag.unit_id][1]
        right = self._chance.random() < _SHARE_RIGHT_EPOCHS and epoch > 0
        out_s = self._chance.choice((300, 1000, 1801))
        await self._tell(
            StockChanged(
                station_id=STATION_ID,
                unit_id=bag.unit_id,
                change=change,
                happened_at=self.now,
                epoch=(epoch if right else epoch + 1) if change in UNDER_PROMISE else None,
                out_of_control_s=out_s if change is StockChange.RETURNED else None,
            )
        )
        self.model.scan(bag.unit_id, change, right_epoch=right, out_s=out_s, now=self.now)

    def _draw_change(self, bag: Bag) -> StockChange:
        """Mostly the step that comes next, so that bags get far; else any."""
        ways: dict[str, tuple[StockChange, ...]] = {
            "collected": (StockChange.QUARANTINED,),
            "reserved": (StockChange.PICKED, StockChange.ISSUED),
            "picked": (StockChange.ISSUED,),
            "issued": (StockChange.DEPARTED, StockChange.RECEIVED),
            "in_transit": (StockChange.RECEIVED, StockChange.RETURNED),
            "received": (StockChange.TRANSFUSED, StockChange.RETURNED),
            "returned": (StockChange.RESTOCKED,),
        }
        if self._chance.random() < _SHARE_NEXT_STEPS and bag.state in ways:
            return self._chance.choice(ways[bag.state])
        return self._chance.choice(list(StockChange))

    async def _recall(self) -> None:
        bag = self._pick(list(self.model.bags.values()))
        if bag is None:
            return
        await self._tell(
            DonationRecalled(
                station_id=STATION_ID,
                donation_id=bag.donation_id,
                recall_id=self._next("c"),
                reason="driven",
                recalled_at=self.now,
                recalled_by="quality",
            )
        )
        self.model.recall(bag.donation_id)

    async def _wait(self) -> None:
        self.now += timedelta(minutes=self._chance.choice((5, 15, 45, 200, 900)))
        self._lapse = True
