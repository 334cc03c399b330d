"""Recognises scans that were sent before under their key, and puts the engine's answers to bags.

The engine judges a scan after it is in the log: a step that the unit's state does not allow, an
expired unit, a recall, another person's scan that came first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256

from gateway.scans.batch import BagVerdict, EngineWord, Fault, ScanBatch
from models.events.stock import StockChanged
from models.topics import AppName
from streams.store.read_models.pages import EventFate, EventName

Look = Callable[[Sequence[EventName]], Awaitable[Mapping[EventName, EventFate]]]

REUSED = "idempotency_key_reused"


async def recognise_repeats(
    batch: ScanBatch, verdicts: Sequence[BagVerdict], *, look: Look
) -> list[BagVerdict]:
    """Answer a repeat under a key as the first time, whatever became of the unit since."""
    names = {
        verdict.event_id: EventName(
            reader=AppName.SUPPLY,
            source=batch.caller.source,
            event_id=verdict.event_id,
            request_id=verdict.event_id,
        )
        for verdict in verdicts
        if verdict.event_id
    }
    fates = await look(list(names.values())) if names else {}
    return [
        _repeat(verdict, verdict.event, fates.get(names[verdict.event_id]))
        if verdict.event and verdict.event_id
        else verdict
        for verdict in verdicts
    ]


def _repeat(verdict: BagVerdict, event: StockChanged, fate: EventFate | None) -> BagVerdict:
    if fate is not None and not _is_same(event, fate):
        return replace(verdict, fault=Fault(REUSED, {}), engine=None)
    return apply_fate(verdict, fate)


def _is_same(event: StockChanged, fate: EventFate) -> bool:
    """Return whether an event is what was sent first.

    The unit may have been promised anew since.
    """
    epochs = range(event.epoch, 0, -1) if event.epoch else (None,)
    bodies = (event.but(epoch=epoch).to_body() for epoch in epochs)
    return any(sha256(body).hexdigest() == fate.digest for body in bodies)


def apply_fate(verdict: BagVerdict, fate: EventFate | None) -> BagVerdict:
    """Put the engine's answer into the verdict, if there is one."""
    if fate is None:
        return verdict
    if fate.code is None:
        return replace(verdict, fault=None, engine=EngineWord.DONE)
    # What was sent under a used key by another process at the same time is not the engine's word.
    engine = None if fate.code == REUSED else EngineWord.REFUSED
    return replace(verdict, fault=Fault(fate.code, fate.params or {}), engine=engine)
