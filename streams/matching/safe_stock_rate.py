"""Compute the safe-stock rate from daily records. Pure and deterministic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date

from models.components import Component
from models.figures import FigureRules, SafeStock, StockDay
from models.groups import BloodGroup

WORST_TOLD = 5

Place = tuple[Component, BloodGroup]


def is_counted(record: StockDay, rules: FigureRules) -> bool:
    """Return whether a place counts on a day: use is expected there, or a patient waits."""
    expected = record.burn_per_d * rules.safe_stock.least_days_of_supply
    return record.uncovered > 0 or expected >= rules.safe_stock_expected.least_units


def is_safe(record: StockDay, rules: FigureRules) -> bool:
    """Return whether a place had its days of supply and nobody waited."""
    if record.uncovered:
        return False
    needed = record.burn_per_d * rules.safe_stock.least_days_of_supply
    return record.available >= needed


def rate_safe_stock(
    records: Iterable[StockDay],
    *,
    day_from: date,
    day_until: date,
    rules: FigureRules,
) -> SafeStock:
    """Rate the stock of a period.

    Args:
        records: Daily records of one or several stations; other days are left out.
        day_from: First day.
        day_until: First day after it.
        rules: Rules for what is safe and which places count.
    """
    safe: Counter[Place] = Counter()
    counted: Counter[Place] = Counter()
    recorded: set[date] = set()
    for record in records:
        if not day_from <= record.day < day_until:
            continue
        recorded.add(record.day)
        if is_counted(record, rules):
            place = (record.component, record.group)
            counted[place] += 1
            safe[place] += is_safe(record, rules)
    unsafe = {place: days - safe[place] for place, days in counted.items() if days > safe[place]}
    worst = sorted(unsafe, key=lambda place: (-unsafe[place], place))[:WORST_TOLD]
    return SafeStock(
        safe=safe.total(),
        counted=counted.total(),
        days_recorded=len(recorded),
        days=(day_until - day_from).days,
        rate=safe.total() / counted.total() if counted else None,
        worst=tuple((*place, unsafe[place], counted[place]) for place in worst),
    )
