"""The real services of units and requests on the in-memory store, a transaction per record."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, cast

from models.directory import Directory
from models.errors import ContractError, DomainRefusal, InvariantViolation, XuelianError
from models.events import EventData
from models.rules.rulebook import PACKAGED
from models.topics import TopicName
from streams.ports import Context, Received, Record, Timer, TimerKind, Transition, UnitOfWork
from streams.services import timer_firing
from streams.services.call_stops import CallStops
from streams.services.component_preparation import DonationSplits
from streams.services.donation_recalls import Recalls
from streams.services.donor_answers import AnswerService
from streams.services.donor_call_outs import CallOuts
from streams.services.donor_needs import DonorNeeds
from streams.services.hand_giving import HandGiving
from streams.services.patient_changes import PatientChanges
from streams.services.promise_progress import Progress
from streams.services.quarantine_release import Releases
from streams.services.request_decisions import RequestDecisions
from streams.services.requests import RequestService
from streams.services.shortage_offers import OfferService
from streams.services.shortage_timing import find_station
from streams.services.shortage_transfers import Transfers
from streams.services.shortages import ShortageService
from streams.services.stock import StockService
from streams.services.unit_clearance import UnitClearances
from streams.services.unit_expiry import ExpiryService
from streams.services.unit_holds import UnitHolds
from streams.services.unit_scans import Scans
from tests.support.memory_store.counts import MemoryCounts
from tests.support.memory_store.demand import MemoryDemand
from tests.support.memory_store.disasters import MemoryDisasters
from tests.support.memory_store.donations import MemoryDonations
from tests.support.memory_store.exchange import MemoryExchange
from tests.support.memory_store.requests import MemoryRequests
from tests.support.memory_store.reserve import MemoryReserve
from tests.support.memory_store.rows import State
from tests.support.memory_store.stock import MemoryStock
from tests.support.sharing import build_sharing

HOLD_S = 3600


class _Absent:
    """A port that nothing here may use."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - every method alike
        raise InvariantViolation("port_not_in_memory", method=name)


class _Timers(_Absent):
    """The part of `ports.TimerStore` that a rematch and the end of a hold need."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def drop(self, kind: TimerKind, subject: str) -> None:
        self._state.timers.pop(f"{kind}:{subject}", None)

    async def drop_due(self, kind: TimerKind, station_id: str, *, now: datetime) -> None:
        timers = self._state.timers
        for timer in list(timers.values()):
            theirs = timer.kind is kind and find_station(timer.subject) == station_id
            if theirs and timer.due_at <= now:
                del timers[timer.timer_id]


class _ModelInbox:
    def __init__(self, refused: list[XuelianError]) -> None:
        self._refused = refused

    async def quarantine(self, record: Record, error: XuelianError, *, reader: str) -> None:
        del record, reader
        self._refused.append(error)


class MemoryWork:
    """Implements what the services use of `ports.UnitOfWork`."""

    def __init__(self, state: State, refused: list[XuelianError], context: Context) -> None:
        self._state = state
        self.context = context
        self.rules = PACKAGED
        self.demand = MemoryDemand(state)
        self.stock = MemoryStock(state, self.record)
        self.requests = MemoryRequests(state, self.stock)
        self.counts = MemoryCounts(state)
        self.donations = MemoryDonations(state)
        self.disasters = MemoryDisasters()
        self.reserve = MemoryReserve(state)
        self.exchange = MemoryExchange(state, self.stock)
        self.inbox = _ModelInbox(refused)
        self.timers = _Timers(state)
        self.steps: list[Transition] = []
        self.events: list[EventData] = []

    @property
    def shards(self) -> frozenset[int]:
        return frozenset()

    def enter(self, context: Context) -> None:
        self.context = context

    def emit(
        self, event: EventData, *, station_id: str | None = None, hospital_id: str | None = None
    ) -> None:
        del station_id, hospital_id
        self.events.append(event)

    async def lock_stations(self, *station_ids: str) -> None:
        """Do nothing: there is one writer."""

    def schedule(self, timer: Timer) -> None:
        self._state.timers[timer.timer_id] = timer

    def record(self, transition: Transition) -> None:
        self.steps.append(transition)

    def on_commit(self, act: Callable[[], None]) -> None:
        act()

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        return _no_savepoint()


@asynccontextmanager
async def _no_savepoint() -> AsyncIterator[None]:
    """Do nothing: every record is its own transaction here, without savepoints inside."""
    yield


class MemoryDirectories:
    """Implements `ports.DirectorySource`; the driver changes it."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory

    def current(self) -> Directory:
        return self.directory

    async def refresh(self) -> Directory:
        return self.directory

    async def ensure_current(self) -> Directory:
        return self.directory


class AsDeclared:
    """Leaves shortages as they were declared: a station's burn rate is not driven here."""

    async def assess(self, *_: object, **__: object) -> None:
        return


class MemoryEngine:
    """A worker without a database.

    Attributes:
        state: The committed state.
        refused: Errors with which the last record was refused; empty if it was accepted.
        steps: The audit of everything so far.
        events: What was published so far.
        refusals: Number of refused records so far, by code.
        directories: Stations, hospitals, routes.
    """

    def __init__(self, directory: Directory) -> None:
        self.state = State()
        self.refused: list[XuelianError] = []
        self.steps: list[Transition] = []
        self.events: list[EventData] = []
        self.refusals: Counter[str] = Counter()
        directories = self.directories = MemoryDirectories(directory)
        decisions = RequestDecisions(
            directories=directories, sharing=build_sharing(), hold_s=HOLD_S
        )
        transfers = Transfers()
        progress = Progress(decisions=decisions, transfers=transfers)
        recalls = Recalls(progress=progress)
        releases = Releases(recalls=recalls)
        causes = DonorNeeds(directories=directories)
        call_outs = CallOuts(causes=causes)
        stops = CallStops(causes=causes, call_outs=call_outs)
        self._answers = AnswerService(
            directories=directories, call_outs=call_outs, releases=releases, stops=stops
        )
        self._offers = OfferService(
            directories=directories,
            shortages=cast("ShortageService", AsDeclared()),
            transfers=transfers,
            hold_s=HOLD_S,
        )
        clearing = UnitClearances(directories=directories)
        hand = HandGiving(decisions=decisions, clearing=clearing)
        self._requests = RequestService(directories=directories, decisions=decisions, hand=hand)
        patients = PatientChanges(decisions=decisions, hand=hand)
        expiry = ExpiryService(progress=progress, clearing=clearing)
        holds = UnitHolds(progress=progress)
        self._stock = StockService(
            directories=directories,
            scans=Scans(progress=progress, releases=releases, clearing=clearing),
            releases=releases,
            splitting=DonationSplits(releases=releases),
            recalls=recalls,
            holds=holds,
        )
        self._fires: dict[TimerKind, timer_firing.Fire] = {
            TimerKind.REMATCH: progress.rematch,
            TimerKind.REQUEST_EXPIRY: timer_firing.fire_request_expiry(progress),
            TimerKind.PATIENT_CHANGED: patients.look_again,
            TimerKind.HOLD_LAPSE: timer_firing.fire_hold_lapse(progress, transfers),
            TimerKind.UNIT_EXPIRY: expiry.fire,
            TimerKind.HOLD_PAST: expiry.end_holds,
            TimerKind.UNIT_HOLD_END: holds.fire_end,
        }

    async def feed(self, record: Received, now: datetime) -> None:
        """Act on a record; a refused record changes only `refused` and `refusals`."""
        before = self.state.copy()
        self.refused = []
        work = MemoryWork(self.state, self.refused, Context.of_record(record, now=now))
        try:
            await self._act(cast("UnitOfWork", work), record)
        except (ContractError, DomainRefusal) as error:
            self._undo(before)
            self.refused = [error]
            self.refusals[error.code] += 1
        else:
            self.steps += work.steps
            self.events += work.events

    async def _act(self, work: UnitOfWork, record: Received) -> None:
        match record.topic:
            case TopicName.REQUESTS:
                await self._requests.decide(work, [record])
            case TopicName.ANSWERS:
                await self._answers.act(work, record)
            case TopicName.OFFERS:
                await self._offers.act(work, record)
            case _:
                await self._stock.act(work, record)

    async def fire_due(self, now: datetime) -> None:
        """Fire all due timers, and expire units."""
        await self._fire(Timer(kind=TimerKind.UNIT_EXPIRY, subject="all", due_at=now), now)
        while due := [timer for timer in self.state.timers.values() if timer.due_at <= now]:
            timer = min(due, key=lambda timer: (timer.due_at, timer.timer_id))
            del self.state.timers[timer.timer_id]
            await self._fire(timer, now)

    async def _fire(self, timer: Timer, now: datetime) -> None:
        fire = self._fires.get(timer.kind)
        if fire is None:
            return
        context = Context(now=now, cause=timer.timer_id, actor=timer_firing.TIMER)
        work = MemoryWork(self.state, [], context)
        await fire(cast("UnitOfWork", work), timer)
        self.steps += work.steps
        self.events += work.events

    def _undo(self, before: State) -> None:
        # The stores hold a reference to this object, so the old rows are put back into it.
        for name in before.__dataclass_fields__:
            current: dict[str, object] = getattr(self.state, name)
            current.clear()
            current.update(getattr(before, name))
