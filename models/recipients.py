"""The group of a patient for which each class of components is chosen.

Pure. For most patients it is the one group that was typed. What makes it differ by class is told
here and nowhere else: whoever asks for a patient's group asks here.
"""

from __future__ import annotations

from models.base import Value
from models.components import ComponentClass
from models.groups import Abo, BloodGroup, RhD
from models.patients import Patient


class Recipient(Value):
    """The group for which one class of components is chosen; None where it is not known."""

    abo: Abo | None = None
    rhd: RhD | None = None

    @property
    def group(self) -> BloodGroup | None:
        return BloodGroup.of(self.abo, self.rhd) if self.abo and self.rhd else None


def find_recipient(component_class: ComponentClass, patient: Patient) -> Recipient:
    """Return the group for which components of a class are chosen for this patient."""
    del component_class
    group = patient.group
    return Recipient(abo=group.abo, rhd=group.rhd) if group else Recipient()
