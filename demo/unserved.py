"""The requests that got nothing, or less than they asked, and what would have served each.

Read before the processes end, through the gateway: the bags that lay free at each station. The
requests are as they read at their end, and the decisions are those that the system published.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo.actor_context import DrillStage
from demo.day_record import Board
from demo.day_trace import RequestAtEnd
from demo.donation_outcomes import DonatedLife
from demo.free_bags import read_free_bags
from demo.serving_options import FreeBag, Lever, Shortfall, explain_shortfalls
from models.decisions import Outcome
from models.requests import Priority, UrgentRequest
from models.texts import Text, render

NOTHING = frozenset({Outcome.WAITING, Outcome.DEFERRED, Outcome.EXPIRED, Outcome.REFUSED})
"""A cancelled request asks for nothing any more."""

_OPEN = frozenset({Outcome.WAITING, Outcome.DEFERRED, Outcome.PARTLY_RESERVED})

PART = frozenset({Outcome.PARTLY_RESERVED, Outcome.PARTLY_REFUSED, Outcome.PARTLY_FULFILLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Unserved:
    """A request that ended, or that the day ended for, with nothing or with less than asked.

    Attributes:
        patient: The pseudonym.
        group: As known at the end; empty if unknown.
        asked_at: Of its first decision.
        is_due: It has ended, or its needed-by time had come when the day ended.
    """

    request_id: str
    patient: str
    group: str
    hospital_id: str
    priority: Priority
    asked_at: datetime
    needed_by: datetime
    has_nothing: bool
    is_due: bool
    shortfalls: tuple[Shortfall, ...]

    @property
    def is_explained(self) -> bool:
        return bool(self.shortfalls) and all(shortfall.levers for shortfall in self.shortfalls)

    @property
    def lay_beside_free_blood(self) -> bool:
        """Return whether a neighbour had fitting bags in time that it did not keep for its own."""
        return any(
            lever.kind == "neighbour_free"
            for shortfall in self.shortfalls
            for lever in shortfall.levers
        )


async def read_unserved(
    stage: DrillStage, lives: Sequence[DonatedLife], requests: Mapping[str, RequestAtEnd]
) -> list[Unserved]:
    """Read what would have served every request that got nothing or less, in order of asking."""
    bags = await read_free_bags(stage, lives)
    found = []
    for request_id, view in stage.board.requests.items():
        if view.outcome not in NOTHING | PART:
            continue
        found.append(explain(stage, requests[request_id].request, bags))
    return sorted(found, key=lambda request: (request.asked_at, request.request_id))


def explain(stage: DrillStage, request: UrgentRequest, bags: Sequence[FreeBag]) -> Unserved:
    """Explain one request by the decisions on it and the free bags."""
    board = stage.board
    decisions = board.decisions[request.request_id]
    last = decisions[-1].outcome
    group = request.patient.group
    return Unserved(
        request_id=request.request_id,
        patient=request.patient.reference or "",
        group=group.value if group else "",
        hospital_id=request.hospital_id,
        priority=request.priority,
        asked_at=decisions[0].decided_at,
        needed_by=request.needed_by,
        has_nothing=last in NOTHING,
        is_due=last not in _OPEN or request.needed_by <= stage.clock.now(),
        shortfalls=explain_shortfalls(
            stage.scenario, request, decisions, bags=bags, count_free=board.count_free
        ),
    )


def count_with_nothing(board: Board) -> int:
    """Count requests without a unit when the day ends; cancelled requests do not count.

    Another check finds requests that waited, or expired, beside free blood.
    """
    return sum(view.outcome in NOTHING for view in board.requests.values())


def describe_lever(stage: DrillStage, lever: Lever, texts: Mapping[str, Sequence[str]]) -> Text:
    """Describe a lever in both languages.

    Args:
        stage: Has the names of the stations.
        lever: The lever.
        texts: The texts of the kinds; those that a decision gave have their own.
    """
    if lever.code:
        return render(lever.code, lever.params)
    zh, en = texts[lever.kind]
    names = stage.scenario.get_names(lever.place) if lever.place else ("", "")
    values = {
        **(lever.params or {}),
        "units": lever.units,
        "groups": " ".join(lever.groups),
    }
    return Text(
        zh=zh.format_map({**values, "place": names[0]}),
        en=en.format_map({**values, "place": names[1]}),
    )


def to_rows(
    stage: DrillStage, found: Iterable[Unserved], texts: Mapping[str, Sequence[str]]
) -> list[dict[str, Any]]:
    """Return the requests as data, with every lever in both languages."""
    return [
        {
            "request_id": request.request_id,
            "patient": request.patient,
            "group": request.group,
            "hospital_id": request.hospital_id,
            "priority": request.priority,
            "asked_at": request.asked_at.isoformat(),
            "needed_by": request.needed_by.isoformat(),
            "has_nothing": request.has_nothing,
            "is_due": request.is_due,
            "lines": [_to_row(stage, shortfall, texts) for shortfall in request.shortfalls],
        }
        for request in found
    ]


def _to_row(
    stage: DrillStage, shortfall: Shortfall, texts: Mapping[str, Sequence[str]]
) -> dict[str, Any]:
    line = shortfall.line
    return {
        "component": line.component,
        "asked": line.quantity,
        "measure": line.measure,
        "lacking": shortfall.lacking,
        "attributes": line.attributes.model_dump(mode="json", exclude_defaults=True),
        "would_have_served": [
            {
                "kind": lever.kind,
                "code": lever.code,
                "place": lever.place,
                "groups": list(lever.groups),
                "units": lever.units,
                "by": lever.by.isoformat() if lever.by else None,
                **describe_lever(stage, lever, texts)._asdict(),
            }
            for lever in shortfall.levers
        ],
    }
