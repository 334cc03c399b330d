"""A worker is nothing without its relay, timers and tail: when one ends, the process ends."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from models.errors import InvariantViolation
from streams.bootstrap import _last


async def test_f24_a_part_that_returns_before_it_is_asked_ends_the_process() -> None:
    async def relay() -> None:
        return

    with (
        structlog.testing.capture_logs() as logs,
        pytest.raises(InvariantViolation, match="process_part_ended") as caught,
    ):
        await _last("relay", relay(), asyncio.Event())
    assert caught.value.params == {"part": "relay"}
    assert [(line["event"], line["part"]) for line in logs] == [("process_part_ended", "relay")]


async def test_f24_a_part_that_dies_is_named_and_its_cause_goes_on() -> None:
    async def timers() -> None:
        raise KeyError("station_id")

    with structlog.testing.capture_logs() as logs, pytest.raises(KeyError):
        await _last("timers", timers(), asyncio.Event())
    assert [(line["event"], line["part"]) for line in logs] == [("process_part_died", "timers")]


async def test_f24_a_part_that_was_asked_to_end_is_no_fault() -> None:
    stop = asyncio.Event()
    stop.set()

    async def directory() -> None:
        await stop.wait()

    with structlog.testing.capture_logs() as logs:
        await _last("directory", directory(), stop)
    assert logs == []
