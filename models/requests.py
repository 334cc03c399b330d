"""A hospital's urgent request and everything that it may demand."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from models.antigens import Antigens, PlateletAntigens
from models.base import Identifier, Instant, Line, Value, change
from models.broken_rule import BrokenRuleError
from models.components import Component
from models.doses import (
    WHOLE,
    LabelledBag,
    OrderMeasure,
    dose_for,
    from_units,
    round_up,
    sum_content,
    to_units,
)
from models.emergency_release import EmergencyRelease
from models.errors import ContractError
from models.hla import HlaTypes
from models.patient_records import PatientCorrection, SpecialNeed
from models.patients import Indications, Patient

MAX_QUANTITY = 100
"""The most units, or bags, in one line: more than any single order reported from a mass casualty. A
larger figure is a typing error and is refused with this limit."""

MAX_QUANTITY_ML = 20_000
"""The most millilitres in one line: as much as `MAX_QUANTITY` units of red cells."""

MAX_WEIGHT_KG = 300
"""The heaviest patient; more is a typing error."""

MAX_UNITS = 400
"""The most units in one request: its decision, which lists each unit, must fit one record."""


MAX_PACKS = 20
"""The most massive-transfusion packs of one request."""


class Priority(StrEnum):
    """How long the patient can wait; the order in which a batch is decided."""

    LIFE_THREATENING = "life_threatening"
    URGENT = "urgent"
    ROUTINE = "routine"

    @property
    def rank(self) -> int:
        return list(Priority).index(self)


class RequestStatus(StrEnum):
    """Where a request stands.

    open -> reserved | partly_refused | refused | cancelled | expired | partly_fulfilled
    reserved, partly_refused -> open (a unit was lost) | fulfilled | partly_fulfilled | cancelled
    refused, cancelled, expired, partly_fulfilled, fulfilled: the end.

    partly_refused: a part is not supplied at all; all the rest is reserved or on its way.
    partly_fulfilled: less arrived than was asked for, and no more is looked for.
    """

    OPEN = "open"
    RESERVED = "reserved"
    PARTLY_REFUSED = "partly_refused"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    PARTLY_FULFILLED = "partly_fulfilled"
    FULFILLED = "fulfilled"


TERMINAL_REQUEST_STATUSES = frozenset(
    {
        RequestStatus.REFUSED,
        RequestStatus.CANCELLED,
        RequestStatus.EXPIRED,
        RequestStatus.PARTLY_FULFILLED,
        RequestStatus.FULFILLED,
    }
)


class HardAttributes(Value):
    """What a unit must have; a unit without it is never chosen.

    Attributes:
        max_age_d: Days since collection at most.
        hla_matched: The patient's own HLA types: a unit has no antigen beside them, and is typed.
        iga_deficient: Of an IgA-deficient donor, or cells that were washed.
        indications: Conditions and procedures of this line, such as an exchange transfusion.
    """

    leukoreduced: bool = False
    irradiated: bool = False
    cmv_negative: bool = False
    washed: bool = False
    low_titre: bool = False
    identical_group_only: bool = False
    antigen_negative: Antigens = ()
    hla_matched: HlaTypes = ()
    platelet_antigen_negative: PlateletAntigens = ()
    hbs_negative: bool = False
    iga_deficient: bool = False
    indications: Indications = ()
    max_age_d: int | None = Field(default=None, ge=1, le=3650)


def _ask_for_either(schema: dict[str, Any]) -> None:
    """Say in the schema of a line that a weight may stand for the quantity."""
    schema["required"].remove("quantity")
    schema["anyOf"] = [{"required": ["quantity"]}, {"required": ["for_weight_kg"]}]


class RequestLine(Value):
    """So much of one component.

    Attributes:
        measure: What the quantity counts; the component's ordering unit unless it says otherwise.
        quantity: A whole number; bags of any size are chosen until it is covered. A line that
            states `for_weight_kg` alone has it from the rules, in ordering units.
        for_weight_kg: The patient's weight, for what is given by weight; kept as it was told.
    """

    model_config = ConfigDict(json_schema_extra=_ask_for_either)

    line_no: int = Field(ge=1, le=50)
    component: Component
    measure: OrderMeasure = OrderMeasure.UNIT
    quantity: int = Field(ge=1, le=MAX_QUANTITY_ML)
    for_weight_kg: int | None = Field(default=None, ge=1, le=MAX_WEIGHT_KG)
    attributes: HardAttributes = HardAttributes()

    @model_validator(mode="before")
    @classmethod
    def _by_weight(cls, told: Any) -> Any:  # noqa: ANN401 - a validator sees whatever was given
        """Fill in the quantity of a line that states the patient's weight instead."""
        if not isinstance(told, dict) or told.get("quantity") is not None:
            return told
        weight, component = told.get("for_weight_kg"), told.get("component")
        if weight is None:
            return told
        if type(weight) is not int or not 1 <= weight <= MAX_WEIGHT_KG:
            raise BrokenRuleError("broken_field_for_weight_kg", "for_weight_kg")
        if not isinstance(component, str) or component not in set(Component):
            return told
        if told.get("measure", OrderMeasure.UNIT) != OrderMeasure.UNIT:
            raise BrokenRuleError("weight_with_measure", "measure")
        quantity = dose_for(Component(component), weight)
        if quantity is None:
            raise BrokenRuleError("weight_says_nothing", "for_weight_kg")
        # Stated, so that an amendment does not keep the measure that the line had before.
        return {**told, "measure": OrderMeasure.UNIT, "quantity": quantity}

    @field_validator("quantity")
    @classmethod
    def _within_measure(cls, quantity: int, info: ValidationInfo) -> int:
        if quantity > MAX_QUANTITY and info.data.get("measure") is not OrderMeasure.ML:
            raise BrokenRuleError("broken_field_quantity", "quantity")
        return quantity

    @property
    def wanted(self) -> int:
        """Return what is asked, in hundredths of the measure."""
        return self.quantity * WHOLE

    def find_owed(self, bags: Iterable[LabelledBag]) -> int:
        """Return what some bags leave uncovered, in the measure, rounded up."""
        return round_up(self.wanted - sum_content(bags, self.measure))

    def to_units(self, quantity: int) -> int:
        """Return so much of the measure in ordering units, rounded up; a bag counts as one."""
        return round_up(to_units(self.component, quantity * WHOLE, self.measure))

    def from_units(self, hundredths: int) -> int:
        """Return hundredths of the ordering unit in hundredths of the measure; a bag is one."""
        return from_units(self.component, hundredths, self.measure)

    @property
    def bags_expected(self) -> int:
        """Return the bags that the line may need, where none holds less than a unit."""
        return self.to_units(self.quantity)


def _ensure_lines_fit(lines: tuple[RequestLine, ...]) -> None:
    numbers = [line.line_no for line in lines]
    if len(set(numbers)) != len(numbers):
        raise BrokenRuleError("line_no_twice", "lines")
    units = sum(line.bags_expected for line in lines)
    if units > MAX_UNITS:
        raise BrokenRuleError("request_too_large", "lines", units=units, most=MAX_UNITS)


class UrgentRequest(Value):
    """What a hospital asks for one patient.

    Attributes:
        station_id: The station that supplies the hospital; also the key on Kafka.
        needed_by: The instant by which the units must be at the hospital.
        lines: What is asked; with `massive_transfusion_packs` the hospital's pack is added.
        massive_transfusion_packs: Packs of the hospital's own protocol, 0 for none.
        emergency_release: A named clinician takes blood past a test of the patient; it counts only
            while the request is life-threatening.
        quantity_confirmed_by: Who says that so much is meant, beside every other order for the
            patient; None if nobody does. It ends where an amendment asks for more.
    """

    request_id: Identifier
    hospital_id: Identifier
    station_id: Identifier
    patient: Patient
    priority: Priority
    needed_by: Instant
    lines: tuple[RequestLine, ...] = ()
    massive_transfusion_packs: int = Field(default=0, ge=0, le=MAX_PACKS)
    emergency_release: EmergencyRelease | None = None
    quantity_confirmed_by: Line | None = Field(default=None, min_length=1)
    note: Line = ""

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.lines and not self.massive_transfusion_packs:
            raise BrokenRuleError("request_empty", "lines")
        _ensure_lines_fit(self.lines)
        return self


class Amendment(Value):
    """What a hospital may change of an open request; a missing field stays as it was.

    The same holds inside the patient, and inside the attributes of a line with the number and
    component of an earlier line: to state a group does not remove antibodies, and to ask for more
    units does not remove irradiation. In these two places, and for the note, null removes a value;
    antibodies and special needs can only be added, and a second group makes both doubtful: these
    are taken away by a correction alone. A null for a field that a request must have changes
    nothing, since events on Kafka may state every field; the gateway refuses such a null
    (`NEEDED`).

    Attributes:
        emergency_release: As of a request; null takes it back.
        lines: All lines from now on; a line that is left out is no longer asked for.
        correction: What a named person takes away of what is known of the patient, and why; it
            comes after what the amendment states, and `apply_to` leaves it to the caller.
        massive_transfusion_packs: So many packs of the hospital's own protocol more; they are
            added after the lines.
        quantity_confirmed_by: As of a request: who says that the quantities, as they stand after
            this amendment, are meant.
        amended_by: Who amended it, where it was not the hospital, such as `dispatcher/<key>`.
    """

    NEEDED: ClassVar[frozenset[str]] = frozenset(
        {
            "patient",
            "priority",
            "needed_by",
            "lines",
            "massive_transfusion_packs",
            "quantity_confirmed_by",
        }
    )

    request_id: Identifier
    hospital_id: Identifier
    station_id: Identifier
    patient: Patient | None = None
    priority: Priority | None = None
    needed_by: Instant | None = None
    lines: tuple[RequestLine, ...] | None = Field(default=None, min_length=1)
    massive_transfusion_packs: int | None = Field(default=None, ge=1, le=MAX_PACKS)
    note: Line | None = None
    emergency_release: EmergencyRelease | None = None
    correction: PatientCorrection | None = None
    quantity_confirmed_by: Line | None = Field(default=None, min_length=1)
    amended_by: Line = ""

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set - {"request_id", "hospital_id", "station_id", "amended_by"}:
            raise BrokenRuleError("amendment_empty", "(body)")
        _ensure_lines_fit(self.lines or ())
        return self

    @property
    def is_word_alone(self) -> bool:
        """Return whether it only says that the quantities are meant."""
        said = self.model_fields_set - {"request_id", "hospital_id", "station_id", "amended_by"}
        return said == {"quantity_confirmed_by"}

    def apply_to(self, request: UrgentRequest) -> UrgentRequest:
        """Return the request as amended.

        What is known of the patient grows (`Patient.learn`): an antibody that a patient once made
        counts for life, also where a later sample shows none.

        Raises:
            pydantic.ValidationError: The amended request breaks a rule.
            ContractError: `measure_not_stated`, of a quantity that may count something else.
        """
        changes: dict[str, object] = {
            name: value
            for name in ("priority", "needed_by")
            if (value := getattr(self, name)) is not None
        }
        if "emergency_release" in self.model_fields_set:
            changes["emergency_release"] = self.emergency_release
        if "note" in self.model_fields_set:
            changes["note"] = self.note or ""
        if self.patient is not None:
            changes["patient"] = request.patient.learn(change(request.patient, self.patient))
        if self.lines is not None:
            before = {(line.line_no, line.component): line for line in request.lines}
            changes["lines"] = tuple(
                _keep_needs(known, _change_line(known, line))
                if (known := before.get((line.line_no, line.component)))
                else line
                for line in self.lines
            )
        amended = request.but(**changes)
        if self.quantity_confirmed_by is not None:
            return amended.but(quantity_confirmed_by=self.quantity_confirmed_by)
        if self.massive_transfusion_packs or _asks_for_more(request.lines, amended.lines):
            return amended.but(quantity_confirmed_by=None)
        return amended


def _asks_for_more(before: tuple[RequestLine, ...], after: tuple[RequestLine, ...]) -> bool:
    """Return whether a line is new, or asks for more or for another component than before."""
    known = {(line.line_no, line.component): line.bags_expected for line in before}
    return any(line.bags_expected > known.get((line.line_no, line.component), 0) for line in after)


def _change_line(known: RequestLine, line: RequestLine) -> RequestLine:
    """Return a line as changed; another quantity says anew what it counts and what it is from."""
    is_other = line.quantity != known.quantity and known.measure is not line.measure
    if is_other and "measure" not in line.model_fields_set:
        raise ContractError("measure_not_stated", line_no=line.line_no, measure=known.measure)
    changed = change(known, line)
    asked = (changed.measure, changed.quantity)
    is_same = asked == (known.measure, known.quantity)
    if is_same or "for_weight_kg" in line.model_fields_set:
        return changed
    return changed.but(for_weight_kg=None)


def _keep_needs(known: RequestLine, changed: RequestLine) -> RequestLine:
    """Return a changed line with the special needs that it had before."""
    before, after = known.attributes, changed.attributes
    kept = {need: True for need in SpecialNeed if getattr(before, need)}
    antigens = (*before.antigen_negative, *after.antigen_negative)
    return changed.but(attributes=after.but(**kept, antigen_negative=antigens))


class QuantityConfirmation(Value):
    """The word of a person that so much of a request is meant, beside every other order.

    Attributes:
        amended_by: Who passed it on, where it was not the hospital, such as `dispatcher/<key>`.
    """

    request_id: Identifier
    hospital_id: Identifier
    station_id: Identifier
    quantity_confirmed_by: Line = Field(min_length=1)
    amended_by: Line = ""

    def to_amendment(self) -> Amendment:
        """Return the amendment that says it and changes nothing else."""
        return Amendment(**self.model_dump())


class Cancellation(Value):
    """The cancellation of a request by a person.

    Attributes:
        cancelled_by: Who cancelled it, where it was not the hospital, such as `dispatcher/<key>`.
    """

    request_id: Identifier
    hospital_id: Identifier
    station_id: Identifier
    reason: Line = Field(min_length=1)
    cancelled_by: Line = ""
