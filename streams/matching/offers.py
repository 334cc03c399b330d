"""Decide how much of a neighbour's offer to take, and which units.

Pure and deterministic: no IO, no clock; ties are broken by unit id. Emptying the next station
saves nobody: a neighbour keeps its own stock above its orange threshold, and a station takes no
more than is still missing once the units on their way have arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models.clearance import Cleared, ForStation, Step, UnitFacts
from models.decisions import Reason
from models.facilities import Station
from models.groups import BloodGroup
from models.rules.rulebook import Rulebook
from models.safety import clear
from models.shortages import Offer, Shortage, ShortageStatus
from streams.matching.burn import Burn
from streams.matching.journeys import to_station
from streams.matching.rounding import round_up


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferVerdict:
    """The units taken of an offer; an offer without any is declined for these reasons."""

    taken: tuple[Cleared, ...]
    reasons: tuple[Reason, ...]


def decide_acceptance(
    offer: Offer,
    *,
    shortage: Shortage,
    giver: Station,
    receiver: Station,
    units: Sequence[UnitFacts],
    burn: Burn,
    in_transit: int,
    eta_s: int,
    now: datetime,
    rules: Rulebook,
) -> OfferVerdict:
    """Decide how many units of an offer to take, and which.

    Args:
        offer: What the neighbour offers.
        shortage: The shortage that it answers, as it stands now.
        giver: The neighbour.
        receiver: The station in need.
        units: The giver's released, unpromised units in any order.
        burn: The giver's own use of the component and group.
        in_transit: Units agreed or on their way for this shortage.
        eta_s: Seconds from the giver to the receiver.
        now: Aware UTC instant of the decision.
        rules: The rulebook to decide by.

    Returns:
        At most what was offered and is still missing, first expiry first, each cleared by the
        safety kernel; or no units and every reason why not.

    Invariants: the giver keeps its days of supply at orange or above, unless the offer says
        expressly that it goes below.
    """
    obstacles = _list_obstacles(offer, shortage, giver, receiver, now)
    missing = shortage.units_missing - in_transit
    if shortage.status is ShortageStatus.OPEN and missing <= 0:
        obstacles.append(Reason(code="nothing_missing", params={"in_transit": in_transit}))
    if obstacles:
        return OfferVerdict(taken=(), reasons=tuple(obstacles))
    fit = _list_fit(
        units, giver.station_id, shortage, group=offer.group, eta_s=eta_s, now=now, rules=rules
    )
    if not fit:
        return OfferVerdict(taken=(), reasons=(Reason(code="no_unit_left"),))
    keep = 0 if offer.below_floor else _count_kept(giver, burn)
    spare = len(fit) - keep
    if spare <= 0:
        told = {"left": len(fit), "keep": keep}
        kept = Reason(
            code="giver_keeps_floor", params=told, rule=rules.shortages.cite(rules.shortages.offers)
        )
        return OfferVerdict(taken=(), reasons=(kept,))
    taken = tuple(fit[: min(missing, offer.quantity, spare)])
    reason = Reason(
        code="offer_taken",
        params={
            "offered": offer.quantity,
            "missing": missing,
            "taken": len(taken),
            "keep": keep,
            "below_floor": int(offer.below_floor),
        },
    )
    return OfferVerdict(taken=taken, reasons=(reason,))


def _count_kept(giver: Station, burn: Burn) -> int:
    """Count the units of a group that a giver keeps to stay at its orange threshold."""
    return round_up(burn.use_within(giver.policy.thresholds.orange_below_d))


def is_agreed(giver: Station, receiver: Station) -> bool:
    """Return whether two stations help each other: either names the other as a neighbour."""
    return (
        receiver.station_id in giver.policy.neighbours
        or giver.station_id in receiver.policy.neighbours
    )


def _list_obstacles(
    offer: Offer, shortage: Shortage, giver: Station, receiver: Station, now: datetime
) -> list[Reason]:
    obstacles = []
    if shortage.status is not ShortageStatus.OPEN:
        obstacles.append(_explain_cleared(shortage))
    if offer.valid_until <= now:
        obstacles.append(Reason(code="offer_expired"))
    if not is_agreed(giver, receiver):
        obstacles.append(Reason(code="not_a_neighbour", params={"station_id": giver.station_id}))
    if offer.component is not shortage.component:
        obstacles.append(Reason(code="other_component", params={"offered": offer.component}))
    if offer.group not in shortage.donor_groups:
        obstacles.append(Reason(code="group_does_not_serve", params={"offered": offer.group}))
    return obstacles


def _explain_cleared(shortage: Shortage) -> Reason:
    return Reason(code="shortage_cleared", params={"shortage_id": shortage.shortage_id})


def _list_fit(
    units: Sequence[UnitFacts],
    station_id: str,
    shortage: Shortage,
    *,
    group: BloodGroup,
    eta_s: int,
    now: datetime,
    rules: Rulebook,
) -> list[Cleared]:
    """List the units of a group that may go to the station in need, first expiry first."""
    purpose = ForStation(
        to_station_id=shortage.station_id,
        station_id=station_id,
        component=shortage.component,
        groups=shortage.donor_groups,
    )
    route = to_station(eta_s, now=now)
    answers = (
        clear(unit, purpose=purpose, step=Step.RESERVE, route=route, now=now, rules=rules)
        for unit in units
        if unit.group is group
    )
    fit = [answer for answer in answers if isinstance(answer, Cleared)]
    return sorted(fit, key=lambda cleared: (cleared.unit.expires_at, cleared.unit.unit_id))
