"""The unit in which each component is ordered, and how much of it a bag holds, as cited data.

Pure. The rules stand in `rules/data/doses.toml`; this module gives them types.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from models.components import Component
from models.rules.citations import CitedRule, RuleSet, read_rules


class OrderingUnitRule(CitedRule):
    """The ordering unit of some components.

    Attributes:
        unit: `U`, or `dose`: the amount that one adult is given at a time.
        ml: Millilitres on the label for one; absent where every bag is one.
        asked_ml: Millilitres that are asked for one, where every bag is one.
        tolerance_ml: Millilitres that a bag may lack and still count as whole.
        whole: A bag holds a whole number of them, at least one.
        per_10_kg_hundredths: Hundredths of one for each 10 kg of the patient's weight; absent where
            weight does not say how much is needed, or where every patient is given one.
    """

    components: tuple[Component, ...] = Field(min_length=1)
    unit: Literal["U", "dose"]
    ml: int | None = Field(default=None, ge=1, le=1000)
    asked_ml: int | None = Field(default=None, ge=1, le=1000)
    tolerance_ml: int = Field(default=0, ge=0, le=100)
    whole: bool = False
    per_10_kg_hundredths: int | None = Field(default=None, ge=1, le=1000)

    @model_validator(mode="after")
    def _counts_millilitres(self) -> Self:
        if (self.ml is None) is (self.asked_ml is None):
            raise ValueError("asked_ml: where there is no ml, and nowhere else")
        return self

    @property
    def asked_by_ml(self) -> int:
        """Return the millilitres by which what is asked in millilitres is counted."""
        return self.ml or self.asked_ml or 1


class OrderingUnitRules(RuleSet):
    """All rules of `doses.toml`; each component has one."""

    of: dict[str, OrderingUnitRule]

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, raw: Any) -> Any:  # noqa: ANN401 - a validator sees whatever was given
        """Gather the rules: in the file each is a table of its own."""
        if not isinstance(raw, dict) or "of" in raw:
            return raw
        return {"version": raw["version"], "of": {k: v for k, v in raw.items() if k != "version"}}

    @model_validator(mode="after")
    def _names_each_component_once(self) -> Self:
        named = [component for rule in self.of.values() for component in rule.components]
        if sorted(named) != sorted(Component):
            raise ValueError("components: each in one rule")
        return self

    def find(self, component: Component) -> OrderingUnitRule:
        """Return the rule of a component."""
        return next(rule for rule in self.of.values() if component in rule.components)


DOSES = OrderingUnitRules.model_validate(read_rules("doses"))
"""The ordering units. No station sets them: a figure means the same wherever it is read."""
