"""Blood components, with the storage and shelf life that the standard gives them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field, model_validator

from models.rules.citations import CitedRule, RuleSet, read_rules
from models.rules.types.shelf_life import (
    IrradiationRule,
    LabelRule,
    ShelfLifeRule,
    ThawingRule,
    WashingRule,
)


class ComponentClass(StrEnum):
    """What decides compatibility: red cells carry antigens, plasma carries antibodies."""

    RED_CELLS = "red_cells"
    PLASMA = "plasma"
    PLATELETS = "platelets"
    WHOLE_BLOOD = "whole_blood"


CARRYING_RED_CELLS = frozenset({ComponentClass.RED_CELLS, ComponentClass.WHOLE_BLOOD})
"""The classes for which red-cell antigens and antibodies count."""


class Component(StrEnum):
    """What a unit is.

    frozen_red_cells: in glycerol; deglycerolised_red_cells is what is made of them and given.
    platelets: one dose by apheresis. platelet_concentrate: from one donation of whole blood, some
    tenth of a dose. pooled_platelets: several concentrates in one bag.
    """

    RED_CELLS = "red_cells"
    WASHED_RED_CELLS = "washed_red_cells"
    FROZEN_RED_CELLS = "frozen_red_cells"
    DEGLYCEROLISED_RED_CELLS = "deglycerolised_red_cells"
    PLATELETS = "platelets"
    PLATELET_CONCENTRATE = "platelet_concentrate"
    POOLED_PLATELETS = "pooled_platelets"
    FRESH_FROZEN_PLASMA = "fresh_frozen_plasma"
    FROZEN_PLASMA = "frozen_plasma"
    CRYOPRECIPITATE = "cryoprecipitate"
    WHOLE_BLOOD = "whole_blood"
    APHERESIS_GRANULOCYTES = "apheresis_granulocytes"

    @property
    def spec(self) -> ComponentSpec:
        """Return what the standard says of it; what a station may set stands in its rulebook."""
        return COMPONENTS.component[self]


class ComponentSpec(CitedRule):
    """What the standard says of one component.

    Attributes:
        storage_temp_c: Lowest and highest storage temperature, degrees Celsius.
        transport_temp_c: The same in transport.
        shelf_life_h: The longest that a unit is used that does not say how it was prepared, in
            hours; its own expiry may be earlier, never later.
        frozen: A hospital that cannot thaw cannot use it.
    """

    component_class: ComponentClass = Field(alias="class")
    storage_temp_c: tuple[float, float]
    transport_temp_c: tuple[float, float]
    shelf_life_h: int = Field(gt=0)
    frozen: bool = False

    @property
    def carries_red_cells(self) -> bool:
        """Return whether red-cell antibodies of the patient matter for it."""
        return self.component_class in CARRYING_RED_CELLS

    @property
    def is_acellular(self) -> bool:
        """Return whether it has no living cells: frozen plasma and what is made of it."""
        return self.component_class is ComponentClass.PLASMA


class ComponentRules(RuleSet):
    """All rules of `components.toml`."""

    component: dict[Component, ComponentSpec] = Field(min_length=len(Component))
    shelf_life: dict[Component, ShelfLifeRule] = Field(min_length=len(Component))
    irradiation: IrradiationRule
    washing: WashingRule
    thawed: ThawingRule
    label: LabelRule

    @model_validator(mode="before")
    @classmethod
    def _spread_shelf_lives(cls, raw: Any) -> Any:  # noqa: ANN401 - a validator sees whatever was given
        """Copy the shelf life of each component from its own rule to its specification."""
        rows = {
            name: {**row, "shelf_life_h": min(rule["unstated_h"], rule["use_within_h"])}
            for name, row in raw["component"].items()
            if (rule := raw["shelf_life"].get(name)) is not None
        }
        return {**raw, "component": rows}


COMPONENTS = ComponentRules.model_validate(read_rules("components"))
"""The components as the standard has them."""
