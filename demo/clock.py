"""Simulated time, as every party of a drill keeps it; the system is told it by its setting."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillClock:
    """Simulated time that stood at `start` when the wall clock stood at `real_start`.

    Attributes:
        speed: Simulated seconds per real second, above 0.
    """

    start: datetime
    real_start: datetime
    speed: float

    def now(self) -> datetime:
        return self.start + (datetime.now(UTC) - self.real_start) * self.speed

    def real_s_until(self, instant: datetime) -> float:
        return max(0.0, (instant - self.now()).total_seconds() / self.speed)

    def __str__(self) -> str:
        """Write it as the setting `XUELIAN_CLOCK`."""
        return f"scaled:{self.start.isoformat()}@{self.speed}x{self.real_start.isoformat()}"
