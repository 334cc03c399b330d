"""Decide how much of a neighbour's offer to take, and which units.

Pure and deterministic: no IO, no clock; ties are broken by unit id. Emptying the next station
saves nobody: a neighbour keeps its own stock above its orange threshold, and a station takes no
more than is still missing once the units on their way have arrived. For patients who wait the
floor bends by steps, and a person at the giving station says yes to what goes below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from models.alerts import Activation
from models.clearance import Cleared, ForStation, Step, UnitFacts
from models.decisions import Reason
from models.doses import WHOLE, round_down, sum_content
from models.facilities import Station
from models.groups import BloodGroup, RhD
from models.rules.rulebook import Rulebook
from models.safety import clear
from models.shortages import Offer, Shortage, ShortageStatus
from streams.matching.burn_rate import Burn
from streams.matching.giver_floors import Lack, find_floor
from streams.matching.kernel_routes import to_station
from streams.matching.offered_units import Served, WaitingLine, serve_waiting
from streams.matching.units_on_the_way import Coming, count_coming


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferVerdict:
    """The units taken of an offer; an offer without any is declined for these reasons."""

    taken: tuple[Cleared, ...]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GivingStation:
    """The neighbour that offers, and what it has and needs itself.

    Attributes:
        units: Its released, unpromised units in any order.
        burn: Its own use of the component and group.
        led: The open activations of actual disasters that it leads.
    """

    station: Station
    units: Sequence[UnitFacts]
    burn: Burn
    led: Sequence[Activation] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StationInNeed:
    """The station that an offer is for, and what it lacks.

    Attributes:
        shortage: The shortage that the offer answers, as it stands now.
        waiting: The lines that wait for this shortage to end.
        coming: The bags agreed or on their way for this shortage.
    """

    station: Station
    shortage: Shortage
    waiting: Sequence[WaitingLine] = ()
    coming: Sequence[Coming] = ()

    def find_lack(self, served: Served) -> Lack:
        """Return what it lacks once what is on its way has come, and no less than is served."""
        shortage, in_transit = self.shortage, count_coming(self.coming)
        return Lack(
            units=max(shortage.units_missing - in_transit, served.units),
            urgent=max(shortage.urgent_units - in_transit, served.urgent),
            endangered=max(0, shortage.endangered_units - in_transit, served.endangered),
        )


def decide_acceptance(
    offer: Offer,
    *,
    giver: GivingStation,
    receiver: StationInNeed,
    eta_s: int,
    now: datetime,
    rules: Rulebook,
) -> OfferVerdict:
    """Decide how many units of an offer to take, and which.

    Args:
        offer: What the neighbour offers.
        giver: The neighbour.
        receiver: The station in need.
        eta_s: Seconds from the giver to the receiver.
        now: Aware UTC instant of the decision.
        rules: The rulebook to decide by.

    Returns:
        At most what was offered and is still missing, what fits those who wait first, then first
        expiry first, each cleared by the safety kernel; or no units and every reason why not.

    Invariants: the giver keeps its days of supply at orange or above, unless a person at the giver
        confirms that it goes below for patients who wait, and then by steps. Nothing that a
        disaster needs leaves its lead without such a person. RhD- red cells go only to who waits.
    """
    shortage = receiver.shortage
    obstacles = _list_obstacles(offer, giver.station, receiver, now)
    obstacles += _list_led(offer, giver.led, rules)
    fit = _list_fit(offer, giver, receiver, eta_s=eta_s, now=now, rules=rules)
    # What comes too late for who waits now, or does not fit, spares no bag that does.
    served = serve_waiting(
        fit, receiver.waiting, receiver.coming, eta_s=eta_s, now=now, rules=rules
    )
    lack = receiver.find_lack(served)
    if shortage.status is ShortageStatus.OPEN and lack.units <= 0:
        in_transit = count_coming(receiver.coming)
        obstacles.append(Reason(code="nothing_missing", params={"in_transit": in_transit}))
    elif is_kept_from_shelf(offer.group, shortage) and offer.group in shortage.donor_groups:
        lack = replace(lack, units=min(lack.units, lack.urgent))
        if not lack.units:
            rule = rules.shortages.cite(rules.shortages.rhd_negative)
            obstacles.append(Reason(code="rhd_negative_for_who_waits", rule=rule))
    if obstacles:
        return OfferVerdict(taken=(), reasons=tuple(obstacles))
    if not fit:
        return OfferVerdict(taken=(), reasons=(Reason(code="no_unit_left"),))
    floor = find_floor(
        offer,
        have=round_down(_sum(fit)),
        lack=lack,
        thresholds=giver.station.policy.thresholds,
        burn=giver.burn,
        rules=rules.shortages,
    )
    most = min(lack.units, offer.quantity, floor.spare if floor.is_bent else lack.units)
    taken = _take(served.ordered, wanted=most * WHOLE, spare=_sum(fit) - floor.keep * WHOLE)
    if not taken:
        return OfferVerdict(taken=(), reasons=(floor.explain(rules.shortages),))
    reason = Reason(
        code="offer_taken",
        params={
            "offered": offer.quantity,
            "missing": lack.units,
            "taken": round_down(_sum(taken)),
            "keep": floor.keep,
            "below_floor": int(floor.is_bent),
        },
        rule=rules.shortages.cite(rules.shortages.bending) if floor.is_bent else "",
    )
    return OfferVerdict(taken=taken, reasons=(reason,))


def _take(fit: Sequence[Cleared], *, wanted: int, spare: int) -> tuple[Cleared, ...]:
    """Take bags in the order of choice; the last may hold more than is wanted, within the spare.

    Args:
        fit: Bags that may go.
        wanted: Hundredths of the ordering unit that are asked for.
        spare: Hundredths that the giver can do without.
    """
    taken: list[Cleared] = []
    larger: list[Cleared] = []
    for cleared in fit:
        fits = _sum([*taken, cleared]) <= min(wanted, spare)
        (taken if fits else larger).append(cleared)
    for cleared in sorted(larger, key=lambda cleared: _sum([cleared])):
        if _sum(taken) < wanted and _sum([*taken, cleared]) <= spare:
            taken.append(cleared)
    for cleared in reversed(taken.copy()):
        # Without it there is enough: the giver keeps it.
        if _sum(taken) - _sum([cleared]) >= wanted:
            taken.remove(cleared)
    return tuple(taken)


def _sum(cleared: Sequence[Cleared]) -> int:
    return sum_content(answer.unit for answer in cleared)


def is_agreed(giver: Station, receiver: Station) -> bool:
    """Return whether two stations help each other: either names the other as a neighbour."""
    return (
        receiver.station_id in giver.policy.neighbours
        or giver.station_id in receiver.policy.neighbours
    )


def is_kept_from_shelf(group: BloodGroup, shortage: Shortage) -> bool:
    """Return whether a group may serve those who wait and not fill the shelf behind them."""
    return (
        shortage.component.spec.carries_red_cells
        and group.rhd is RhD.NEGATIVE
        and shortage.group.rhd is RhD.POSITIVE
    )


def _list_obstacles(
    offer: Offer, giver: Station, receiver: StationInNeed, now: datetime
) -> list[Reason]:
    obstacles, shortage = [], receiver.shortage
    if shortage.status is not ShortageStatus.OPEN:
        obstacles.append(_explain_cleared(shortage))
    if offer.valid_until <= now:
        obstacles.append(Reason(code="offer_expired"))
    if not is_agreed(giver, receiver.station):
        obstacles.append(Reason(code="not_a_neighbour", params={"station_id": giver.station_id}))
    if offer.component is not shortage.component:
        obstacles.append(Reason(code="other_component", params={"offered": offer.component}))
    if offer.group not in shortage.donor_groups:
        obstacles.append(Reason(code="group_does_not_serve", params={"offered": offer.group}))
    return obstacles


def _list_led(offer: Offer, led: Sequence[Activation], rules: Rulebook) -> list[Reason]:
    """List the disasters that the giver leads and that need what it offers; a person may say yes.

    `disaster.cover`: the lead gives all its blood to the disaster.
    """
    if offer.confirmed_by:
        return []
    return [
        Reason(
            code="giver_leads_disaster",
            params={"event_key": activation.event_key},
            rule=rules.disasters.cite(rules.disasters.cover),
        )
        for activation in led
        if any(need.component is offer.component and need.units for need in activation.needs)
    ]


def _explain_cleared(shortage: Shortage) -> Reason:
    return Reason(code="shortage_cleared", params={"shortage_id": shortage.shortage_id})


def _list_fit(
    offer: Offer,
    giver: GivingStation,
    receiver: StationInNeed,
    *,
    eta_s: int,
    now: datetime,
    rules: Rulebook,
) -> list[Cleared]:
    """List the units of the offered group that may go to the station in need."""
    purpose = ForStation(
        to_station_id=receiver.shortage.station_id,
        station_id=giver.station.station_id,
        component=receiver.shortage.component,
        groups=receiver.shortage.donor_groups,
    )
    route = to_station(eta_s, now=now)
    answers = (
        clear(unit, purpose=purpose, step=Step.RESERVE, route=route, now=now, rules=rules)
        for unit in giver.units
        if unit.group is offer.group
    )
    return [answer for answer in answers if isinstance(answer, Cleared)]
