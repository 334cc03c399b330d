"""What stations tell of their units: counted, released, issued, received, discarded.

Each record is acted on by itself (`one_by_one`). A change that the unit's state does not allow is
refused with the reason and changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from models.errors import ContractError, DomainRefusal, InvariantViolation
from models.events.stock import DifferencesClosed, StockChange, StockChanged, StockCounted
from models.topics import AppName
from models.units import UnitStatus
from streams.ports import DirectorySource, Received, Transition, UnitOfWork
from streams.ports.stock import LivePromise, UnitState
from streams.services.counts import Closing, schedule_after_arrival, take_count
from streams.services.progress import Progress

READER = AppName.SUPPLY


class StockService:
    """Acts on the stock topic.

    Args:
        directories: Which stations there are.
        progress: Tells requests and transfers that one of their units moved.
    """

    def __init__(self, *, directories: DirectorySource, progress: Progress) -> None:
        self._directories = directories
        self._progress = progress

    async def act(self, work: UnitOfWork, record: Received, now: datetime) -> None:
        """Act on one new record.

        Raises:
            ContractError: It names what does not exist, or contradicts what is known.
            DomainRefusal: The unit's state does not allow it.
        """
        event = record.event
        match event:
            case StockCounted():
                await self._ensure_station(event.station_id)
                await take_count(work, record, event, now)
            case StockChanged():
                await self._ensure_station(event.station_id)
                await self._change(work, record, event, now)
            case DifferencesClosed():
                await self._ensure_station(event.station_id)
                await Closing(
                    work=work, record=record, event=event, now=now, change=self._change
                ).close()
            case other:
                raise ContractError("event_not_for_topic", type=other.TYPE)

    async def _ensure_station(self, station_id: str) -> None:
        if station_id in self._directories.current().stations:
            return
        if station_id not in (await self._directories.refresh()).stations:
            raise ContractError("station_unknown", station_id=station_id)

    async def _change(
        self, work: UnitOfWork, record: Received, event: StockChanged, now: datetime
    ) -> None:
        state = (await work.stock.lock_units([event.unit_id])).get(event.unit_id)
        if state is None:
            raise ContractError("unit_unknown", unit_id=event.unit_id)
        match event.change:
            case StockChange.RELEASED:
                to = await self._release(work, event, state, now)
            case StockChange.ISSUED:
                to = await self._issue(work, event, state, now)
            case StockChange.RECEIVED:
                to = await self._receive(work, event, state, now)
            case StockChange.DISCARDED:
                to = await self._discard(work, event, state, now)
        work.record(
            Transition(
                subject_kind="unit",
                subject=state.unit_id,
                station_id=event.station_id,
                from_state=state.status,
                to_state=to,
                why=event.reason or event.change,
                caused_by=record.envelope.id,
                at=now,
            )
        )
        if state.promise:
            await self._progress.after_unit_moved(
                work,
                state.promise,
                lost=event.change is StockChange.DISCARDED,
                caused_by=record.envelope.id,
                now=now,
            )

    async def _release(
        self, work: UnitOfWork, event: StockChanged, state: UnitState, now: datetime
    ) -> UnitStatus:
        _ensure_at(state, event)
        _ensure_status(state, UnitStatus.QUARANTINED, event)
        results = event.results
        if results is None:
            raise InvariantViolation("release_without_results", unit_id=state.unit_id)
        if not (results.serology_nonreactive and results.nat_nonreactive):
            raise DomainRefusal("tests_not_clear", unit_id=state.unit_id, law="献血法 art. 10")
        if results.group is not state.group:
            raise DomainRefusal(
                "grouping_contradicts",
                unit_id=state.unit_id,
                label=state.group,
                laboratory=results.group,
            )
        if state.expires_at <= now:
            raise DomainRefusal("unit_expired", unit_id=state.unit_id)
        await work.stock.move_unit(state.unit_id, to=UnitStatus.AVAILABLE, released_at=now)
        schedule_after_arrival(work, event.station_id, now)
        return UnitStatus.AVAILABLE

    async def _issue(
        self, work: UnitOfWork, event: StockChanged, state: UnitState, now: datetime
    ) -> UnitStatus:
        _ensure_at(state, event)
        promise = _ensure_promise(state, event, "held")
        if state.expires_at <= now:
            raise DomainRefusal("unit_expired", unit_id=state.unit_id)
        await work.stock.move_unit(state.unit_id, to=UnitStatus.ISSUED)
        await work.stock.end_promise(promise.promise_id, to="issued", now=now)
        return UnitStatus.ISSUED

    async def _receive(
        self, work: UnitOfWork, event: StockChanged, state: UnitState, now: datetime
    ) -> UnitStatus:
        promise = _ensure_promise(state, event, "issued")
        await work.stock.end_promise(promise.promise_id, to="received", now=now)
        if promise.transfer_id is None:
            _ensure_at(state, event)
            await work.stock.move_unit(state.unit_id, to=UnitStatus.RECEIVED)
            return UnitStatus.RECEIVED
        transfer = await work.supply.get_transfer(promise.transfer_id)
        if event.station_id != transfer.to_station_id:
            raise DomainRefusal(
                "received_elsewhere",
                unit_id=state.unit_id,
                station_id=event.station_id,
                expected=transfer.to_station_id,
            )
        await work.stock.move_unit(
            state.unit_id,
            to=UnitStatus.AVAILABLE,
            station_id=transfer.to_station_id,
            source="neighbour",
        )
        schedule_after_arrival(work, transfer.to_station_id, now)
        return UnitStatus.AVAILABLE

    async def _discard(
        self, work: UnitOfWork, event: StockChanged, state: UnitState, now: datetime
    ) -> UnitStatus:
        _ensure_at(state, event)
        if state.status in {UnitStatus.RECEIVED, UnitStatus.DISCARDED, UnitStatus.EXPIRED}:
            raise DomainRefusal("unit_ended", unit_id=state.unit_id, status=state.status)
        if state.promise:
            await work.stock.end_promise(state.promise.promise_id, to="lost", now=now)
        await work.stock.move_unit(state.unit_id, to=UnitStatus.DISCARDED)
        return UnitStatus.DISCARDED


def _ensure_at(state: UnitState, event: StockChanged) -> None:
    if state.station_id != event.station_id:
        raise ContractError(
            "unit_elsewhere",
            unit_id=state.unit_id,
            station_id=event.station_id,
            held_by=state.station_id,
        )


def _ensure_status(state: UnitState, status: UnitStatus, event: StockChanged) -> None:
    if state.status is not status:
        raise DomainRefusal(
            "unit_state_forbids",
            unit_id=state.unit_id,
            status=state.status,
            change=event.change,
            needed=status,
        )


def _ensure_promise(state: UnitState, event: StockChanged, status: str) -> LivePromise:
    """The promise must be live, in the right state, and of the epoch that is presented."""
    promise = state.promise
    if promise is None or promise.status != status:
        raise DomainRefusal(
            "unit_state_forbids",
            unit_id=state.unit_id,
            status=state.status,
            change=event.change,
            needed=status,
        )
    if promise.epoch != event.epoch:
        raise DomainRefusal(
            "epoch_stale",
            unit_id=state.unit_id,
            presented=event.epoch or 0,
            current=promise.epoch,
        )
    return promise
