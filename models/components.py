"""Blood components, with the storage and shelf life that the standard gives them."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from importlib.resources import files

from pydantic import Field

from models.base import Value


class ComponentClass(StrEnum):
    """What decides compatibility: red cells carry antigens, plasma carries antibodies."""

    RED_CELLS = "red_cells"
    PLASMA = "plasma"
    PLATELETS = "platelets"
    WHOLE_BLOOD = "whole_blood"


class Component(StrEnum):
    RED_CELLS = "red_cells"
    WASHED_RED_CELLS = "washed_red_cells"
    FROZEN_RED_CELLS = "frozen_red_cells"
    PLATELETS = "platelets"
    FRESH_FROZEN_PLASMA = "fresh_frozen_plasma"
    FROZEN_PLASMA = "frozen_plasma"
    CRYOPRECIPITATE = "cryoprecipitate"
    WHOLE_BLOOD = "whole_blood"

    @property
    def spec(self) -> ComponentSpec:
        return SPECS[self]


class ComponentSpec(Value):
    """What the standard says of one component.

    Attributes:
        storage_temp_c: Lowest and highest storage temperature, degrees Celsius.
        transport_temp_c: The same in transport.
        shelf_life_h: Longest shelf life in hours; a unit's own expiry may be earlier, never later.
        frozen: A hospital that cannot thaw cannot use it.
        confirm: Fields that a station must confirm before relying on them.
    """

    component_class: ComponentClass = Field(alias="class")
    zh: str
    en: str
    storage_temp_c: tuple[float, float]
    transport_temp_c: tuple[float, float]
    shelf_life_h: int = Field(gt=0)
    frozen: bool = False
    note: str = ""
    confirm: tuple[str, ...] = ()

    @property
    def carries_red_cells(self) -> bool:
        """Whether red-cell antibodies of the patient matter for it."""
        return self.component_class in {ComponentClass.RED_CELLS, ComponentClass.WHOLE_BLOOD}


def _load() -> dict[Component, ComponentSpec]:
    text = files("models.rules").joinpath("components.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text)["component"]
    return {component: ComponentSpec.model_validate(rows[component]) for component in Component}


SPECS = _load()
