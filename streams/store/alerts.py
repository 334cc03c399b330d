"""Alerts and activations of one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from models.alerts import Activation, Alert
from models.decisions import Reason
from streams.ports.alerts import ActivationState, AlertOutcome, ToldAlert
from streams.ports.locks import name_disaster
from streams.store.locks import PgLocks
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    import asyncpg

    from streams.store.database import Connection

_QUERIES = load_queries("alerts")


class PgDisasters:
    """Implements `ports.alerts.DisasterStore`."""

    def __init__(self, connection: Connection, locks: PgLocks) -> None:
        self._connection = connection
        self._locks = locks

    async def lock_event(self, event_key: str) -> None:
        taking_part = _QUERIES.list_active_stations(self._connection, event_key=event_key)
        stations = [row["station_id"] async for row in taking_part]
        await self._locks.lock([name_disaster(event_key), *stations])

    async def find_newest_alert(self, event_key: str) -> ToldAlert | None:
        row = await _QUERIES.find_newest_alert(self._connection, event_key=event_key)
        if row is None:
            return None
        return ToldAlert(alert=Alert.model_validate(row["body"]), told_by=row["told_by"])

    async def add_alert(self, alert: Alert, *, told_by: str, now: datetime) -> bool:
        added = await _QUERIES.add_alert(
            self._connection,
            alert_id=alert.alert_id,
            event_key=alert.event_key,
            revision=alert.revision,
            body=alert.model_dump(mode="json", exclude_none=True),
            told_by=told_by,
            now=now,
        )
        return added is not None

    async def list_alerts(self, event_key: str, *, before_revision: int) -> list[Alert]:
        rows = _QUERIES.list_alerts(
            self._connection, event_key=event_key, before_revision=before_revision
        )
        return [Alert.model_validate(row["body"]) async for row in rows]

    async def settle_alert(
        self, alert_id: str, outcome: AlertOutcome, reasons: Sequence[Reason]
    ) -> None:
        await _QUERIES.settle_alert(
            self._connection,
            alert_id=alert_id,
            outcome=outcome,
            reasons=[reason.model_dump(mode="json") for reason in reasons],
        )

    async def list_open_event_keys(self, station_id: str) -> list[str]:
        rows = _QUERIES.list_open_event_keys(self._connection, station_id=station_id)
        return [row["event_key"] async for row in rows]

    async def list_activations(self, event_key: str) -> list[ActivationState]:
        rows = _QUERIES.list_activations(self._connection, event_key=event_key)
        return [_to_activation(row) async for row in rows]

    async def find_activation(self, activation_id: str) -> ActivationState | None:
        row = await _QUERIES.find_activation(self._connection, activation_id=activation_id)
        return None if row is None else _to_activation(row)

    async def list_open_activations(self, station_id: str) -> list[ActivationState]:
        rows = _QUERIES.list_open_activations(self._connection, station_id=station_id)
        return [_to_activation(row) async for row in rows]

    async def write_activation(self, activation: Activation) -> None:
        await _QUERIES.write_activation(
            self._connection,
            activation_id=activation.activation_id,
            event_key=activation.event_key,
            station_id=activation.station_id,
            status=activation.status,
            revision=activation.revision,
            donors_wanted=activation.donors_wanted,
            body=activation.model_dump(mode="json"),
            decided_at=activation.decided_at,
        )

    async def count_red_cells(
        self, station_ids: Collection[str], *, event_key: str, since: datetime, now: datetime
    ) -> Mapping[str, int]:
        rows = _QUERIES.count_red_cells(
            self._connection,
            station_ids=list(station_ids),
            event_key=event_key,
            since=since,
            now=now,
        )
        return {row["station_id"]: row["units"] async for row in rows}


def _to_activation(row: asyncpg.Record) -> ActivationState:
    return ActivationState(
        activation=Activation.model_validate(row["body"]), opened_at=row["opened_at"]
    )
