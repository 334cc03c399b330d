"""Open, amend and cancel urgent requests; give them a bag by hand, or take one back.

Opened requests of a batch are decided together on one shelf; amendments and cancellations one at a
time, in the order they arrived. Runs inside the transaction of `Intake`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from pydantic import ValidationError

from models.decisions import Outcome, Reason
from models.errors import ContractError, DomainRefusal, InvariantViolation
from models.events.hand_work import BagGiven, BagTakenBack
from models.events.requests import (
    PatientChanged,
    RequestAmended,
    RequestCancelled,
    RequestOpened,
)
from models.patient_memory import correct, correct_request, explain_recalled, recall, remember
from models.patient_records import PatientCorrection
from models.requests import (
    TERMINAL_REQUEST_STATUSES,
    Amendment,
    RequestLine,
    UrgentRequest,
)
from models.texts.validation import describe_broken, find_place
from models.topics import AppName
from models.unit_states import PICKABLE_STATES
from streams.matching.hand_given import NO_HAND_WORK
from streams.ports import Context, DirectorySource, Received, UnitOfWork
from streams.ports.requests import Grounds, OpenedRequest, RequestState
from streams.ports.stock import GivingBack
from streams.services.hand_giving import HandGiving
from streams.services.patient_changes import PatientChanges
from streams.services.request_decisions import RequestDecisions
from streams.services.request_facts import look_at_others
from streams.services.request_patients import Recalled, begin_record, compare, recall_alone
from streams.services.unit_moves import give_back, give_back_held

READER = AppName.URGENT
DISPATCHER = "dispatcher/"


class RequestService:
    """Decides what arrives on the request topic.

    Args:
        directories: Who the hospitals are and which station supplies them.
        decisions: Matching and writing, shared with everything that decides requests again.
        hand: What dispatchers give and take back.
    """

    def __init__(
        self, *, directories: DirectorySource, decisions: RequestDecisions, hand: HandGiving
    ) -> None:
        self._directories = directories
        self._decisions = decisions
        self._hand = hand
        self._patients = PatientChanges(decisions=decisions, hand=hand)
        # Request ids of attempts that failed. Only these are looked up among the existing requests:
        # a lookup before every decision would cost a round trip for a rare case.
        self._doubted: set[str] = set()
        # Whether the last attempt failed: the directory may have changed under it.
        self._failed = False

    async def decide(self, work: UnitOfWork, records: Sequence[Received]) -> None:
        """Act on new records, in order; the `Decide` of this topic."""
        if self._failed:
            await self._directories.ensure_current()
        self._failed = True
        work.on_commit(self._succeed)
        accepted = await self._accept(work, records)
        for opened, run in groupby(
            accepted, lambda record: isinstance(record.event, RequestOpened)
        ):
            if opened:
                await self._open(work, list(run))
            else:
                for record in run:
                    await self._change(work, record)

    def _succeed(self) -> None:
        self._failed = False

    async def _accept(self, work: UnitOfWork, records: Sequence[Received]) -> list[Received]:
        """Quarantine records that speak for a hospital they may not speak for."""
        known = self._directories.current().hospitals
        if any(_name_parties(record)[0] not in known for record in records):
            # It may have been registered a moment ago: one read serves the whole batch.
            await self._directories.refresh()
        accepted = []
        for record in records:
            try:
                self._ensure_rightful(record)
            except ContractError as error:
                await work.inbox.quarantine(record, error, reader=READER)
            else:
                accepted.append(record)
        return accepted

    def _ensure_rightful(self, record: Received) -> None:
        hospital_id, station_id = _name_parties(record)
        hospital = self._directories.current().hospitals.get(hospital_id)
        if hospital is None:
            raise ContractError("hospital_unknown", hospital_id=hospital_id)
        # An open request stays with its station, whichever station supplies the hospital now;
        # `_lock` compares a change with the request.
        is_opening = isinstance(record.event, RequestOpened | PatientChanged)
        if is_opening and hospital.station_id != station_id:
            raise ContractError(
                "station_does_not_supply",
                hospital_id=hospital_id,
                station_id=station_id,
                supplied_by=hospital.station_id,
            )
        if record.envelope.key != station_id:
            raise ContractError("key_differs", key=record.envelope.key, expected=station_id)
        source = record.envelope.source
        if isinstance(record.event, BagGiven | BagTakenBack):
            # No hospital helps itself to a bag.
            if not source.startswith(DISPATCHER):
                raise ContractError("source_differs", source=source, expected=f"{DISPATCHER}…")
        elif source != f"hospital/{hospital_id}":
            raise ContractError("source_differs", source=source, expected=f"hospital/{hospital_id}")

    async def _open(self, work: UnitOfWork, records: Sequence[Received]) -> None:
        asked = {record.event.subject for record in records}
        doubted = self._doubted & asked
        seen = set(await work.requests.list_known(sorted(doubted))) if doubted else set()
        # A unit may be taken meanwhile, or a request id may exist already. Only the next
        # transaction can tell which.
        self._doubted |= asked
        work.on_commit(lambda: self._doubted.difference_update(asked))
        fresh: list[OpenedRequest] = []
        for record in records:
            try:
                event = _opened(record)
                request = _add_packs(
                    event.request, event.request.massive_transfusion_packs, self._directories
                )
                if request.request_id in seen:
                    raise ContractError("request_id_reused", request_id=request.request_id)
            except ContractError as error:
                await work.inbox.quarantine(record, error, reader=READER)
                continue
            seen.add(request.request_id)
            context = _build_context(work, record, by=event.opened_by)
            fresh.append(OpenedRequest(request=request, context=context, digest=record.digest))
        if not fresh:
            return
        await self._decisions.open(work, fresh)

    async def _change(self, work: UnitOfWork, record: Received) -> None:
        work.enter(_build_context(work, record))
        if isinstance(record.event, PatientChanged):
            change = record.event.change
            work.enter(_build_context(work, record, by=change.changed_by))
            await self._patients.change(work, change)
            return
        try:
            state = await self._lock(work, record)
            if isinstance(record.event, RequestAmended):
                await self._amend(work, record, record.event, state)
            elif isinstance(record.event, RequestCancelled):
                await self._cancel(work, record, record.event, state)
            elif isinstance(record.event, BagGiven | BagTakenBack):
                async with work.savepoint():
                    await self._hand.act(work, record.event, state, digest=record.digest)
            else:
                raise InvariantViolation("event_not_ours", type=record.event.TYPE)
        except (ContractError, DomainRefusal) as error:
            await work.inbox.quarantine(record, error, reader=READER)

    async def _lock(self, work: UnitOfWork, record: Received) -> RequestState:
        request_id = record.event.subject
        state = (await work.requests.lock_requests([request_id])).get(request_id)
        if state is None:
            raise ContractError("request_unknown", request_id=request_id)
        hospital_id, station_id = _name_parties(record)
        if state.request.hospital_id != hospital_id:
            raise ContractError(
                "request_of_other_hospital", request_id=request_id, hospital_id=hospital_id
            )
        if state.request.station_id != station_id:
            raise ContractError(
                "request_of_other_station",
                request_id=request_id,
                station_id=station_id,
                supplied_by=state.request.station_id,
            )
        if state.status in TERMINAL_REQUEST_STATUSES:
            raise DomainRefusal("request_ended", request_id=request_id, status=state.status)
        return state

    async def _amend(
        self, work: UnitOfWork, record: Received, event: RequestAmended, state: RequestState
    ) -> None:
        amendment = event.amendment
        work.enter(_build_context(work, record, by=amendment.amended_by))
        _ensure_issued_lines_kept(state, amendment.lines)
        known = await _apply(work, amendment, state.request, self._directories)
        # Units still at the station are given back and chosen again under the amended request, so
        # that nothing stays promised that it would refuse. A word on the quantity changes no unit.
        amended = replace(state, request=known.request)
        hand, changed = NO_HAND_WORK, tuple[Reason, ...]()
        if not amendment.is_word_alone:
            earlier = await work.stock.list_given_by_hand(known.request.request_id)
            amended, _ = await give_back_held(work, amended, states=PICKABLE_STATES)
            hand, changed = await self._hand.keep(work, earlier, known.request)
        await self._decisions.decide_again(
            work,
            amended,
            Grounds(
                why="amended",
                asked_digest=record.digest,
                news=(*known.news, *changed),
                patient=known.patient,
                hand=hand,
            ),
        )
        if amendment.quantity_confirmed_by:
            await look_at_others(work, known.request)

    async def _cancel(
        self, work: UnitOfWork, record: Received, event: RequestCancelled, state: RequestState
    ) -> None:
        work.enter(_build_context(work, record, by=event.cancellation.cancelled_by))
        held = GivingBack(request_id=state.request.request_id, states=PICKABLE_STATES)
        released = await give_back(work, held)
        by = event.cancellation.cancelled_by
        params: dict[str, str | int | float]
        params = {"reason": event.cancellation.reason, "units_given_back": len(released)}
        reason = Reason(code="cancelled_by_hospital", params=params)
        if by:
            reason = Reason(code="cancelled_by_person", params={**params, "by": by})
        await self._decisions.close(
            work,
            state,
            outcome=Outcome.CANCELLED,
            reasons=(reason, *_explain_gone(state)),
            asked_digest=record.digest,
        )


async def _apply(
    work: UnitOfWork,
    amendment: Amendment,
    request: UrgentRequest,
    directories: DirectorySource,
) -> Recalled:
    """Return the amended request, with its patient's record if they have a reference."""
    correction = amendment.correction
    if request.patient.reference:
        seen = (await work.requests.list_patients([request])).get(request.request_id)
        if seen is not None and seen.record is not None:
            # It may have been corrected a moment ago.
            request = recall(seen.record, request)
    amended = _add_packs(
        _apply_to(amendment, request),
        amendment.massive_transfusion_packs or 0,
        directories,
        before=request.massive_transfusion_packs,
    )
    news = (*_explain_correction(correction), *_explain_word(amendment))
    if not amended.patient.reference:
        alone = recall_alone(amended, now=work.context.now)
        if correction is None:
            return replace(alone, news=(*news, *alone.news))
        return Recalled(request=correct_request(alone.request, correction), news=news)
    found = (await work.requests.list_patients([amended])).get(amended.request_id)
    before = found.record if found is not None else None
    is_typed = amendment.patient is not None and amendment.patient.group is not None
    record = remember(
        before or begin_record(amended), amended, now=work.context.now, is_typed=is_typed
    )
    if correction is not None:
        record = correct(record, correction, now=work.context.now, by=work.context.actor)
    recalled = recall(record, amended)
    told = explain_recalled(amended, recalled, record)
    return Recalled(request=recalled, news=(*news, *told), patient=compare(before, record))


def _apply_to(amendment: Amendment, request: UrgentRequest) -> UrgentRequest:
    """Return the request as amended; refuse what contradicts what the request says already."""
    try:
        return amendment.apply_to(request)
    except ValidationError as error:
        found = error.errors(include_url=False)
        first = found[0]
        raise ContractError(
            "body_invalid",
            field=find_place(first) or "(body)",
            rule=str(describe_broken(first)),
            errors=len(found),
        ) from error


def _explain_correction(correction: PatientCorrection | None) -> Iterator[Reason]:
    if correction is not None:
        params: dict[str, str | int | float]
        params = {"person": correction.person, "reason": correction.reason}
        yield Reason(code="patient_corrected", params=params)


def _explain_word(amendment: Amendment) -> Iterator[Reason]:
    if amendment.quantity_confirmed_by:
        by = amendment.quantity_confirmed_by
        yield Reason(code="quantity_confirmed", params={"by": by})


def _explain_gone(state: RequestState) -> Iterator[Reason]:
    """Explain which units the end of a request no longer holds back."""
    if state.issued:
        yield Reason(code="units_still_on_the_way", params={"units": state.issued})
    if state.received:
        yield Reason(code="units_received_before", params={"units": state.received})


def _build_context(work: UnitOfWork, record: Received, *, by: str | None = None) -> Context:
    """Return the context of a record; a person whom the event names is its actor."""
    context = Context.of_record(record, now=work.context.now)
    return replace(context, actor=by) if by else context


def _opened(record: Received) -> RequestOpened:
    if not isinstance(record.event, RequestOpened):
        raise InvariantViolation("event_not_ours", type=record.event.TYPE)
    return record.event


def _name_parties(record: Received) -> tuple[str, str]:
    """Return (hospital id, station id) that the event speaks for."""
    match record.event:
        case RequestOpened(request=request):
            return request.hospital_id, request.station_id
        case RequestAmended(amendment=amendment):
            return amendment.hospital_id, amendment.station_id
        case RequestCancelled(cancellation=cancellation):
            return cancellation.hospital_id, cancellation.station_id
        case PatientChanged(change=change):
            return change.hospital_id, change.station_id
        case BagGiven() | BagTakenBack() as by_hand:
            return by_hand.hospital_id, by_hand.station_id
        case other:
            raise ContractError("event_not_for_topic", type=other.TYPE)


def _add_packs(
    request: UrgentRequest, packs: int, directories: DirectorySource, *, before: int = 0
) -> UrgentRequest:
    """Add massive-transfusion packs, beside those before, as lines of the hospital's own pack.

    Raises:
        ContractError: So many packs do not fit into one request.
    """
    if not packs:
        return request
    pack = directories.current().hospitals[request.hospital_id].pack
    first = max((line.line_no for line in request.lines), default=0) + 1
    try:
        added = tuple(
            RequestLine(line_no=first + at, component=component, quantity=units * packs)
            for at, (component, units) in enumerate(sorted(pack.units.items()))
        )
        lines = (*request.lines, *added)
        return request.but(lines=lines, massive_transfusion_packs=before + packs)
    except ValidationError as error:
        rule = str(describe_broken(error.errors(include_url=False)[0]))
        raise ContractError("packs_too_many", packs=packs, pack=pack.name, rule=rule) from error


def _ensure_issued_lines_kept(state: RequestState, lines: tuple[RequestLine, ...] | None) -> None:
    """Refuse to drop a line of which units have left the station, or to change its component."""
    if lines is None:
        return
    old = {line.line_no: line.component for line in state.request.lines}
    new = {line.line_no: line.component for line in lines}
    for line in state.lines:
        gone = line.issued + line.received
        if gone and new.get(line.line_no) is not old.get(line.line_no):
            raise DomainRefusal("line_already_issued", line_no=line.line_no, units=gone)
