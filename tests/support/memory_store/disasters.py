"""The port to disasters, in memory: none is driven here."""

from __future__ import annotations

from streams.ports.alerts import ActivationState


class MemoryDisasters:
    """Implements the part of `ports.alerts.DisasterStore` that is needed here."""

    async def find_activation(self, activation_id: str) -> None:
        """Return None: no disaster is driven."""

    async def list_open_activations(self, station_id: str) -> list[ActivationState]:
        """Return none: no disaster is driven."""
        del station_id
        return []
