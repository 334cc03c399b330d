"""Holds what is on record of a request, and finds how it stood at a version of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from gateway.reason_texts import name_counted
from gateway.requests.line_amounts import read_bags
from models.components import Component
from models.doses import WHOLE, sum_content
from models.requests import TERMINAL_REQUEST_STATUSES, RequestLine, UrgentRequest

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """A request with what was decided, promised and done for it.

    Attributes:
        row: Its row: `status`, `version`, `needed_by`.
        request: What is asked, as it reads now.
        lines: Its stored lines: `line_no`, what is still looked for (`uncovered`), and what waits
            for a word (`unconfirmed`).
        decisions: Every decision, the first first: `body`, and `why` it was made.
        promises: Every promise that was made to it, whatever became of it.
        steps: What was done for what is missing, told with its texts.
        transfers: Transfers that serve it.
        beside: What lies free at neighbours and may be given: `station_id`, `component`, `groups`,
            `bags`, and when it could be at the hospital (`arrives_at`).
        eta_s: Seconds from the station to the hospital.
        now: The instant of reading.
    """

    row: Row
    request: UrgentRequest
    lines: Sequence[Row]
    decisions: Sequence[Row]
    promises: Sequence[Row]
    steps: Sequence[Row] = ()
    transfers: Sequence[Row] = ()
    beside: Sequence[Row] = ()
    eta_s: int
    now: datetime

    @property
    def has_ended(self) -> bool:
        return self.row["status"] in TERMINAL_REQUEST_STATUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class LineStand:
    """A line at a version.

    Attributes:
        bags: The promises whose bags the line has.
        refused: What is not supplied at all, in the line's measure.
        deferred: What is kept for others until the line cannot wait any more, likewise.
        unconfirmed: What waits for a word that it is meant, or for its turn, likewise.
        asked_back: Why.
    """

    line: RequestLine
    bags: tuple[Row, ...] = ()
    refused: int = 0
    deferred: int = 0
    unconfirmed: int = 0
    asked_back: tuple[Row, ...] = ()

    @property
    def missing(self) -> int:
        """Return what no bag covers, in the measure of the line."""
        return self.line.find_owed(read_bags(self.bags))

    @property
    def covered(self) -> float:
        """Return what its bags hold, in the measure of the line."""
        held = sum_content(read_bags(self.bags), self.line.measure)
        return held / WHOLE if held % WHOLE else held // WHOLE

    @property
    def counted(self) -> str:
        return name_counted(self.line.component, self.line.measure)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestVersion:
    """A request as it stood with a decision.

    Attributes:
        decisions: The bodies of the decisions up to this one, the first first.
        lines: Its lines.
        outcome: The status of the request for the newest version, or else what was decided.
        is_newest: Told as of now.
        at: Now, or when it was decided.
    """

    record: RequestRecord
    decisions: tuple[Row, ...]
    lines: tuple[LineStand, ...] = field(default=())
    outcome: str
    is_newest: bool
    at: datetime

    @property
    def decision(self) -> Row:
        return self.decisions[-1]

    @property
    def bags(self) -> list[Row]:
        return [bag for line in self.lines for bag in line.bags]

    @property
    def missing(self) -> int:
        return sum(line.missing for line in self.lines)

    @property
    def unconfirmed(self) -> int:
        return sum(line.unconfirmed for line in self.lines)

    def find_arrival(self, bag: Row) -> datetime:
        """Return when a bag is expected at the hospital, or when it was received.

        A bag on the shelf is told as if it left now.
        """
        if self.is_newest and bag["status"] == "received":
            received_at: datetime = bag["ended_at"]
            return received_at
        way = timedelta(seconds=self.record.eta_s)
        left_at = bag["issued_at"] if self.is_newest else None
        return (left_at or self.at) + way


def find_version(record: RequestRecord, number: int | None) -> RequestVersion | None:
    """Return the newest version, or the version of a number; None if there is none."""
    newest = len(record.decisions)
    if number is not None and not 1 <= number <= newest:
        return None
    bodies = tuple(row["body"] for row in record.decisions)
    if number is None or number == newest:
        return RequestVersion(
            record=record,
            decisions=bodies,
            lines=tuple(_list_present(record)),
            outcome=record.row["status"],
            is_newest=True,
            at=record.now,
        )
    upto = bodies[:number]
    return RequestVersion(
        record=record,
        decisions=upto,
        lines=tuple(_list_past(record, upto)),
        outcome=upto[-1]["outcome"],
        is_newest=False,
        at=datetime.fromisoformat(upto[-1]["decided_at"]),
    )


def _list_present(record: RequestRecord) -> Iterator[LineStand]:
    stored = {row["line_no"]: row for row in record.lines}
    last = find_told([row["body"] for row in record.decisions])
    told = {row["line_no"]: row for row in last.get("lines", ())}
    for line in record.request.lines:
        bags = tuple(
            row
            for row in record.promises
            if row["line_no"] == line.line_no and row["status"] in {"held", "issued", "received"}
        )
        stand = LineStand(line=line, bags=bags)
        if record.has_ended:
            yield stand
            continue
        row, word = stored.get(line.line_no, {}), told.get(line.line_no, {})
        waits, unconfirmed = row.get("uncovered", 0), row.get("unconfirmed", 0)
        yield replace(
            stand,
            refused=max(0, stand.missing - waits - unconfirmed),
            deferred=min(waits, word.get("deferred", 0)),
            unconfirmed=unconfirmed,
            asked_back=tuple(word.get("asked_back", ())) if unconfirmed else (),
        )


def _list_past(record: RequestRecord, decisions: Sequence[Row]) -> Iterator[LineStand]:
    """Yield the lines as a decision left them: a decision that chose nothing keeps those before."""
    at = datetime.fromisoformat(decisions[-1]["decided_at"])
    given = {
        unit["promise_id"]
        for decision in decisions
        for line in decision.get("lines", ())
        for unit in line.get("reserved", ())
    }
    for told in find_told(decisions).get("lines", ()):
        line = RequestLine(
            line_no=told["line_no"],
            component=Component(told["component"]),
            measure=told.get("measure", "bag"),
            quantity=told["requested"],
        )
        bags = tuple(
            row
            for row in record.promises
            if row["promise_id"] in given
            and row["line_no"] == line.line_no
            and (row["status"] == "received" or row["ended_at"] is None or row["ended_at"] > at)
        )
        yield LineStand(
            line=line,
            bags=bags,
            refused=told.get("refused", 0),
            deferred=told.get("deferred", 0),
            unconfirmed=told.get("unconfirmed", 0),
            asked_back=tuple(told.get("asked_back", ())),
        )


def find_told(decisions: Sequence[Row]) -> Row:
    """Return the last decision that says something of lines; the last one if none does."""
    return next((row for row in reversed(decisions) if row.get("lines")), decisions[-1])
