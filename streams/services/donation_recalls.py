"""Recall and look-back: find every unit of a donation, freeze it, notify its holder.

One transaction: no unit of the donation can be promised, issued or transfused once it has
committed. Live promises end as lost, and their requests are decided again in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from models.errors import ContractError, DomainRefusal
from models.events.donations import (
    DonationRecalled,
    HolderKind,
    RecalledUnit,
    RecallNotified,
)
from models.unit_states import MOVES, SENT_STATES, Actor
from models.units import UnitStatus
from streams.ports import Received, UnitOfWork
from streams.ports.donations import Destination, Recall, RecalledPlace
from streams.ports.stock import UnitState
from streams.services.donation_ownership import ensure_own_donation
from streams.services.promise_progress import Progress, explain_lost
from streams.services.shortage_timing import assess_now
from streams.services.unit_moves import MoveCause, move, name_actor


class Recalls:
    """Recalls donations.

    Args:
        progress: Decides again the requests whose units are frozen.
    """

    def __init__(self, *, progress: Progress) -> None:
        self._progress = progress

    async def act(self, work: UnitOfWork, record: Received, event: DonationRecalled) -> None:
        """Recall a donation that a station or a dispatcher reports.

        Raises:
            ContractError: `recall_id_reused`, or the source speaks for another station.
            DomainRefusal: `donation_unknown`: no unit of it is known; or it is another station's.
        """
        actor, _ = name_actor(record, station_id=event.station_id)
        if actor is Actor.HOSPITAL:
            raise DomainRefusal("recall_not_of_hospital", donation_id=event.donation_id)
        if actor is Actor.STATION:
            await ensure_own_donation(work, event.donation_id, station_id=event.station_id)
        if await work.donations.is_recall_known(event.recall_id):
            raise ContractError("recall_id_reused", recall_id=event.recall_id)
        recall = Recall(
            recall_id=event.recall_id,
            donation_id=event.donation_id,
            station_id=event.station_id,
            reason=event.reason,
            recalled_by=event.recalled_by,
            caused_by=record.envelope.id,
            recalled_at=event.recalled_at,
        )
        units = await work.stock.lock_donation(recall.donation_id)
        if not units:
            raise DomainRefusal("donation_unknown", donation_id=event.donation_id)
        await self.recall(work, recall, units, actor=actor)

    async def recall(
        self, work: UnitOfWork, recall: Recall, units: Sequence[UnitState], *, actor: Actor
    ) -> None:
        """Freeze what is left of a donation; `units` are all of it, as they are locked."""
        went = await work.donations.list_destinations(recall.donation_id)
        places = [
            place for unit in units if (place := _find_place(unit, went[unit.unit_id])) is not None
        ]
        await work.donations.add_recall(recall, now=work.context.now)
        await work.donations.add_places(recall.recall_id, places)
        frozen = {place.unit.unit_id for place in places if place.is_frozen}
        cause = MoveCause(actor=actor, why="recalled")
        moved = [unit for unit in units if unit.unit_id in frozen]
        for unit in moved:
            await move(work, unit, UnitStatus.RECALLED, cause)
        self._notify(work, recall, places)
        await self._notify_requests(work, moved)
        for station_id in sorted({unit.station_id for unit in moved}):
            assess_now(work, station_id)

    async def _notify_requests(self, work: UnitOfWork, moved: Sequence[UnitState]) -> None:
        for unit in moved:
            promise = unit.promise
            if promise is None and unit.status is UnitStatus.RECEIVED:
                promise = await work.stock.find_last_promise(unit.unit_id)
                if promise is None or not await self._progress.is_waiting(work, promise):
                    continue
                # The patient's request is still open: the frozen unit is asked for once more.
                await work.stock.end_promise(promise.promise_id, to="lost", now=work.context.now)
            if promise is not None:
                lost = explain_lost(unit.unit_id, UnitStatus.RECALLED)
                await self._progress.after_unit_moved(work, promise, lost=lost)

    @staticmethod
    def _notify(work: UnitOfWork, recall: Recall, places: Sequence[RecalledPlace]) -> None:
        """Notify each holder of its own units only."""
        holders: dict[tuple[HolderKind, str], list[RecalledPlace]] = defaultdict(list)
        for place in places:
            holders[place.holder_kind, place.holder_id].append(place)
        for (kind, holder_id), held in sorted(holders.items()):
            notice = RecallNotified(
                recall_id=recall.recall_id,
                donation_id=recall.donation_id,
                holder_kind=kind,
                holder_id=holder_id,
                station_id=held[0].station_id,
                reason=recall.reason,
                units=tuple(_build_recalled(place) for place in held if place.is_frozen),
                transfused=tuple(
                    _build_recalled(place)
                    for place in held
                    if place.unit.was is UnitStatus.TRANSFUSED
                ),
                given_out=tuple(
                    _build_recalled(place) for place in held if place.unit.issued_outside
                ),
                recalled_at=recall.recalled_at,
            )
            work.emit(
                notice,
                station_id=notice.station_id,
                hospital_id=holder_id if kind is HolderKind.HOSPITAL else None,
            )


def _find_place(unit: UnitState, went: Destination) -> RecalledPlace | None:
    """Return who has a unit; None if nothing is left of it to freeze or to trace."""
    is_frozen = (unit.status, UnitStatus.RECALLED) in MOVES
    is_used = unit.status is UnitStatus.TRANSFUSED or went.issued_outside is not None
    if not is_frozen and not is_used:
        return None
    kind, holder_id, station_id = HolderKind.STATION, unit.station_id, unit.station_id
    if unit.status in SENT_STATES:
        if went.hospital_id is not None:
            kind, holder_id = HolderKind.HOSPITAL, went.hospital_id
            station_id = went.supplier_id or went.hospital_id
        elif went.to_station_id is not None:
            holder_id = station_id = went.to_station_id
    return RecalledPlace(
        unit=RecalledUnit(
            unit_id=unit.unit_id,
            component=unit.component,
            group=unit.group,
            was=unit.status,
            request_id=went.request_id,
            patient_reference=went.patient_reference,
            issued_outside=went.issued_outside,
        ),
        holder_kind=kind,
        holder_id=holder_id,
        station_id=station_id,
        is_frozen=is_frozen,
    )


def _build_recalled(place: RecalledPlace) -> RecalledUnit:
    """Return what a holder is told of a unit; only a hospital is told for whom it was."""
    if place.holder_kind is HolderKind.HOSPITAL:
        return place.unit
    return place.unit.but(request_id=None, patient_reference=None)
