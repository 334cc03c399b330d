"""Advance an agreed transfer as its units move."""

from __future__ import annotations

from models.events.shortages import TransferCompleted
from models.shortages import Transfer, TransferStatus
from models.units import UnitStatus
from streams.ports import Transition, UnitOfWork
from streams.services.shortage_timing import assess_now
from streams.services.unit_moves import give_back


class Transfers:
    """Advances a transfer from agreed through in transit to its end."""

    async def advance(self, work: UnitOfWork, transfer_id: str) -> None:
        """Advance a transfer of which a unit was issued, received, lost or given back."""
        transfer = await work.exchange.get_transfer(transfer_id)
        if transfer.status in {TransferStatus.COMPLETED, TransferStatus.CANCELLED}:
            return
        units = await work.exchange.count_promises(transfer_id)
        if not units.get("held") and not units.get("issued"):
            arrived = units.get("received", 0)
            status = TransferStatus.COMPLETED if arrived else TransferStatus.CANCELLED
            await self._set(work, transfer, status)
        elif units.get("issued") and transfer.status is TransferStatus.AGREED:
            await self._set(work, transfer, TransferStatus.IN_TRANSIT)

    async def lapse_hold(self, work: UnitOfWork, transfer_id: str) -> None:
        """Give back units that were never picked; picked units stay the receiver's."""
        await work.exchange.get_transfer(transfer_id)  # under the locks of both stations
        if await give_back(work, transfer_id=transfer_id, states=(UnitStatus.RESERVED,)):
            await self.advance(work, transfer_id)

    async def _set(self, work: UnitOfWork, transfer: Transfer, status: TransferStatus) -> None:
        changed = transfer.but(status=status)
        await work.exchange.write_transfer(changed, now=work.context.now)
        work.record(
            Transition(
                subject_kind="transfer",
                subject=transfer.transfer_id,
                station_id=transfer.to_station_id,
                from_state=transfer.status,
                to_state=status,
                why="units_moved",
            )
        )
        if status is TransferStatus.IN_TRANSIT:
            return
        work.emit(TransferCompleted(transfer=changed), station_id=transfer.to_station_id)
        assess_now(work, transfer.to_station_id)
