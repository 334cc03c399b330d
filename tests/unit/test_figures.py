"""The safe-stock rate by its definition, and the hour at which days are recorded."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from models.components import Component
from models.figures import StockDay
from models.groups import BloodGroup
from models.rules.rulebook import PACKAGED
from models.shortages import ShortageLevel
from streams.matching.safe_stock_rate import is_counted, is_safe, rate_safe_stock
from streams.services.stock_daily_record import find_next

DAY = date(2025, 1, 7)


def record(
    *,
    available: int,
    burn: float,
    uncovered: int = 0,
    day: date = DAY,
    group: BloodGroup = BloodGroup.A_POS,
) -> StockDay:
    return StockDay(
        station_id="nagqu",
        day=day,
        component=Component.RED_CELLS,
        group=group,
        available=available,
        burn_per_d=burn,
        days_of_supply=available / burn if burn else None,
        uncovered=uncovered,
        level=ShortageLevel.GREEN,
    )


@pytest.mark.parametrize(
    ("available", "burn", "uncovered", "counted", "safe"),
    [
        (30, 10.0, 0, True, True),
        (29, 10.0, 0, True, False),
        (100, 10.0, 1, True, False),
        (0, 0.3, 0, False, False),
        (1, 0.3, 0, False, True),
        (0, 0.3, 1, True, False),
        (0, 0.0, 0, False, True),
        (1, 1 / 3, 0, True, True),
    ],
)
def test_what_counts_and_what_is_safe(
    available: int,
    burn: float,
    uncovered: int,
    *,
    counted: bool,
    safe: bool,
) -> None:
    one = record(available=available, burn=burn, uncovered=uncovered)
    assert is_counted(one, PACKAGED.figures) is counted
    assert is_safe(one, PACKAGED.figures) is safe


def test_the_rate_of_a_period() -> None:
    records = [
        *(record(available=40, burn=10, day=DAY + timedelta(days=n)) for n in range(10)),
        *(
            record(
                available=30 if n else 0,
                burn=10,
                day=DAY + timedelta(days=n),
                group=BloodGroup.O_NEG,
            )
            for n in range(10)
        ),
        record(available=0, burn=10, day=DAY - timedelta(days=1)),
        record(available=0, burn=10, day=DAY + timedelta(days=12)),
        record(available=0, burn=0.01, group=BloodGroup.AB_NEG),
    ]
    rated = rate_safe_stock(
        records, day_from=DAY, day_until=DAY + timedelta(days=12), rules=PACKAGED.figures
    )
    assert (rated.safe, rated.counted) == (19, 20)
    assert rated.rate == pytest.approx(0.95)
    assert (rated.days_recorded, rated.days) == (10, 12)
    assert rated.worst == ((Component.RED_CELLS, BloodGroup.O_NEG, 1, 10),)
    empty = rate_safe_stock(
        [], day_from=DAY, day_until=DAY + timedelta(days=1), rules=PACKAGED.figures
    )
    assert (empty.rate, empty.counted, empty.days_recorded) == (None, 0, 0)


@pytest.mark.parametrize(
    ("now", "due"),
    [
        ("2025-01-06T23:59:59", "2025-01-07T00:00:00"),
        ("2025-01-07T00:00:00", "2025-01-08T00:00:00"),
        ("2025-01-07T15:59:59", "2025-01-08T00:00:00"),
        ("2025-01-07T16:00:00", "2025-01-08T00:00:00"),
    ],
)
def test_a_day_is_recorded_at_eight_in_beijing(now: str, due: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert find_next(at) == datetime.fromisoformat(due).replace(tzinfo=UTC)
