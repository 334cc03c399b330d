"""Advance an agreed transfer as its units move, and stand it down by the word of a person."""

from __future__ import annotations

from models.errors import ContractError, DomainRefusal
from models.events.hand_work import TransferStoodDown
from models.events.shortages import TransferCompleted
from models.shortages import Transfer, TransferStatus
from models.unit_states import PICKABLE_STATES
from models.units import UnitStatus
from streams.ports import Transition, UnitOfWork
from streams.ports.stock import GivingBack
from streams.services.shortage_timing import assess_now
from streams.services.unit_moves import give_back

_ENDED = frozenset({TransferStatus.COMPLETED, TransferStatus.CANCELLED})


class Transfers:
    """Advances a transfer from agreed through in transit to its end."""

    async def stand_down(self, work: UnitOfWork, event: TransferStoodDown) -> None:
        """Keep what has not left the giving station there, by the word of a person.

        Raises:
            ContractError: There is no such transfer between these stations.
            DomainRefusal: It has ended, or everything has left.
        """
        transfer = await work.exchange.find_transfer(event.transfer_id)
        ends = (event.from_station_id, event.to_station_id)
        if transfer is None or (transfer.from_station_id, transfer.to_station_id) != ends:
            raise ContractError("transfer_unknown", transfer_id=event.transfer_id)
        if transfer.status in _ENDED:
            raise DomainRefusal(
                "transfer_ended", transfer_id=event.transfer_id, status=transfer.status
            )
        why = f"stood down by {event.by}: {event.reason}"
        held = GivingBack(transfer_id=event.transfer_id, states=PICKABLE_STATES, why=why)
        if not await give_back(work, held):
            raise DomainRefusal("transfer_has_left", transfer_id=event.transfer_id)
        await self.advance(work, event.transfer_id, by=event.by, reason=event.reason)
        for station_id in ends:
            assess_now(work, station_id)

    async def advance(
        self,
        work: UnitOfWork,
        transfer_id: str,
        *,
        by: str | None = None,
        reason: str | None = None,
    ) -> None:
        """Advance a transfer of which a unit was issued, received, lost or given back."""
        transfer = await work.exchange.get_transfer(transfer_id)
        if transfer.status in _ENDED:
            return
        units = await work.exchange.count_promises(transfer_id)
        if not units.get("held") and not units.get("issued"):
            arrived = units.get("received", 0)
            status = TransferStatus.COMPLETED if arrived else TransferStatus.CANCELLED
            await self._set(work, transfer, status, by=by, reason=reason)
        elif units.get("issued") and transfer.status is TransferStatus.AGREED:
            await self._set(work, transfer, TransferStatus.IN_TRANSIT)

    async def lapse_hold(self, work: UnitOfWork, transfer_id: str) -> None:
        """Give back units that were never picked; picked units stay the receiver's."""
        await work.exchange.get_transfer(transfer_id)  # under the locks of both stations
        held = GivingBack(transfer_id=transfer_id, states=(UnitStatus.RESERVED,))
        if await give_back(work, held):
            await self.advance(work, transfer_id)

    async def _set(
        self,
        work: UnitOfWork,
        transfer: Transfer,
        status: TransferStatus,
        *,
        by: str | None = None,
        reason: str | None = None,
    ) -> None:
        changed = transfer.but(status=status)
        await work.exchange.write_transfer(changed, now=work.context.now)
        work.record(
            Transition(
                subject_kind="transfer",
                subject=transfer.transfer_id,
                station_id=transfer.to_station_id,
                from_state=transfer.status,
                to_state=status,
                why=f"stood down by {by}: {reason}" if by else "units_moved",
            )
        )
        if status is TransferStatus.IN_TRANSIT:
            return
        ended = TransferCompleted(transfer=changed, by=by, reason=reason)
        work.emit(ended, station_id=transfer.to_station_id)
        assess_now(work, transfer.to_station_id)
