"""Timers: something to do at an instant, kept as a row, and where they are kept.

What each kind does stands in `streams.composition`; a kind that sets itself again is started by
`streams.bootstrap`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class TimerKind(StrEnum):
    HOLD_LAPSE = "hold_lapse"
    HOLD_PAST = "hold_past"
    REQUEST_EXPIRY = "request_expiry"
    UNIT_EXPIRY = "unit_expiry"
    SHORTAGE_ASSESSMENT = "shortage_assessment"
    REMATCH = "rematch"
    WAITING_SWEEP = "waiting_sweep"
    CALL_WAVE = "call_wave"
    NO_SHOW = "no_show"
    FEED_RETENTION = "feed_retention"
    AUDIT_SEAL = "audit_seal"
    STOCK_DAY = "stock_day"
    EXERCISE_END = "exercise_end"
    DONORS_CHANGED = "donors_changed"
    PATIENT_CHANGED = "patient_changed"
    UNIT_HOLD_END = "unit_hold_end"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timer:
    """Something to do at an instant. Scheduling the same kind and subject again moves it."""

    kind: TimerKind
    subject: str
    due_at: datetime

    @property
    def timer_id(self) -> str:
        return f"{self.kind}:{self.subject}"


class TimerStore(Protocol):
    async def claim_due(
        self, now: datetime, *, besides: Collection[str] = (), only: str | None = None
    ) -> Timer | None:
        """Take and delete the longest due timer that no other transaction is firing.

        Args:
            now: Aware UTC instant.
            besides: Identifiers of timers that are left for later.
            only: Identifier of the one timer that is asked for.
        """
        ...

    async def find_next_due_at(self) -> datetime | None: ...

    async def drop(self, kind: TimerKind, subject: str) -> None: ...

    async def put_off(self, timer: Timer, *, until: datetime) -> None:
        """Make a scheduled timer due no earlier than this."""
        ...

    async def drop_due(self, kind: TimerKind, station_id: str, *, now: datetime) -> None:
        """Drop the due timers of a station, whoever set them and for whichever instant."""
        ...
