"""The arguments of the safety kernel, and its answers: `Cleared` or `Refused`.

Values only. Only `models.safety.clear` makes a `Cleared`; all code that writes a promise or lets a
unit leave demands a `Cleared` for exactly that unit.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol, Self, final

from models.compatibility import Candidate
from models.components import Component
from models.decisions import Reason
from models.emergency_release import EmergencyRelease
from models.errors import InvariantViolation
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Priority, RequestLine, UrgentRequest
from models.seal import KERNEL, Seal
from models.units import UnitStatus, UnitTraits

NO_TRAITS = UnitTraits()

# Looked up for every unit of a shelf: a call of the class takes several times as long.
_COMPONENTS = {component.value: component for component in Component}
_GROUPS = {group.value: group for group in BloodGroup}
_STATUSES = {status.value: status for status in UnitStatus}


class StoredUnit(Protocol):
    """A row of units in the store."""

    def __getitem__(self, column: str, /) -> Any: ...  # noqa: ANN401 - of any kind


class Step(Enum):
    """What is about to happen to the unit."""

    RESERVE = "reserve"
    ISSUE = "issue"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFacts:
    """A unit as it stands on record: what the kernel and the choice of units see of it.

    Attributes:
        volume_ml: What the label says. It clears nothing and refuses nothing; it decides how much
            of what is asked the unit covers.
        expires_at: Half-open: the unit may not be used at this instant.
        released: Its quarantine has ended: every test and the grouping allowed the release.
        recalled: Frozen by a recall or look-back, whatever its status.
        epoch: The fencing token of its last promise; 0 if it was never promised.
        out_of_control_s: Seconds out of temperature control so far; None if nobody recorded it.
        may_have_left: Its last hold lapsed when it should have left, and nobody saw it since. It
            clears nothing and refuses nothing; it is chosen last.
    """

    unit_id: str
    station_id: str
    component: Component
    group: BloodGroup
    volume_ml: int
    status: UnitStatus
    collected_at: datetime
    expires_at: datetime
    released: bool
    recalled: bool
    epoch: int
    traits: UnitTraits = NO_TRAITS
    out_of_control_s: int | None = None
    may_have_left: bool = False

    @classmethod
    def of_row(cls, row: StoredUnit, **beside: Any) -> Self:  # noqa: ANN401 - of any kind
        """Read a unit of a row of the store.

        Args:
            row: It has the columns of `list_shelf`.
            beside: The fields that a kind of unit has beside these.
        """
        traits, status = row["traits"], row["status"]
        return cls(
            unit_id=row["unit_id"],
            station_id=row["station_id"],
            component=_COMPONENTS[row["component"]],
            group=_GROUPS[row["blood_group"]],
            volume_ml=row["volume_ml"],
            status=_STATUSES[status],
            collected_at=row["collected_at"],
            expires_at=row["expires_at"],
            released=row["released_at"] is not None,
            recalled=status == "recalled",
            epoch=row["epoch"],
            traits=UnitTraits.of_row(traits) if traits else NO_TRAITS,
            out_of_control_s=row["out_of_control_s"],
            may_have_left=row["may_have_left"],
            **beside,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForPatient:
    """The unit is to go to a patient, for one line of a request.

    Attributes:
        station_id: The supplying station; the unit must be there.
        policy: That station's own choices.
        needed_by: When the patient is to have it; it must be usable then too.
        capped_units: Unconfirmed O RhD- units that the patient was promised so far.
        release: What a named clinician passes; see `models.safety.find_release`.
    """

    request_id: str
    station_id: str
    line: RequestLine
    patient: Patient
    priority: Priority
    policy: StationPolicy
    needed_by: datetime
    capped_units: int
    release: EmergencyRelease | None = None

    @classmethod
    def of_line(
        cls, request: UrgentRequest, line: RequestLine, *, policy: StationPolicy, capped_units: int
    ) -> Self:
        """Return the purpose of a unit for a line, as the request reads now."""
        return cls(
            request_id=request.request_id,
            station_id=request.station_id,
            line=line,
            patient=request.patient,
            priority=request.priority,
            policy=policy,
            needed_by=request.needed_by,
            capped_units=capped_units,
            release=request.emergency_release,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForStation:
    """The unit is to go to the stock of another station.

    Attributes:
        station_id: The giving station; the unit must be there.
        groups: The groups that serve the shortage.
    """

    to_station_id: str
    station_id: str
    component: Component
    groups: tuple[BloodGroup, ...]


Purpose = ForPatient | ForStation


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The journey to the receiver, and what the receiver can do.

    Attributes:
        transport_s: Seconds on the way, in a vehicle.
        temperature_kept: The component's transport temperature is kept the whole way.
        agitated: Platelets are kept moving on the way.
        can_thaw: The receiver can use frozen components.
        unusable: Components that the receiver cannot use for other reasons.
    """

    arrival_at: datetime
    transport_s: int
    temperature_kept: bool
    agitated: bool
    can_thaw: bool
    unusable: tuple[Component, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The unit may not go, for each of these reasons; at least one."""

    unit: UnitFacts
    reasons: tuple[Reason, ...]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """A clearance: the unit may take this step now. Only the safety kernel can make it.

    Attributes:
        candidate: The terms on which the group is allowed; None for a transfer.
        passed: The reasons against the unit that an emergency release passes; such a clearance is
            another thing than one without, and is told wherever the unit is.
        at: The instant for which the unit was cleared.

    Raises:
        InvariantViolation: Code outside the kernel tried to make a clearance.
    """

    unit: UnitFacts
    purpose: Purpose
    step: Step
    candidate: Candidate | None
    at: datetime
    seal: InitVar[Seal]
    passed: tuple[Reason, ...] = ()

    def __post_init__(self, seal: Seal) -> None:
        if seal is not KERNEL:
            raise InvariantViolation("clearance_forged", unit_id=self.unit.unit_id)

    @property
    def is_emergency_release(self) -> bool:
        return bool(self.passed)

    @property
    def capped(self) -> bool:
        """Return whether the unit counts towards the cap of unconfirmed O RhD- units."""
        return self.candidate is not None and self.candidate.capped
