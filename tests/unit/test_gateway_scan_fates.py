"""Waiting for the engine's word on scans: what comes, what does not come in time, what is away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from gateway.intake.submissions import Submission
from gateway.labels.actions import ScanAction, Scanner
from gateway.labels.bags import Bag
from gateway.scans.batch import BagVerdict, EngineWord, Fault, ScanBatch
from gateway.scans.fates import await_engine, recognise_repeats
from models.errors import TransientError
from models.events.stock import StockChange, StockChanged
from models.unit_states import Actor
from streams.store.read_models.pages import EventFate, EventName

NOW = datetime(2025, 1, 7, tzinfo=UTC)
BAG = Bag(lines=(1,), label=None, fault=None)


class Engine:
    """Tells fates by event id, from some look on; takes no time but what is waited for."""

    def __init__(
        self, fates: Mapping[str, EventFate], *, from_look: int = 1, fails: bool = False
    ) -> None:
        self.looks = 0
        self._fates = fates
        self._from_look = from_look
        self._fails = fails

    async def look(self, names: Sequence[EventName]) -> dict[EventName, EventFate]:
        self.looks += 1
        if self._fails:
            raise TransientError("postgres_away")
        if self.looks < self._from_look:
            return {}
        return {name: self._fates[name.event_id] for name in names if name.event_id in self._fates}

    def monotonic(self) -> float:
        """Half a second passes with each look."""
        return self.looks / 2


def ask(*, wait_s: int = 1) -> ScanBatch:
    scanner = Scanner(actor=Actor.STATION, facility_id="shigatse", station_id="shigatse")
    return ScanBatch(
        scanner=scanner, action=ScanAction.ISSUE, lines=(), scanned_at=NOW, wait_s=wait_s, key="k"
    )


def submit(event_id: str, *, epoch: int = 1) -> Submission:
    event = StockChanged(
        station_id="shigatse",
        unit_id=f"unit-{event_id}",
        change=StockChange.ISSUED,
        happened_at=NOW,
        epoch=epoch,
    )
    return Submission(event=event, event_id=event_id, source="station/shigatse", time=NOW)


def sent(event_id: str, *, epoch: int = 1, fault: Fault | None = None) -> BagVerdict:
    return BagVerdict(
        bag=BAG,
        event_id=event_id,
        submission=submit(event_id, epoch=epoch),
        fault=fault,
        engine=EngineWord.AWAITED,
    )


def fate(event_id: str, *, code: str | None = None) -> EventFate:
    digest = sha256(submit(event_id).data).hexdigest()
    return EventFate(
        digest=digest, taken_at=NOW, code=code, params={"x": 1}, status=None, decision=None
    )


async def words(
    engine: Engine, *verdicts: BagVerdict
) -> list[tuple[EngineWord | None, str | None]]:
    found = await await_engine(ask(), verdicts, look=engine.look, monotonic=engine.monotonic)
    return [(one.engine, one.fault.code if one.fault else None) for one in found]


async def test_each_bag_gets_its_own_word() -> None:
    engine = Engine({"a": fate("a"), "b": fate("b", code="unit_not_cleared")})
    unread = BagVerdict(bag=BAG, fault=Fault("bag_incomplete", {}))
    assert await words(engine, sent("a"), unread, sent("b"), sent("c")) == [
        (EngineWord.DONE, None),
        (None, "bag_incomplete"),
        (EngineWord.REFUSED, "unit_not_cleared"),
        (EngineWord.AWAITED, None),
    ]
    assert engine.looks == 2


async def test_it_ends_with_the_last_word() -> None:
    engine = Engine({"a": fate("a")}, from_look=2)
    assert await words(engine, sent("a")) == [(EngineWord.DONE, None)]
    assert engine.looks == 2
    nobody = Engine({})
    assert await words(nobody) == []
    assert nobody.looks == 0


async def test_away_is_not_refused() -> None:
    engine = Engine({"a": fate("a")}, fails=True)
    assert await words(engine, sent("a")) == [(EngineWord.AWAITED, None)]
    assert engine.looks == 1


async def test_what_is_kept_of_a_refused_scan_stays_refused() -> None:
    here = Fault("unit_expired", {"unit_id": "a"})
    engine = Engine({"a": fate("a", code="unit_state_forbids")})
    assert await words(engine, sent("a", fault=here), sent("b", fault=here)) == [
        (EngineWord.REFUSED, "unit_state_forbids"),
        (EngineWord.AWAITED, "unit_expired"),
    ]


async def test_a_word_about_something_else_is_none() -> None:
    engine = Engine({"a": fate("a")})
    assert await words(engine, sent("a", epoch=2)) == [(None, "idempotency_key_reused")]


async def test_a_repeat_is_answered_as_before_though_the_unit_moved_on() -> None:
    engine = Engine({"a": fate("a"), "b": fate("b", code="unit_not_cleared"), "c": fate("c")})
    moved_on, mislabelled = (Fault(code, {}) for code in ("unit_state_forbids", "label_x"))
    found = await recognise_repeats(
        ask(),
        [
            BagVerdict(bag=BAG, event_id="a", fault=moved_on),
            sent("a", epoch=2, fault=moved_on),
            sent("b", epoch=2),
            sent("c", epoch=2),
            BagVerdict(bag=BAG, event_id="a", fault=mislabelled),
            sent("new"),
        ],
        look=engine.look,
    )
    assert [(one.engine, one.fault.code if one.fault else None) for one in found] == [
        (EngineWord.DONE, None),
        (EngineWord.DONE, None),
        (EngineWord.REFUSED, "unit_not_cleared"),
        (None, "idempotency_key_reused"),
        (None, "label_x"),
        (EngineWord.AWAITED, None),
    ]
    assert [one.submission is not None for one in found] == [False] * 5 + [True]
