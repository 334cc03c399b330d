"""Rules of returns: which units may be put into stock again, as cited data. Pure.

The rules stand in `rules/data/returns.toml`, the time limit in `rules/data/safety.toml`; a
component that no rule names never goes back into stock.
"""

from __future__ import annotations

from models.components import Component
from models.errors import DomainRefusal
from models.rules.citations import CitedRule, RuleSet
from models.rules.types.safety import OutOfControlRule


class ReturnRules(RuleSet):
    handed_over: CitedRule
    restock: CitedRule
    others: CitedRule

    def ensure_restockable(
        self,
        component: Component,
        *,
        handed_over: bool,
        out_of_control_s: int,
        unit_id: str,
        limit: OutOfControlRule,
    ) -> None:
        """Ensure that a returned unit may go back into stock.

        Args:
            component: The component of the unit.
            handed_over: Whether a hospital had received it.
            out_of_control_s: Seconds out of temperature control since it first left, all together.
            unit_id: The unit that a refusal names.
            limit: How long which components may be out of temperature control.

        Raises:
            DomainRefusal: `return_handed_over`, `return_not_allowed` for the component, or
                `out_of_control_too_long`.
        """
        if handed_over:
            raise DomainRefusal(
                "return_handed_over", unit_id=unit_id, rule=self.cite(self.handed_over)
            )
        limit_s = limit.restock_within_min * 60
        if component not in limit.components:
            raise DomainRefusal(
                "return_not_allowed",
                unit_id=unit_id,
                component=component,
                rule=self.cite(self.others),
            )
        if out_of_control_s > limit_s:
            raise DomainRefusal(
                "out_of_control_too_long",
                unit_id=unit_id,
                out_of_control_s=out_of_control_s,
                limit_s=limit_s,
                rule=self.cite(self.restock),
            )
