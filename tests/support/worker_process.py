"""A real worker in a process of its own, with a handler that keeps a journal instead of a database.

Started as `python -m tests.support.worker_process BOOTSTRAP GROUP JOURNAL STATE DELAY_S BREAK_ON`.
Each batch is written to the journal and flushed before it counts as committed, as a transaction
would be; then the loop acknowledges. Prints `ready` once it has partitions. `BREAK_ON` is an event
id on which our code breaks.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from models.topics import TopicName
from streams.agents.app import build_app
from streams.agents.consumer_loop import LoopDependencies
from streams.agents.table import register
from streams.agents.worker import (
    Readiness,
    run_worker,
    stop_on_signals,
    wait_for_topics,
)
from streams.garbage_collection import settle_heap
from streams.kafka.topic_admin import check_topics
from streams.ports import Received, Record
from streams.settings import Settings
from tests.support.consumer_loop import RecordingRelay


class JournalHandler:
    """Appends `partition offset event_id` for each record; the line is on disk before it
    returns."""

    def __init__(self, *, journal: Path, delay_s: float, break_on: str) -> None:
        self._file = journal.open("ab", buffering=0)
        self._delay_s = delay_s
        self._break_on = break_on

    async def __call__(self, batch: Sequence[Record], /) -> frozenset[int]:
        await asyncio.sleep(self._delay_s)
        lines: list[str] = []
        for record in batch:
            event_id = record.envelope.id if isinstance(record, Received) else "unreadable"
            if event_id == self._break_on:
                raise ZeroDivisionError(event_id)
            lines.append(f"{record.partition} {record.offset} {event_id}\n")
        self._file.write("".join(lines).encode())
        os.fsync(self._file.fileno())
        return frozenset()


async def main(arguments: Sequence[str]) -> None:
    bootstrap, group, journal, state, delay_s, break_on = arguments
    readiness, stop = Readiness(), asyncio.Event()

    def report(part: str, reason: str | None, /) -> None:
        readiness.report(part, reason)
        if part == "kafka:topics":
            return  # the group is still to be joined
        sys.stdout.write(f"{dict(readiness.reasons) or 'ready'}\n")
        sys.stdout.flush()

    app = build_app(
        settings=Settings(kafka_bootstrap=bootstrap, state_dir=Path(state)), app_name=group
    )
    handler = JournalHandler(journal=Path(journal), delay_s=float(delay_s), break_on=break_on)
    deps = LoopDependencies(relay=RecordingRelay([]), batch_max=16, report=report)
    loop = register(app, TopicName.ANSWERS, handler=handler, deps=deps)
    with stop_on_signals(stop):
        await wait_for_topics(partial(check_topics, bootstrap, 1), report=report, stop=stop)
        settle_heap()
        await run_worker(app, loops=[loop], report=report, stop=stop)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
