"""Port to alerts, activations, donors, calls, shortages, offers and transfers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from models.shortages import Transfer


class SupplyStore(Protocol):
    """What disasters, donors and neighbours left behind, and what is written of them."""

    async def get_transfer(self, transfer_id: str) -> Transfer:
        """Lock a transfer and give it.

        Raises:
            InvariantViolation: There is none; a promise named it.
        """
        ...

    async def write_transfer(self, transfer: Transfer, *, now: datetime) -> None:
        """Write a new transfer, or an old one as it stands now."""
        ...

    async def count_promises(self, transfer_id: str) -> Mapping[str, int]:
        """Count the promises of a transfer by status."""
        ...
