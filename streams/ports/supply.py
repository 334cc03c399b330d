"""Port to alerts, activations, donors, calls, shortages, offers and transfers."""

from __future__ import annotations

from typing import Protocol

from streams.ports.disasters import DisasterStore
from streams.ports.exchange import ExchangeStore
from streams.ports.reserve import ReserveStore


class SupplyStore(DisasterStore, ReserveStore, ExchangeStore, Protocol):
    """What disasters, donors and neighbours left behind, and what is written of them."""
