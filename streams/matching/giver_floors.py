"""Find how far a giving station's own floor sinks for patients who wait next door.

Pure and deterministic: no IO, no clock. The floor sinks by steps and no further than those who wait
need; the last steps are for patients in danger of life. A person at the giving station says yes to
whatever goes below the normal floor, because what is given there is missing for its own patients.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.decisions import Reason
from models.facilities import ShortageThresholds
from models.requests import Priority
from models.rules.types.shortages import ShortageRules
from models.shortages import Offer
from streams.matching.burn_rate import Burn
from streams.matching.float_sums import round_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What a giver keeps of a group, and what that leaves.

    Attributes:
        have: Units that may go.
        keep: Units kept for its own patients.
        spare: Units that it may give.
        bent_spare: Units that it could give if a person confirmed it.
    """

    have: int
    keep: int
    spare: int
    is_bent: bool = False
    bent_spare: int = 0

    def explain(self, rules: ShortageRules) -> Reason:
        """Explain why nothing is given."""
        told: dict[str, str | int | float] = {"left": self.have, "keep": self.keep}
        if self.bent_spare:
            return Reason(
                code="giver_may_confirm",
                params={**told, "spare": self.bent_spare},
                rule=rules.cite(rules.bending),
            )
        return Reason(code="giver_keeps_floor", params=told, rule=rules.cite(rules.offers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """What the station in need lacks.

    Attributes:
        units: Units to be taken at most.
        urgent: Of those, what patients wait for urgently or in danger of life.
        endangered: Of those, what is waited for in danger of life.
    """

    units: int
    urgent: int
    endangered: int


def find_floor(
    offer: Offer,
    *,
    have: int,
    lack: Lack,
    thresholds: ShortageThresholds,
    burn: Burn,
    rules: ShortageRules,
) -> Floor:
    """Find the floor under which an offer is decided.

    Args:
        offer: What is offered, and who confirmed that it goes below the normal floor.
        have: Units of the group that may go.
        lack: What the station in need lacks.
        thresholds: The giver's colours; its normal floor is orange.
        burn: The giver's own use of the group.
        rules: The steps.
    """
    normal = round_up(burn.use_within(thresholds.orange_below_d))
    plain = Floor(have=have, keep=normal, spare=max(0, have - normal))
    most = min(lack.units, offer.quantity)
    bent = _bend(
        plain, min(most, lack.urgent), in_danger=min(most, lack.endangered), burn=burn, rules=rules
    )
    if bent.spare <= plain.spare:
        return plain
    if offer.below_floor and offer.confirmed_by:
        return bent
    return Floor(have=have, keep=normal, spare=plain.spare, bent_spare=bent.spare)


def _bend(
    plain: Floor, waited_for: int, *, in_danger: int, burn: Burn, rules: ShortageRules
) -> Floor:
    """Sink the floor step by step, while those for whom the step is lack something."""
    found = plain
    for step in rules.bending.steps:
        lacking = in_danger if step.waiting is Priority.LIFE_THREATENING else waited_for
        # To the nearest unit: the only bag of a group that is hardly used is not kept for nobody.
        keep = min(found.keep, round(burn.use_within(step.keep_d)))
        spare = min(lacking, max(0, found.have - keep))
        if spare > found.spare:
            found = Floor(have=found.have, keep=keep, spare=spare, is_bent=True)
    return found
