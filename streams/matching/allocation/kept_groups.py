"""Keep RhD- red cells for RhD- patients: routine orders for RhD+ patients wait for RhD+. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from models.clearance import ForPatient, UnitFacts
from models.compatibility import kept_for_negative_d
from models.components import Component
from models.groups import BloodGroup, RhD
from models.patients import Patient
from models.requests import Priority


def is_kept_group(
    group: BloodGroup, component: Component, patient: Patient, priority: Priority
) -> bool:
    """Return whether a group is kept from this patient, except for units that expire soon."""
    return (
        priority is Priority.ROUTINE
        and patient.group is not None
        and patient.group.rhd is RhD.POSITIVE
        and not patient.has_anti_d
        and group.rhd is RhD.NEGATIVE
        and component.spec.carries_red_cells
    )


def is_kept(unit: UnitFacts, purpose: ForPatient, *, now: datetime) -> bool:
    """Return whether a unit is kept for RhD- patients; a unit that expires soon is not."""
    return is_kept_group(
        unit.group, unit.component, purpose.patient, purpose.priority
    ) and unit.expires_at > now + timedelta(days=kept_for_negative_d())
