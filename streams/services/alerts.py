"""Disaster alerts: the newest revision decides which stations are active and what they ask for.

Each record is acted on by itself (`one_by_one`), under the lock of its disaster and of every
station that takes part, in the order of their ids.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.alerts import Alert
from models.donors import CallOutStatus
from models.errors import ContractError, DomainRefusal
from models.events.alerts import (
    ActivationOpened,
    ActivationRevised,
    ActivationStoodDown,
    AlertReceived,
)
from models.facilities import Station
from streams.matching.activation import (
    ActivationChange,
    ActivationStep,
    StationSupply,
    decide_activations,
)
from streams.matching.eligibility import list_obstacles
from streams.matching.need import estimate_need
from streams.ports import DirectorySource, Outgoing, Received, Transition, UnitOfWork
from streams.ports.disasters import ActivationState
from streams.services.call_outs import CallOuts

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


class AlertService:
    """Acts on the alert topic.

    Args:
        directories: The stations, where they are and how far they reach.
        call_outs: Calls donors for an activation, and stands them down.
    """

    def __init__(self, *, directories: DirectorySource, call_outs: CallOuts) -> None:
        self._directories = directories
        self._call_outs = call_outs

    async def act(self, work: UnitOfWork, record: Received, now: datetime) -> None:
        """Act on one new record; a revision that is not newer is kept and changes nothing.

        Raises:
            ContractError: The key is not the disaster, or the alert's id was used before.
            DomainRefusal: An exercise claims to revise an actual disaster.
        """
        event = record.event
        if not isinstance(event, AlertReceived):
            raise ContractError("event_not_for_topic", type=event.TYPE)
        alert = event.alert
        if record.envelope.key != alert.event_key:
            raise ContractError("key_differs", key=record.envelope.key, expected=alert.event_key)
        await work.supply.lock_event(alert.event_key)
        newest = await work.supply.find_newest_alert(alert.event_key)
        if newest is not None and newest.status == "actual" and alert.status != "actual":
            raise DomainRefusal(
                "exercise_revises_actual", event_key=alert.event_key, status=alert.status
            )
        if not await work.supply.add_alert(alert, now=now):
            raise ContractError("alert_id_reused", alert_id=alert.alert_id)
        superseded = newest is not None and alert.revision <= newest.revision
        work.record(_tell_alert(alert, newest, superseded=superseded, record=record, now=now))
        if not superseded:
            await self._decide(work, alert, record, now)

    async def _decide(
        self, work: UnitOfWork, alert: Alert, record: Received, now: datetime
    ) -> None:
        current = await work.supply.list_activations(alert.event_key)
        stations = await self._list_stations(alert, current)
        for station in stations:
            await work.supply.lock_station(station.station_id)
        changes = decide_activations(
            alert=alert,
            estimate=estimate_need(alert),
            supplies=await _count_supplies(work, alert, stations, current, now),
            current=[state.activation for state in current],
            now=now,
        )
        before = {state.activation.activation_id: state for state in current}
        for change in changes:
            await self._write(work, change, before, record=record, now=now)

    async def _list_stations(
        self, alert: Alert, current: Sequence[ActivationState]
    ) -> list[Station]:
        """List who may take part, in the order in which they are locked."""
        directory = await self._directories.refresh()
        taking_part = {state.activation.station_id for state in current}
        return [
            station
            for station_id, station in sorted(directory.stations.items())
            if station_id in taking_part
            or station.location.distance_km(alert.location) <= station.policy.activation_radius_km
        ]

    async def _write(
        self,
        work: UnitOfWork,
        change: ActivationChange,
        before: dict[str, ActivationState],
        *,
        record: Received,
        now: datetime,
    ) -> None:
        activation = change.activation
        await work.supply.write_activation(activation)
        state = before.get(activation.activation_id)
        told = [f"{reason.code}[{reason.rule}]" for reason in change.reasons]
        work.record(
            Transition(
                subject_kind="activation",
                subject=activation.activation_id,
                station_id=activation.station_id,
                from_state=state.activation.status if state else "",
                to_state=activation.status,
                why=f"{change.step} donors={activation.donors_wanted} {' '.join(told)}",
                caused_by=record.envelope.id,
                at=now,
            )
        )
        work.emit(
            Outgoing(
                event=_EVENTS[change.step](activation=activation),
                caused_by=record.envelope.id,
                made_at=now,
                station_id=activation.station_id,
                traceparent=record.envelope.traceparent,
            )
        )
        await self._call_outs.pursue(
            work, activation.activation_id, caused_by=record.envelope.id, now=now
        )


async def _count_supplies(
    work: UnitOfWork,
    alert: Alert,
    stations: Sequence[Station],
    current: Sequence[ActivationState],
    now: datetime,
) -> list[StationSupply]:
    red_cells = await work.supply.count_red_cells(
        [station.station_id for station in stations],
        event_key=alert.event_key,
        since=min((state.opened_at for state in current), default=now),
        now=now,
    )
    activations = {state.activation.station_id: state.activation for state in current}
    supplies = []
    for station in stations:
        reserve = await work.supply.list_reserve(station.station_id)
        donors = sum(not list_obstacles(donor, now=now) for donor in reserve)
        activation = activations.get(station.station_id)
        if activation is not None:
            calls = await work.supply.list_calls(
                station.station_id, cause_id=activation.activation_id
            )
            donors += sum(call.status in _ENGAGED for call in calls)
        supplies.append(
            StationSupply(
                station=station,
                red_cells=red_cells.get(station.station_id, 0),
                callable_donors=donors,
            )
        )
    return supplies


def _tell_alert(
    alert: Alert, newest: Alert | None, *, superseded: bool, record: Received, now: datetime
) -> Transition:
    return Transition(
        subject_kind="alert",
        subject=alert.event_key,
        station_id=None,
        from_state=f"revision {newest.revision}" if newest else "",
        to_state=f"revision {newest.revision if superseded and newest else alert.revision}",
        why="superseded" if superseded else alert.kind,
        caused_by=record.envelope.id,
        at=now,
    )
