"""Reads what the engine answered to scans: for repeats under a key, and for callers that wait.

The engine judges a scan after it is in the log, and may refuse what was accepted here: the safety
kernel may refuse it, or a recall or another person's scan may have come first. Reads only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

import structlog

from gateway.intake.submissions import Submission
from gateway.scans.batch import BagVerdict, EngineWord, Fault, ScanBatch
from models.errors import TransientError
from models.topics import AppName
from streams.store.read_models.pages import EventFate, EventName

Look = Callable[[Sequence[EventName]], Awaitable[Mapping[EventName, EventFate]]]

log = structlog.get_logger(__name__)

FIRST_LOOK_S = 0.03
"""The time that the engine usually needs."""

MOST_LOOK_S = 0.5

_MOVED_ON = frozenset({"unit_state_forbids", "unit_not_here", "unit_expired"})
"""Faults that the first call may itself have caused; under its key they are a sign of a repeat."""


async def recognise_repeats(
    asked: ScanBatch, verdicts: Sequence[BagVerdict], *, look: Look
) -> list[BagVerdict]:
    """Answer a repeat under a key as the first time, even if the unit has changed state since."""
    names = {
        verdict.event_id: _name(asked, verdict.event_id) for verdict in verdicts if verdict.event_id
    }
    if not names:
        return list(verdicts)
    fates = await look(list(names.values()))
    return [
        _repeat(verdict, fates.get(names[verdict.event_id])) if verdict.event_id else verdict
        for verdict in verdicts
    ]


async def await_engine(
    asked: ScanBatch, verdicts: Sequence[BagVerdict], *, look: Look, monotonic: Callable[[], float]
) -> list[BagVerdict]:
    """Look until the engine has judged every published bag, or the caller's waiting time ends.

    A bag that it has not judged by then stays `awaited`, as all bags do while PostgreSQL is away.

    Args:
        asked: Says how long to wait.
        verdicts: The verdicts of the bags, after their submissions were published.
        look: Finds what became of events; events that were not taken in yet are missing.
        monotonic: Real seconds.
    """
    ends_at = monotonic() + asked.wait_s
    pause_s = FIRST_LOOK_S
    judged = list(verdicts)
    while (left_s := ends_at - monotonic()) > 0 and _list_awaited(judged):
        await asyncio.sleep(min(pause_s, left_s))
        pause_s = min(2 * pause_s, MOST_LOOK_S)
        names = {event_id: _name(asked, event_id) for event_id in _list_awaited(judged)}
        try:
            fates = await look(list(names.values()))
        except TransientError as error:
            log.warning("scans_not_looked_up", scans=len(names), error=repr(error))
            return judged
        judged = [
            _judge_fate(verdict, fates.get(names[verdict.event_id]))
            if verdict.event_id is not None and verdict.engine is EngineWord.AWAITED
            else verdict
            for verdict in judged
        ]
    return judged


def _list_awaited(verdicts: Sequence[BagVerdict]) -> list[str]:
    return [
        verdict.event_id
        for verdict in verdicts
        if verdict.event_id and verdict.engine is EngineWord.AWAITED
    ]


def _name(asked: ScanBatch, event_id: str) -> EventName:
    return EventName(
        reader=AppName.SUPPLY, source=asked.source, event_id=event_id, request_id=event_id
    )


def _repeat(verdict: BagVerdict, fate: EventFate | None) -> BagVerdict:
    """Give the earlier answer again; a bag whose label differs from the record stays refused."""
    if verdict.fault is not None and verdict.fault.code not in _MOVED_ON:
        return verdict
    if fate is not None and verdict.fault is not None:
        # The unit has changed state, so the event that would be made now differs from the first.
        verdict = replace(verdict, submission=None)
    return _judge_fate(verdict, fate)


def _judge_fate(verdict: BagVerdict, fate: EventFate | None) -> BagVerdict:
    """Put the engine's answer, if there is one, into the verdict if it is about this content."""
    if fate is None:
        return verdict
    if fate.code is not None:
        fault = Fault(fate.code, fate.params or {})
        return replace(verdict, submission=None, fault=fault, engine=EngineWord.REFUSED)
    if verdict.submission is not None and not _is_same(verdict.submission, fate):
        fault = Fault("idempotency_key_reused", {})
        return replace(verdict, submission=None, fault=fault, engine=None)
    return replace(verdict, submission=None, fault=None, engine=EngineWord.DONE)


def _is_same(submission: Submission, fate: EventFate) -> bool:
    return sha256(submission.data).hexdigest() == fate.digest
