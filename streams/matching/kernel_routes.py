"""Build the route to a hospital or station by which the safety kernel decides.

Pure. The directory does not record how units are carried: every journey is taken to keep the
temperature, in a validated box, and to have no agitator. The station has to confirm this.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from models.clearance import Route
from models.directory import Journey
from models.facilities import Hospital


def to_hospital(hospital: Hospital, journey: Journey, *, now: datetime) -> Route:
    """Return the route of a unit that leaves now for a hospital, with what the hospital can do."""
    return Route(
        arrival_at=now + timedelta(seconds=journey.eta_s),
        transport_s=journey.eta_s,
        temperature_kept=True,
        agitated=False,
        can_thaw=hospital.can_thaw,
        unusable=hospital.cannot_use,
    )


def to_station(eta_s: int, *, now: datetime) -> Route:
    """Return the route of a unit that leaves now for another station, which can keep any unit."""
    return Route(
        arrival_at=now + timedelta(seconds=eta_s),
        transport_s=eta_s,
        temperature_kept=True,
        agitated=False,
        can_thaw=True,
    )
