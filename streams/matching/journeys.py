"""The journey to a hospital or station as the safety kernel asks about it.

Pure. A journey keeps the temperature of what it carries, in a validated box, and has no agitator:
what the directory does not record is taken as every station has it. To be confirmed by the station.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from models.clearance import Route
from models.directory import Journey
from models.facilities import Hospital


def to_hospital(hospital: Hospital, journey: Journey, *, now: datetime) -> Route:
    """Return the route of what leaves now for a hospital, with what the hospital can do."""
    return Route(
        arrival_at=now + timedelta(seconds=journey.eta_s),
        transport_s=journey.eta_s,
        temperature_kept=True,
        agitated=False,
        can_thaw=hospital.can_thaw,
        unusable=hospital.cannot_use,
    )


def to_station(eta_s: int, *, now: datetime) -> Route:
    """Return the route of what leaves now for another station; stations keep everything."""
    return Route(
        arrival_at=now + timedelta(seconds=eta_s),
        transport_s=eta_s,
        temperature_kept=True,
        agitated=False,
        can_thaw=True,
    )
