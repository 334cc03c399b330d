"""Clocks: the wall clock, and for drills a clock that runs faster from a chosen instant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from models.errors import ConfigurationError

_SCALED = re.compile(r"^scaled:(?P<start>[^@]+)@(?P<speed>[0-9.]+)x(?P<real_start>.+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemClock:
    """The wall clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the one place that reads the wall clock

    def real_s_until(self, instant: datetime) -> float:
        return max(0.0, (instant - self.now()).total_seconds())


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledClock:
    """Simulated time that stood at `start` when the wall clock stood at `real_start`.

    Attributes:
        speed: Simulated seconds per real second, above 0.
    """

    start: datetime
    real_start: datetime
    speed: float
    wall: SystemClock = SystemClock()

    def now(self) -> datetime:
        return self.start + (self.wall.now() - self.real_start) * self.speed

    def real_s_until(self, instant: datetime) -> float:
        return max(0.0, (instant - self.now()).total_seconds() / self.speed)

    def __str__(self) -> str:
        return f"scaled:{self.start.isoformat()}@{self.speed}x{self.real_start.isoformat()}"


def parse_clock(text: str) -> SystemClock | ScaledClock:
    """Read the `clock` setting.

    Raises:
        ConfigurationError: `clock_invalid`: the text is neither `system` nor
            `scaled:<ISO instant>@<speed>x<ISO real start>`.
    """
    if text == "system":
        return SystemClock()
    found = _SCALED.match(text)
    if not found:
        raise ConfigurationError("clock_invalid", found=text)
    try:
        start = datetime.fromisoformat(found["start"])
        real_start = datetime.fromisoformat(found["real_start"])
        speed = float(found["speed"])
        # An overflow must show here, not in the middle of a drill.
        _ = start + timedelta(days=366)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError("clock_invalid", found=text) from error
    if speed <= 0 or start.tzinfo is None or real_start.tzinfo is None:
        raise ConfigurationError("clock_invalid", found=text)
    return ScaledClock(start=start, real_start=real_start, speed=speed)
