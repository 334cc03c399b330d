"""What the engine said to scans: for repeats under one key, and for callers that wait for it.

The engine judges a scan after the log has it, and may refuse what was accepted here: the safety
kernel, a recall or another person's scan may have come between. Reads only.
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
"""The engine usually needs so long."""

MOST_LOOK_S = 0.5

_MOVED_ON = frozenset({"unit_state_forbids", "unit_not_here", "unit_expired"})
"""Faults that a first call may itself have brought about: under its key they are a repeat."""


async def recognise_repeats(
    asked: ScanBatch, verdicts: Sequence[BagVerdict], *, look: Look
) -> list[BagVerdict]:
    """A repeat under one key is answered as the first time, though the unit has moved on since."""
    names = {one.event_id: _name(asked, one.event_id) for one in verdicts if one.event_id}
    if not names:
        return list(verdicts)
    fates = await look(list(names.values()))
    return [
        _repeat(one, fates.get(names[one.event_id])) if one.event_id else one for one in verdicts
    ]


async def await_engine(
    asked: ScanBatch, verdicts: Sequence[BagVerdict], *, look: Look, monotonic: Callable[[], float]
) -> list[BagVerdict]:
    """Look until the engine has judged every bag of the log, or the caller's patience ends.

    What it has not judged by then stays `awaited`; so does everything while PostgreSQL is away.

    Args:
        asked: Says how long to wait.
        verdicts: Of the bags, once what is to be published was.
        look: Finds what became of events; those not taken in yet are missing.
        monotonic: Seconds.
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
            _judge_fate(one, fates.get(names[one.event_id]))
            if one.event_id is not None and one.engine is EngineWord.AWAITED
            else one
            for one in judged
        ]
    return judged


def _list_awaited(verdicts: Sequence[BagVerdict]) -> list[str]:
    return [one.event_id for one in verdicts if one.event_id and one.engine is EngineWord.AWAITED]


def _name(asked: ScanBatch, event_id: str) -> EventName:
    return EventName(
        reader=AppName.SUPPLY, source=asked.source, event_id=event_id, request_id=event_id
    )


def _repeat(verdict: BagVerdict, fate: EventFate | None) -> BagVerdict:
    """Answer what was answered before; a label that differs from the record stays refused."""
    if verdict.fault is not None and verdict.fault.code not in _MOVED_ON:
        return verdict
    if fate is not None and verdict.fault is not None:
        # The unit has moved on, so what would be sent now is not what was sent then.
        verdict = replace(verdict, submission=None)
    return _judge_fate(verdict, fate)


def _judge_fate(verdict: BagVerdict, fate: EventFate | None) -> BagVerdict:
    """Put in the engine's word, if it has spoken, and if it was about this."""
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
