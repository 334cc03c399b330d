"""Alerts, activations, donors, calls, shortages, offers and transfers of one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.store.alerts import PgDisasters
from streams.store.audit import RecordTransition
from streams.store.call_outs import PgReserve
from streams.store.locks import PgLocks
from streams.store.shortages import PgExchange

if TYPE_CHECKING:
    from streams.store.database import Connection


class PgSupply(PgReserve, PgExchange, PgDisasters):
    """Implements `ports.supply.SupplyStore`; each base names its own queries."""

    def __init__(self, connection: Connection, record: RecordTransition, locks: PgLocks) -> None:
        self._connection = connection
        self._record = record
        self._locks = locks
