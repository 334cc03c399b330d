"""Keep RhD- red cells for those who need RhD-, and the last O for those who cannot wait. Pure.

Nothing here is about safety: a unit that is kept would be cleared. Who is in danger of life is kept
from nothing; a unit that expires soon is kept from nobody.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from models.clearance import ForPatient, UnitFacts
from models.compatibility import Candidate, list_candidates
from models.components import Component
from models.decisions import LineDecision, Reason
from models.doses import WHOLE, content_of
from models.groups import Abo, BloodGroup, RhD
from models.patients import Patient
from models.recipients import find_recipient
from models.requests import Priority
from models.rules.rulebook import Rulebook
from streams.matching.decision_inputs import Case

_SOON = timedelta(days=1)
"""Within which what has no red cells expires soon: nothing is expected of a later day."""

KEPT_O = "kept_for_emergencies"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Who is served by a unit that is given or exchanged, and how long that can wait.

    Attributes:
        group: None if it is not known.
        arrival_at: When a unit that leaves now would arrive.
    """

    group: BloodGroup | None
    priority: Priority
    needed_by: datetime
    arrival_at: datetime

    @classmethod
    def of(cls, purpose: ForPatient, *, arrival_at: datetime) -> Waiting:
        return cls(
            group=find_recipient(
                purpose.line.component.spec.component_class, purpose.patient
            ).group,
            priority=purpose.priority,
            needed_by=purpose.needed_by,
            arrival_at=arrival_at,
        )

    @property
    def is_in_danger(self) -> bool:
        return self.priority is Priority.LIFE_THREATENING

    def describe_patience(self, *, now: datetime, rules: Rulebook) -> tuple[Priority, bool]:
        """Return what decides which units are kept from a patient for the sake of this one."""
        return self.priority, self.find_last_o(now=now, rules=rules) is None

    def find_last_o(self, *, now: datetime, rules: Rulebook) -> datetime | None:
        """Return from when even the last O RhD+ units are given; None if they are given now.

        They are given to whoever may have no other blood, and to all shortly before the last moment
        at which they would still arrive in time.
        """
        if self.is_in_danger or self.group is None or self.group.abo is Abo.O:
            return None
        ahead = timedelta(hours=rules.policies.emergency_reserve.given_ahead_h)
        given_from = now + (self.needed_by - self.arrival_at) - ahead
        return given_from if given_from > now else None


def find_given_from(case: Case, *, now: datetime) -> datetime | None:
    """Return from when no forecast keeps anything from an urgent request; None if it does not now.

    Of a routine order nobody can say: it may be left unserved.
    """
    request = case.request
    if request.priority is not Priority.URGENT:
        return None
    ahead = timedelta(hours=case.rules.policies.emergency_reserve.given_ahead_h)
    given_from = request.needed_by - timedelta(seconds=case.journey.eta_s) - ahead
    return given_from if given_from > now else None


def is_kept_from_nobody(unit: UnitFacts, *, now: datetime, rules: Rulebook) -> bool:
    """Return whether a unit expires so soon that it is kept for nobody."""
    soon = timedelta(days=rules.compatibility.kept_for_negative.expiring_within_d)
    if not unit.component.spec.carries_red_cells:
        soon = _SOON
    return unit.expires_at <= now + soon


def is_kept_group(
    group: BloodGroup,
    component: Component,
    patient: Patient,
    priority: Priority,
    candidates: Sequence[Candidate],
) -> bool:
    """Return whether RhD- red cells are kept from a patient who can have RhD+.

    Whoever is known to be given RhD+ first gets them in danger of life alone, after every RhD+
    group. A routine order for a patient of unknown RhD waits for RhD+ or a sample.

    Args:
        group: Of a unit.
        component: Of the unit.
        patient: Who would get it.
        priority: Of whoever is served by it.
        candidates: The groups that may go to the patient, best first.
    """
    if priority is Priority.LIFE_THREATENING or patient.has_anti_d:
        return False
    if group.rhd is RhD.POSITIVE or not component.spec.carries_red_cells:
        return False
    if find_recipient(component.spec.component_class, patient).rhd is None:
        return priority is Priority.ROUTINE
    return bool(candidates) and candidates[0].group.rhd is RhD.POSITIVE


def find_kept(
    unit: UnitFacts,
    *,
    is_kept_group: bool,
    waiting: Waiting,
    now: datetime,
    free: int | None,
    rules: Rulebook,
) -> Reason | None:
    """Return why a unit is kept from a patient; None if it is not.

    Args:
        unit: A unit that lies free, or that another request of the batch has.
        is_kept_group: As of the function of this name, for who would get the unit.
        waiting: Whoever is served by that: the same patient, or one with whom that patient
            exchanges units.
        now: Aware UTC instant.
        free: What the free units of its component and group at the station hold, this one among
            them, in hundredths of the ordering unit; None if it is not free.
        rules: The rulebook to decide by.
    """
    if waiting.is_in_danger or not unit.component.spec.carries_red_cells:
        return None
    if is_kept_from_nobody(unit, now=now, rules=rules):
        return None
    if is_kept_group:
        kept = rules.compatibility.cite(rules.compatibility.kept_for_negative)
        return Reason(code="kept_for_rhd_negative", rule=kept)
    rule = rules.policies.emergency_reserve
    left = None if free is None else free - content_of(unit.component, unit.volume_ml)
    is_last = unit.group is BloodGroup.O_POS and left is not None and left < rule.o_units * WHOLE
    given_from = waiting.find_last_o(now=now, rules=rules) if is_last else None
    if given_from is None:
        return None
    params: dict[str, str | int | float]
    params = {"floor": rule.o_units, "given_from": given_from.isoformat()}
    return Reason(code=KEPT_O, params=params, rule=rules.policies.cite(rule))


def is_kept_from(
    unit: UnitFacts,
    purpose: ForPatient,
    *,
    arrival_at: datetime,
    now: datetime,
    free: int,
    rules: Rulebook,
) -> bool:
    """Return whether a free unit is kept from the patient of a purpose.

    Args:
        unit: A unit that lies free, or what would be made of one.
        purpose: The line and the patient, who alone is served by it.
        arrival_at: When the unit would arrive if it left now.
        now: Aware UTC instant.
        free: As of `find_kept`.
        rules: The rulebook to decide by.
    """
    candidates = list_candidates(
        component=unit.component,
        patient=purpose.patient,
        priority=purpose.priority,
        policy=purpose.policy,
        rules=rules,
    )
    kept = find_kept(
        unit,
        is_kept_group=is_kept_group(
            unit.group, unit.component, purpose.patient, purpose.priority, candidates
        ),
        waiting=Waiting.of(purpose, arrival_at=arrival_at),
        now=now,
        free=free,
        rules=rules,
    )
    return kept is not None


def list_given_from(
    lines: Iterable[LineDecision], codes: Container[str] | None = None
) -> Iterator[datetime]:
    """Yield the instants from which units that were kept from lines are given to them.

    Args:
        lines: As they were decided.
        codes: Of the reasons for which they were kept; None for all.
    """
    for line in lines:
        for reason in line.refusals:
            if "given_from" in reason.params and (codes is None or reason.code in codes):
                yield datetime.fromisoformat(str(reason.params["given_from"]))
