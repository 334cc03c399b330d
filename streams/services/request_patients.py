"""Follow what is remembered of patients: requests learn from it, and it learns from them.

The record of a patient is read before a request is decided and written with its decision. Every
other open request of the patient is looked at again soon after, by a timer of its own: a request
that came first may hold a bag that the patient must not have, as is known by now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from models.decisions import Reason
from models.patient_memory import explain_recalled, recall, remember
from models.patient_records import PatientRecord, name_patient
from models.requests import UrgentRequest
from streams.ports import Timer, TimerKind, UnitOfWork
from streams.ports.requests import PatientWrite, RequestState, SeenPatient

_BETWEEN = "/"
"""Separates the hospital from the pseudonym in a timer's subject; not in identifiers."""

FACTS = ("known", "typed_at", "special_needs", "antigen_negative")
"""Fields of a record by which requests are decided; the others are its history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """A request as the record of its patient says.

    Attributes:
        news: What it did not state and is served by all the same.
        others: Open requests for the same patient and component, which may be duplicates.
        patient: The record to write with the decision; None without a reference.
    """

    request: UrgentRequest
    news: tuple[Reason, ...] = ()
    others: tuple[str, ...] = ()
    patient: PatientWrite | None = None


async def recall_patients(work: UnitOfWork, requests: Sequence[UrgentRequest]) -> list[Recalled]:
    """Let the records learn from new requests, and return these as the records then say.

    Requests of one batch are known to each other: a second click is decided with the first.
    """
    referring = [request for request in requests if request.patient.reference]
    seen = await work.requests.list_patients(referring) if referring else {}
    records = _Records(work, seen)
    for request in referring:
        records.learn_from(request)
    return [
        records.recall(request, earlier=referring[: referring.index(request)])
        if request.patient.reference
        else recall_alone(request, now=work.context.now)
        for request in requests
    ]


def recall_alone(request: UrgentRequest, *, now: datetime) -> Recalled:
    """Return a request of a patient without a reference: its lines are all that is known."""
    record = remember(begin_record(request), request, now=now)
    recalled = recall(record, request)
    return Recalled(request=recalled, news=explain_recalled(request, recalled, record))


async def read_with_record(work: UnitOfWork, state: RequestState) -> UrgentRequest:
    """Return a request as the record of its patient says by now.

    Between a word about a patient and the look at their other requests, and after a request has
    ended, its row does not say it yet.
    """
    request = state.request
    if request.patient.reference is None:
        return request
    record = await work.requests.find_patient(request.hospital_id, request.patient.reference)
    return request if record is None else recall(record, request, opened_at=state.opened_at)


def plan_looks(work: UnitOfWork, patient: PatientWrite | None) -> None:
    """Have the patient's other open requests looked at again, if anything they follow changed."""
    if patient is None or not patient.record.version or not {*patient.changes} & {*FACTS}:
        return
    _schedule(work, patient.record.key)


def plan_look(work: UnitOfWork, request: UrgentRequest) -> None:
    """Have all open requests of the patient of one looked at; it has a reference."""
    _schedule(work, _name(request))


def _schedule(work: UnitOfWork, key: tuple[str, str]) -> None:
    subject = _BETWEEN.join(key)
    work.schedule(Timer(kind=TimerKind.PATIENT_CHANGED, subject=subject, due_at=work.context.now))


def read_subject(timer: Timer) -> tuple[str, str]:
    """Return the hospital and the pseudonym that a timer of a patient is about."""
    hospital_id, _, reference = timer.subject.partition(_BETWEEN)
    return hospital_id, reference


def compare(before: PatientRecord | None, after: PatientRecord) -> PatientWrite:
    """Return a record as it is to be written, with the fields that changed.

    A record is begun by the first request, even by one that tells nothing: whatever is told later
    finds that there are requests to look at.
    """
    blank = PatientRecord(hospital_id=after.hospital_id, reference=after.reference)
    old = before or blank
    changes = tuple(
        name
        for name in type(after).model_fields
        if name != "version" and getattr(after, name) != getattr(old, name)
    )
    if before is None and not changes:
        changes = ("known",)
    return PatientWrite(record=after, changes=changes)


@dataclass(slots=True)
class _Records:
    """The records that a batch reads and changes."""

    work: UnitOfWork
    seen: Mapping[str, SeenPatient]
    before: dict[tuple[str, str], PatientRecord | None] = field(default_factory=dict)
    after: dict[tuple[str, str], PatientRecord] = field(default_factory=dict)

    def learn_from(self, request: UrgentRequest) -> None:
        key = _name(request)
        if key not in self.after:
            found = self.seen.get(request.request_id, SeenPatient()).record
            self.before[key] = found
            self.after[key] = found or begin_record(request)
        self.after[key] = remember(self.after[key], request, now=self.work.context.now)

    def recall(self, request: UrgentRequest, *, earlier: Sequence[UrgentRequest]) -> Recalled:
        key = _name(request)
        record, written = self.after[key], compare(self.before[key], self.after[key])
        recalled = recall(record, request)
        same = [other.request_id for other in earlier if _is_same_order(other, request)]
        return Recalled(
            request=recalled,
            news=explain_recalled(request, recalled, record),
            others=(*self.seen.get(request.request_id, SeenPatient()).others, *same),
            patient=written,
        )


def begin_record(request: UrgentRequest) -> PatientRecord:
    """Return the record of a patient of whom nothing is remembered."""
    reference = request.patient.reference or request.request_id
    return PatientRecord(hospital_id=request.hospital_id, reference=reference)


def _name(request: UrgentRequest) -> tuple[str, str]:
    return name_patient(request.hospital_id, request.patient.reference or request.request_id)


def _is_same_order(one: UrgentRequest, other: UrgentRequest) -> bool:
    return _name(one) == _name(other) and not {line.component for line in one.lines}.isdisjoint(
        line.component for line in other.lines
    )
