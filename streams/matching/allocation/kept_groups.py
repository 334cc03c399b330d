"""Keep RhD- red cells for RhD- patients: routine orders of others wait for RhD+ or a sample.

Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from models.clearance import ForPatient, UnitFacts
from models.components import Component
from models.groups import BloodGroup, RhD
from models.patients import Patient
from models.recipients import find_recipient
from models.requests import Priority
from models.rules.rulebook import Rulebook


def is_kept_group(
    group: BloodGroup, component: Component, patient: Patient, priority: Priority
) -> bool:
    """Return whether a group is kept from this patient, except for units that expire soon."""
    return (
        priority is Priority.ROUTINE
        and find_recipient(component.spec.component_class, patient).rhd is not RhD.NEGATIVE
        and not patient.has_anti_d
        and group.rhd is RhD.NEGATIVE
        and component.spec.carries_red_cells
    )


def is_kept(unit: UnitFacts, purpose: ForPatient, *, now: datetime, rules: Rulebook) -> bool:
    """Return whether a unit is kept for RhD- patients; a unit that expires soon is not."""
    kept = timedelta(days=rules.compatibility.kept_for_negative.expiring_within_d)
    return unit.expires_at > now + kept and is_kept_group(
        unit.group, unit.component, purpose.patient, purpose.priority
    )
