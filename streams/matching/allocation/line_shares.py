"""Share of a line that can wait: what it may have of each place; the rest is kept. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from models.clearance import UnitFacts
from models.decisions import Reason
from models.doses import content_of
from models.rules.rulebook import Rulebook
from streams.matching.available_units import Cell
from streams.matching.demand_outlook import name_place

KEPT_UNTIL = "kept_for_expected"
KEPT = "kept_for_expected_routine"
KEPT_FOR_EXPECTED = frozenset({KEPT_UNTIL, KEPT})


@dataclass(frozen=True, slots=True, kw_only=True)
class LineShare:
    """What a line may have now.

    Attributes:
        amounts: Hundredths of the ordering unit by place; a place that is not here binds nobody.
        given_from: When nothing is kept from it any more; None for a routine order, of which nobody
            can say.
        expected_units: Units that graver requests are expected to ask for.
        hours: Until the next supply.
        made_by: Which way of solving shared the shelf.
    """

    amounts: Mapping[str, int]
    given_from: datetime | None
    expected_units: int
    hours: float
    made_by: str

    def find_kept(
        self, unit: UnitFacts, *, chosen: Iterable[UnitFacts], rules: Rulebook
    ) -> Reason | None:
        """Return why a unit is kept from the line; None if it is within its share.

        Args:
            unit: It does not expire soon.
            chosen: What the line has of this decision.
            rules: The rulebook to decide by.
        """
        place = Cell.of(unit)
        amount = self.amounts.get(name_place(place.component, place.group))
        if amount is None:
            return None
        taken = sum(
            content_of(other.component, other.volume_ml)
            for other in chosen
            if Cell.of(other) == place and other.unit_id != unit.unit_id
        )
        if taken < amount:
            return None
        params: dict[str, str | int | float] = {
            "expected_units": self.expected_units,
            "hours": self.hours,
            "made_by": self.made_by,
        }
        rule = rules.policies.cite(rules.policies.lookahead)
        if self.given_from is None:
            return Reason(code=KEPT, params=params, rule=rule)
        given_from = self.given_from.isoformat()
        return Reason(code=KEPT_UNTIL, params={**params, "given_from": given_from}, rule=rule)


def name_line(request_id: str, line_no: int) -> str:
    """Return the key of a line among the shares of a batch."""
    return f"{request_id} {line_no}"
