"""Alerts, activations, donors, calls, shortages, offers and transfers of one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.store.audit import RecordTransition
from streams.store.disasters import PgDisasters
from streams.store.exchange import PgExchange
from streams.store.reserve import PgReserve

if TYPE_CHECKING:
    from streams.store.database import Connection


class PgSupply(PgReserve, PgExchange, PgDisasters):
    """Implements `ports.supply.SupplyStore`; each base names its own queries."""

    def __init__(self, connection: Connection, record: RecordTransition) -> None:
        self._connection = connection
        self._record = record
