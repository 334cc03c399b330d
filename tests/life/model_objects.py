"""The objects of the plain model: bags, results, promises, scans, and hospitals' requests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from checker.database_rows import Result
from checker.unit_states import BOUND, REACHED


@dataclass(slots=True, kw_only=True)
class ModelBag:
    """A bag as the model believes it to be.

    Attributes:
        place: The station that has it, or that sent it to a hospital.
        had_by: The stations that had it, or the bag it was made of; their results can release it.
        released: It was in stock at least once.
        attested: Its station attested its release, without results known to us.
        promise_id: Of its live promise; None until that was seen.
        asked_by: The request that it is for, or that it reached.
        leaves_by: The latest departure in time, when it was promised last.
        lent_to: The station that it is promised to.
        handed_over: A hospital received it.
        lacks: The antigens that its label says it was tested for and lacks.
    """

    unit_id: str
    donation_id: str
    group: str
    component: str
    volume_ml: int
    state: str
    place: str
    collected_at: datetime
    expires_at: datetime
    released: bool = False
    attested: bool = False
    out_s: int = 0
    handed_over: bool = False
    promise_id: str | None = None
    asked_by: str | None = None
    leaves_by: datetime | None = None
    lent_to: str | None = None
    had_by: set[str] = field(default_factory=set)
    lacks: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.had_by.add(self.place)

    def lie(self, place: str) -> None:
        """Move the bag to another station."""
        self.place = place
        self.had_by.add(place)

    def lie_for(self, station_id: str) -> None:
        """Promise the bag to a station."""
        self.go("reserved")
        self.lent_to = station_id

    def go(self, state: str) -> None:
        """Put the bag into another state; drop its promise and request if the state ends them."""
        self.state = state
        self.handed_over |= state == "received"
        if state not in BOUND:
            self.promise_id = self.lent_to = None
        if state not in {*BOUND, *REACHED}:
            self.asked_by = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabFinding(Result):
    """A laboratory result, with the run that gave it."""

    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenPromise:
    """A promise as the system reports it, to a request or to a station."""

    promise_id: str
    unit_id: str
    request_id: str | None
    to_station_id: str | None
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScan:
    """A scan of a unit, as its sender reports it.

    Attributes:
        hospital_id: The hospital whose staff scans; None if the station's staff does.
        right_epoch: Whether the current epoch (fencing token) of the unit is presented.
    """

    unit_id: str
    change: str
    station_id: str
    hospital_id: str | None
    right_epoch: bool
    out_s: int


@dataclass(slots=True)
class Told:
    """What was told of a patient: every group, of two of which neither is believed; antibodies."""

    groups: set[str] = field(default_factory=set)
    antibodies: set[str] = field(default_factory=set)

    def learn(self, *, group: str, antibodies: Iterable[str]) -> bool:
        """Add what is told; return whether anything was new."""
        before = (len(self.groups), len(self.antibodies))
        self.groups.add(group)
        self.antibodies.update(antibodies)
        return before != (len(self.groups), len(self.antibodies))


@dataclass(slots=True, kw_only=True)
class Ask:
    """A hospital's request: the quantity it asks for now, and the most that it ever asked for.

    Attributes:
        told: What is known of its patient; requests with the same reference share it.
        is_released: A named clinician takes red cells past antibodies.
    """

    told: Told
    is_released: bool
    priority: str
    needed_by: datetime
    quantity: int
    most: int

    @property
    def is_in_danger(self) -> bool:
        return self.priority == "life_threatening"

    @property
    def rank(self) -> int:
        """How long it can wait; 0 is in danger of life."""
        return ("life_threatening", "urgent", "routine").index(self.priority)
