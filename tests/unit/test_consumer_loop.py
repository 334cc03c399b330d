"""The consumer loop: what it hands over, when it acknowledges, and what happens on a fault."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from models.errors import DomainRefusal, InvariantViolation, TransientError
from streams.agents.consumer_loop import AHEAD_BYTES, ConsumerLoop, LoopDependencies
from streams.agents.worker import STUCK_S, Readiness
from streams.ports import Received, Record, Unreadable
from tests.support.consumer_loop import FakeStream, RecordingHandler, RecordingRelay
from tests.support.kafka import wait_until


class Bench:
    """One loop with everything around it recorded."""

    def __init__(self, *, batch_max: int = 4) -> None:
        self.journal: list[str] = []
        self.stream = FakeStream(self.journal)
        self.handler = RecordingHandler(self.journal)
        self.relay = RecordingRelay(self.journal)
        self.reports: list[str | None] = []
        self.current: set[int] = {1}
        self.loop = ConsumerLoop(
            name="answers",
            handler=self.handler,
            deps=LoopDependencies(
                relay=self.relay,
                batch_max=batch_max,
                report=lambda _, reason: self.reports.append(reason),
            ),
            is_current=lambda message: message.generation_id in self.current,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.loop.run(self.stream))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])

    def acked(self) -> list[int]:
        return [int(entry.split()[1]) for entry in self.journal if entry.startswith("ack")]


async def test_commit_then_acknowledge_in_order_then_wake() -> None:
    bench = Bench()
    bench.stream.put_all(range(3))
    async with bench.running():
        await wait_until(lambda: bench.relay.woken)
    assert bench.journal == [
        "begin 0,1,2",
        "commit 0,1,2",
        "ack 0",
        "ack 1",
        "ack 2",
        "wake 5",
    ]


async def test_long_records_are_decided_a_few_at_a_time_and_in_order() -> None:
    bench = Bench(batch_max=64)
    long = b"x" * (AHEAD_BYTES * 2 // 5)  # three of them are more than may wait decoded
    bench.handler.hold = asyncio.Event()
    async with bench.running():
        for offset in range(12):
            bench.stream.put(offset, value=long)
        await wait_until(lambda: bool(bench.journal))
        bench.handler.hold.set()
        await wait_until(lambda: bench.acked() == list(range(12)))
    begun = [entry.removeprefix("begin ") for entry in bench.journal if entry.startswith("begin")]
    sizes = [len(offsets.split(",")) for offsets in begun]
    assert max(sizes) == 3
    assert sum(sizes) == 12


async def test_one_event_is_decided_alone_and_at_once_and_the_rest_together() -> None:
    bench = Bench(batch_max=4)
    bench.handler.hold = asyncio.Event()
    async with bench.running():
        bench.stream.put(0)
        await wait_until(lambda: bench.journal == ["begin 0"])
        bench.stream.put_all(range(1, 8))
        await asyncio.sleep(0.05)
        assert bench.journal == ["begin 0"]  # one transaction at a time
        bench.handler.hold.set()
        await wait_until(lambda: bench.acked() == list(range(8)))
    begun = [entry for entry in bench.journal if entry.startswith("begin")]
    assert begun[0] == "begin 0"
    assert begun[1] == "begin 1,2,3,4"
    assert max(len(entry.split(",")) for entry in begun) == 4


async def test_a_dependency_away_is_waited_out_in_place() -> None:
    bench = Bench()
    bench.handler.fail_with([TransientError("postgres_away"), TransientError("postgres_away")])
    bench.stream.put_all(range(2))
    async with bench.running():
        await wait_until(lambda: bench.relay.woken)
    assert bench.journal[:3] == ["begin 0,1", "begin 0,1", "begin 0,1"]
    assert bench.acked() == [0, 1]
    assert bench.reports == ["postgres_away", "postgres_away", None]


async def test_nothing_is_acknowledged_while_a_dependency_is_away() -> None:
    bench = Bench()
    bench.handler.fail_with([TransientError("postgres_away")] * 1000)
    bench.stream.put_all(range(2))
    async with bench.running() as task:
        await wait_until(lambda: len(bench.reports) >= 3)
        assert not task.done()
    assert bench.acked() == []


@pytest.mark.parametrize("error", [ValueError("bug"), InvariantViolation("x"), DomainRefusal("y")])
async def test_the_record_that_breaks_us_is_named_and_never_acknowledged(
    error: Exception,
) -> None:
    bench = Bench()
    bench.handler.break_on(2, error)
    bench.stream.put_all(range(4))
    async with bench.running() as task:
        await asyncio.wait([task], timeout=5)
        with pytest.raises(InvariantViolation, match="offset=2, event_id=event-2") as caught:
            task.result()
    assert caught.value.__cause__ is error
    assert bench.acked() == [0, 1]
    assert "begin 0,1,2,3" in bench.journal


async def test_a_batch_that_only_broke_together_goes_on_one_by_one() -> None:
    bench = Bench()
    bench.handler.fail_with([RuntimeError("two of one batch collided")])
    bench.stream.put_all(range(3))
    async with bench.running() as task:
        await wait_until(lambda: bench.acked() == [0, 1, 2])
        assert not task.done()
    assert bench.journal[0] == "begin 0,1,2"


async def test_records_of_revoked_partitions_are_let_go_unacknowledged() -> None:
    bench = Bench()
    bench.handler.hold = asyncio.Event()
    async with bench.running():
        bench.stream.put(0)
        await wait_until(lambda: bench.journal == ["begin 0"])
        bench.stream.put_all(range(1, 4))
        await asyncio.sleep(0.02)
        bench.current = {2}
        bench.stream.put(9, generation=2)
        bench.handler.hold.set()
        await wait_until(lambda: 9 in bench.acked())
    # What was in its transaction when the partition went is done, and says so.
    assert bench.acked() == [0, 9]


async def test_a_retry_lets_go_of_what_was_revoked_meanwhile() -> None:
    bench = Bench()
    bench.handler.fail_with([TransientError("postgres_away")])
    bench.stream.put_all([0, 1])
    bench.stream.put(2, generation=7)
    bench.current = {1, 7}

    def lose_first_generation(_: Sequence[Record]) -> None:
        bench.current = {7}

    bench.handler.on_begin = lose_first_generation
    async with bench.running():
        await wait_until(lambda: bench.acked() == [2])
    assert [entry for entry in bench.journal if entry.startswith("begin")] == [
        "begin 0,1,2",
        "begin 2",
    ]


async def test_an_agent_that_lost_all_it_waited_for_is_ready_again() -> None:
    """The outage was over for it with its partitions: nothing would report the end of it later."""
    bench = Bench()
    bench.handler.fail_with([TransientError("postgres_away")])
    bench.stream.put_all(range(2))

    def lose_all(_: Sequence[Record]) -> None:
        bench.current = set()

    bench.handler.on_begin = lose_all
    async with bench.running():
        await wait_until(lambda: len(bench.reports) >= 2)
    assert bench.acked() == []
    assert bench.reports == ["postgres_away", None]


async def test_finish_lets_the_transaction_in_flight_end_and_takes_no_other() -> None:
    bench = Bench(batch_max=1)
    bench.handler.hold = asyncio.Event()
    async with bench.running():
        bench.stream.put_all(range(3))
        await wait_until(lambda: bench.journal == ["begin 0"])
        finishing = asyncio.create_task(bench.loop.finish())
        await asyncio.sleep(0.02)
        assert not finishing.done()
        bench.handler.hold.set()
        await asyncio.wait_for(finishing, 2)
        await asyncio.sleep(0.05)
    assert bench.acked() == [0]
    assert [entry for entry in bench.journal if entry.startswith("begin")] == ["begin 0"]


async def test_finish_ends_a_retry_without_acknowledging() -> None:
    bench = Bench()
    bench.handler.fail_with([TransientError("postgres_away")] * 1000)
    bench.stream.put(0)
    async with bench.running():
        await wait_until(lambda: len(bench.reports) >= 2)
        await asyncio.wait_for(bench.loop.finish(), 1)
        await asyncio.sleep(0.05)
    assert bench.acked() == []


async def test_cancelled_in_the_middle_acknowledges_nothing() -> None:
    bench = Bench()
    bench.handler.hold = asyncio.Event()
    bench.stream.put(0)
    async with bench.running():
        await wait_until(lambda: bench.journal == ["begin 0"])
    assert bench.journal == ["begin 0"]


async def test_the_unreadable_reach_the_handler_in_their_place() -> None:
    bench = Bench()
    seen: list[type[Record]] = []
    bench.handler.on_begin = lambda batch: seen.extend(type(record) for record in batch)
    bench.stream.put(0)
    bench.stream.put(1, value=b"not json")
    bench.stream.put(2)
    async with bench.running():
        await wait_until(lambda: bench.acked() == [0, 1, 2])
    assert seen == [Received, Unreadable, Received]


async def test_a_batch_in_flight_has_an_age_and_an_old_one_is_not_ready() -> None:
    bench = Bench()
    readiness = Readiness()
    readiness.watch("answers", bench.loop.in_flight_s)
    now = 100.0
    bench.loop._monotonic = lambda: now
    bench.handler.hold = asyncio.Event()
    async with bench.running():
        bench.stream.put(0)
        await wait_until(lambda: bench.journal == ["begin 0"])
        assert not readiness.reasons
        now += STUCK_S + 1
        assert readiness.reasons == {"answers": "a record is in flight for 16 s"}
        bench.handler.hold.set()
        await wait_until(lambda: bench.acked() == [0])
        await wait_until(lambda: not readiness.reasons)
    assert bench.loop.in_flight_s() == 0
