"""The engine's word on scans: what comes, what does not come in time, what is away, repeats."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast

from gateway.intake.acceptance import Caller, Submissions
from gateway.intake.waiting_calls import Wakes
from gateway.labels.bags import Bag
from gateway.metrics import GatewayMetrics
from gateway.scans.batch import (
    BagVerdict,
    EngineWord,
    Fault,
    NewScan,
    ScanAction,
    ScanBatch,
    Scanner,
)
from gateway.scans.scan_intake import apply_fate, recognise_repeats
from models.envelope import Envelope
from models.events.stock import StockChange, StockChanged
from models.unit_states import Actor
from streams.clock import SystemClock
from streams.store.read_models.pages import EventFate, EventName

NOW = datetime(2025, 1, 7, tzinfo=UTC)
BAG = Bag(lines=(1,), label=None, fault=None)
CALLER = Caller(source="station/shigatse", key="k", wait_s=1)


@dataclass
class Engine:
    """Tells fates by event id, from some look on; takes no time but what is waited for."""

    fates: Mapping[str, EventFate]
    from_look: int = 1
    is_away: bool = False
    looks: int = 0
    asked: list[str] = field(default_factory=list)
    published: list[str] = field(default_factory=list)

    async def look(self, names: Sequence[EventName]) -> dict[EventName, EventFate]:
        self.looks += 1
        return {name: self.fates[name.event_id] for name in names if name.event_id in self.fates}

    def ask(self, name: EventName) -> asyncio.Future[EventFate | None]:
        """What a look finds: nothing while PostgreSQL is away. The first bag is in every look."""
        self.asked.append(name.event_id)
        self.looks = self.asked.count(self.asked[0])
        found: asyncio.Future[EventFate | None] = asyncio.get_running_loop().create_future()
        is_told = not self.is_away and self.looks >= self.from_look
        found.set_result(self.fates.get(name.event_id) if is_told else None)
        return found

    async def publish(self, topic: str, envelopes: Sequence[Envelope]) -> None:
        assert topic == "blood.stock.v1"
        self.published += [envelope.id for envelope in envelopes]

    def monotonic(self) -> float:
        """Half a second passes with each look."""
        return self.looks / 2


def ask() -> ScanBatch:
    scanner = Scanner(actor=Actor.STATION, facility_id="shigatse", station_id="shigatse")
    asked = NewScan(action=ScanAction.ISSUE, barcodes=("x",))
    return ScanBatch(asked=asked, scanner=scanner, scanned_at=NOW, caller=CALLER)


def build_event(event_id: str, *, epoch: int = 1, done_by: str = "") -> StockChanged:
    return StockChanged(
        station_id="shigatse",
        unit_id=f"unit-{event_id}",
        change=StockChange.ISSUED,
        happened_at=NOW,
        epoch=epoch,
        done_by=done_by,
    )


def sent(
    event_id: str, *, epoch: int = 1, done_by: str = "", fault: Fault | None = None
) -> BagVerdict:
    return BagVerdict(
        bag=BAG,
        event=build_event(event_id, epoch=epoch, done_by=done_by),
        event_id=event_id,
        fault=fault,
        engine=None if fault else EngineWord.AWAITED,
    )


def fate(event_id: str, *, code: str | None = None) -> EventFate:
    digest = sha256(build_event(event_id).to_body()).hexdigest()
    return EventFate(
        digest=digest, taken_at=NOW, code=code, params={"x": 1}, status=None, decision=None
    )


def words(verdicts: Sequence[BagVerdict]) -> list[tuple[EngineWord | None, str | None]]:
    return [(verdict.engine, verdict.fault.code if verdict.fault else None) for verdict in verdicts]


async def accept(
    engine: Engine, *verdicts: BagVerdict, wait_s: int = 1
) -> list[tuple[EngineWord | None, str | None]]:
    """Publish the bags, and what is told of each."""
    submissions = Submissions(
        publisher=engine,
        lookup=cast("Any", engine),
        wakes=Wakes(),
        metrics=GatewayMetrics(),
        clock=SystemClock(),
        monotonic=engine.monotonic,
    )
    fresh = {
        verdict.event_id: verdict.event
        for verdict in verdicts
        if verdict.event and verdict.event_id
    }
    accepted = await submissions.accept(
        list(fresh.values()), replace(CALLER, wait_s=wait_s), ids=list(fresh), apart=True
    )
    fates = dict(zip(accepted.event_ids, accepted.fates, strict=True))
    return words([apply_fate(verdict, fates.get(verdict.event_id or "")) for verdict in verdicts])


async def test_each_bag_gets_its_own_word() -> None:
    engine = Engine({"a": fate("a"), "b": fate("b", code="unit_not_cleared")})
    unread = BagVerdict(bag=BAG, fault=Fault("bag_incomplete", {}))
    assert await accept(engine, sent("c"), sent("a"), unread, sent("b")) == [
        (EngineWord.AWAITED, None),
        (EngineWord.DONE, None),
        (None, "bag_incomplete"),
        (EngineWord.REFUSED, "unit_not_cleared"),
    ]
    assert engine.published == ["c", "a", "b"]
    assert engine.asked == ["c", "a", "b", "c"], "who has an answer is not looked for again"


async def test_it_ends_with_the_last_word() -> None:
    engine = Engine({"a": fate("a")}, from_look=2)
    assert await accept(engine, sent("a")) == [(EngineWord.DONE, None)]
    assert engine.looks == 2
    nobody = Engine({})
    assert await accept(nobody) == []
    assert (nobody.looks, nobody.published) == (0, [])


async def test_who_does_not_wait_is_told_of_a_repeat_alone() -> None:
    engine = Engine({"a": fate("a")})
    assert await accept(engine, sent("a"), sent("b"), wait_s=0) == [
        (EngineWord.DONE, None),
        (EngineWord.AWAITED, None),
    ]
    assert engine.asked == ["a", "b"]


async def test_away_is_not_refused() -> None:
    engine = Engine({"a": fate("a")}, is_away=True)
    assert await accept(engine, sent("a")) == [(EngineWord.AWAITED, None)]


async def test_a_word_about_something_else_is_none() -> None:
    engine = Engine({"a": fate("a"), "b": fate("b")})
    assert await accept(engine, sent("a", epoch=2), sent("b")) == [
        (None, "idempotency_key_reused"),
        (EngineWord.DONE, None),
    ]


async def test_a_repeat_is_answered_as_before_though_the_unit_moved_on() -> None:
    engine = Engine({"a": fate("a"), "b": fate("b", code="unit_not_cleared"), "c": fate("c")})
    for_another, mislabelled = (Fault(code, {}) for code in ("bag_for_another", "label_x"))
    found = await recognise_repeats(
        ask(),
        [
            sent("a", fault=for_another),
            sent("a", epoch=2),
            sent("a", epoch=2, fault=for_another),
            sent("b", epoch=3),
            sent("c", done_by="another"),
            BagVerdict(bag=BAG, fault=mislabelled),
            sent("new"),
            sent("new", fault=for_another),
        ],
        look=engine.look,
    )
    assert words(found) == [
        (EngineWord.DONE, None),
        (EngineWord.DONE, None),
        (EngineWord.DONE, None),
        (EngineWord.REFUSED, "unit_not_cleared"),
        (None, "idempotency_key_reused"),
        (None, "label_x"),
        (EngineWord.AWAITED, None),
        (None, "bag_for_another"),
    ]
    assert engine.looks == 1
