"""Check a scan besides the move itself: place, promise, fencing token, expiry and patient."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from models.errors import ContractError, DomainRefusal
from models.events.stock import StockChanged
from models.unit_states import Actor, describe_states_for
from streams.ports import UnitOfWork
from streams.ports.requests import RequestState
from streams.ports.stock import LivePromise, UnitState


def ensure_at(state: UnitState, event: StockChanged) -> None:
    """Ensure that a unit is the station's; a unit at a hospital is still its supplier's.

    Raises:
        ContractError: `unit_elsewhere`.
    """
    if state.station_id != event.station_id:
        raise ContractError(
            "unit_elsewhere",
            unit_id=state.unit_id,
            station_id=event.station_id,
            held_by=state.station_id,
        )


def ensure_fresh(state: UnitState, now: datetime) -> None:
    """Raise DomainRefusal `unit_expired` if its label or what was done to it has ended it."""
    if state.usable_until <= now:
        raise DomainRefusal("unit_expired", unit_id=state.unit_id)


async def note_thawing(work: UnitOfWork, state: UnitState, event: StockChanged) -> UnitState:
    """Keep when a scan says that the unit was thawed; return the unit as it stands then.

    Raises:
        DomainRefusal: `not_thawed`: it is not used merely thawed, or was not collected by then.
    """
    at = event.thawed_at
    if at is None:
        return state
    keeps_h = work.rules.components.thawed.keeps_h(state.component)
    if keeps_h is None or at < state.collected_at or at > event.happened_at:
        raise DomainRefusal("not_thawed", unit_id=state.unit_id, component=state.component)
    until = at + timedelta(hours=keeps_h)
    await work.stock.note_thawing(state.unit_id, thawed_at=at, made_until=until)
    traits = state.traits
    if traits.thawed_at is None:
        traits = traits.model_copy(update={"thawed_at": at})
    return replace(state, traits=traits, usable_until=min(state.usable_until, until))


def ensure_live(state: UnitState, event: StockChanged, status: str) -> LivePromise:
    """Return the live promise; it must have the right state and the presented fencing token.

    Raises:
        DomainRefusal: `unit_state_forbids` or `epoch_stale`.
    """
    promise = state.promise
    if promise is None or promise.status != status:
        raise DomainRefusal(
            "unit_state_forbids",
            unit_id=state.unit_id,
            status=state.status,
            change=event.change,
            needed=describe_states_for(event.change),
        )
    ensure_epoch(promise, state, event)
    return promise


async def get_last_promise(work: UnitOfWork, state: UnitState, event: StockChanged) -> LivePromise:
    """Return the promise under which the unit left, live or fulfilled, by its fencing token.

    Raises:
        DomainRefusal: `unit_state_forbids` or `epoch_stale`.
    """
    promise = await work.stock.find_last_promise(state.unit_id)
    if promise is None or promise.status not in {"issued", "received"}:
        raise DomainRefusal(
            "unit_state_forbids",
            unit_id=state.unit_id,
            status=state.status,
            change=event.change,
            needed=describe_states_for(event.change),
        )
    ensure_epoch(promise, state, event)
    return promise


def ensure_epoch(promise: LivePromise, state: UnitState, event: StockChanged) -> None:
    """Raise DomainRefusal `epoch_stale` unless the promise's own fencing token is presented."""
    if promise.epoch != event.epoch:
        raise DomainRefusal(
            "epoch_stale",
            unit_id=state.unit_id,
            presented=event.epoch or 0,
            current=promise.epoch,
        )


async def ensure_own_patient(
    work: UnitOfWork, state: UnitState, promise: LivePromise | None, actor: Actor, hospital_id: str
) -> RequestState | None:
    """Ensure that a hospital reports only on units that went to its own patients.

    Returns:
        The request of the patient, which is locked now; None if a station scans.

    Raises:
        DomainRefusal: `unit_of_other_hospital`.
    """
    if actor is not Actor.HOSPITAL:
        return None
    if promise is not None and promise.request_id is not None:
        request = (await work.requests.lock_requests([promise.request_id]))[promise.request_id]
        if request.request.hospital_id == hospital_id:
            return request
    raise DomainRefusal("unit_of_other_hospital", unit_id=state.unit_id, hospital_id=hospital_id)
