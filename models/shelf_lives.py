"""Shelf lives: the one judgement of how long blood keeps, and when a unit is used at the latest.

The label decides, unless how the unit was made says less: its anticoagulant, its bag, the hour at
which it was washed, thawed or irradiated. What a unit does not state is not made up: where that is
unsafe the worst is taken, elsewhere the label stands and `rests_on_label` says so. Pure.

Source: components.toml in rules/data cites each value.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from models.components import Component, ComponentClass, ComponentRules
from models.rules.citations import CitedRule
from models.rules.types.shelf_life import IrradiationRule

if TYPE_CHECKING:
    from models.units import UnitTraits


class Anticoagulant(StrEnum):
    """The anticoagulant of a bag or, where red cells have one, their additive solution."""

    ACD_B = "acd_b"
    CPD = "cpd"
    CP2D = "cp2d"
    CPDA_1 = "cpda_1"
    MAP = "map"
    SAGM = "sagm"
    AS_1 = "as_1"
    AS_3 = "as_3"
    AS_5 = "as_5"
    SALINE = "saline"


class PlateletBag(StrEnum):
    """permeable: made for platelets, lets gas through. ordinary: any other bag."""

    PERMEABLE = "permeable"
    ORDINARY = "ordinary"


class End(NamedTuple):
    """The end of a life, half-open, and the rule that sets it; None: the label alone."""

    at: datetime
    rule: CitedRule | None = None


def find_latest_label(
    component: Component, collected_at: datetime, traits: UnitTraits, rules: ComponentRules
) -> End:
    """Return the latest expiry that a label may state, the end of its last day included."""
    rule = rules.shelf_life[component]
    keeps_h = rule.keeps_h(find_preparation(component, traits))
    began_at = find_start(component, traits) or collected_at
    return End(at=began_at + timedelta(hours=rules.label.add_grace(keeps_h)), rule=rule)


def find_full_life(
    component: Component, collected_at: datetime, traits: UnitTraits, rules: ComponentRules
) -> datetime:
    """Return the expiry of a unit that is kept for as long as its preparation lets it."""
    keeps_h = rules.shelf_life[component].keeps_h(find_preparation(component, traits))
    return (find_start(component, traits) or collected_at) + timedelta(hours=keeps_h)


def find_end(
    component: Component,
    collected_at: datetime,
    expires_at: datetime,
    traits: UnitTraits,
    rules: ComponentRules,
) -> End:
    """Return when a unit may not be used any more.

    Args:
        component: What it is.
        collected_at: When it was drawn.
        expires_at: What its label says.
        traits: What was done to it.
        rules: The rules to judge by.
    """
    ends = [End(at=expires_at), find_latest_label(component, collected_at, traits, rules)]
    if traits.washed:
        washed_at = traits.washed_at or collected_at
        keeps = timedelta(hours=rules.washing.keeps_h)
        ends.append(End(at=washed_at + keeps, rule=rules.washing))
    if traits.irradiated and component in rules.irradiation.components:
        ends.append(_after_irradiation(collected_at, traits.irradiated_at, rules.irradiation))
    thawed_h = rules.thawed.keeps_h(component)
    if traits.thawed_at is not None and thawed_h is not None:
        ends.append(End(at=traits.thawed_at + timedelta(hours=thawed_h), rule=rules.thawed))
    return min(ends, key=lambda end: end.at)


def find_start(component: Component, traits: UnitTraits) -> datetime | None:
    """Return when the life of a component begins, where that is not its collection."""
    match component:
        case Component.WASHED_RED_CELLS:
            return traits.washed_at
        case Component.DEGLYCEROLISED_RED_CELLS:
            return traits.deglycerolised_at
        case _:
            return None


def find_preparation(component: Component, traits: UnitTraits) -> str | None:
    """Return how a unit was prepared, as its shelf life calls it; None if it does not say."""
    if component.spec.component_class is not ComponentClass.PLATELETS:
        # Plasma, frozen and washed cells keep alike whatever they were drawn into.
        knows = component in {Component.RED_CELLS, Component.WHOLE_BLOOD}
        return traits.anticoagulant if knows else None
    if traits.bag is PlateletBag.ORDINARY or traits.agitated is False:
        return "otherwise"
    is_stated = traits.bag is PlateletBag.PERMEABLE and traits.agitated
    return "agitated_permeable_bag" if is_stated else None


def rests_on_label(
    component: Component,
    collected_at: datetime,
    traits: UnitTraits,
    rules: ComponentRules,
    *,
    at: datetime,
) -> bool:
    """Return whether only its label says that a unit is still good at an instant."""
    rule = rules.shelf_life[component]
    return (
        find_preparation(component, traits) is None
        and find_start(component, traits) is None
        and at >= collected_at + timedelta(hours=rule.shortest_h)
    )


def _after_irradiation(
    collected_at: datetime, irradiated_at: datetime | None, rule: IrradiationRule
) -> End:
    at = irradiated_at or collected_at
    in_time = at <= collected_at + timedelta(hours=rule.within_h)
    return End(at=at + timedelta(hours=rule.keeps_h if in_time else rule.late_keeps_h), rule=rule)
