"""Act on neighbours' offers: take what is still missing, decline the rest with the reason.

Each record is acted on by itself (`one_by_one`), under the locks of both stations. The units are
reserved by promises under their next fencing token, like any patient's.
"""

from __future__ import annotations

from datetime import timedelta

from models.alerts import Activation
from models.base import derive_id
from models.clearance import ForPatient
from models.errors import ContractError
from models.events.hand_work import TransferStoodDown
from models.events.shortages import OfferDeclined, OfferMade, TransferAgreed
from models.facilities import Station
from models.shortages import Offer, OfferStatus, Shortage, Transfer, TransferStatus
from streams.matching.allocation.unproven_facts import explain_way
from streams.matching.available_units import Cell
from streams.matching.burn_rate import Burn
from streams.matching.offered_units import WaitingLine
from streams.matching.offers import GivingStation, OfferVerdict, StationInNeed, decide_acceptance
from streams.matching.shortage import CellCount, estimate_burn, find_wanted_group
from streams.ports import DirectorySource, Received, Timer, TimerKind, UnitOfWork
from streams.ports.unit_of_work import Transition
from streams.services.shortage_timing import assess_now
from streams.services.shortage_transfers import Transfers
from streams.services.shortages import ShortageService
from streams.services.station_lookup import get_named_station
from streams.services.stock_levels import count_stock

_DISPATCHER = "dispatcher/"


class OfferService:
    """Acts on the offer topic.

    Args:
        directories: The stations, their agreements and the journeys between them.
        shortages: Assesses the station in need before its offers are decided.
        transfers: Stands down what is under way.
        hold_s: Seconds that a giver has to send what it promised.
    """

    def __init__(
        self,
        *,
        directories: DirectorySource,
        shortages: ShortageService,
        transfers: Transfers,
        hold_s: int,
    ) -> None:
        self._directories = directories
        self._shortages = shortages
        self._transfers = transfers
        self._hold_s = hold_s

    async def act(self, work: UnitOfWork, record: Received) -> None:
        """Act on one new record.

        Raises:
            ContractError: It names what does not exist, or speaks for another station.
            TransientError: A unit was taken meanwhile; decide again.
        """
        event = record.event
        if isinstance(event, TransferStoodDown):
            await self._stand_down(work, record, event)
            return
        if not isinstance(event, OfferMade):
            raise ContractError("event_not_for_topic", type=event.TYPE)
        offer = event.offer
        giver, receiver = await self._get_parties(record, offer)
        await work.lock_stations(giver.station_id, receiver.station_id)
        if await work.exchange.is_offer_known(offer.offer_id):
            raise ContractError("offer_id_reused", offer_id=offer.offer_id)
        shortage = await self._get_shortage(work, offer)
        verdict = await self._decide(work, offer, shortage, giver=giver, receiver=receiver)
        if verdict.taken:
            await self._agree(work, offer, verdict)
        else:
            await self._decline(work, offer, verdict)

    async def _stand_down(
        self, work: UnitOfWork, record: Received, event: TransferStoodDown
    ) -> None:
        source = record.envelope.source
        if not source.startswith(_DISPATCHER):
            raise ContractError("source_differs", source=source, expected=f"{_DISPATCHER}…")
        await work.lock_stations(event.from_station_id, event.to_station_id)
        await self._transfers.stand_down(work, event)

    async def _get_parties(self, record: Received, offer: Offer) -> tuple[Station, Station]:
        if record.envelope.key != offer.to_station_id:
            raise ContractError(
                "key_differs", key=record.envelope.key, expected=offer.to_station_id
            )
        expected = f"station/{offer.from_station_id}"
        if record.envelope.source != expected:
            raise ContractError("source_differs", source=record.envelope.source, expected=expected)
        if offer.from_station_id == offer.to_station_id:
            raise ContractError("offer_to_self", station_id=offer.to_station_id)
        return (
            await get_named_station(self._directories, offer.from_station_id),
            await get_named_station(self._directories, offer.to_station_id),
        )

    async def _get_shortage(self, work: UnitOfWork, offer: Offer) -> Shortage:
        """Return the shortage as it stands this moment, not as it was last published."""
        await self._shortages.assess(work, offer.to_station_id)
        shortage = await work.exchange.find_shortage(offer.shortage_id)
        if shortage is None:
            raise ContractError("shortage_unknown", shortage_id=offer.shortage_id)
        if shortage.station_id != offer.to_station_id:
            raise ContractError(
                "shortage_elsewhere",
                shortage_id=offer.shortage_id,
                station_id=shortage.station_id,
            )
        return shortage

    async def _decide(
        self,
        work: UnitOfWork,
        offer: Offer,
        shortage: Shortage,
        *,
        giver: Station,
        receiver: Station,
    ) -> OfferVerdict:
        cell = Cell(station_id=giver.station_id, component=offer.component, group=offer.group)
        journey = self._directories.current().get_journey(giver.station_id, receiver.station_id)
        return decide_acceptance(
            offer,
            giver=GivingStation(
                station=giver,
                units=await work.stock.list_shelf({cell: None}, now=work.context.now),
                burn=await self._estimate_burn(work, giver, cell),
                led=await self._list_led(work, giver.station_id),
            ),
            receiver=StationInNeed(
                station=receiver,
                shortage=shortage,
                waiting=await self._list_waiting(work, shortage, receiver),
                coming=await work.exchange.list_in_transit(shortage.shortage_id),
            ),
            eta_s=journey.eta_s,
            now=work.context.now,
            rules=work.rules,
        )

    @staticmethod
    async def _list_led(work: UnitOfWork, station_id: str) -> list[Activation]:
        """List the open activations that a station leads; exercises are none of them."""
        states = await work.disasters.list_open_activations(station_id)
        return [state.activation for state in states if state.activation.lead]

    async def _list_waiting(
        self, work: UnitOfWork, shortage: Shortage, receiver: Station
    ) -> list[WaitingLine]:
        """List the lines that a shortage counts as waiting."""
        found = list[WaitingLine]()
        if not shortage.uncovered_units:
            return found
        # Another worker may have decided for a hospital that was registered a moment ago.
        directory = await self._directories.ensure_current()
        for uncovered in await work.exchange.list_uncovered(receiver.station_id):
            request = uncovered.request
            (line,) = (line for line in request.lines if line.line_no == uncovered.line_no)
            group = find_wanted_group(
                line.component, request.patient, request.priority, receiver.policy, work.rules
            )
            if (line.component, group) != (shortage.component, shortage.group):
                continue
            found.append(
                WaitingLine(
                    purpose=ForPatient.of_line(
                        request, line, policy=receiver.policy, capped_units=0
                    ),
                    units=uncovered.units,
                    hospital=directory.hospitals[request.hospital_id],
                    journey=directory.get_journey(receiver.station_id, request.hospital_id),
                )
            )
        return found

    @staticmethod
    async def _estimate_burn(work: UnitOfWork, giver: Station, cell: Cell) -> Burn:
        """Return the giver's own use of what it offers."""
        stock = await count_stock(
            work.exchange, giver.station_id, now=work.context.now, rules=work.rules
        )
        held = stock.get((cell.component, cell.group))
        count = CellCount(
            component=cell.component,
            group=cell.group,
            promised=held.promised if held else 0,
            promised_recently=held.promised_recently if held else 0,
            promised_in_surge=held.promised_in_surge if held else 0,
        )
        return estimate_burn(count, station=giver, rules=work.rules.shortages)

    async def _agree(self, work: UnitOfWork, offer: Offer, verdict: OfferVerdict) -> None:
        journey = self._directories.current().get_journey(
            offer.from_station_id, offer.to_station_id
        )
        transfer = Transfer(
            transfer_id=derive_id("transfer", offer.offer_id),
            offer_id=offer.offer_id,
            shortage_id=offer.shortage_id,
            from_station_id=offer.from_station_id,
            to_station_id=offer.to_station_id,
            status=TransferStatus.AGREED,
            unit_ids=tuple(cleared.unit.unit_id for cleared in verdict.taken),
            eta_s=journey.eta_s,
            agreed_at=work.context.now,
        )
        reasons = (*verdict.reasons, *explain_way(journey, work.rules))
        await work.exchange.write_offer(
            offer, status=OfferStatus.ACCEPTED, reasons=reasons, now=work.context.now
        )
        await work.exchange.write_transfer(transfer, now=work.context.now)
        hold_until = work.context.now + timedelta(seconds=self._hold_s)
        await work.exchange.promise_to_transfer(
            transfer, verdict.taken, reason=verdict.reasons[0], hold_until=hold_until
        )
        work.record(_audit_offer(offer, OfferStatus.ACCEPTED, verdict))
        work.record(_audit_agreed(transfer))
        work.emit(TransferAgreed(transfer=transfer), station_id=transfer.to_station_id)
        subject = f"transfer:{transfer.transfer_id}"
        work.schedule(Timer(kind=TimerKind.HOLD_LAPSE, subject=subject, due_at=hold_until))
        # The giver has less now; the receiver's donors may be needed less.
        for station_id in (offer.from_station_id, offer.to_station_id):
            assess_now(work, station_id)

    @staticmethod
    async def _decline(work: UnitOfWork, offer: Offer, verdict: OfferVerdict) -> None:
        await work.exchange.write_offer(
            offer, status=OfferStatus.DECLINED, reasons=verdict.reasons, now=work.context.now
        )
        work.record(_audit_offer(offer, OfferStatus.DECLINED, verdict))
        declined = OfferDeclined(
            offer_id=offer.offer_id,
            shortage_id=offer.shortage_id,
            from_station_id=offer.from_station_id,
            to_station_id=offer.to_station_id,
            reasons=verdict.reasons,
            declined_at=work.context.now,
        )
        work.emit(declined, station_id=offer.to_station_id)


def _audit_offer(offer: Offer, status: OfferStatus, verdict: OfferVerdict) -> Transition:
    return Transition(
        subject_kind="offer",
        subject=offer.offer_id,
        station_id=offer.to_station_id,
        from_state=OfferStatus.OFFERED,
        to_state=status,
        why=" ".join([*(reason.code for reason in verdict.reasons), *_list_confirmed(offer)]),
    )


def _list_confirmed(offer: Offer) -> list[str]:
    """List for the audit what the giver said expressly, and who confirmed it."""
    told = ["below_floor"] if offer.below_floor else []
    return [*told, f"confirmed by {offer.confirmed_by}"] if offer.confirmed_by else told


def _audit_agreed(transfer: Transfer) -> Transition:
    return Transition(
        subject_kind="transfer",
        subject=transfer.transfer_id,
        station_id=transfer.to_station_id,
        from_state="",
        to_state=transfer.status,
        why=f"offer {transfer.offer_id}",
    )
