"""Compares a label with the unit's record; a bag that differs is refused. Pure."""

from __future__ import annotations

from datetime import timedelta

from gateway.labels.bags import Label
from models.errors import DomainRefusal
from models.units import RecordedUnit

LABEL_RESOLUTION = timedelta(minutes=1)
"""A label has only minutes: 23:59 stands for each second of that minute and the end of the day."""


def ensure_agrees(label: Label, unit: RecordedUnit) -> None:
    """Refuse a bag whose label contradicts the record.

    A part that was not scanned is not compared. The product must have each trait that is on record;
    it may have further traits.

    Raises:
        DomainRefusal: `label_contradicts_record`, naming the first field that differs.
    """
    for what, on_label, recorded in (
        ("group", label.group, unit.group),
        ("component", label.product.component, unit.component),
        ("volume_ml", label.product.volume_ml, unit.volume_ml),
    ):
        if on_label is not None and on_label != recorded:
            raise _refuse(unit, what, told=str(on_label), recorded=str(recorded))
    if label.expires_at is not None:
        later_by = unit.expires_at - label.expires_at
        if not timedelta() <= later_by <= LABEL_RESOLUTION:
            raise _refuse(
                unit,
                "expires_at",
                told=label.expires_at.isoformat(),
                recorded=unit.expires_at.isoformat(),
            )
    for trait, has in label.product.traits.items():
        if getattr(unit.traits, trait) and not has:
            raise _refuse(unit, trait, told="no", recorded="yes")


def list_compared(label: Label) -> list[str]:
    """Return the fields of a label that can be compared; parts not scanned are left out."""
    told = (
        ("component", True),
        ("group", label.group is not None),
        ("expires_at", label.expires_at is not None),
        ("volume_ml", label.product.volume_ml is not None),
    )
    return [*(what for what, was_told in told if was_told), *label.product.traits]


def _refuse(unit: RecordedUnit, what: str, *, told: str, recorded: str) -> DomainRefusal:
    return DomainRefusal(
        "label_contradicts_record",
        unit_id=unit.unit_id,
        what=what,
        label=told,
        recorded=recorded,
    )
