"""RhD- red cells are kept for RhD- patients: routine orders of RhD+ ones wait for RhD+. Pure."""

from __future__ import annotations

from models.components import Component
from models.groups import BloodGroup, RhD
from models.patients import Patient
from models.requests import Priority


def is_kept_group(
    group: BloodGroup, component: Component, patient: Patient, priority: Priority
) -> bool:
    """Return whether a group is kept from this patient, but for units that soon expire."""
    return (
        priority is Priority.ROUTINE
        and patient.group is not None
        and patient.group.rhd is RhD.POSITIVE
        and not patient.has_anti_d
        and group.rhd is RhD.NEGATIVE
        and component.spec.carries_red_cells
    )
