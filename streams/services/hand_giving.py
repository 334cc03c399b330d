"""Give a bag to a patient by hand, and take one back: the word of a dispatcher, with who and why.

The dispatcher chooses; what may go to the patient is the safety kernel's to say, as ever, and a
line takes no more than it needs. Whatever is refused is refused before anything is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.clearance import Refused, UnitFacts
from models.decisions import Reason
from models.doses import WHOLE, content_of
from models.errors import ContractError, DomainRefusal, TransientError
from models.events.hand_work import BagGiven, BagTakenBack
from models.requests import RequestLine, UrgentRequest
from models.texts import join_texts, render
from models.unit_states import Actor
from models.units import UnitStatus
from streams.matching.hand_given import HandGiven, HandWork
from streams.ports import UnitOfWork
from streams.ports.requests import Grounds, RequestState
from streams.ports.stock import FoundUnit
from streams.services.request_decisions import RequestDecisions
from streams.services.request_patients import read_with_record
from streams.services.unit_clearance import UnitClearances
from streams.services.unit_moves import MoveCause, give_back_held, move, take_back

GIVEN, TAKEN_BACK = "given_by_hand", "taken_back_by_hand"
"""What the audit of a request says."""

_UNPICKED = (UnitStatus.RESERVED,)
_TAKEN = frozenset({UnitStatus.RESERVED, UnitStatus.ON_HOLD})
"""States of a bag that is not free and may be given all the same."""


class HandGiving:
    """Acts on what dispatchers give and take back by hand.

    Args:
        decisions: Decides the requests that win or lose a bag.
        clearing: Asks the safety kernel.
    """

    def __init__(self, *, decisions: RequestDecisions, clearing: UnitClearances) -> None:
        self._decisions = decisions
        self._clearing = clearing

    async def act(
        self,
        work: UnitOfWork,
        event: BagGiven | BagTakenBack,
        state: RequestState,
        *,
        digest: str,
    ) -> None:
        """Act on what a dispatcher says of a bag, for a locked request; as below."""
        if isinstance(event, BagGiven):
            await self.give(work, event, state, digest=digest)
        else:
            await self.take_back(work, event, state, digest=digest)

    async def give(
        self, work: UnitOfWork, event: BagGiven, state: RequestState, *, digest: str
    ) -> None:
        """Reserve a bag for a line of a locked request; whoever loses it is decided again.

        Raises:
            ContractError: There is no such bag or line.
            DomainRefusal: The kernel refuses it, with every reason; it is promised to somebody who
                comes before; or the line needs no more.
            TransientError: Another transaction has the bag at this moment.
        """
        state = replace(state, request=await read_with_record(work, state))
        line = _get_line(state.request, event.line_no)
        found = await _find(work, event.unit_id)
        _ensure_takeable(found, state.request)
        instead = await _find_instead(work, event)
        _ensure_lacking(state, line, instead)
        unit = _as_free(found.unit)
        await self._ensure_cleared(work, unit, state.request, line)
        # From here on nothing is refused.
        withheld, news = frozenset[str](), tuple[Reason, ...]()
        if event.instead_of is not None:
            news = (_explain_taken(event, event.instead_of),)
            state = await _give_one_back(work, state, event.instead_of, why=_write_why(event))
            withheld = frozenset({event.instead_of})
        await _end_hold(work, found, event)
        loser = await _take_from(work, found, state.request)
        given = HandGiven(
            line_no=line.line_no,
            unit=unit,
            actor=work.context.actor,
            by=event.by,
            reason=event.reason,
        )
        hand = HandWork(given=(given,), withheld=withheld)
        await self._decisions.decide_again(
            work, state, Grounds(why=GIVEN, asked_digest=digest, news=news, hand=hand)
        )
        await _ensure_given(work, event)
        if loser is not None:
            lost = Reason(
                code="taken_by_hand",
                params={"unit_id": event.unit_id, "by": event.by, "reason": event.reason},
            )
            await self._decisions.decide_again(
                work, loser, Grounds(why="taken_by_hand", news=(lost,))
            )

    async def take_back(
        self, work: UnitOfWork, event: BagTakenBack, state: RequestState, *, digest: str
    ) -> None:
        """Take a bag that is not picked back from a locked request, and decide it again without.

        Raises:
            ContractError: There is no such bag.
            DomainRefusal: It is not held for the request, or was picked.
            TransientError: Another transaction has the bag at this moment.
        """
        await _find_held(work, event.unit_id, event.request_id)
        state = await _give_one_back(work, state, event.unit_id, why=_write_why(event))
        await self._decisions.decide_again(
            work,
            state,
            Grounds(
                why=TAKEN_BACK,
                asked_digest=digest,
                news=(_explain_taken(event, event.unit_id),),
                hand=HandWork(withheld=frozenset({event.unit_id})),
            ),
        )

    async def keep(
        self, work: UnitOfWork, earlier: Sequence[HandGiven], request: UrgentRequest
    ) -> tuple[HandWork, tuple[Reason, ...]]:
        """Return what a request keeps that was given to it by hand, now that it reads otherwise.

        Args:
            work: The transaction.
            earlier: Of `list_given_by_hand`, before all its bags were given back.
            request: As it reads now.

        Returns:
            What stays given, and why the rest does not.
        """
        kept, news = list[HandGiven](), list[Reason]()
        for given in earlier:
            unit_id = given.unit.unit_id
            line = next((line for line in request.lines if line.line_no == given.line_no), None)
            refused = (
                (Reason(code="line_gone"),)
                if line is None
                else await self._list_reasons(work, given.unit, request, line)
            )
            if refused:
                params = {"unit_id": unit_id, "by": given.by, "why": _join(refused)}
                news.append(Reason(code="hand_given_no_more", params=params))
            else:
                kept.append(given)
        return HandWork(given=tuple(kept)), tuple(news)

    async def _ensure_cleared(
        self, work: UnitOfWork, unit: UnitFacts, request: UrgentRequest, line: RequestLine
    ) -> None:
        reasons = await self._list_reasons(work, unit, request, line)
        if reasons:
            raise DomainRefusal(
                "bag_not_cleared",
                unit_id=unit.unit_id,
                codes=" ".join(reason.code for reason in reasons),
                reasons=_join(reasons),
            )

    async def _list_reasons(
        self, work: UnitOfWork, unit: UnitFacts, request: UrgentRequest, line: RequestLine
    ) -> tuple[Reason, ...]:
        answer = await self._clearing.judge_for_line(work, unit, request, line)
        return answer.reasons if isinstance(answer, Refused) else ()


def _join(reasons: tuple[Reason, ...]) -> str:
    return str(join_texts(render(reason.code, reason.params) for reason in reasons))


def _explain_taken(event: BagGiven | BagTakenBack, unit_id: str) -> Reason:
    """Explain that a bag is not the request's any longer: whoever reads decisions must know."""
    params = {"unit_id": unit_id, "by": event.by, "reason": event.reason}
    return Reason(code="bag_taken_back", params=params)


def _write_why(event: BagGiven | BagTakenBack) -> str:
    return f"{TAKEN_BACK} {event.request_id} by {event.by}: {event.reason}"


def _get_line(request: UrgentRequest, line_no: int) -> RequestLine:
    for line in request.lines:
        if line.line_no == line_no:
            return line
    raise ContractError("line_unknown", request_id=request.request_id, line_no=line_no)


async def _find(work: UnitOfWork, unit_id: str) -> FoundUnit:
    found = await work.stock.find_unit(unit_id)
    if found is None:
        raise ContractError("unit_unknown", unit_id=unit_id)
    return found


async def _find_held(work: UnitOfWork, unit_id: str, request_id: str) -> FoundUnit:
    """Return a bag that is held for a request and not picked."""
    found = await _find(work, unit_id)
    if found.request_id != request_id or found.unit.status is not UnitStatus.RESERVED:
        raise DomainRefusal(
            "bag_not_held", unit_id=unit_id, request_id=request_id, status=found.unit.status
        )
    return found


async def _find_instead(work: UnitOfWork, event: BagGiven) -> FoundUnit | None:
    if event.instead_of is None:
        return None
    found = await _find_held(work, event.instead_of, event.request_id)
    if found.line_no != event.line_no:
        raise DomainRefusal("bag_of_other_line", unit_id=event.instead_of, line_no=event.line_no)
    return found


def _ensure_takeable(found: FoundUnit, request: UrgentRequest) -> None:
    """Refuse a bag of whoever comes no later; what is picked is the kernel's to refuse."""
    if found.unit.status is not UnitStatus.RESERVED:
        return
    unit_id = found.unit.unit_id
    if found.request_id == request.request_id:
        raise DomainRefusal("bag_held_already", unit_id=unit_id, request_id=request.request_id)
    if found.transfer_id is not None or found.priority is None:
        raise DomainRefusal("bag_for_transfer", unit_id=unit_id)
    if found.priority.rank <= request.priority.rank:
        raise DomainRefusal("bag_of_no_lower_priority", unit_id=unit_id, priority=found.priority)


def _ensure_lacking(state: RequestState, line: RequestLine, instead: FoundUnit | None) -> None:
    covered = state.find_covered(line)
    if instead is not None:
        covered -= content_of(instead.unit.component, instead.unit.volume_ml, line.measure)
    if covered >= line.wanted:
        raise DomainRefusal(
            "line_needs_no_more",
            line_no=line.line_no,
            asked=line.quantity,
            covered=f"{covered / WHOLE:g}",
        )


def _as_free(unit: UnitFacts) -> UnitFacts:
    """Return a bag that is promised to others, or held, as it will be once it is taken."""
    return replace(unit, status=UnitStatus.AVAILABLE) if unit.status in _TAKEN else unit


async def _give_one_back(
    work: UnitOfWork, state: RequestState, unit_id: str, *, why: str
) -> RequestState:
    """Give one bag of a request back; return the request as it stands then."""
    left, given_back = await give_back_held(
        work, state, states=_UNPICKED, unit_ids=[unit_id], why=why
    )
    if not given_back:
        raise TransientError("postgres_contended", detail="unit")
    return left


async def _end_hold(work: UnitOfWork, found: FoundUnit, event: BagGiven) -> None:
    if found.unit.status is not UnitStatus.ON_HOLD:
        return
    locked = (await work.stock.lock_units([event.unit_id])).get(event.unit_id)
    if locked is None or locked.status is not UnitStatus.ON_HOLD:
        raise TransientError("postgres_contended", detail="unit")
    why = f"{GIVEN} {event.request_id} by {event.by}: {event.reason}"
    cause = MoveCause(actor=Actor.DISPATCHER, why=why)
    await move(work, locked, UnitStatus.AVAILABLE, cause)


async def _take_from(
    work: UnitOfWork, found: FoundUnit, request: UrgentRequest
) -> RequestState | None:
    """Take a bag from the request that it is promised to, and return that, locked; None if free."""
    if found.unit.status is not UnitStatus.RESERVED:
        return None
    unit_id = found.unit.unit_id
    taken = await take_back(work, [unit_id], station_id=found.unit.station_id, why=GIVEN)
    if unit_id not in taken:
        raise TransientError("postgres_contended", detail="unit")
    loser = (await work.requests.lock_requests([taken[unit_id]]))[taken[unit_id]]
    if loser.request.priority.rank <= request.priority.rank:
        # It became more urgent since it was looked at.
        raise TransientError("postgres_contended", detail="request")
    return loser


async def _ensure_given(work: UnitOfWork, event: BagGiven) -> None:
    found = await work.stock.find_unit(event.unit_id)
    if found is None or found.request_id != event.request_id:
        # The decision that follows judges again, by what it reads itself.
        raise DomainRefusal("bag_not_given", unit_id=event.unit_id)
