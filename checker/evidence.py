"""Everything that was read, with the joins that more than one check needs.

Pure: made once from the three sources; each join is computed on first use.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from checker.database_rows import (
    Decision,
    Facility,
    Line,
    Link,
    Promise,
    Request,
    Result,
    Rows,
    Scan,
    StateChange,
    Unit,
)
from checker.donor_laws import NATIONAL, Law
from checker.kafka_log import Coordinate, Log, LogRecord
from checker.sent_log import SentMessage

INBOUND = (
    "blood.requests.v1",
    "blood.stock.v1",
    "blood.alerts.v1",
    "blood.answers.v1",
    "blood.offers.v1",
)
"""Topics that others write and the engine must take in, record by record."""

REQUESTS, STOCK = "blood.requests.v1", "blood.stock.v1"
DECISIONS, TRANSFERS = "blood.decisions.v1", "blood.transfers.v1"


REACTION = timedelta(seconds=60)
"""Long enough for at least two runs of a sweep that runs every 20 s."""


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """The records that were quarantined, from all sources.

    Attributes:
        coordinates: Where they lie in the log.
        identities: Event id with subject; the subject is empty if it was not readable.
        bodies: Their bodies in canonical form, for records whose headers say nothing.
    """

    coordinates: frozenset[Coordinate]
    identities: frozenset[tuple[str, str]]
    bodies: frozenset[str]

    def has(self, *, event_id: str, subject: str, body: Any) -> bool:  # noqa: ANN401 - any JSON
        if {(event_id, subject), (event_id, "")} & self.identities:
            return True
        return body is not None and canonical(body) in self.bodies


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything that a run judges.

    Attributes:
        as_of: The instant at which it is judged; by default the newest that the system recorded.
        reaction: How long, by the system's own clock, a unit may stay free before it is promised,
            and a transaction may wait after it has read its clock.
        laws: On donors, of the region whose stations are judged.
    """

    sent: tuple[SentMessage, ...] = ()
    log: Log = field(default_factory=Log)
    rows: Rows = field(default_factory=Rows)
    as_of: datetime | None = None
    reaction: timedelta = REACTION
    laws: tuple[Law, ...] = NATIONAL

    @cached_property
    def now(self) -> datetime | None:
        if self.as_of is not None:
            return self.as_of
        made = [row.made_at for row in self.rows.outbox]
        decided = [row.decided_at for row in self.rows.decisions]
        return max(made + decided, default=None)

    @cached_property
    def units(self) -> Mapping[str, Unit]:
        return {unit.unit_id: unit for unit in self.rows.units}

    @cached_property
    def requests(self) -> Mapping[str, Request]:
        return {request.request_id: request for request in self.rows.requests}

    @cached_property
    def lines(self) -> Mapping[tuple[str, int], Line]:
        return {(line.request_id, line.line_no): line for line in self.rows.lines}

    @cached_property
    def _decisions(self) -> Mapping[str, list[Decision]]:
        found: dict[str, list[Decision]] = defaultdict(list)
        for decision in self.rows.decisions:
            found[decision.request_id].append(decision)
        return found

    def decisions_of(self, request_id: str) -> list[Decision]:
        """Return every decision on a request."""
        return self._decisions.get(request_id, [])

    @cached_property
    def first_decided(self) -> Mapping[str, datetime]:
        """Return when the first request of each station was decided for the first time."""
        found: dict[str, datetime] = {}
        for decision in self.rows.decisions:
            request = self.requests.get(decision.request_id)
            if request is not None:
                before = found.get(request.station_id, decision.decided_at)
                found[request.station_id] = min(before, decision.decided_at)
        return found

    @cached_property
    def stations(self) -> Mapping[str, Facility]:
        return {station.facility_id: station for station in self.rows.stations}

    @cached_property
    def hospitals(self) -> Mapping[str, Facility]:
        return {hospital.facility_id: hospital for hospital in self.rows.hospitals}

    @cached_property
    def promises_of_units(self) -> Mapping[str, list[Promise]]:
        found: dict[str, list[Promise]] = defaultdict(list)
        for promise in self.rows.promises:
            found[promise.unit_id].append(promise)
        return found

    @cached_property
    def recorded(self) -> Mapping[str, list[StateChange]]:
        """Map a unit id to its rows of the audit, in the order in which its row was locked."""
        found: dict[str, list[StateChange]] = defaultdict(list)
        for row in sorted(self.rows.trail, key=lambda step: step.audit_id):
            found[row.subject].append(row)
        return found

    @cached_property
    def steps(self) -> Mapping[str, list[tuple[str, str]]]:
        """Map a unit id to its steps, from what to what."""
        return {
            unit_id: [(row.from_state, row.to_state) for row in rows]
            for unit_id, rows in self.recorded.items()
        }

    @cached_property
    def donor_changes(self) -> Mapping[str, list[Link]]:
        """Map a donor id to the rows of the audit that name which fields an import changed."""
        found: dict[str, list[Link]] = defaultdict(list)
        for row in self.rows.links:
            if row.subject_kind == "donor" and row.to_state.startswith("changed "):
                found[row.subject].append(row)
        return found

    @cached_property
    def stays(self) -> Mapping[str, list[StateChange]]:
        """Map a unit id to the rows that keep its state: it was moved to another station."""
        return {
            unit_id: [row for row in rows if row.from_state == row.to_state]
            for unit_id, rows in self.recorded.items()
        }

    @cached_property
    def trails(self) -> Mapping[str, list[str]]:
        """Map a unit id to the states it entered, in the order in which its row was locked."""
        return {unit_id: [became for _, became in steps] for unit_id, steps in self.steps.items()}

    @cached_property
    def results(self) -> Mapping[str, list[Result]]:
        """Map a donation id to its laboratory results."""
        found: dict[str, list[Result]] = defaultdict(list)
        for row in self.rows.results:
            found[row.donation_id].append(row)
        return found

    @cached_property
    def recalled_at(self) -> Mapping[str, datetime]:
        """Map a donation id to its first recall."""
        found: dict[str, datetime] = {}
        for row in sorted(self.rows.recalls, key=lambda recall: recall.recorded_at):
            found.setdefault(row.donation_id, row.recorded_at)
        return found

    @cached_property
    def scans(self) -> Mapping[str, list[Scan]]:
        """Map a unit id to its accepted scans."""
        found: dict[str, list[Scan]] = defaultdict(list)
        for row in self.rows.scans:
            found[row.unit_id].append(row)
        return found

    @cached_property
    def inbox(self) -> frozenset[tuple[str, str]]:
        """Return the source and event id of everything that was taken in."""
        return frozenset((row.source, row.event_id) for row in self.rows.inbox)

    @cached_property
    def decisions_on_log(self) -> Mapping[str, tuple[dict[str, Any], LogRecord]]:
        """Map a decision id to its body and the first record that carries it."""
        found: dict[str, tuple[dict[str, Any], LogRecord]] = {}
        for record in self.log.of(DECISIONS):
            if isinstance(record.body, dict) and isinstance(record.body.get("decision"), dict):
                decision = record.body["decision"]
                found.setdefault(str(decision.get("decision_id")), (decision, record))
        return found

    @cached_property
    def quarantined(self) -> Quarantined:
        """Join the dead-letter table and the dead-letter topics; either is enough."""
        coordinates = {(row.topic, row.partition, row.log_offset) for row in self.rows.dead_letters}
        coordinates |= {
            (str(body["topic"]), int(body["partition"]), int(body["offset"]))
            for body in (record.body for record in self.log.list_dead_letters())
            if isinstance(body, dict) and {"topic", "partition", "offset"} <= body.keys()
        }
        identities = set()
        bodies = set()
        for row in self.rows.dead_letters:
            headers = _headers(row.headers)
            if headers.get("ce_id"):
                identities.add((headers["ce_id"], headers.get("ce_subject", "")))
            elif row.body:
                bodies.add(canonical(row.body))
        for record in (self.log.at[spot] for spot in coordinates if spot in self.log.at):
            if record.event_id:
                identities.add((record.event_id, record.subject or ""))
            elif record.value:
                bodies.add(canonical(record.value))
        return Quarantined(
            coordinates=frozenset(coordinates),
            identities=frozenset(identities),
            bodies=frozenset(bodies),
        )


def canonical(body: Any) -> str:  # noqa: ANN401 - any JSON, or raw bytes or text of one
    """Return equal text for equal JSON; text that is not JSON is returned as it is."""
    if isinstance(body, bytes):
        body = body.decode(errors="backslashreplace")
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            return body  # type: ignore[no-any-return]  # narrowed to str above
    return json.dumps(body, sort_keys=True, separators=(",", ":"))


def _headers(raw: Any) -> dict[str, str]:  # noqa: ANN401 - JSON of either form
    """Read headers kept as an object or as a list of pairs."""
    pairs = raw.items() if isinstance(raw, dict) else raw or ()
    return {str(pair[0]): str(pair[1]) for pair in pairs if len(pair) > 1}


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 instant; `Z` is UTC."""
    return datetime.fromisoformat(text)
