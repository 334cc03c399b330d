"""Runs a Faust app inside an event loop: starts it, stops it cleanly, ends the process on a bug.

Owns the life of one app and the report of its readiness. It uses the app's own services and not
Faust's command line, which would take over logging, signals and the loop.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType

import faust
import structlog

from models.errors import InvariantViolation, TransientError
from streams.agents.consumer_loop import ConsumerLoop, Reporter

log = structlog.get_logger(__name__)

_FINISH_S = 5.0
"""A transaction in flight gets this long to commit; after that it is abandoned unacknowledged."""

_STOP_S = 12.0
"""Time to leave the group with its last commit; longer than one bounded commit attempt."""

_LOOK_FIRST_S = 0.1
_LOOK_MOST_S = 2.0


STUCK_S = 15.0
"""A batch in flight for longer is stuck: a transaction takes milliseconds, the parts of a large
stock count a few seconds."""


class Readiness:
    """The reasons why a process is not ready, by part. Written and read on one event loop.

    Each change of state is logged once: when a part is no longer ready, and when it is again.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._reasons: dict[str, str] = {}
        self._since: dict[str, float] = {}
        self._ages: dict[str, Callable[[], float]] = {}
        self._monotonic = monotonic

    def report(self, part: str, reason: str | None, /) -> None:
        """Note why a part is not ready, or with None that it is."""
        if reason is not None:
            if part not in self._reasons:
                self._since[part] = self._monotonic()
                log.info("part_not_ready", part=part, reason=reason)
            self._reasons[part] = reason
        elif self._reasons.pop(part, None) is not None:
            after_s = round(self._monotonic() - self._since.pop(part), 1)
            log.info("part_ready_again", part=part, after_s=after_s)

    def watch(self, part: str, age_s: Callable[[], float], /) -> None:
        """Count a part as not ready while its batch in flight is older than `STUCK_S`."""
        self._ages[part] = age_s

    @property
    def reasons(self) -> Mapping[str, str]:
        ages = {part: age_s() for part, age_s in self._ages.items()}
        stuck = {
            part: f"a record is in flight for {age:.0f} s"
            for part, age in ages.items()
            if age > STUCK_S
        }
        return MappingProxyType({**stuck, **self._reasons})


@contextmanager
def stop_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` on SIGTERM and SIGINT while inside. Only from the main thread."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def wait_for_topics(
    check: Callable[[], Awaitable[object]], *, report: Reporter, stop: asyncio.Event
) -> None:
    """Call before `run_worker`: return once the topics are verified, or `stop` is set.

    Args:
        check: Verifies them once, as `check_topics` does.
        report: Called with the reason of the wait, and when the wait is over.
        stop: Ends the wait.

    Raises:
        ConfigurationError: A topic is missing or wrong; the worker must not start.
    """
    part, pause_s = "kafka:topics", 0.0
    while not stop.is_set():
        try:
            await check()
        except TransientError as error:
            pause_s = min(max(pause_s * 2, _LOOK_FIRST_S), _LOOK_MOST_S)
            report(part, str(error))
            log.warning("kafka_away", error=str(error), again_in_s=pause_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause_s)
        else:
            report(part, None)
            return


async def run_worker(
    app: faust.App, *, loops: Sequence[ConsumerLoop], report: Reporter, stop: asyncio.Event
) -> None:
    """Run an app until `stop` is set or something in it breaks.

    Returns once stopped cleanly: the transactions in flight are committed and acknowledged, their
    offsets committed, the group is left.

    Args:
        app: Made by `build_app` in this event loop, with its agents registered.
        loops: The loops of those agents.
        report: Called with why the app is not ready, and when it is; such as `Readiness.report`.
        stop: Ends the run.

    Raises:
        Exception: What broke the app. The caller must end the process with a non-zero code;
            records in flight are unacknowledged and will be read again.
    """
    part = f"kafka:{app.conf.id}"
    report(part, "joining the consumer group")
    listeners = _follow_assignment(app, report, part)
    try:
        await app.start()
        await _wait_for_end(app, stop)
    finally:
        report(part, "stopping")
        await _close(app, loops)
        del listeners
    if app.crashed:
        reason = app.crash_reason
        raise reason if reason is not None else InvariantViolation("app_crashed_without_reason")


def _follow_assignment(app: faust.App, report: Reporter, part: str) -> list[object]:
    """Report ready while partitions are settled. Faust holds weak references: keep the result."""

    async def on_settled(*_: object, **__: object) -> None:
        report(part, None)

    async def on_revoked(*_: object, **__: object) -> None:
        report(part, "partitions are being assigned again")

    app.on_rebalance_complete.connect(on_settled)
    app.on_partitions_revoked.connect(on_revoked)
    return [on_settled, on_revoked]


async def _wait_for_end(app: faust.App, stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(stop.wait())
        ended = group.create_task(app.wait_until_stopped())
        await asyncio.wait((asked, ended), return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        ended.cancel()


async def _close(app: faust.App, loops: Sequence[ConsumerLoop]) -> None:
    try:
        async with asyncio.timeout(_FINISH_S):
            for loop in loops:
                await loop.finish()
    except TimeoutError:
        log.warning("transaction_abandoned", limit_s=_FINISH_S)
    try:
        async with asyncio.timeout(_STOP_S):
            await app.stop()
    except TimeoutError:
        log.warning("app_stop_slow", limit_s=_STOP_S)
