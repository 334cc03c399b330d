"""Schedule when a station is assessed after a decision on a request.

A decision sets a timer in its own transaction; the supply side runs the assessment. The timer is
due at an instant of a grid: however many requests a station decides, it is assessed once per step
of the grid, and a steady stream does not put it off. A row that is due later is never being fired,
so an urgent decision waits for no assessment.
"""

from __future__ import annotations

from datetime import UTC, datetime

from models.decisions import Decision
from streams.ports import Timer, TimerKind, UnitOfWork

LACKING_EVERY_S = 1
"""A patient waits for units that stock did not cover: donors and neighbours are asked this soon."""

COVERED_EVERY_S = 60
"""Nobody waits, but the shelf has become emptier: the station is assessed this soon."""

SURGING_EVERY_S = 1800
"""A place is short by what went in the last hours: it is looked at again when they are over."""

AT = "@"
"""Separates the station from what follows; no identifier contains it."""


def find_assessment(decision: Decision, *, now: datetime) -> Timer:
    """Return the timer that a decision sets for its station."""
    every_s = LACKING_EVERY_S if is_lacking(decision) else COVERED_EVERY_S
    return _build_timer(decision.station_id, now, every_s=every_s)


def assess_now(work: UnitOfWork, station_id: str) -> None:
    """Schedule an assessment of a station for as soon as this transaction has committed."""
    now = work.context.now
    work.schedule(Timer(kind=TimerKind.SHORTAGE_ASSESSMENT, subject=station_id, due_at=now))


def assess_later(work: UnitOfWork, station_id: str) -> None:
    """Schedule an assessment of a station whose shelf was used fast, for when that may be over."""
    work.schedule(_build_timer(station_id, work.context.now, every_s=SURGING_EVERY_S))


def is_lacking(decision: Decision) -> bool:
    """Return whether a patient waits for something that stock did not cover."""
    return any(line.uncovered for line in decision.lines)


def find_station(subject: str) -> str:
    """Return the station that the subject of an assessment or a rematch is about."""
    return subject.partition(AT)[0]


def _build_timer(station_id: str, now: datetime, *, every_s: int) -> Timer:
    due_at = _next_step(now, every_s=every_s)
    subject = f"{station_id}{AT}{due_at:%Y%m%dT%H%M%S}"
    return Timer(kind=TimerKind.SHORTAGE_ASSESSMENT, subject=subject, due_at=due_at)


def _next_step(now: datetime, *, every_s: int) -> datetime:
    """Return the next instant of the grid, strictly after now."""
    passed = int(now.timestamp()) // every_s
    return datetime.fromtimestamp((passed + 1) * every_s, UTC)
