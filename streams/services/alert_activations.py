"""Write and publish the decided activations of a disaster, and call donors for them.

Runs inside a transaction, under the lock of the disaster and of every station that takes part.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.alerts import Activation, Alert
from models.directory import Directory
from models.donors import CallOutStatus
from models.events.alerts import (
    ActivationOpened,
    ActivationRevised,
    ActivationStoodDown,
    DonorsMissing,
)
from models.facilities import Station
from streams.matching.activation import (
    ActivationChange,
    ActivationStep,
    StationSupply,
    end_exercise,
    find_lead,
)
from streams.matching.donor_waves import count_callable
from streams.ports import Timer, TimerKind, Transition, UnitOfWork
from streams.ports.alerts import ActivationState
from streams.services.donor_call_outs import CallOuts
from streams.services.donor_needs import list_activation_groups
from streams.services.shortage_timing import assess_now

_EVENTS = {
    ActivationStep.OPENED: ActivationOpened,
    ActivationStep.REVISED: ActivationRevised,
    ActivationStep.STOOD_DOWN: ActivationStoodDown,
}
_ENGAGED = frozenset(
    {
        CallOutStatus.CALLED,
        CallOutStatus.ACCEPTED,
        CallOutStatus.ARRIVED,
        CallOutStatus.DONATED,
    }
)


class Activations:
    """Writes changes of activations.

    Args:
        call_outs: Calls donors for an activation, and stands them down.
    """

    def __init__(self, *, call_outs: CallOuts) -> None:
        self._call_outs = call_outs

    async def write(
        self,
        work: UnitOfWork,
        changes: Sequence[ActivationChange],
        current: Sequence[ActivationState],
    ) -> None:
        """Write, publish and pursue every change; a change without effect is not published."""
        before = {state.activation.activation_id: state.activation for state in current}
        for change in changes:
            activation_id = change.activation.activation_id
            earlier = before.get(activation_id)
            if earlier is not None and _is_same(earlier, change.activation):
                continue
            await _write(work, change, earlier)
            await self._call_outs.pursue(work, activation_id)
            is_led = change.activation.lead or (earlier is not None and earlier.lead)
            if is_led and not change.activation.exercise:
                # What the disaster needs beyond the lead's shelf is asked of its neighbours now.
                assess_now(work, change.activation.station_id)

    async def end_exercise(self, work: UnitOfWork, current: Sequence[ActivationState]) -> None:
        """Stand down the activations of an exercise that are still open."""
        changes = end_exercise(
            [state.activation for state in current],
            now=work.context.now,
            rules=work.rules.disasters,
        )
        await self.write(work, changes, current)


async def count_supplies(
    work: UnitOfWork,
    alert: Alert,
    stations: Sequence[Station],
    current: Sequence[ActivationState],
    directory: Directory,
) -> list[StationSupply]:
    """Count what each station can bring to a disaster: red cells, and donors."""
    red_cells = await work.disasters.count_red_cells(
        [station.station_id for station in stations],
        event_key=alert.event_key,
        since=min((state.opened_at for state in current), default=work.context.now),
        now=work.context.now,
    )
    activations = {state.activation.station_id: state.activation for state in current}
    groups = list_activation_groups(work.rules.disasters)
    lead = find_lead(alert.location, stations)
    supplies = []
    for station in stations:
        reserve = await work.reserve.list_reserve(station.station_id)
        donors = count_callable(
            reserve, groups=groups, now=work.context.now, rules=work.rules.donors
        )
        activation = activations.get(station.station_id)
        if activation is not None:
            own = activation.activation_id
            calls = await work.reserve.list_calls(station.station_id, cause_ids=[own])
            donors += sum(
                call.status in _ENGAGED for call in calls if call.call_out.cause_id == own
            )
        supplies.append(
            StationSupply(
                station=station,
                red_cells=red_cells.get(station.station_id, 0),
                callable_donors=donors,
                eta_s=_find_eta_s(station, lead, directory),
            )
        )
    return supplies


def _find_eta_s(station: Station, lead: Station | None, directory: Directory) -> int:
    if lead is None or station.station_id == lead.station_id:
        return 0
    return directory.get_journey(station.station_id, lead.station_id).eta_s


def _is_same(before: Activation, after: Activation) -> bool:
    return before == after.but(decided_at=before.decided_at)


async def _write(work: UnitOfWork, change: ActivationChange, before: Activation | None) -> None:
    activation = change.activation
    await work.disasters.write_activation(activation)
    told = [f"{reason.code}[{reason.rule}]" for reason in change.reasons]
    counted = f"donors={activation.donors_wanted} missing={activation.donors_missing}"
    work.record(
        Transition(
            subject_kind="activation",
            subject=activation.activation_id,
            station_id=activation.station_id,
            from_state=before.status if before else "",
            to_state=activation.status,
            why=f"{change.step} {counted} {' '.join(told)}",
        )
    )
    events = [
        _EVENTS[change.step](activation=activation),
        *_build_missing(activation, before, now=work.context.now),
    ]
    for event in events:
        work.emit(event, station_id=activation.station_id)
    if activation.ends_at is not None:
        work.schedule(
            Timer(
                kind=TimerKind.EXERCISE_END,
                subject=activation.event_key,
                due_at=activation.ends_at,
            )
        )


def _build_missing(
    activation: Activation, before: Activation | None, *, now: datetime
) -> Sequence[DonorsMissing]:
    """Report what no donor can cover, whenever that changes; a stand-down reports nothing."""
    missing_before = before.donors_missing if before else 0
    if activation.donors_missing == missing_before or activation.donors_callable is None:
        return ()
    event = DonorsMissing(
        activation_id=activation.activation_id,
        event_key=activation.event_key,
        station_id=activation.station_id,
        exercise=activation.exercise,
        wanted=activation.donors_wanted,
        callable=activation.donors_callable,
        missing=activation.donors_missing,
        told_at=now,
    )
    return (event,)
