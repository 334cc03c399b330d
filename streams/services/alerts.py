"""Disaster alerts: the newest revision decides which stations are active and what they ask for.

Each record is acted on by itself (`one_by_one`), under the lock of its disaster and of every
station that takes part. An alert that leads to nothing, or that is held
for a dispatcher, is kept and published with its reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.alerts import ActivationStatus, Alert, AlertKind
from models.decisions import Reason
from models.errors import ContractError, DomainRefusal
from models.events.alerts import AlertReceived, AlertUnanswered
from models.facilities import Station
from streams.matching.activation import decide_activations
from streams.matching.alert_doubts import find_unreached, list_in_reach, list_untimely
from streams.matching.disaster_need import NeedEstimate, estimate_need
from streams.ports import DirectorySource, Received, Timer, Transition, UnitOfWork
from streams.ports.alerts import ActivationState, AlertOutcome, ToldAlert
from streams.services.alert_activations import Activations, count_supplies

_DISPATCHER = "dispatcher/"
_TELLERS = ("feed/", _DISPATCHER)
"""Prefixes of the sources that may send alerts: feeds and dispatchers."""


class AlertService:
    """Acts on the alert topic, and decides again when the basis of an open disaster has changed.

    Args:
        directories: The stations, where they are and how far they reach.
        activations: Writes what was decided, and calls donors for it.
    """

    def __init__(self, *, directories: DirectorySource, activations: Activations) -> None:
        self._directories = directories
        self._activations = activations

    async def act(self, work: UnitOfWork, record: Received) -> None:
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
        source = record.envelope.source
        if not source.startswith(_TELLERS):
            expected = " ".join(f"{prefix}…" for prefix in _TELLERS)
            raise ContractError("source_differs", source=source, expected=expected)
        if alert.confirmed_by and not source.startswith(_DISPATCHER):
            raise DomainRefusal("confirmation_not_yours", scope=source)
        await work.disasters.lock_event(alert.event_key)
        told = await work.disasters.find_newest_alert(alert.event_key)
        newest = told.alert if told is not None else None
        if newest is not None and newest.status == "actual" and alert.status != "actual":
            raise DomainRefusal(
                "exercise_revises_actual", event_key=alert.event_key, status=alert.status
            )
        if not await work.disasters.add_alert(alert, told_by=source, now=work.context.now):
            raise ContractError("alert_id_reused", alert_id=alert.alert_id)
        outcome, reasons = await self._decide(work, alert, told, record)
        await work.disasters.settle_alert(alert.alert_id, outcome, reasons)
        work.record(_audit_alert(alert, newest, outcome))
        if outcome in {AlertOutcome.HELD, AlertOutcome.UNANSWERED}:
            work.emit(_build_unanswered(alert, outcome, reasons, now=work.context.now))

    async def reconsider(self, work: UnitOfWork, event_key: str) -> None:
        """Decide an open disaster again by its newest alert; only what changed is written."""
        await work.disasters.lock_event(event_key)
        told = await work.disasters.find_newest_alert(event_key)
        if told is not None:
            await self._open(work, told.alert)

    async def end_exercise(self, work: UnitOfWork, timer: Timer) -> None:
        """End an exercise whose time is over; the timer's subject is its disaster."""
        await work.disasters.lock_event(timer.subject)
        current = await work.disasters.list_activations(timer.subject)
        await self._activations.end_exercise(work, current)

    async def _decide(
        self, work: UnitOfWork, alert: Alert, newest: ToldAlert | None, record: Received
    ) -> tuple[AlertOutcome, tuple[Reason, ...]]:
        """Do what the alert asks for; return its outcome, and why nothing more was done."""
        foreign = _list_foreign(record.envelope.source, newest)
        if newest is not None and not foreign and alert.revision <= newest.alert.revision:
            return AlertOutcome.SUPERSEDED, ()
        current = await work.disasters.list_activations(alert.event_key)
        is_answered = any(_is_open(state) for state in current)
        doubts = foreign or list_untimely(
            alert, is_open=is_answered, now=work.context.now, rules=work.rules.disasters
        )
        if doubts:
            return AlertOutcome.HELD, doubts
        estimate = await self._open(work, alert)
        if alert.kind is AlertKind.CANCEL:
            return AlertOutcome.ANSWERED, ()
        if not estimate.needs:
            return AlertOutcome.UNANSWERED, estimate.reasons
        unreached = find_unreached(alert.location, self._directories.current().stations.values())
        if unreached and not estimate.is_nothing:
            return AlertOutcome.UNANSWERED, unreached
        return AlertOutcome.ANSWERED, ()

    async def _open(self, work: UnitOfWork, alert: Alert) -> NeedEstimate:
        """Decide every station's part, and write what changes."""
        current = await work.disasters.list_activations(alert.event_key)
        stations = await self._list_stations(alert, current)
        await work.lock_stations(*(station.station_id for station in stations))
        earlier = await work.disasters.list_alerts(alert.event_key, before_revision=alert.revision)
        estimate = estimate_need(alert, earlier=earlier, rules=work.rules.disasters)
        changes = decide_activations(
            estimate,
            await count_supplies(work, alert, stations, current, self._directories.current()),
            donors_ready_s=work.rules.donors.ready_after_s,
            current=[state.activation for state in current],
            now=work.context.now,
            rules=work.rules.disasters,
        )
        await self._activations.write(work, changes, current)
        return estimate

    async def _list_stations(
        self, alert: Alert, current: Sequence[ActivationState]
    ) -> list[Station]:
        """List the stations that may take part, in the order of their ids."""
        directory = await self._directories.refresh()
        taking_part = {state.activation.station_id for state in current}
        near = list_in_reach(alert.location, directory.stations.values())
        taking_part |= {station.station_id for station in near}
        return [
            station
            for station_id, station in sorted(directory.stations.items())
            if station_id in taking_part
        ]


def _list_foreign(source: str, newest: ToldAlert | None) -> tuple[Reason, ...]:
    """Report that the newest alert is of another feed; a dispatcher may act for any source."""
    if newest is None or newest.told_by in {"", source}:
        return ()
    if source.startswith(_DISPATCHER) or newest.told_by.startswith(_DISPATCHER):
        return ()
    return (Reason(code="alert_of_other_feed", params={"told_by": newest.told_by}),)


def _is_open(state: ActivationState) -> bool:
    return state.activation.status is ActivationStatus.OPEN


def _audit_alert(alert: Alert, newest: Alert | None, outcome: AlertOutcome) -> Transition:
    stays = newest is not None and outcome in {AlertOutcome.SUPERSEDED, AlertOutcome.HELD}
    why = str(alert.kind) if outcome is AlertOutcome.ANSWERED else str(outcome)
    confirmed = f" confirmed by {alert.confirmed_by}" if alert.confirmed_by else ""
    return Transition(
        subject_kind="alert",
        subject=alert.event_key,
        station_id=None,
        from_state=f"revision {newest.revision}" if newest else "",
        to_state=f"revision {newest.revision if stays and newest else alert.revision}",
        why=f"{why}{confirmed}",
    )


def _build_unanswered(
    alert: Alert,
    outcome: AlertOutcome,
    reasons: tuple[Reason, ...],
    *,
    now: datetime,
) -> AlertUnanswered:
    return AlertUnanswered(
        alert_id=alert.alert_id,
        event_key=alert.event_key,
        revision=alert.revision,
        exercise=alert.status != "actual",
        held=outcome is AlertOutcome.HELD,
        reasons=reasons,
        told_at=now,
    )
