"""Which returned units may be put into stock again, as cited data. Pure.

The rules stand in `rules/returns.toml`; a component that no rule names never goes back.
"""

from __future__ import annotations

from pydantic import Field

from models.citations import CitedRule, RuleSet, read_rules
from models.components import Component
from models.errors import DomainRefusal


class RestockRule(CitedRule):
    """`limit_s`: seconds out of temperature control in all, inclusive."""

    limit_s: int = Field(gt=0)
    components: tuple[Component, ...] = Field(min_length=1)


class ReturnRules(RuleSet):
    restock: RestockRule
    others: CitedRule

    def ensure_restockable(
        self, component: Component, *, out_of_control_s: int, unit_id: str
    ) -> None:
        """Let a returned unit back into stock.

        Args:
            component: What it is.
            out_of_control_s: Seconds out of temperature control since it first left, all together.
            unit_id: For the refusal.

        Raises:
            DomainRefusal: `return_not_allowed` for the component, or `out_of_control_too_long`.
        """
        if component not in self.restock.components:
            raise DomainRefusal(
                "return_not_allowed",
                unit_id=unit_id,
                component=component,
                rule=self.cite(self.others),
            )
        if out_of_control_s > self.restock.limit_s:
            raise DomainRefusal(
                "out_of_control_too_long",
                unit_id=unit_id,
                out_of_control_s=out_of_control_s,
                limit_s=self.restock.limit_s,
                rule=self.cite(self.restock),
            )


RETURN_RULES = ReturnRules.model_validate(read_rules("returns"))
