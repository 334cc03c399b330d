"""Percentiles of samples, and the open loop that makes calls at fixed beats."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Latencies of one measurement, milliseconds; nearest-rank percentiles."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


def summarise(samples_s: Sequence[float]) -> Summary:
    """Summarise samples given in seconds.

    Raises:
        ValueError: There are no samples: a measurement without samples is a failure, not a zero.
    """
    if not samples_s:
        raise ValueError("no samples")
    ordered = sorted(samples_s)

    def at(share: float) -> float:
        return ordered[max(0, ceil(share * len(ordered)) - 1)] * 1000

    return Summary(
        count=len(ordered), p50_ms=at(0.5), p90_ms=at(0.9), p99_ms=at(0.99), max_ms=at(1.0)
    )


async def open_loop(
    *, rate_hz: float, seconds: float, call: Callable[[int, float], Coroutine[Any, Any, None]]
) -> None:
    """Call at fixed beats whether or not earlier calls have ended.

    Args:
        rate_hz: Beats per second.
        seconds: How long to beat.
        call: Gets its number and the instant (perf_counter) at which its beat was due. Latency
            counts from that instant, so that the delay of a late beat is included.
    """
    start = time.perf_counter() + 0.05
    async with asyncio.TaskGroup() as group:
        for number in range(round(rate_hz * seconds)):
            due = start + number / rate_hz
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(call(number, due))
