"""Cases to decide: a request with all that its decision depends on besides the stock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.clearance import ForPatient
from models.compatibility import Candidate, list_candidates
from models.decisions import Reason
from models.directory import Journey
from models.facilities import Hospital, StationPolicy
from models.groups import BloodGroup
from models.needs import list_needs
from models.requests import HardAttributes, RequestLine, UrgentRequest
from models.rules.rulebook import Rulebook
from models.safety import find_release
from streams.matching.hand_given import NO_HAND_WORK, HandWork
from streams.matching.order_facts import NO_FACTS, OrderFacts

_NO_DEMAND = HardAttributes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request with all that its decision depends on besides the stock. Values only.

    Attributes:
        version: Version of the decision to be made, 1 or more.
        held: Bags already promised and still live, wherever they are, by line number.
        covered: What these bags hold, in hundredths of the line's measure, by line number.
        covered_units: The same in hundredths of the ordering unit.
        issued: Those of them that have left the station.
        received: Those of them that have arrived.
        directory_version: Version of the directory that hospital, policy and journey are from.
        news: Reasons for deciding again; they come first in the decision.
        same_patient: Open requests of the hospital for the same patient and component, which may
            be duplicates.
        facts: What is known beside the order when its quantity is judged.
        capped_before: Unconfirmed O RhD- units that the same unknown patient already got, as
            written before this batch.
        cause_id: Identifier of the event that causes the decision; makes its ids unique.
        rules: The rulebook to decide by.
        hand: What a dispatcher decided for it by hand.
    """

    request: UrgentRequest
    hospital: Hospital
    policy: StationPolicy
    journey: Journey
    version: int
    cause_id: str
    rules: Rulebook
    directory_version: int = 0
    news: tuple[Reason, ...] = ()
    same_patient: tuple[str, ...] = ()
    held: Mapping[int, int] = field(default_factory=dict)
    covered: Mapping[int, int] = field(default_factory=dict)
    covered_units: Mapping[int, int] = field(default_factory=dict)
    issued: int = 0
    received: int = 0
    facts: OrderFacts = NO_FACTS
    capped_before: int = 0
    hand: HandWork = NO_HAND_WORK

    def candidates(self, line: RequestLine) -> tuple[Candidate, ...]:
        """Return the groups that may be given, best first; last those that a release opens."""
        release = find_release(self.purpose(line, capped_units=0), self.rules)
        patient = self.request.patient
        found: dict[BloodGroup, Candidate] = {}
        for known in release.list_patients(patient) if release else (patient,):
            for candidate in list_candidates(
                component=line.component,
                patient=known,
                priority=self.request.priority,
                policy=self.policy,
                rules=self.rules,
            ):
                found.setdefault(candidate.group, candidate)
        return tuple(found.values())

    def purpose(self, line: RequestLine, *, capped_units: int) -> ForPatient:
        return ForPatient.of_line(self.request, line, policy=self.policy, capped_units=capped_units)

    def demands_more(self, line: RequestLine) -> bool:
        """Return whether the line, or the patient's needs, demand anything beside the group."""
        patient = self.request.patient
        against = (
            patient.all_antibodies,
            patient.platelet_antigens_against,
            patient.hla_antibodies,
        )
        needs = list_needs(patient, line.attributes, self.rules)
        return any((*against, needs)) or line.attributes != _NO_DEMAND

    @property
    def held_units(self) -> int:
        """Return the units of earlier decisions that are still on the shelf."""
        return sum(self.held.values()) - self.issued - self.received

    @property
    def capped_as(self) -> tuple[str, str]:
        """Return who the cap is counted for: the hospital's patient, or else the request itself."""
        request = self.request
        return request.hospital_id, request.patient.reference or f"request {request.request_id}"

    def find_lack(self, line: RequestLine) -> int:
        """Return what a line lacks, in hundredths of its measure."""
        return max(0, line.wanted - self.covered.get(line.line_no, 0))
