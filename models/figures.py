"""The figures that stations report: their records, and their rules as cited data. Pure."""

from __future__ import annotations

from pydantic import Field

from models.base import Day, Identifier, Value
from models.components import Component
from models.groups import BloodGroup
from models.rules.citations import CitedRule, RuleSet
from models.shortages import ShortageLevel

MAX_DAYS = 1100
"""The longest period of one figure: three years and a little."""


class SafeStockRule(CitedRule):
    least_days_of_supply: float = Field(gt=0)


class SafePlacesRule(CitedRule):
    least_units: float = Field(ge=0)


class FigureRules(RuleSet):
    """All rules of `figures.toml`."""

    safe_stock: SafeStockRule
    safe_stock_expected: SafePlacesRule
    emergency_releases: CitedRule
    testing_coverage: CitedRule


class StockDay(Value):
    """A station's stock of one component and group, as it was recorded on one day.

    Attributes:
        day: In the station's own (Beijing) time.
        available: Released, unpromised, unexpired units.
        burn_per_d: Units a day that leave the shelf.
        uncovered: Units that patients waited for at that moment.
    """

    station_id: Identifier
    day: Day
    component: Component
    group: BloodGroup
    available: int = Field(ge=0)
    burn_per_d: float = Field(ge=0)
    days_of_supply: float | None
    uncovered: int = Field(ge=0)
    level: ShortageLevel


class SafeStock(Value):
    """The safe-stock rate of a period.

    Attributes:
        safe: Records that were safe, of those that count.
        counted: Records that count: use was expected, or a patient waited.
        days_recorded: Days of the period that have a record.
        days: Days of the period.
        rate: safe / counted; None where no record counts.
        worst: Where the most days were unsafe, as (component, group, unsafe, counted).
    """

    safe: int
    counted: int
    days_recorded: int
    days: int
    rate: float | None
    worst: tuple[tuple[Component, BloodGroup, int, int], ...]


class EmergencyReleases(Value):
    """Bags promised in a period by an emergency release, and the requests that they were for."""

    units: int
    requests: int


class Coverage(Value):
    """Donations released in a period, and those of them whose results are recorded.

    Attributes:
        released: Donations of which a unit became available.
        covered: Donations of which every such unit has its serology and NAT results recorded.
        rate: covered / released; None where nothing was released.
    """

    released: int
    covered: int
    rate: float | None
