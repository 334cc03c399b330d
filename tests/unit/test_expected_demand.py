"""What is expected is learned from what was asked, and is as uncertain as that."""

from __future__ import annotations

import pytest

from models.groups import BloodGroup
from models.requests import Priority
from streams.matching.expected_demand import DemandKind, Expected, Prior, SeenDemand, expect

O_POS, A_POS = BloodGroup.O_POS, BloodGroup.A_POS
DYING, URGENT, ROUTINE = Priority
PRIOR = Prior(
    groups={O_POS: 0.5, A_POS: 0.4, None: 0.1},
    priorities={DYING: 0.2, URGENT: 0.3, ROUTINE: 0.5},
    units=60,
    pace_cv=0.25,
)


def asked(hours: float, *requests: tuple[BloodGroup | None, Priority, int]) -> SeenDemand:
    told = ((DemandKind(group, priority), quantity, 1) for group, priority, quantity in requests)
    return SeenDemand.of(told, hours=hours)


DAYS = asked(168, *[(O_POS, ROUTINE, 2)] * 84)
"""A week of one unit an hour."""


@pytest.mark.parametrize(
    ("mean", "dispersion"), [(0.2, 1.05), (3, 1.5), (40, 3), (200, 12), (2_000, 3)]
)
def test_the_chances_fall_and_add_up_to_the_mean(mean: float, dispersion: float) -> None:
    chances = Expected(mean=mean, dispersion=dispersion).list_chances()
    assert chances == sorted(chances, reverse=True)
    assert all(0 < chance <= 1 for chance in chances)
    assert sum(chances) == pytest.approx(mean, rel=0.02)


def test_what_is_never_asked_has_no_chances() -> None:
    assert Expected(mean=0, dispersion=2).list_chances() == []


@pytest.mark.parametrize("most", [1, 3, 8])
def test_steps_keep_the_units_and_their_chances(most: int) -> None:
    forecast = Expected(mean=40, dispersion=3)
    steps, chances = list(forecast.list_steps(most)), forecast.list_chances()
    assert len(steps) == most
    assert sum(units for units, _ in steps) == len(chances)
    assert sum(units * chance for units, chance in steps) == pytest.approx(sum(chances))


def test_few_units_make_few_steps() -> None:
    forecast = Expected(mean=0.5, dispersion=1.05)
    assert [units for units, _ in forecast.list_steps(8)] == [1] * len(forecast.list_chances())


def test_the_pace_is_that_of_the_days_before_until_the_last_hours_tell_another() -> None:
    def total(recent: SeenDemand, before: SeenDemand = DAYS) -> float:
        found = expect(before, recent, prior=PRIOR, hours=10)
        return sum(forecast.mean for forecast in found.values())

    # Requests of two units: 2 / 0.25² = 32 hours weigh as much as what is known of the days.
    assert total(asked(0)) == pytest.approx(10)
    assert total(asked(32, *[(O_POS, ROUTINE, 2)] * 48)) == pytest.approx(10 * (32 + 96) / 64)
    assert total(asked(32)) == pytest.approx(5)
    # A busier station learns it sooner, and one that was asked for nothing goes by the last hours.
    busy = asked(168, *[(O_POS, ROUTINE, 2)] * 840)
    assert total(asked(3.2), busy) == pytest.approx(50)
    nothing = SeenDemand(hours=0.0)
    assert total(asked(12, (O_POS, ROUTINE, 6)), nothing) == pytest.approx(5)


def test_the_mix_is_drawn_from_the_prior_to_what_was_seen() -> None:
    def share(before: SeenDemand) -> float:
        found = expect(before, asked(0), prior=PRIOR, hours=10)
        of_group = sum(forecast.mean for kind, forecast in found.items() if kind.group is A_POS)
        return of_group / sum(forecast.mean for forecast in found.values())

    assert share(asked(24, (O_POS, ROUTINE, 1))) == pytest.approx(0.4 * 60 / 61)
    assert share(asked(24, *[(A_POS, ROUTINE, 2)] * 30)) == pytest.approx(0.7)


def test_requests_of_many_units_make_it_less_sure() -> None:
    def dispersion(quantity: int) -> float:
        before = asked(24, *[(O_POS, URGENT, quantity)] * (24 // quantity))
        return expect(before, asked(0), prior=PRIOR, hours=1)[DemandKind(O_POS, URGENT)].dispersion

    assert dispersion(8) - dispersion(2) == pytest.approx(6)


def test_nothing_is_expected_where_nothing_was_asked() -> None:
    assert expect(asked(24), asked(0), prior=PRIOR, hours=10) == {}
