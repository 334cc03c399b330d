"""A decision on a request, with a reason for each choice and each refusal."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from models.base import LARGEST, Identifier, Instant, Value
from models.components import Component
from models.doses import WHOLE, OrderMeasure, round_up, to_units
from models.groups import BloodGroup


class Reason(Value):
    """A reason, as a code with its parameters; the texts stand in the message files.

    Attributes:
        rule: The clinical or legal rule that was followed, `name@version`; empty if none.
    """

    code: str
    params: dict[str, str | int | float] = Field(default_factory=dict)
    rule: str = ""


class Outcome(StrEnum):
    """The outcome of a decision.

    reserved: every unit asked for is reserved. partly_refused: a part is not supplied at all, the
    rest is reserved. partly_reserved and waiting: the rest, or all, is still looked for. deferred:
    it lies there, and is kept for need that is expected and weighs more. refused,
    cancelled, expired, partly_fulfilled, fulfilled: the request has ended.
    """

    RESERVED = "reserved"
    PARTLY_RESERVED = "partly_reserved"
    PARTLY_REFUSED = "partly_refused"
    WAITING = "waiting"
    DEFERRED = "deferred"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PARTLY_FULFILLED = "partly_fulfilled"
    FULFILLED = "fulfilled"


class ReservedUnit(Value):
    """A unit promised to a line.

    Attributes:
        epoch: The fencing token that every later step must present; a stale one is refused.
        volume_ml: What the label says; None in decisions made before it was told.
        capped: Counts towards the cap of unconfirmed O RhD- red cells.
        emergency_release: A named clinician takes it past a test of the patient; the reason says
            who, and past what.
        leaves_by: The latest departure with which it is given in time; None in old decisions.
        reason: Why this unit: identical or substituted group, and by which rule.
    """

    promise_id: Identifier
    unit_id: Identifier
    component: Component
    group: BloodGroup
    expires_at: Instant
    epoch: int = Field(ge=1, le=LARGEST)
    volume_ml: int | None = Field(default=None, ge=-LARGEST, le=LARGEST)
    capped: bool = False
    emergency_release: bool = False
    leaves_by: Instant | None = None
    reason: Reason


class LineDecision(Value):
    """The decision on one line.

    Attributes:
        measure: What the quantities count; bags in decisions made before it was told.
        requested: What was asked.
        covered_hundredths: What all bags promised to the line hold, in hundredths of the measure,
            whenever they were promised; None in decisions made before it was told. It may exceed
            what was asked by less than the last bag.
        uncovered: What is not reserved and still looked for, rounded up.
        deferred: Of that, what lies there and is kept for expected need while the line can wait.
        unconfirmed: What is neither reserved nor looked for until somebody says that it is meant,
            or until what was reserved before has left or arrived; rounded up.
        asked_back: Why, one reason for each rule that asks.
        refused: What can never be supplied as asked; the reason says why.
        refusals: Why units that were considered were not chosen, with their number.
        issue: For red cells that are reserved: that the patient's history allows electronic issue,
            or why they are crossmatched; empty otherwise.
    """

    line_no: int = Field(ge=-LARGEST, le=LARGEST)
    component: Component
    measure: OrderMeasure = OrderMeasure.BAG
    requested: int = Field(ge=-LARGEST, le=LARGEST)
    covered_hundredths: int | None = Field(default=None, ge=0, le=LARGEST)
    reserved: tuple[ReservedUnit, ...] = ()
    uncovered: int = Field(default=0, ge=0, le=LARGEST)
    deferred: int = Field(default=0, ge=0, le=LARGEST)
    unconfirmed: int = Field(default=0, ge=0, le=LARGEST)
    asked_back: tuple[Reason, ...] = ()
    refused: int = Field(default=0, ge=0, le=LARGEST)
    refusals: tuple[Reason, ...] = ()
    issue: tuple[Reason, ...] = ()

    @property
    def uncovered_units(self) -> int:
        """Return what waits, in ordering units, rounded up; a bag counts as one."""
        return self._to_units(self.uncovered)

    @property
    def deferred_units(self) -> int:
        """Return what is deferred, in ordering units, rounded up; a bag counts as one."""
        return self._to_units(self.deferred)

    def _to_units(self, amount: int) -> int:
        return round_up(to_units(self.component, amount * WHOLE, self.measure))


class Decision(Value):
    """What was decided, when and on what grounds, and what the request waits for.

    Attributes:
        version: 1 for the first decision on a request, and one more for each later decision.
        eta_s: Seconds from picking to the hospital; None if nothing was reserved.
        eta_estimated: The journey was estimated from coordinates, no route is recorded.
        waiting_for: `picking`, `donors_and_neighbours`, `expected_need` where all that is looked
            for is deferred, `confirmation` where nothing is looked for and a part waits for a word,
            or empty when it has ended. What a line waits for besides is told of the line.
        hold_until: When the reservation is given back unless it was picked; a unit that could
            not be given in time if it left later is held until then alone (`leaves_by`).
        deferred_until: From when units that are kept from it are given to it, if that is known.
    """

    decision_id: Identifier
    request_id: Identifier
    hospital_id: Identifier
    station_id: Identifier
    version: int = Field(ge=1, le=LARGEST)
    outcome: Outcome
    lines: tuple[LineDecision, ...] = ()
    reasons: tuple[Reason, ...] = ()
    eta_s: int | None = Field(default=None, ge=-LARGEST, le=LARGEST)
    eta_estimated: bool = False
    waiting_for: str = ""
    hold_until: Instant | None = None
    deferred_until: Instant | None = None
    decided_at: Instant
    rules_version: str
