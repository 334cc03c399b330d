"""Decide which stations answer a disaster, which station leads, and the donations each wants.

Pure and deterministic: no IO, no clock; ties are broken by station id. The nearest station leads
and plans for the whole need. Donations are wanted only for what the region's red cells do not
cover, and never for more than the need, because over-collection has wasted blood after every large
disaster. What no donor in reach can cover is wanted of the lead station and reported as missing.
Every revision is decided from scratch, so a smaller need stands donors down.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import floor

from models.alerts import Activation, ActivationStatus, Alert
from models.base import derive_id
from models.components import Component
from models.decisions import Reason
from models.facilities import Location, Station
from models.rules.types.disasters import DisasterRules
from streams.matching.disaster_need import NeedEstimate
from streams.matching.float_sums import round_up


@dataclass(frozen=True, slots=True, kw_only=True)
class StationSupply:
    """What one station can bring to a disaster.

    Attributes:
        red_cells: Usable units, and units promised since the disaster began; units that its own
            donors gave for this disaster are left out, since `donors_wanted` counts them.
        callable_donors: Donors who may be called now, or were called for this disaster.
        eta_s: Seconds from it to the station that leads.
    """

    station: Station
    red_cells: int
    callable_donors: int
    eta_s: int = 0


class ActivationStep(StrEnum):
    OPENED = "opened"
    REVISED = "revised"
    STOOD_DOWN = "stood_down"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationChange:
    """An activation as it stands from now on, and the step that led to it."""

    activation: Activation
    step: ActivationStep
    reasons: tuple[Reason, ...]


def decide_activations(
    estimate: NeedEstimate,
    supplies: Sequence[StationSupply],
    *,
    donors_ready_s: int,
    current: Sequence[Activation],
    now: datetime,
    rules: DisasterRules,
) -> tuple[ActivationChange, ...]:
    """Decide every station's part in a disaster under its newest alert.

    Args:
        estimate: What the disaster needs, from its newest alert.
        supplies: Every station once; those too far away are left out here.
        donors_ready_s: Seconds from a call until the blood of whoever comes may be used. What a
            station can send no sooner does not spare a donor.
        current: The activations of this disaster so far, in any status.
        now: Aware UTC instant of the decision.
        rules: Rules by which a need becomes donations.

    Returns:
        The changes in order of distance, stand-downs last. A station that takes no part now and
        took none before has no change.

    Invariants: the donations wanted over all stations are those that the stock does not cover; a
        station that does not lead wants at most its callable donors.
    """
    before = {activation.station_id: activation for activation in current}
    near = [] if estimate.is_nothing else _list_near(estimate.alert, supplies)
    shares = _share_donations(near, _count_donations_open(estimate, near, donors_ready_s, rules))
    taking_part = {supply.station.station_id for _, supply in near}
    usable = _explain_usable(near, donors_ready_s)
    changes = [
        _take_part(
            _Part(
                supply=supply,
                lead=at == 0,
                distance_km=distance_km,
                donors_wanted=shares[supply.station.station_id],
            ),
            estimate,
            before.get(supply.station.station_id),
            usable=usable,
            now=now,
            rules=rules,
        )
        for at, (distance_km, supply) in enumerate(near)
    ]
    changes.extend(
        _stand_down(activation, estimate, now)
        for station_id, activation in sorted(before.items())
        if station_id not in taking_part and activation.status is ActivationStatus.OPEN
    )
    return tuple(changes)


def find_lead(location: Location, stations: Iterable[Station]) -> Station | None:
    """Return the station that leads a disaster there: the nearest of those in whose reach it is."""
    near = [
        (station.location.distance_km(location), station.station_id, station)
        for station in stations
        if station.location.distance_km(location) <= station.policy.activation_radius_km
    ]
    return min(near, key=lambda found: found[:2])[2] if near else None


def end_exercise(
    current: Sequence[Activation], *, now: datetime, rules: DisasterRules
) -> tuple[ActivationChange, ...]:
    """Stand down every open activation of an exercise whose time is over."""
    reason = Reason(code="exercise_ended", rule=rules.cite(rules.exercise))
    return tuple(
        ActivationChange(
            activation=_stood_down(activation, now),
            step=ActivationStep.STOOD_DOWN,
            reasons=(reason,),
        )
        for activation in sorted(current, key=lambda activation: activation.station_id)
        if activation.exercise and activation.status is ActivationStatus.OPEN
    )


def _list_near(
    alert: Alert, supplies: Sequence[StationSupply]
) -> list[tuple[float, StationSupply]]:
    distances = (
        (supply.station.location.distance_km(alert.location), supply) for supply in supplies
    )
    near = [
        (distance_km, supply)
        for distance_km, supply in distances
        if distance_km <= supply.station.policy.activation_radius_km
    ]
    return sorted(near, key=lambda pair: (pair[0], pair[1].station.station_id))


def _count_donations_open(
    estimate: NeedEstimate,
    near: Sequence[tuple[float, StationSupply]],
    donors_ready_s: int,
    rules: DisasterRules,
) -> int:
    """Count the donations for the red cells that no station in reach has to spare and sooner."""
    wanted = sum(need.units for need in estimate.needs if need.component is Component.RED_CELLS)
    spare = sum(
        _count_spare(supply, lead=at == 0)
        for at, (_, supply) in enumerate(near)
        if at == 0 or supply.eta_s <= donors_ready_s
    )
    return round_up(max(0, wanted - spare) / rules.donations.red_cells_per_donation)


def _count_spare(supply: StationSupply, *, lead: bool) -> int:
    """Count what a station can spare: the lead all it has, others what lies above orange."""
    if lead:
        return supply.red_cells
    station = supply.station
    daily = station.daily_demand.get(Component.RED_CELLS, 0.0)
    return max(0, supply.red_cells - round_up(daily * station.policy.thresholds.orange_below_d))


def _explain_usable(near: Sequence[tuple[float, StationSupply]], donors_ready_s: int) -> Reason:
    """Explain who is asked by when their blood would be usable at the lead."""
    stations = " ".join(
        f"{supply.station.station_id}={supply.eta_s / 3600:.1f}h"
        for _, supply in sorted(near[1:], key=lambda pair: pair[1].eta_s)
    )
    return Reason(
        code="usable_when",
        params={"stations": stations or "–", "donors_s": donors_ready_s},
    )


def _share_donations(
    near: Sequence[tuple[float, StationSupply]], donations: int
) -> Mapping[str, int]:
    """Divide donations in proportion to the callable donors; the largest remainders round up.

    What the donors cannot cover is wanted of the lead station, so that it is not lost.
    """
    reserve = {supply.station.station_id: supply.callable_donors for _, supply in near}
    whole = sum(reserve.values())
    asked = min(donations, whole)
    shares = _share(asked, reserve) if asked else dict.fromkeys(reserve, 0)
    if near:
        shares[near[0][1].station.station_id] += donations - asked
    return shares


def _share(asked: int, reserve: Mapping[str, int]) -> dict[str, int]:
    whole = sum(reserve.values())
    quotas = {station_id: asked * donors / whole for station_id, donors in reserve.items()}
    shares = {station_id: floor(quota) for station_id, quota in quotas.items()}
    by_remainder = sorted(
        quotas, key=lambda station_id: (shares[station_id] - quotas[station_id], station_id)
    )
    for station_id in by_remainder[: asked - sum(shares.values())]:
        shares[station_id] += 1
    return shares


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """The part of one station in reach: whether it leads, and the donations wanted of it."""

    supply: StationSupply
    lead: bool
    distance_km: float
    donors_wanted: int

    @property
    def donors_missing(self) -> int:
        """Return the donations wanted that no callable donor can give."""
        return max(0, self.donors_wanted - self.supply.callable_donors)


def _take_part(
    part: _Part,
    estimate: NeedEstimate,
    before: Activation | None,
    *,
    usable: Reason,
    now: datetime,
    rules: DisasterRules,
) -> ActivationChange:
    alert, station_id = estimate.alert, part.supply.station.station_id
    was_open = before is not None and before.status is ActivationStatus.OPEN
    ends_at = None
    if estimate.exercise:
        ends_at = before.ends_at if before is not None and was_open else None
        ends_at = ends_at or now + timedelta(hours=rules.exercise.ends_after_h)
    activation = Activation(
        activation_id=derive_id("activation", alert.event_key, station_id),
        event_key=alert.event_key,
        station_id=station_id,
        revision=alert.revision,
        status=ActivationStatus.OPEN,
        exercise=estimate.exercise,
        lead=part.lead,
        distance_km=round(part.distance_km, 1),
        needs=estimate.needs,
        donors_wanted=part.donors_wanted,
        donors_callable=part.supply.callable_donors,
        donors_missing=part.donors_missing,
        ends_at=ends_at,
        decided_at=now,
    )
    share = Reason(
        code="donations_shared",
        params={
            "donors_wanted": part.donors_wanted,
            "donors_callable": part.supply.callable_donors,
            "donors_missing": part.donors_missing,
            "lead": int(part.lead),
        },
        rule=rules.cite(rules.donations),
    )
    cover = Reason(code="stock_first", rule=rules.cite(rules.cover))
    return ActivationChange(
        activation=activation,
        step=ActivationStep.REVISED if was_open else ActivationStep.OPENED,
        reasons=(*estimate.reasons, cover, usable, share),
    )


def _stand_down(before: Activation, estimate: NeedEstimate, now: datetime) -> ActivationChange:
    activation = _stood_down(before, now).but(
        revision=estimate.alert.revision, needs=estimate.needs
    )
    code = "nothing_needed" if estimate.is_nothing else "out_of_radius"
    return ActivationChange(
        activation=activation,
        step=ActivationStep.STOOD_DOWN,
        reasons=(*estimate.reasons, Reason(code=code)),
    )


def _stood_down(before: Activation, now: datetime) -> Activation:
    return before.but(
        status=ActivationStatus.STOOD_DOWN,
        donors_wanted=0,
        donors_callable=None,
        donors_missing=0,
        ends_at=None,
        decided_at=now,
    )
