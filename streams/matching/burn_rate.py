"""Estimate how fast a place of the shelf is used, and how long what it holds will last.

Pure and deterministic: no IO, no clock. A mean of days hides an emergency of hours, and an
emergency does not last for days: what went in the last hours is taken to go once more in as many
hours, and the mean holds from then on. What is missing is therefore no multiple of the worst hour.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.rules.types.shortages import BurnRule

HOURS_A_DAY = 24.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Surge:
    """Units that went in so many days, and are taken to go once more in as many."""

    units: int
    days: float

    @property
    def per_d(self) -> float:
        return self.units / self.days


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """The use of a place ahead.

    Attributes:
        mean_per_d: Units a day over the long window, or as the station usually issues them if more.
        surges: Short windows in which units went faster than that.
    """

    mean_per_d: float
    surges: tuple[Surge, ...] = ()

    @property
    def fastest_per_d(self) -> float:
        """Return the greatest rate of all windows, in units a day."""
        return max([self.mean_per_d, *(surge.per_d for surge in self.surges)])

    def use_within(self, days: float) -> float:
        """Return the units that will be used within so many days."""
        return max([self.mean_per_d * days, *(self._use(days, surge) for surge in self.surges)])

    def last(self, units: int) -> float | None:
        """Return the days that so many units will last; None where nothing is used."""
        if not self.mean_per_d:
            return None
        return min([units / self.mean_per_d, *(self._last(units, surge) for surge in self.surges)])

    def rate_over(self, units: int) -> float:
        """Return the units a day at which so many units will go, until the last of them."""
        days = self.last(units)
        return units / days if self.surges and days else self.fastest_per_d

    def _use(self, days: float, surge: Surge) -> float:
        later = max(0.0, days - surge.days)
        return surge.per_d * min(days, surge.days) + self.mean_per_d * later

    def _last(self, units: int, surge: Surge) -> float:
        if units <= surge.units:
            return units / surge.per_d
        return surge.days + (units - surge.units) / self.mean_per_d


def find_burn(
    *, usual_per_d: float, in_window: int, recent: int, surge: int, is_short: bool, rule: BurnRule
) -> Burn:
    """Find the use of a place from what patients were promised.

    Args:
        usual_per_d: Units a day as the station usually issues them.
        in_window: Units promised in the long window.
        recent: Of those, in the longer of the two short windows.
        surge: Of those, in the shorter one.
        is_short: A shortage of the place is open: a short window counts from half as many units,
            so that a shortage does not end because one unit has left the window.
        rule: The windows, and the units from which a short one counts.
    """
    mean = max(usual_per_d, in_window / rule.window_d)
    least = rule.surge_least_units / 2 if is_short else rule.surge_least_units
    windows = ((recent, rule.recent_h), (surge, rule.surge_h))
    surges = (Surge(units=units, days=hours / HOURS_A_DAY) for units, hours in windows)
    return Burn(
        mean_per_d=mean,
        surges=tuple(found for found in surges if found.units >= least and found.per_d > mean),
    )
