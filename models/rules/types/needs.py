"""Rules of needs: what a condition or a procedure demands of a unit, as cited data.

Pure. The rules stand in `rules/data/needs.toml`; `models/needs.py` applies them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from models.antigens import Antigens
from models.components import ComponentClass
from models.patients import Indication
from models.rules.citations import CitedRule, RuleSet

Trait = Literal[
    "leukoreduced",
    "irradiated",
    "cmv_negative",
    "washed",
    "low_titre",
    "hbs_negative",
    "iga_deficient",
]


class NeedRule(CitedRule):
    """What one need demands.

    Attributes:
        classes: The classes of components for which it demands it.
        traits: What a unit must have.
        max_age_d: Days since collection at most.
        irradiated_within_h: Hours from irradiation to the end of the transfusion at most; a unit
            that does not say when counts from its collection.
        antigen_negative: Red-cell antigens that a unit must lack.
        matched: Red-cell antigens that a unit must lack where the patient lacks them.
        waived_in_danger: Traits and antigens that are not demanded while life is in danger.
        haematocrit: What the station makes the unit to; nothing here judges by it.
        to_age_d: The need holds up to this age in days.
    """

    classes: tuple[ComponentClass, ...]
    traits: tuple[Trait, ...] = ()
    max_age_d: int | None = Field(default=None, ge=1)
    irradiated_within_h: int | None = Field(default=None, ge=1)
    antigen_negative: Antigens = ()
    matched: Antigens = ()
    waived_in_danger: tuple[str, ...] = ()
    haematocrit: tuple[float, float] | None = None
    to_age_d: int = Field(default=0, ge=0)


class HlaSelectedRule(CitedRule):
    """Attributes: traits: What HLA-selected platelets must have."""

    traits: tuple[Trait, ...]


class NeedRules(RuleSet):
    """All rules of `needs.toml`."""

    need: dict[Indication, NeedRule] = Field(min_length=len(Indication))
    hla_selected: HlaSelectedRule
    platelet_antibodies: CitedRule
    of_relative: CitedRule
