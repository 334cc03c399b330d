"""Port to alerts, activations, donors, calls, shortages, offers and transfers."""

from __future__ import annotations

from typing import Protocol

from streams.ports.alerts import DisasterStore
from streams.ports.call_outs import ReserveStore
from streams.ports.shortages import ExchangeStore


class SupplyStore(DisasterStore, ReserveStore, ExchangeStore, Protocol):
    """All that is read and written of disasters, donors and neighbours."""
