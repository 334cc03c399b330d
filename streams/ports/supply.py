"""Port to alerts, activations, donors, calls, shortages, offers and transfers."""

from __future__ import annotations

from typing import Protocol

from streams.ports.alerts import DisasterStore
from streams.ports.call_outs import ReserveStore
from streams.ports.shortages import ExchangeStore


class SupplyStore(DisasterStore, ReserveStore, ExchangeStore, Protocol):
    """What disasters, donors and neighbours left behind, and what is written of them."""
