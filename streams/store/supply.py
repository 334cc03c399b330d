"""Alerts, activations, donors, calls, shortages, offers and transfers of one transaction."""

from __future__ import annotations

from streams.store.disasters import PgDisasters
from streams.store.exchange import PgExchange
from streams.store.reserve import PgReserve


class PgSupply(PgDisasters, PgReserve, PgExchange):
    """Implements `ports.supply.SupplyStore`; each base names its own queries."""
