"""The committable offset against a model that remembers everything."""

from __future__ import annotations

import time
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.kafka.offsets import OffsetLedger

Step = tuple[Literal["deliver", "ack", "commit"], int]


class NaiveLedger:
    """Says by search, over all there ever was, what the ledger says by bookkeeping."""

    def __init__(self, committed: int | None) -> None:
        self.committed = committed
        self.delivered: set[int] = set()
        self.open: set[int] = set()

    def committable(self) -> int | None:
        if not self.delivered:
            return None
        safe = min(self.open) if self.open else max(self.delivered) + 1
        return safe if self.committed is None or safe > self.committed else None


@st.composite
def histories(draw: st.DrawFn) -> tuple[int | None, list[Step]]:
    """Deliveries with gaps and repeats, acknowledgements in any order, of anything, at any time."""
    committed = draw(st.none() | st.integers(0, 40))
    steps: list[Step] = []
    position = committed or 0
    for _ in range(draw(st.integers(0, 60))):
        kind = draw(st.sampled_from(["deliver", "deliver", "again", "ack", "ack", "commit"]))
        match kind:
            case "deliver":
                position += draw(st.sampled_from([0, 0, 0, 1, 7]))
                steps.append(("deliver", position))
                position += 1
            case "again":
                steps.append(("deliver", draw(st.integers(0, position))))
            case "ack":
                steps.append(("ack", draw(st.integers(0, position))))
            case _:
                steps.append(("commit", 0))
    return committed, steps


@settings(max_examples=400, deadline=None)
@given(histories())
def test_agrees_with_the_naive_model(history: tuple[int | None, list[Step]]) -> None:
    committed, steps = history
    ledger, naive = OffsetLedger(committed=committed), NaiveLedger(committed)
    for kind, offset in steps:
        match kind:
            case "deliver":
                ledger.deliver(offset)
                naive.delivered.add(offset)
                naive.open.add(offset)
            case "ack":
                assert ledger.acknowledge(offset) is (offset in naive.open)
                naive.open.discard(offset)
            case "commit":
                found = ledger.find_committable()
                if found is not None:
                    ledger.mark_committed(found)
                    naive.committed = found
        found = ledger.find_committable()
        assert found == naive.committable()
        assert len(ledger._open) == len(naive.open)
        # The promise itself, said without a model: nothing open lies below what may be committed.
        assert found is None or all(still_open >= found for still_open in naive.open)


def test_nothing_is_committable_before_the_first_record_is_done() -> None:
    ledger = OffsetLedger()
    ledger.deliver(0)
    ledger.deliver(1)
    ledger.acknowledge(1)
    assert ledger.find_committable() == 0
    ledger.mark_committed(0)
    assert ledger.find_committable() is None


def test_the_record_at_the_committed_offset_holds_the_commit() -> None:
    ledger = OffsetLedger(committed=5)
    for offset in (5, 6, 7):
        ledger.deliver(offset)
    ledger.acknowledge(6)
    ledger.acknowledge(7)
    assert ledger.find_committable() is None
    ledger.acknowledge(5)
    assert ledger.find_committable() == 8


def test_a_gap_is_stepped_over_but_not_the_record_behind_it() -> None:
    ledger = OffsetLedger(committed=3)
    ledger.deliver(3)
    ledger.deliver(9)
    ledger.acknowledge(3)
    assert ledger.find_committable() == 9
    ledger.acknowledge(9)
    assert ledger.find_committable() == 10


def test_a_record_that_blocks_a_long_backlog_costs_no_search() -> None:
    """200,000 records behind one open record, asked at each: minutes if any call were linear."""
    ledger = OffsetLedger(committed=0)
    started = time.perf_counter()
    for offset in range(200_000):
        ledger.deliver(offset)
    for offset in range(1, 200_000):
        ledger.acknowledge(offset)
        assert ledger.find_committable() is None
    ledger.acknowledge(0)
    assert ledger.find_committable() == 200_000
    assert time.perf_counter() - started < 10
