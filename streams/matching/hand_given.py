"""Hand work of a dispatcher, for the decision that follows it: values only."""

from __future__ import annotations

from dataclasses import dataclass

from models.clearance import UnitFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class HandGiven:
    """A bag that a dispatcher gives to a line.

    Attributes:
        unit: As if it were free already.
        actor: Whose key it was, such as `dispatcher/night-desk`.
        by: The person, as they stated it.
    """

    line_no: int
    unit: UnitFacts
    actor: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandWork:
    """What a decision takes from people, and does not choose itself.

    Attributes:
        given: Bags that lines have before anything is chosen, where the safety kernel clears them.
        withheld: Bags that are not chosen in this decision.
    """

    given: tuple[HandGiven, ...] = ()
    withheld: frozenset[str] = frozenset()

    @property
    def set_apart(self) -> frozenset[str]:
        """Return the bags that the decision may not choose by itself."""
        return self.withheld | {given.unit.unit_id for given in self.given}

    def list_for(self, line_no: int) -> list[HandGiven]:
        return [given for given in self.given if given.line_no == line_no]

    def find(self, unit_id: str) -> HandGiven | None:
        return next((given for given in self.given if given.unit.unit_id == unit_id), None)


NO_HAND_WORK = HandWork()
