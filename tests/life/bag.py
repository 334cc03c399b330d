"""What the plain model holds: bags, results, promises, scans, and what hospitals ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

BOUND = {"reserved": "held", "picked": "held", "issued": "issued", "in_transit": "issued"}
"""States under a live promise, and the status of that promise."""


@dataclass(slots=True, kw_only=True)
class ModelBag:
    """One bag as the model believes it to be.

    Attributes:
        place: The station that has it, or from where it went to a hospital.
        had_by: The stations that had it, or what it was made of: their results clear it.
        released: It was in stock at least once.
        attested: Its station said so, before any test of ours.
        promise_id: Of its live promise; None until that was seen.
        asked_by: The request that it is for, or that it reached.
        lent_to: The station that it is to go to.
    """

    unit_id: str
    donation_id: str
    group: str
    component: str
    state: str
    place: str
    collected_at: datetime
    expires_at: datetime
    released: bool = False
    attested: bool = False
    out_s: int = 0
    promise_id: str | None = None
    asked_by: str | None = None
    lent_to: str | None = None
    had_by: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.had_by.add(self.place)

    def lie(self, place: str) -> None:
        """Be at another station."""
        self.place = place
        self.had_by.add(place)

    def go(self, state: str) -> None:
        """Be in another state; what it was bound to lasts as long as the states under it do."""
        self.state = state
        if state not in BOUND:
            self.promise_id = self.lent_to = None
        if state not in {*BOUND, "received", "transfused"}:
            self.asked_by = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One laboratory result; `found` is an outcome, or the group of a grouping."""

    result_id: str
    station_id: str
    test: str
    found: str
    run: str
    corrects: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A promise as the system tells it, to a request or to a station."""

    promise_id: str
    unit_id: str
    request_id: str | None
    to_station_id: str | None
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelScan:
    """What was scanned, as the one who scans tells it.

    Attributes:
        hospital_id: Whose staff scans; None if the station's does.
        right_epoch: Whether the unit's own epoch is presented.
    """

    unit_id: str
    change: str
    station_id: str
    hospital_id: str | None
    right_epoch: bool
    out_s: int


@dataclass(slots=True, kw_only=True)
class Ask:
    """What a hospital asks for: now, and the most that it ever did."""

    group: str
    quantity: int
    most: int
