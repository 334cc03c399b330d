"""The massive-transfusion packs that are known, as cited data.

Pure. The rules stand in `rules/data/packs.toml`; a hospital's own pack is part of its record.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from models.components import Component
from models.rules.citations import CitedRule, RuleSet, read_rules

Units = Annotated[int, Field(ge=1, le=50)]


class PackRule(CitedRule):
    """One cooler, in ordering units per component (`models.doses`)."""

    units: dict[Component, Units] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, raw: Any) -> Any:  # noqa: ANN401 - a validator sees whatever was given
        """Gather the components: in the file each is a value of its own, with its own terms."""
        if not isinstance(raw, dict) or "units" in raw:
            return raw
        units = {name: raw[name] for name in raw if name in set(Component)}
        return {**{name: raw[name] for name in raw if name not in units}, "units": units}


class ProtocolRule(CitedRule):
    first_cooler_within_min: int = Field(ge=1)


class PackRules(RuleSet):
    """All rules of `packs.toml`."""

    pack_4_4_1: PackRule
    pack_5_4_1: PackRule
    pack_6_6_1: PackRule
    protocol: ProtocolRule


PACKS = PackRules.model_validate(read_rules("packs"))
"""The packs that are known; a hospital with another pack has it in its record."""
