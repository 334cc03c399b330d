"""Alerts, activations, donors, calls, shortages, offers and transfers of one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from models.errors import InvariantViolation
from models.shortages import Transfer
from streams.store.queries import load_queries

if TYPE_CHECKING:
    from streams.store.database import PooledConnection

_QUERIES = load_queries("supply")


class PgSupply:
    """Implements `ports.supply.SupplyStore`."""

    def __init__(self, connection: PooledConnection) -> None:
        self._connection = connection

    async def get_transfer(self, transfer_id: str) -> Transfer:
        row = await _QUERIES.lock_transfer(self._connection, transfer_id=transfer_id)
        if row is None:
            raise InvariantViolation("transfer_missing", transfer_id=transfer_id)
        return Transfer.model_validate({**row["body"], "status": row["status"]})

    async def write_transfer(self, transfer: Transfer, *, now: datetime) -> None:
        await _QUERIES.write_transfer(
            self._connection,
            transfer_id=transfer.transfer_id,
            offer_id=transfer.offer_id,
            from_station_id=transfer.from_station_id,
            to_station_id=transfer.to_station_id,
            status=transfer.status,
            body=transfer.model_dump(mode="json"),
            agreed_at=transfer.agreed_at,
            now=now,
        )

    async def count_promises(self, transfer_id: str) -> Mapping[str, int]:
        rows = _QUERIES.count_promises(self._connection, transfer_id=transfer_id)
        return {row["status"]: row["units"] async for row in rows}
