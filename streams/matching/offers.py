"""Decide what a neighbour can spare for a shortage, and how much of an offer to take.

Pure and deterministic: no IO, no clock; ties are broken by unit id. Emptying the next station
saves nobody: a neighbour keeps its own stock above its orange threshold, and a station takes no
more than is still missing once the units on their way have arrived.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.base import derive_id
from models.clearance import Cleared, ForStation, Step, UnitFacts
from models.decisions import Reason
from models.facilities import Station
from models.groups import BloodGroup
from models.rules.rulebook import Rulebook
from models.safety import clear
from models.shortages import Offer, Shortage, ShortageStatus
from streams.matching.journeys import to_station
from streams.matching.rounding import round_up

MAX_OFFER_UNITS = 500
"""Most units that one offer may hold; the limit of its event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a neighbour offers; without offers, the reasons say why it offers nothing."""

    offers: tuple[Offer, ...]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferVerdict:
    """The units taken of an offer; an offer without any is declined for these reasons."""

    taken: tuple[Cleared, ...]
    reasons: tuple[Reason, ...]


def decide_offer(
    shortage: Shortage,
    *,
    giver: Station,
    units: Sequence[UnitFacts],
    burns_per_d: Mapping[BloodGroup, float],
    eta_s: int,
    now: datetime,
    valid_s: int,
    rules: Rulebook,
) -> Proposal:
    """Decide what a neighbour offers for another station's shortage.

    Args:
        shortage: The shortage as it was published.
        giver: The neighbour, whose own thresholds hold.
        units: Its released, unpromised units in any order; others' units are ignored.
        burns_per_d: Its burn rate of the component, per group, in units a day.
        eta_s: Seconds from the giver to the station in need.
        now: Aware UTC instant of the offer.
        valid_s: Seconds that the offer stands.
        rules: The rulebook to decide by.

    Returns:
        One offer per group, the best serving group first, together at most what is missing.

    Invariants: in each group the giver keeps its days of supply at orange or above; every unit
        counted is cleared by the safety kernel.
    """
    obstacle = _find_obstacle(shortage, giver)
    if obstacle:
        return Proposal(offers=(), reasons=(obstacle,))
    missing = shortage.units_missing
    offers: list[Offer] = []
    for group in shortage.donor_groups:
        fit = _list_fit(
            units, giver.station_id, shortage, group=group, eta_s=eta_s, now=now, rules=rules
        )
        keep = _count_kept(giver, burns_per_d.get(group, 0.0))
        quantity = min(missing, len(fit) - keep, MAX_OFFER_UNITS)
        if quantity <= 0:
            continue
        missing -= quantity
        offers.append(
            _make_offer(shortage, giver, group=group, quantity=quantity, now=now, valid_s=valid_s)
        )
    if offers:
        return Proposal(offers=tuple(offers), reasons=())
    reason = Reason(code="nothing_to_spare", rule=rules.shortages.cite(rules.shortages.offers))
    return Proposal(offers=(), reasons=(reason,))


def decide_acceptance(
    offer: Offer,
    *,
    shortage: Shortage,
    giver: Station,
    receiver: Station,
    units: Sequence[UnitFacts],
    burn_per_d: float,
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
        burn_per_d: The giver's burn rate of the component and group, in units a day.
        in_transit: Units agreed or on their way for this shortage.
        eta_s: Seconds from the giver to the receiver.
        now: Aware UTC instant of the decision.
        rules: The rulebook to decide by.

    Returns:
        At most what was offered and is still missing, first expiry first, each cleared by the
        safety kernel; or no units and every reason why not.

    Invariants: the giver keeps its days of supply at orange or above, as in `decide_offer`, unless
        the offer says expressly that it goes below.
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
    keep = 0 if offer.below_floor else _count_kept(giver, burn_per_d)
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


def _count_kept(giver: Station, burn_per_d: float) -> int:
    """Count the units of a group that a giver keeps to stay at its orange threshold."""
    return round_up(burn_per_d * giver.policy.thresholds.orange_below_d)


def is_agreed(giver: Station, receiver: Station) -> bool:
    """Return whether two stations help each other: either names the other as a neighbour."""
    return (
        receiver.station_id in giver.policy.neighbours
        or giver.station_id in receiver.policy.neighbours
    )


def _find_obstacle(shortage: Shortage, giver: Station) -> Reason | None:
    if shortage.status is not ShortageStatus.OPEN or not shortage.units_missing:
        return _explain_cleared(shortage)
    if shortage.station_id == giver.station_id:
        return Reason(code="own_shortage")
    if shortage.station_id not in giver.policy.neighbours:
        return Reason(code="not_a_neighbour", params={"station_id": shortage.station_id})
    return None


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


def _make_offer(
    shortage: Shortage,
    giver: Station,
    *,
    group: BloodGroup,
    quantity: int,
    now: datetime,
    valid_s: int,
) -> Offer:
    return Offer(
        offer_id=derive_id(
            "offer", shortage.shortage_id, shortage.version, giver.station_id, group
        ),
        shortage_id=shortage.shortage_id,
        from_station_id=giver.station_id,
        to_station_id=shortage.station_id,
        component=shortage.component,
        group=group,
        quantity=quantity,
        valid_until=now + timedelta(seconds=valid_s),
    )
