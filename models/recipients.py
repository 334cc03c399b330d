"""The group of a patient for which each class of components is chosen.

Pure. For most patients it is the one group that was typed. A transplant, a mother, a rare group, an
antibody against A or B or a disputed group make it differ by class; that is told here and nowhere
else: whoever asks for a patient's group asks here.

Red cells must bring no antigen that anything in the patient is against, so they are chosen for what
all groups concerned have in common. Plasma must bring no antibody against anything in the patient,
so it is chosen for what any of them has.

Source: rules/data/compatibility.toml (transplant.groups, group.rare, group.mother, group.disputed).
"""

from __future__ import annotations

from collections.abc import Sequence

from models.base import Value
from models.components import ComponentClass
from models.groups import Abo, BloodGroup, RhD
from models.patients import Patient, RareGroup, Transplant, TransplantPhase
from models.rules.types.compatibility import TRANSPLANT_RULE

_AGAINST = {"A": {"A"}, "A1": {"A"}, "B": {"B"}, "AB": {"A", "B"}}
"""An antibody to the antigens of ABO that it is against; A2 is not told from A."""


class Recipient(Value):
    """The group for which one class of components is chosen; None where it is not known."""

    abo: Abo | None = None
    rhd: RhD | None = None

    @property
    def group(self) -> BloodGroup | None:
        return BloodGroup.of(self.abo, self.rhd) if self.abo and self.rhd else None


def find_recipient(component_class: ComponentClass, patient: Patient) -> Recipient:
    """Return the group for which components of a class are chosen for this patient."""
    red_cells = _list_groups(patient, TRANSPLANT_RULE.red_cells_after)
    if not red_cells:
        return Recipient()
    is_negative = any(group.rhd is RhD.NEGATIVE for group in red_cells)
    rhd = RhD.NEGATIVE if is_negative else RhD.POSITIVE
    match component_class:
        case ComponentClass.RED_CELLS:
            abo: Abo | None = _find_for_red_cells(patient, red_cells)
        case ComponentClass.PLASMA:
            abo = _find_for_plasma(patient, TRANSPLANT_RULE.plasma_after)
        case ComponentClass.PLATELETS:
            of_plasma = _find_for_plasma(patient, TRANSPLANT_RULE.platelets_after)
            abo = None if patient.disputed_groups else of_plasma
        case ComponentClass.WHOLE_BLOOD:
            # It must suit as red cells and as plasma; if nothing does, as for an unknown patient.
            of_plasma = _find_for_plasma(patient, TRANSPLANT_RULE.plasma_after)
            abo = of_plasma if of_plasma is _find_for_red_cells(patient, red_cells) else None
    return Recipient(abo=abo, rhd=rhd)


def _list_groups(patient: Patient, after: str) -> Sequence[BloodGroup]:
    """List the groups that the patient's blood may be of; none if nothing is known.

    Once a transplant has engrafted, `after` tells whose group counts: `donor` or `both`.
    """
    if patient.disputed_groups:
        return patient.disputed_groups
    typed = (patient.group,) if patient.group else ()
    return (*typed, *_list_transplanted(patient.transplant, after)) if patient.transplant else typed


def _list_transplanted(transplant: Transplant, after: str) -> Sequence[BloodGroup]:
    if transplant.phase is TransplantPhase.AFTER_ENGRAFTMENT and after == "donor":
        return (transplant.donor_group,)
    return transplant.donor_group, transplant.recipient_group


def _find_for_red_cells(patient: Patient, groups: Sequence[BloodGroup]) -> Abo:
    if patient.disputed_groups or patient.lacks_h:
        return Abo.O
    antigens = frozenset("AB").intersection(*(group.abo.antigens for group in groups))
    if patient.mother:
        of_mother = patient.mother.group
        antigens &= of_mother.abo.antigens if of_mother else frozenset()
    if patient.rare_group is RareGroup.CIS_AB:
        antigens -= {"B"}
    for antibody in patient.all_antibodies:
        antigens -= _AGAINST.get(antibody, set())
    return Abo.of_antigens(antigens)


def _find_for_plasma(patient: Patient, after: str) -> Abo:
    if patient.disputed_groups or patient.rare_group is RareGroup.CIS_AB:
        return Abo.AB
    # Bombay is typed as O; cells of para-Bombay may carry some A or B, as a transplant's do.
    groups = _list_groups(patient, after)
    return Abo.of_antigens(frozenset[str]().union(*(group.abo.antigens for group in groups)))
