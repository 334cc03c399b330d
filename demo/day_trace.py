"""Trace of a day: what was asked, which bags there were, which bag was promised to whom.

All that hindsight needs. Requests and promises are read before the processes end, through the
gateway; bags are those of the evening's count and those that donors gave.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from demo.actor_context import DrillStage
from demo.casualties import PlannedRequest
from demo.day_record import Board
from demo.donation_outcomes import DonatedLife
from demo.free_bags import describe_counted, describe_donated
from demo.serving_options import FreeBag
from models.decisions import Outcome
from models.patients import Patient
from models.requests import UrgentRequest

LineKey = tuple[str, int]
"""Request id and line number."""

_KEPT = frozenset({"held", "issued", "received"})
"""States of a promise whose bag is on the way to the patient or has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """A bag that a line was promised and did not lose."""

    key: LineKey
    unit_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAtEnd:
    """A request as it read when the day ended, and the bags that it was promised."""

    request: UrgentRequest
    promised: tuple[Promised, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRequest:
    """A request as hindsight sees it.

    Attributes:
        request: As it read at its end.
        opened_at: When it was first decided.
        closes_at: The last instant at which a bag could leave the supplying station for it.
        known: Since when the patient was known to be so; the first from the beginning.
    """

    request: UrgentRequest
    opened_at: datetime
    closes_at: datetime
    known: tuple[tuple[datetime, Patient], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayBag:
    """A bag that was usable on the day.

    Attributes:
        lies: The bag, where it became usable and when.
        until: When it was stopped before its expiry; None if it was not.
    """

    lies: FreeBag
    until: datetime | None = None

    @property
    def unit_id(self) -> str:
        return self.lies.unit.unit_id


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTrace:
    """The whole day, as known when it is over."""

    asks: tuple[DayRequest, ...]
    bags: tuple[DayBag, ...]
    promised: tuple[Promised, ...]


async def read_requests(stage: DrillStage) -> dict[str, RequestAtEnd]:
    """Read every request that was decided, as it reads now, with its promises."""
    found = {}
    for request_id in stage.board.requests:
        answer = await stage.door("dispatcher").call("GET", f"/v1/requests/{request_id}")
        promises = [
            entry["promise"] for entry in answer.body["timeline"] if entry["kind"] == "promise"
        ]
        found[request_id] = RequestAtEnd(
            request=UrgentRequest.of_row(answer.body["request"]),
            promised=tuple(
                Promised(key=(request_id, promise["line_no"]), unit_id=promise["unit_id"])
                for promise in promises
                if promise["status"] in _KEPT
            ),
        )
    return found


def trace_day(
    stage: DrillStage,
    planned: Sequence[PlannedRequest],
    lives: Sequence[DonatedLife],
    requests: Mapping[str, RequestAtEnd],
) -> DayTrace:
    """Put the day together; a cancelled request asks for nothing, and is left out."""
    plans = {plan.known_as: plan for plan in planned}
    learned = _find_learned(planned)
    asked = {
        request_id: at_end
        for request_id, at_end in requests.items()
        if stage.board.requests[request_id].outcome is not Outcome.CANCELLED
    }
    return DayTrace(
        asks=tuple(
            _to_ask(stage, at_end.request, plans.get(request_id), learned)
            for request_id, at_end in asked.items()
        ),
        bags=tuple(_list_bags(stage, lives)),
        promised=tuple(promise for at_end in asked.values() for promise in at_end.promised),
    )


def _find_learned(planned: Sequence[PlannedRequest]) -> dict[str, datetime]:
    """Find when the group of each patient was known first, whichever request told it."""
    learned: dict[str, datetime] = {}
    for plan in planned:
        patient = plan.request.patient
        if patient.group is None and plan.typed is None:
            continue
        reference = patient.reference or ""
        at = plan.at + timedelta(seconds=plan.typed_after_s if plan.typed else 0)
        learned[reference] = min(at, learned.get(reference, at))
    return learned


def _to_ask(
    stage: DrillStage,
    request: UrgentRequest,
    plan: PlannedRequest | None,
    learned: Mapping[str, datetime],
) -> DayRequest:
    decisions = stage.board.decisions[request.request_id]
    opened_at, seen_until = decisions[0].decided_at, decisions[-1].decided_at
    needed_by = max(request.needed_by, plan.request.needed_by) if plan else request.needed_by
    grace = timedelta(seconds=stage.scenario.hindsight.grace_s)
    return DayRequest(
        request=request,
        opened_at=opened_at,
        closes_at=max(needed_by + grace, seen_until),
        known=tuple(_list_known(request.patient, plan, learned, opened_at)),
    )


def _list_known(
    patient: Patient,
    plan: PlannedRequest | None,
    learned: Mapping[str, datetime],
    opened_at: datetime,
) -> Iterator[tuple[datetime, Patient]]:
    """List as who the patient was known: at first, and once the group was told.

    What a request that ended sooner did not learn any more, hindsight knows too.
    """
    if plan is None or plan.request.patient.group is not None:
        yield opened_at, patient
        return
    yield opened_at, patient.but(group=None)
    group = patient.group or plan.typed
    if group is not None:
        told_at = learned.get(plan.request.patient.reference or "", opened_at)
        yield max(opened_at, told_at), patient.but(group=group)


def _list_bags(stage: DrillStage, lives: Sequence[DonatedLife]) -> Iterator[DayBag]:
    """List every bag that was usable on the day, where it became so."""
    board = stage.board
    for counted in stage.stock:
        bag = describe_counted(stage.scenario, counted, counted.unit.station_id)
        yield DayBag(lies=bag, until=_find_stop(board, bag.unit.unit_id))
    for life in lives:
        if life.released_at is not None and life.unit_id in board.donated:
            station_id = board.donated[life.unit_id].station_id
            bag = describe_donated(stage.scenario, life, station_id)
            yield DayBag(lies=bag, until=_find_stop(board, life.unit_id))


def _find_stop(board: Board, unit_id: str) -> datetime | None:
    seen = board.look_back
    return seen.recalled_at if seen is not None and unit_id in seen.units else None
