"""What a station may set and no pure decision reads: it is what the accessors tell.

Journeys and issues are judged by whoever handles the unit; services read the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from models.components import Component
from models.doses import OrderMeasure
from models.facilities import StationPolicy
from models.figures import StockDay
from models.groups import BloodGroup
from models.requests import Priority
from models.rules.rulebook import PACKAGED, Rulebook
from models.shortages import ShortageLevel
from streams.matching.demand_outlook import (
    AskedOften,
    StationDemand,
    find_windows,
    look_ahead,
)
from streams.matching.safe_stock_rate import is_counted, is_safe
from tests.support.rules import Effect
from tests.support.world import NOW
from tests.unit.test_overrides_effect import EFFECTS


def _build_day(*, available: int, burn_per_d: float) -> StockDay:
    return StockDay(
        station_id="nagqu",
        day=date(2025, 1, 7),
        component=Component.RED_CELLS,
        group=BloodGroup.A_POS,
        available=available,
        burn_per_d=burn_per_d,
        days_of_supply=available / burn_per_d,
        uncovered=0,
        level=ShortageLevel.GREEN,
    )


def find_specification(component: Component) -> Callable[[Rulebook], object]:
    return lambda rules: rules.components.component[component]


def watch(days: float) -> Callable[[Rulebook], object]:
    """What is expected of a station that was asked for the same all the time."""

    def expect(rules: Rulebook) -> object:
        row = AskedOften(
            component=Component.RED_CELLS,
            group=BloodGroup.A_POS,
            priority=Priority.URGENT,
            measure=OrderMeasure.UNIT,
            quantity=2,
            requests=20,
            is_recent=True,
        )
        demand = StationDemand(began_at=NOW - timedelta(days=days), asked=(row,))
        return look_ahead(demand, policy=StationPolicy(), now=NOW, rules=rules)

    return expect


def look(name: str, value: object) -> Effect:
    return Effect("supply.lookahead", name, value, watch(2))


ACCESSORS: list[Effect] = [
    look("filled_at_h", 9.0),
    look("recent_h", 6.0),
    look("least_watched_h", 49.0),
    look("prior_units", 90),
    look("day_cv", 0.5),
    look("life_threatening_share", 0.3),
    look("urgent_share", 0.3),
    look("unknown_share", 0.1),
    look("o_share", 0.4),
    look("a_share", 0.3),
    look("b_share", 0.3),
    look("rhd_negative_share", 0.1),
    Effect("supply.lookahead", "learned_d", 3, lambda rules: find_windows(NOW, rules)),
    *(
        Effect("supply.lookahead", name, 20, lambda rules: rules.policies.lookahead.weights)
        for name in ("life_threatening", "urgent")
    ),
    Effect("testing.nat", "unnamed_counts", False, lambda rules: rules.testing.nat.unnamed_counts),  # noqa: FBT003
    Effect(
        "issue.electronic",
        "sample_max_age_h",
        48,
        lambda rules: rules.issue.electronic.sample_max_age_h,
    ),
    Effect(
        "issue.electronic",
        "concordant_abo_results",
        3,
        lambda rules: rules.issue.electronic.concordant_abo_results,
    ),
    Effect(
        "issue.electronic",
        "results_on_current_sample",
        2,
        lambda rules: rules.issue.electronic.results_on_current_sample,
    ),
    Effect(
        "donor.arrival", "default_eta_s", 1800, lambda rules: rules.donors.arrival.default_eta_s
    ),
    Effect("donor.ready", "release_s", 36000, lambda rules: rules.donors.ready_after_s),
    Effect(
        "donor.whole_blood_serves",
        "components",
        ["red_cells"],
        lambda rules: rules.donors.serves.components,
    ),
    Effect(
        "disaster.donations",
        "group_order",
        ["A+", "O+", "B+", "AB+", "O-", "A-", "B-", "AB-"],
        lambda rules: rules.disasters.donations.group_order,
    ),
    Effect(
        "transport.out_of_control",
        "components",
        ["red_cells"],
        lambda rules: rules.safety.out_of_control.components,
    ),
    Effect(
        "transport.out_of_control",
        "restock_within_min",
        20,
        lambda rules: rules.safety.out_of_control.restock_within_min,
    ),
    Effect(
        "transport.out_of_control",
        "transfuse_within_min",
        120,
        lambda rules: rules.safety.out_of_control.transfuse_within_min,
    ),
    Effect(
        "figures.safe_stock_rate",
        "least_days_of_supply",
        5.0,
        lambda rules: is_safe(_build_day(available=40, burn_per_d=10.0), rules.figures),
    ),
    Effect(
        "figures.safe_stock_places",
        "least_units",
        2.0,
        lambda rules: is_counted(_build_day(available=1, burn_per_d=0.5), rules.figures),
    ),
    Effect(
        "transport.agitation",
        "unagitated_at_most_h",
        12,
        lambda rules: rules.safety.agitation.unagitated_at_most_h,
    ),
    *(
        Effect(
            f"component.{component}",
            f"{what}_temp_c",
            [low + 1, high - 1],
            find_specification(component),
        )
        for component in Component
        for what, (low, high) in (
            ("storage", component.spec.storage_temp_c),
            ("transport", component.spec.transport_temp_c),
        )
    ),
]


@pytest.mark.parametrize("effect", ACCESSORS, ids=str)
def test_who_decides_elsewhere_reads_a_stations_own_value(effect: Effect) -> None:
    effect.ensure()


def test_every_value_that_may_be_set_changes_something() -> None:
    settable = {
        (rule.rule_id, value.name)
        for rule in PACKAGED.list_rules()
        for value in rule.values
        if value.terms.may
    }
    assert {effect.place for effect in (*EFFECTS, *ACCESSORS)} == settable
