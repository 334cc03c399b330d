"""Doses: how much of what is asked a bag covers, in units, doses, millilitres or bags. Pure.

Amounts are whole hundredths of the measure, so that a bag of one and a half units stays exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Protocol

from models.components import Component
from models.rules.types.doses import DOSES, OrderingUnitRule

WHOLE = 100
"""Hundredths of one."""


class OrderMeasure(StrEnum):
    """What a quantity counts.

    unit: the component's ordering unit, U or dose. bag: bags, whatever they hold. ml: millilitres
    on the labels.
    """

    UNIT = "unit"
    BAG = "bag"
    ML = "ml"


class LabelledBag(Protocol):
    """Anything that says what a bag is and what its label says that it holds."""

    @property
    def component(self) -> Component: ...
    @property
    def volume_ml(self) -> int: ...


_RULES: Mapping[Component, OrderingUnitRule] = {
    component: DOSES.find(component) for component in Component
}


def find_ordering_unit(component: Component) -> OrderingUnitRule:
    """Return the rule that says what one ordering unit of a component is."""
    return _RULES[component]


def content_of(
    component: Component, volume_ml: int, measure: OrderMeasure = OrderMeasure.UNIT
) -> int:
    """Return how much a bag holds, in hundredths of the measure; at least one hundredth.

    Source: models/rules/data/doses.toml; rule set 2026-3.
    """
    if measure is OrderMeasure.BAG:
        return WHOLE
    if measure is OrderMeasure.ML:
        return volume_ml * WHOLE
    rule = _RULES[component]
    if rule.ml is None:
        return WHOLE
    if rule.whole:
        return max(1, (volume_ml + rule.tolerance_ml) // rule.ml) * WHOLE
    return max(1, volume_ml * WHOLE // rule.ml)


def dose_for(component: Component, weight_kg: int) -> int | None:
    """Return the ordering units for a patient of this weight, or None where weight does not tell.

    Of what is ordered in doses every patient is given one. Source: models/rules/data/doses.toml;
    rule set 2026-3.
    """
    rule = _RULES[component]
    if rule.unit == "dose":
        return 1
    if rule.per_10_kg_hundredths is None:
        return None
    return round_up(-(-rule.per_10_kg_hundredths * weight_kg // 10))


def sum_content(bags: Iterable[LabelledBag], measure: OrderMeasure = OrderMeasure.UNIT) -> int:
    """Return how much some bags hold together, in hundredths of the measure."""
    return sum(content_of(bag.component, bag.volume_ml, measure) for bag in bags)


def to_units(component: Component, amount: int, measure: OrderMeasure) -> int:
    """Return an amount in hundredths of the ordering unit, rounded up.

    A bag of unknown volume is one unit. Of millilitres every part counts: nothing tells of which
    bags they will be.
    """
    if measure is not OrderMeasure.ML:
        return amount
    return -(-amount // _RULES[component].asked_by_ml)


def from_units(component: Component, amount: int, measure: OrderMeasure) -> int:
    """Return hundredths of the ordering unit in hundredths of a measure; a bag is one unit."""
    return amount * _RULES[component].asked_by_ml if measure is OrderMeasure.ML else amount


def round_up(hundredths: int) -> int:
    """Return the whole number of what is missing; nothing is missing below zero."""
    return max(0, -(-hundredths // WHOLE))


def round_down(hundredths: int) -> int:
    """Return the whole number of what is there."""
    return hundredths // WHOLE
