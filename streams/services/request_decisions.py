"""Match requests with the shelf and write the decisions; the one way a request is decided.

Requests are matched without locks (`request_matching`). A unit that another transaction took
meanwhile makes the write fail as `TransientError`, and the batch is decided again on what is left.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from models.base import derive_id
from models.decisions import Decision, Outcome, Reason
from models.doses import OrderMeasure
from models.events.requests import RequestDecided
from models.requests import UrgentRequest
from models.units import UnitStatus
from streams.matching.allocation.batch_decision import Matched, decide_batch, is_held_in_vain
from streams.matching.allocation.order_limits import is_next_part_due, list_asked_back
from streams.matching.allocation.remedies import list_ways
from streams.matching.allocation.unit_stages import STATUS_OF
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.ports import Context, DirectorySource, UnitOfWork
from streams.ports.requests import Grounds, OpenedRequest, PatientWrite, RequestState, Ruling
from streams.services.decision_timers import plan_timers
from streams.services.request_facts import add_facts, look_at_others, look_at_repeated
from streams.services.request_matching import TAKEN, Matching
from streams.services.request_patients import plan_looks, recall_patients
from streams.services.request_sent_units import explain_unfit
from streams.services.shelf_sharing import ShelfSharing
from streams.services.shortage_timing import find_assessment, is_lacking
from streams.services.unit_moves import give_back_held

WAYS_EVERY_S = 15
"""Real seconds between two looks at what would help one request: each reads more of the shelf."""

NEED_STANDS_S = 4 * 3600
"""For so long after its blood should have arrived, the need of a request whose hold lapsed still
stands: nobody came for it, or a scan was forgotten. After that its units are free for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One request to decide, and how it stood before."""

    case: Case
    before: RequestState | None
    why: str
    context: Context
    asked_digest: str | None = None
    patient: PatientWrite | None = None


class RequestDecisions:
    """Decides requests inside a transaction that the caller began.

    Args:
        directories: Hospitals, stations, journeys.
        sharing: How shelves are shared with demand that is expected.
        hold_s: Seconds that a reservation stands past the time it is needed.
        monotonic: Real seconds.
    """

    def __init__(
        self,
        *,
        directories: DirectorySource,
        sharing: ShelfSharing,
        hold_s: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directories = directories
        self._sharing = sharing
        self._hold_s = hold_s
        self._monotonic = monotonic
        self._looked: dict[str, float] = {}
        self._planned: dict[str, datetime] = {}

    async def ensure_directory(self) -> None:
        """Follow the directory as it is now; a decision on an older directory would fail."""
        await self._directories.ensure_current()

    async def open(self, work: UnitOfWork, fresh: Sequence[OpenedRequest]) -> None:
        """Decide new requests for the first time, together."""
        tasks = []
        recalled = await recall_patients(work, [opening.request for opening in fresh])
        for opening, known in zip(fresh, recalled, strict=True):
            case = await self._build_case(
                work, known.request, version=1, cause_id=opening.context.cause, before=None
            )
            tasks.append(
                _Task(
                    case=replace(case, same_patient=known.others, news=known.news),
                    before=None,
                    why="opened",
                    context=opening.context,
                    asked_digest=opening.digest,
                    patient=known.patient,
                )
            )
        cases = await add_facts(work, [task.case for task in tasks], [None] * len(tasks))
        tasks = [replace(task, case=case) for task, case in zip(tasks, cases, strict=True)]
        matching = self._match(work, cases)
        await matching.read()
        await matching.read_beyond([True] * len(tasks))
        lost = await matching.take()
        await self._write(work, tasks, matching.matched)
        look_at_repeated(work, cases, matching.matched)
        await self._decide_losers(work, lost)

    async def decide_again(
        self,
        work: UnitOfWork,
        state: RequestState,
        grounds: Grounds,
    ) -> None:
        """Decide an existing request once more; what is promised stays, unless it helps nobody.

        Args:
            work: The transaction.
            state: The request as it is locked, with what is promised to it at this moment.
            grounds: What leads to it.
        """
        news, hand = grounds.news, grounds.hand
        case = replace(await self._build_case_again(work, state, news=news), hand=hand)
        matching = self._match(work, [case])
        await matching.read()
        is_by_hand = hand.given or await work.stock.list_given_by_hand(case.request.request_id)
        if not is_by_hand and is_held_in_vain(case, matching.matched[0]):
            # What is left helps nobody: it is free for whoever has use for it, and this request is
            # served anew once there is enough. A part that a person gives is theirs to weigh.
            state, _ = await give_back_held(work, state, states=(UnitStatus.RESERVED,))
            case = replace(await self._build_case_again(work, state, news=news), hand=hand)
            matching = self._match(work, [case])
            await matching.read()
        await matching.read_beyond([True])
        lost = await matching.take()
        task = _Task(
            case=case,
            before=state,
            why=grounds.why,
            context=work.context,
            asked_digest=grounds.asked_digest,
            patient=grounds.patient,
        )
        await self._write(work, [task], matching.matched)
        await self._decide_losers(work, lost)

    async def follow(self, work: UnitOfWork, state: RequestState) -> None:
        """Decide a request again of which a part was held back, if the next part is due."""
        if is_next_part_due(await self._build_case_again(work, state)):
            await self.decide_again(work, state, Grounds(why="next_part"))

    async def queue(
        self, work: UnitOfWork, state: RequestState, *, why: str, news: tuple[Reason, ...]
    ) -> None:
        """Put a request back among those who wait, in its turn; the next rematch serves them."""
        case = await self._build_case_again(work, state, news=news)
        (matched,) = decide_batch(
            [case], shelf=Shelf(()), now=work.context.now, hold_s=self._hold_s
        )
        turn = (Reason(code="waits_in_turn"),)
        lines = tuple(
            line.but(refusals=turn) if line.uncovered else line for line in matched.decision.lines
        )
        queued = replace(matched, decision=matched.decision.but(lines=lines))
        task = _Task(case=case, before=state, why=why, context=work.context)
        await self._write(work, [task], [queued])

    def _match(self, work: UnitOfWork, cases: Sequence[Case]) -> Matching:
        return Matching(work, cases, sharing=self._sharing, hold_s=self._hold_s)

    def is_needed(self, work: UnitOfWork, request: UrgentRequest) -> bool:
        """Return whether the need of a request still stands that nobody cancelled."""
        journey = self._directories.current().get_journey(request.station_id, request.hospital_id)
        stands = timedelta(seconds=journey.eta_s + NEED_STANDS_S)
        return work.context.now < request.needed_by + stands

    async def rematch(self, work: UnitOfWork, states: Sequence[RequestState]) -> None:
        """Decide waiting requests once more, together; write only what is new.

        A waiting request is matched often; what would help it is found only now and then.
        """
        bare = [await self._build_bare(work, state) for state in states]
        cases = await add_facts(work, bare, states)
        matching = self._match(work, cases)
        await matching.read()
        tells = [
            bool(found.cleared) or self._is_time_to_look(case.request.request_id)
            for case, found in zip(cases, matching.matched, strict=True)
        ]
        if not any(tells):
            return
        await matching.read_beyond(tells)
        lost = await matching.take()
        tasks, results = [], []
        for case, state, found, is_told in zip(cases, states, matching.matched, tells, strict=True):
            why = await self._find_why(work, found) if is_told or found.cleared else None
            if why is not None:
                tasks.append(_Task(case=case, before=state, why=why, context=work.context))
                results.append(found)
        if tasks:
            await self._write(work, tasks, results)
        await self._decide_losers(work, lost)

    @staticmethod
    async def _find_why(work: UnitOfWork, found: Matched) -> str | None:
        """Return why a rematch is written: it reserves, or another way is open than was told."""
        if found.cleared:
            return "rematched"
        last = await work.requests.find_last_decision(found.decision.request_id)
        if last is None:
            return None
        if last.lines and list_asked_back(last) != list_asked_back(found.decision):
            return "next_part"
        if _describe_deferral(last) != _describe_deferral(found.decision):
            return "deferral_changed"
        return None if list_ways(last) == list_ways(found.decision) else "ways_changed"

    async def _decide_losers(self, work: UnitOfWork, lost: Mapping[str, Sequence[str]]) -> None:
        """Decide the requests whose units were taken for patients in danger of life."""
        states = await work.requests.lock_requests(sorted(lost)) if lost else {}
        for request_id in sorted(lost):
            taken = ({"unit_id": unit_id} for unit_id in lost[request_id])
            news = tuple(
                Reason(code="taken_for_life_threatening", params=params) for params in taken
            )
            await self.decide_again(work, states[request_id], Grounds(why=TAKEN, news=news))

    async def _build_case_again(
        self, work: UnitOfWork, state: RequestState, *, news: tuple[Reason, ...] = ()
    ) -> Case:
        (case,) = await add_facts(work, [await self._build_bare(work, state, news=news)], [state])
        return case

    async def _build_bare(
        self, work: UnitOfWork, state: RequestState, *, news: tuple[Reason, ...] = ()
    ) -> Case:
        case = await self._build_case(
            work,
            state.request,
            version=state.version + 1,
            cause_id=work.context.cause,
            before=state,
        )
        return replace(case, news=(*await self._explain_unfit(work, state), *news))

    async def _explain_unfit(self, work: UnitOfWork, state: RequestState) -> tuple[Reason, ...]:
        if not state.issued and not state.received:
            return ()
        policy = self._directories.current().stations[state.request.station_id].policy
        return await explain_unfit(work, state.request, policy=policy)

    def _is_time_to_look(self, request_id: str) -> bool:
        now = self._monotonic()
        looked = self._looked.get(request_id)
        if looked is not None and now < looked + WAYS_EVERY_S:
            return False
        self._looked = {
            looked_id: at for looked_id, at in self._looked.items() if now < at + WAYS_EVERY_S
        }
        self._looked[request_id] = now
        return True

    async def close(
        self,
        work: UnitOfWork,
        state: RequestState,
        *,
        outcome: Outcome,
        reasons: tuple[Reason, ...],
        waiting_for: str = "",
        asked_digest: str | None = None,
    ) -> None:
        """Write a decision that chooses nothing: an end, or a step on the way there.

        The first of the reasons, 1 or more, is the reason in the audit.
        """
        version = state.version + 1
        reasons = (*reasons, *await self._explain_unfit(work, state))
        decision = Decision(
            decision_id=derive_id("decision", state.request.request_id, version),
            request_id=state.request.request_id,
            hospital_id=state.request.hospital_id,
            station_id=state.request.station_id,
            version=version,
            outcome=outcome,
            reasons=reasons,
            waiting_for=waiting_for,
            decided_at=work.context.now,
            rules_version=work.rules.version,
        )
        ruling = Ruling(
            request=state.request,
            decision=decision,
            cleared=(),
            status=STATUS_OF[outcome],
            from_status=state.status,
            opened_at=state.opened_at,
            context=work.context,
            why=reasons[0].code,
        )
        await work.requests.write([ruling])
        self._announce(work, ruling, asked_digest=asked_digest)
        await look_at_others(work, state.request)

    async def _build_case(
        self,
        work: UnitOfWork,
        request: UrgentRequest,
        *,
        version: int,
        cause_id: str,
        before: RequestState | None,
    ) -> Case:
        directory = self._directories.current()
        capped = 0
        if request.patient.group is None and (before or request.patient.reference):
            capped = await work.requests.count_capped(
                request.request_id,
                hospital_id=request.hospital_id,
                patient_reference=request.patient.reference,
            )
        held = {line.line_no: len(line.bags) for line in before.lines} if before else {}
        return Case(
            request=request,
            hospital=directory.hospitals[request.hospital_id],
            policy=directory.stations[request.station_id].policy,
            journey=directory.get_journey(request.station_id, request.hospital_id),
            version=version,
            cause_id=cause_id,
            rules=work.rules,
            directory_version=directory.version,
            held=held,
            covered=before.map_covered() if before else {},
            covered_units=before.map_covered(OrderMeasure.UNIT) if before else {},
            issued=before.issued if before else 0,
            received=before.received if before else 0,
            capped_before=capped,
        )

    async def _write(
        self, work: UnitOfWork, tasks: Sequence[_Task], matched: Sequence[Matched]
    ) -> None:
        rulings = [
            Ruling(
                request=task.case.request,
                decision=result.decision,
                cleared=result.cleared,
                status=STATUS_OF[result.decision.outcome],
                from_status=task.before.status if task.before else "",
                opened_at=task.before.opened_at if task.before else work.context.now,
                context=task.context,
                why=task.why,
                directory_version=task.case.directory_version,
                patient=task.patient,
            )
            for task, result in zip(tasks, matched, strict=True)
        ]
        await work.requests.write(rulings)
        for task, ruling in zip(tasks, rulings, strict=True):
            plan_looks(work, task.patient)
            self._announce(work, ruling, asked_digest=task.asked_digest)

    def _announce(self, work: UnitOfWork, ruling: Ruling, *, asked_digest: str | None) -> None:
        """Publish the decision and set the timers that end the request if nothing else does."""
        decision, request = ruling.decision, ruling.request
        work.enter(ruling.context)
        work.emit(
            RequestDecided(decision=decision, asked_digest=asked_digest),
            station_id=request.station_id,
            hospital_id=request.hospital_id,
        )
        plan_timers(work, ruling)
        self._plan_assessment(work, decision)

    def _plan_assessment(self, work: UnitOfWork, decision: Decision) -> None:
        timer = find_assessment(decision, now=work.context.now)
        if not is_lacking(decision):
            # The first decision of a station within a step of the grid sets the timer.
            if self._planned.get(decision.station_id) == timer.due_at:
                return
            work.on_commit(lambda: self._planned.update({decision.station_id: timer.due_at}))
        work.schedule(timer)


def _describe_deferral(decision: Decision) -> tuple[bool, datetime | None]:
    return decision.outcome is Outcome.DEFERRED, decision.deferred_until
