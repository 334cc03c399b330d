"""The port to neighbours, in memory, as far as the driven services use it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from models.base import derive_id
from models.clearance import Cleared, UnitFacts
from models.decisions import Reason
from models.shortages import Offer, OfferStatus, Shortage, Transfer
from streams.matching.units_on_the_way import Coming
from streams.ports.clearances import ensure_cleared_for_transfer
from streams.ports.shortages import PromisedSince, StockCount
from streams.ports.stock import LivePromise
from tests.support.memory_store.rows import PromiseRow, State
from tests.support.memory_store.stock import LIVE, MemoryStock, to_unit


class MemoryExchange:
    """Implements the part of `ports.shortages.ExchangeStore` that is needed here."""

    def __init__(self, state: State, stock: MemoryStock) -> None:
        self._state = state
        self._stock = stock

    async def lock_open_shortages(self, station_id: str) -> list[Shortage]:
        """Return none: no donor is called for a shortage here."""
        del station_id
        return []

    async def count_cells(
        self, station_id: str, *, since: PromisedSince, now: datetime
    ) -> list[StockCount]:
        """Return none: the burn rate is zero here, so a giving station keeps nothing back."""
        del station_id, since, now
        return []

    async def find_shortage(self, shortage_id: str) -> Shortage | None:
        return self._state.shortages.get(shortage_id)

    async def list_in_transit(self, shortage_id: str) -> list[Coming]:
        found = []
        for row in self._state.promises.values():
            if row.live.transfer_id is None or row.live.status not in LIVE:
                continue
            transfer = self._state.transfers[row.live.transfer_id]
            row_of_unit = self._state.units[row.unit_id]
            if transfer.shortage_id == shortage_id:
                found.append(
                    Coming(
                        unit=to_unit(UnitFacts, row_of_unit),
                        arrives_at=transfer.agreed_at + timedelta(seconds=transfer.eta_s),
                    )
                )
        return found

    async def is_offer_known(self, offer_id: str) -> bool:
        return any(transfer.offer_id == offer_id for transfer in self._state.transfers.values())

    async def write_offer(
        self, offer: Offer, *, status: OfferStatus, reasons: Sequence[Reason], now: datetime
    ) -> None:
        """Do nothing: each offer is made once."""

    async def promise_to_transfer(
        self,
        transfer: Transfer,
        cleared: Sequence[Cleared],
        *,
        reason: Reason,
        hold_until: datetime,
    ) -> None:
        del reason, hold_until
        ensure_cleared_for_transfer(transfer, cleared)
        for cleared_unit in cleared:
            epoch = cleared_unit.unit.epoch + 1
            live = LivePromise(
                promise_id=derive_id("promise", cleared_unit.unit.unit_id, epoch),
                epoch=epoch,
                status="held",
                request_id=None,
                transfer_id=transfer.transfer_id,
                line_no=None,
                capped=False,
            )
            promise = PromiseRow(live=live, unit_id=cleared_unit.unit.unit_id)
            self._stock.reserve(promise, why=transfer.transfer_id)

    async def find_transfer(self, transfer_id: str) -> Transfer | None:
        return self._state.transfers.get(transfer_id)

    async def get_transfer(self, transfer_id: str) -> Transfer:
        return self._state.transfers[transfer_id]

    async def write_transfer(self, transfer: Transfer, *, now: datetime) -> None:
        del now
        self._state.transfers[transfer.transfer_id] = transfer

    async def count_promises(self, transfer_id: str) -> Mapping[str, int]:
        rows = self._state.promises.values()
        return Counter(row.live.status for row in rows if row.live.transfer_id == transfer_id)
