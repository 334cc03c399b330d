"""Act on every scan of a unit's life, from quarantined to transfused, with one method for each.

A station's software and a person at the gateway send the same event. A scan that the unit's state
does not allow is refused with the reason and changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from models.clearance import Step
from models.errors import ContractError, DomainRefusal, InvariantViolation
from models.events.stock import StockChange, StockChanged
from models.unit_states import Actor, describe_states_for
from models.units import UnitStatus
from streams.ports import Received, UnitOfWork
from streams.ports.stock import LivePromise, MoveChanges, UnitScan, UnitState
from streams.services.promise_progress import Progress, explain_lost
from streams.services.quarantine_release import Releases
from streams.services.unit_clearance import UnitClearances
from streams.services.unit_moves import MoveCause, move, name_actor
from streams.services.unit_scan_checks import (
    ensure_at,
    ensure_fresh,
    ensure_live,
    ensure_own_patient,
    get_last_promise,
    note_thawing,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A scan, the unit as it is locked, and who scans."""

    event: StockChanged
    state: UnitState
    actor: Actor
    facility_id: str

    @property
    def cause(self) -> MoveCause:
        return MoveCause(
            actor=self.actor,
            why=self.event.reason or self.event.change,
            station_id=self.event.station_id,
        )


class Scans:
    """Acts on `blood.stock.changed.v1`.

    Args:
        progress: Tells requests and transfers that one of their units moved.
        releases: Assesses the results when a unit enters quarantine.
        clearing: Asks the safety kernel before a unit is picked, before it leaves, and before it
            is given.
    """

    def __init__(self, *, progress: Progress, releases: Releases, clearing: UnitClearances) -> None:
        self._progress = progress
        self._releases = releases
        self._clearing = clearing
        self._acts: dict[StockChange, Callable[[UnitOfWork, _Seen], Awaitable[None]]] = {
            StockChange.QUARANTINED: self._quarantine,
            StockChange.PICKED: self._pick,
            StockChange.ISSUED: self._issue,
            StockChange.DEPARTED: self._depart,
            StockChange.RECEIVED: self._receive,
            StockChange.TRANSFUSED: self._transfuse,
            StockChange.RETURNED: self._return,
            StockChange.RESTOCKED: self._restock,
            StockChange.DISCARDED: self._discard,
        }

    async def act(self, work: UnitOfWork, record: Received, event: StockChanged) -> None:
        """Act on one scan.

        Raises:
            ContractError: It names what does not exist, or speaks for another facility.
            DomainRefusal: The unit's state, promise, expiry or cold chain does not allow it.
        """
        state = (await work.stock.lock_units([event.unit_id])).get(event.unit_id)
        if state is None:
            raise ContractError("unit_unknown", unit_id=event.unit_id)
        actor, facility_id = name_actor(record, station_id=event.station_id)
        state = await note_thawing(work, state, event)
        seen = _Seen(
            event=event,
            state=state,
            actor=actor,
            facility_id=facility_id,
        )
        await self._acts[event.change](work, seen)
        await work.stock.add_scan(
            _to_scan(seen, caused_by=work.context.cause), now=work.context.now
        )

    async def _quarantine(self, work: UnitOfWork, seen: _Seen) -> None:
        ensure_at(seen.state, seen.event)
        await move(work, seen.state, UnitStatus.QUARANTINED, seen.cause)
        await self._releases.assess(work, seen.state.donation_id)

    async def _pick(self, work: UnitOfWork, seen: _Seen) -> None:
        ensure_at(seen.state, seen.event)
        ensure_live(seen.state, seen.event, "held")
        await self._clearing.clear_promised(work, seen.state, step=Step.ISSUE)
        await move(work, seen.state, UnitStatus.PICKED, seen.cause)

    async def _issue(self, work: UnitOfWork, seen: _Seen) -> None:
        ensure_at(seen.state, seen.event)
        promise = ensure_live(seen.state, seen.event, "held")
        await self._clearing.clear_promised(work, seen.state, step=Step.ISSUE)
        await move(work, seen.state, UnitStatus.ISSUED, seen.cause)
        await self._publish(work, seen, promise)

    async def _depart(self, work: UnitOfWork, seen: _Seen) -> None:
        ensure_at(seen.state, seen.event)
        ensure_live(seen.state, seen.event, "issued")
        await move(work, seen.state, UnitStatus.IN_TRANSIT, seen.cause)

    async def _receive(self, work: UnitOfWork, seen: _Seen) -> None:
        promise = ensure_live(seen.state, seen.event, "issued")
        if promise.transfer_id is None:
            ensure_at(seen.state, seen.event)
            await ensure_own_patient(work, seen.state, promise, seen.actor, seen.facility_id)
            await move(work, seen.state, UnitStatus.RECEIVED, seen.cause)
        else:
            await self._arrive(work, seen, promise.transfer_id)
        await self._publish(work, seen, promise)

    @staticmethod
    async def _arrive(work: UnitOfWork, seen: _Seen, transfer_id: str) -> None:
        """Put a neighbour's unit on the shelf of the station that needed it."""
        expected = (await work.exchange.get_transfer(transfer_id)).to_station_id
        if seen.event.station_id != expected:
            raise DomainRefusal(
                "received_elsewhere",
                unit_id=seen.state.unit_id,
                station_id=seen.event.station_id,
                expected=expected,
            )
        await move(
            work,
            seen.state,
            UnitStatus.AVAILABLE,
            seen.cause,
            MoveChanges(station_id=expected, source="neighbour"),
        )

    async def _transfuse(self, work: UnitOfWork, seen: _Seen) -> None:
        ensure_at(seen.state, seen.event)
        promise = await get_last_promise(work, seen.state, seen.event)
        request = await ensure_own_patient(work, seen.state, promise, seen.actor, seen.facility_id)
        ensure_fresh(seen.state, work.context.now)
        await self._clearing.ensure_fit(work, seen.state, promise, locked=request)
        await move(work, seen.state, UnitStatus.TRANSFUSED, seen.cause)

    async def _return(self, work: UnitOfWork, seen: _Seen) -> None:
        """Take a unit back unused; another scan decides whether it may be stocked again."""
        ensure_at(seen.state, seen.event)
        out_of_control_s = seen.event.out_of_control_s
        if out_of_control_s is None:
            raise InvariantViolation("return_without_cold_chain", unit_id=seen.state.unit_id)
        promise = await get_last_promise(work, seen.state, seen.event)
        await ensure_own_patient(work, seen.state, promise, seen.actor, seen.facility_id)
        await move(
            work,
            seen.state,
            UnitStatus.RETURNED,
            seen.cause,
            MoveChanges(add_out_of_control_s=out_of_control_s),
        )
        if seen.state.promise is not None:
            # It never arrived, and its patient may still be bleeding.
            await self._publish(work, seen, promise, lost_as=UnitStatus.RETURNED)
        else:
            # It did arrive and was not needed; it is no longer bound to that patient.
            await work.stock.end_promise(promise.promise_id, to="released", now=work.context.now)

    async def _restock(self, work: UnitOfWork, seen: _Seen) -> None:
        ensure_at(seen.state, seen.event)
        ensure_fresh(seen.state, work.context.now)
        # Units in other states go to stock as well, by other causes than this scan.
        if seen.state.status is not UnitStatus.RETURNED:
            raise DomainRefusal(
                "unit_state_forbids",
                unit_id=seen.state.unit_id,
                status=seen.state.status,
                change=seen.event.change,
                needed=describe_states_for(seen.event.change),
            )
        work.rules.returns.ensure_restockable(
            seen.state.component,
            handed_over=seen.state.handed_over,
            out_of_control_s=seen.state.out_of_control_s,
            unit_id=seen.state.unit_id,
            limit=work.rules.safety.out_of_control,
        )
        await move(work, seen.state, UnitStatus.AVAILABLE, seen.cause)

    async def _discard(self, work: UnitOfWork, seen: _Seen) -> None:
        ensure_at(seen.state, seen.event)
        if seen.actor is Actor.HOSPITAL:
            promise = await work.stock.find_last_promise(seen.state.unit_id)
            await ensure_own_patient(work, seen.state, promise, seen.actor, seen.facility_id)
        await move(work, seen.state, UnitStatus.DISCARDED, seen.cause)
        if seen.state.promise is not None:
            await self._publish(work, seen, seen.state.promise, lost_as=UnitStatus.DISCARDED)

    async def _publish(
        self,
        work: UnitOfWork,
        seen: _Seen,
        promise: LivePromise,
        *,
        lost_as: UnitStatus | None = None,
    ) -> None:
        lost = explain_lost(seen.state.unit_id, lost_as) if lost_as else None
        await self._progress.after_unit_moved(work, promise, lost=lost)


def _to_scan(seen: _Seen, *, caused_by: str) -> UnitScan:
    return UnitScan(
        unit_id=seen.state.unit_id,
        change=seen.event.change,
        actor=seen.actor,
        facility_id=seen.facility_id,
        done_by=seen.event.done_by,
        epoch=seen.event.epoch,
        out_of_control_s=seen.event.out_of_control_s,
        happened_at=seen.event.happened_at,
        caused_by=caused_by,
    )
