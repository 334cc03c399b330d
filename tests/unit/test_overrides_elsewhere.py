"""What a station may set and no pure decision reads: it is what the accessors tell.

Journeys and issues are judged by whoever handles the unit; services read the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from models.components import Component
from models.figures import StockDay
from models.groups import BloodGroup
from models.rules.rulebook import PACKAGED, Rulebook
from models.shortages import ShortageLevel
from streams.matching.safe_stock_rate import is_counted, is_safe
from tests.support.rules import Effect
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


ACCESSORS: list[Effect] = [
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
