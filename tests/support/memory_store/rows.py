"""The rows of the in-memory store: they are replaced whole, so that a copy is a snapshot."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from datetime import datetime

from models.decisions import Reason
from models.laboratory import StationResult
from models.patient_records import PatientRecord
from models.requests import RequestStatus, UrgentRequest
from models.shortages import Shortage, Transfer
from models.units import Unit, UnitStatus
from streams.ports import Timer
from streams.ports.call_outs import ReserveCall
from streams.ports.stock import LivePromise, UnitHold


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRow:
    """A unit.

    Attributes:
        had_by: The stations that had it, from the first to report it to the last.
        handed_over: A hospital received it.
    """

    unit: Unit
    had_by: tuple[str, ...]
    status: UnitStatus
    released_at: datetime | None
    attested_by: str | None
    parent_id: str | None
    epoch: int = 0
    out_of_control_s: int = 0
    handed_over: bool = False
    doubted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseRow:
    live: LivePromise
    unit_id: str
    hold_until: datetime | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRow:
    """A request; `uncovered`, `deferred` and `unconfirmed` are line number to units."""

    request: UrgentRequest
    status: RequestStatus
    waiting_for: str
    version: int
    opened_at: datetime
    uncovered: dict[int, int]
    unconfirmed: dict[int, int]
    deferred: dict[int, int]


@dataclass(slots=True, kw_only=True)
class State:
    """Everything that is committed."""

    units: dict[str, UnitRow] = field(default_factory=dict)
    promises: dict[str, PromiseRow] = field(default_factory=dict)
    requests: dict[str, RequestRow] = field(default_factory=dict)
    results: dict[str, tuple[StationResult, ...]] = field(default_factory=dict)
    recalls: dict[str, str] = field(default_factory=dict)
    timers: dict[str, Timer] = field(default_factory=dict)
    holds: dict[str, UnitHold] = field(default_factory=dict)
    calls: dict[str, ReserveCall] = field(default_factory=dict)
    shortages: dict[str, Shortage] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    patients: dict[tuple[str, str], PatientRecord] = field(default_factory=dict)

    def copy(self) -> State:
        """Return a snapshot: rows are never changed in place."""
        return State(**{table.name: dict(getattr(self, table.name)) for table in fields(self)})
