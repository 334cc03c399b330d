"""Whether what stands for all components of a rule of groups, and all that it reads, is enough.

The spaces cross every patient with one component of each rule, and with what the rule reads. That
leaves nothing out as long as the kernel and the oracle both answer for every other component, and
whatever is not read, just the same: it is asked here of every patient, without any unit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import checker.compatibility as other_hands
from models.compatibility import Candidate, list_candidates
from models.components import Component
from models.facilities import StationPolicy
from models.patients import Patient
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from tests.support.kernel_tables import POLICIES, READ, STANDS_FOR, every_patient

Candidates = tuple[Candidate, ...]
Terms = dict[str, other_hands.GroupTerms]


def find_misfits(components: Iterable[Component], *, most: int = 5) -> tuple[int, list[str]]:
    """Ask both about every component, patient, priority and policy; stop early at so many misfits.

    Returns:
        How many were asked, and which are answered otherwise than by what stands for them.
    """
    count, misfits = 0, list[str]()
    for component in components:
        stands, read = STANDS_FOR[component], READ[STANDS_FOR[component]]
        standing: dict[tuple[object, ...], tuple[Candidates, Terms]] = {}
        for patient, priority, policy in itertools.product(every_patient(), Priority, POLICIES):
            count += 1
            key, asked = _reduce(patient, policy, read)
            if (priority, *key) not in standing:
                standing[priority, *key] = _ask_both(stands, *asked, priority)
            if _ask_both(component, patient, policy, priority) != standing[priority, *key]:
                misfits.append(f"{component} {priority} {policy} {patient}")
                if len(misfits) >= most:
                    return count, misfits
    return count, misfits


def _reduce(
    patient: Patient, policy: StationPolicy, read: frozenset[str]
) -> tuple[tuple[object, ...], tuple[Patient, StationPolicy]]:
    """Return the facts that are read, as a key and as a patient and a policy of these alone."""
    facts = {
        "anti_d": ("antibodies", patient.antibodies, ()),
        "is_del": ("asian_del", patient.asian_del, False),
        "consent": ("rhd_consent", patient.rhd_consent, None),
        "prophylaxis": ("anti_d_prophylaxis_ordered", patient.anti_d_prophylaxis_ordered, False),
    }
    kept = {
        field: told if name in read else untold for name, (field, told, untold) in facts.items()
    }
    asked = patient.model_copy(update=kept)
    asked_policy = policy if "policy" in read else POLICIES[0]
    key = (asked.group, asked.sex, asked.age_years, *kept.values(), asked_policy.low_titre_a_plasma)
    return key, (asked, asked_policy)


def _ask_both(
    component: Component, patient: Patient, policy: StationPolicy, priority: Priority
) -> tuple[Candidates, Terms]:
    candidates = list_candidates(
        component=component, patient=patient, priority=priority, policy=policy, rules=PACKAGED
    )
    situation = other_hands.Situation(
        component=component.value,
        patient=other_hands.Patient.from_json(patient.model_dump(mode="json")),
        priority=priority.value,
        low_titre_a_plasma=policy.low_titre_a_plasma,
    )
    return candidates, other_hands.get_allowed(situation)
