"""Puts the fields of a row of a count into the shape of a counted unit, joining several columns.

Pure. Columns that state the same thing must agree, and a missing value is never made up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gateway.files.cells import CellError
from gateway.files.printed_volumes import settle_dose
from gateway.files.products import NamedProduct
from gateway.files.table_values import FieldFault, Fields
from gateway.labels.unit_names import name_unit
from models.errors import ContractError
from models.events.stock import CountedAs
from models.groups import Abo
from models.possible_times import render_past

TRAIT_FLAGS = (
    "leukoreduced",
    "irradiated",
    "cmv_negative",
    "washed",
    "low_titre",
    "c_positive",
    "del_typed",
    "virus_inactivated",
    "hbs_negative",
    "iga_deficient",
    "of_relative",
)
NAMES = ("antigen_negative", "hla", "platelet_antigen_negative")
DONE_AT = ("irradiated_at", "washed_at", "thawed_at", "deglycerolised_at")
MADE = ("anticoagulant", "bag", "agitated", *DONE_AT)
TRAITS = (*TRAIT_FLAGS, *NAMES, *MADE)
ATTESTED = ("released_by", "released_at")
_ABO = frozenset(Abo)
_TOLD = frozenset(status.value for status in CountedAs if status is not CountedAs.ON_SHELF)


def build_unit(station_id: str, now: datetime | None = None) -> Callable[[Fields], Fields]:
    """Return a function that puts the fields of a row into the shape of a counted unit.

    Args:
        station_id: The station whose unit it is.
        now: Aware UTC instant, after which nothing can have been collected. None judges no moment.

    The function raises FieldFault where the fields of a row do not go together, and ContractError
    where they name no unit.
    """

    def build(row: Fields) -> Fields:
        _ensure_collected(row.get("collected_at"), now)
        counted: Fields = {
            name: row.pop(name) for name in ("released", "counted_as") if name in row
        }
        attested = {name: row.pop(name) for name in ATTESTED if name in row}
        if attested:
            counted["attestation"] = attested
        _apply_status(row.pop("status", None), counted)
        _name_unit(row)
        settle_group(row)
        _settle_product(row)
        traits = {name: row.pop(name) for name in TRAITS if name in row}
        for trait in row.pop("treatments", ()):
            traits.setdefault(trait, True)
        if traits:
            row["traits"] = {**row.get("traits", {}), **traits}
        return {"unit": {"station_id": station_id, **row}, **counted}

    return build


def _ensure_collected(at: object, now: datetime | None) -> None:
    """Refuse a collection time that cannot be true.

    It is checked first, because expiry and release are judged by it.

    Raises:
        FieldFault: The time cannot be true.
    """
    if now is not None and isinstance(at, datetime):
        fault = render_past(at, now=now)
        if fault is not None:
            raise FieldFault(fault[0], "collected_at", fault[1])


def _apply_status(status: str | None, counted: Fields) -> None:
    """Apply a status: the unit is released or not, or it is gone; quarantine always prevails.

    Raises:
        FieldFault: The word is not a status.
    """
    if status in _TOLD:
        counted["counted_as"] = status
        if status == CountedAs.COLLECTED:
            counted["released"] = False
    elif status == "quarantined":
        counted["released"] = False
    elif status == "available":
        counted.setdefault("released", True)
    elif status is not None:
        raise FieldFault("status_unknown", "status")


def _name_unit(row: Fields) -> None:
    """Name a unit without a unit id by its donation and product, as a scan of its label does."""
    product = row.pop("product_code", None)
    if product is not None and "donation_id" in row and "unit_id" not in row:
        donation = str(row["donation_id"])
        try:
            row["unit_id"] = name_unit(donation, str(product))
        except ContractError as error:
            raise ContractError(
                "unit_name_unclear", donation_id=donation[:80], product_code=str(product)[:80]
            ) from error


def settle_group(row: Fields) -> None:
    """Make the group from one, two or three columns, which must agree.

    Raises:
        FieldFault: RhD is missing, or two columns contradict each other.
    """
    group = row.get("group")
    abo, rhd = row.pop("abo", None), row.pop("rhd", None)
    if group is None and abo is None:
        if rhd is not None:
            raise FieldFault("abo_missing", "abo")
        return
    if group is None or group in _ABO:
        if group is not None and abo not in {None, group}:
            raise FieldFault("group_contradicts", "abo")
        if rhd is None:
            raise FieldFault("rhd_missing", "group" if group is not None else "rhd")
        row["group"] = f"{group or abo}{rhd}"
        return
    for column, part in (("abo", abo), ("rhd", rhd)):
        if part is not None and part not in {group[:-1], group[-1]}:
            raise FieldFault("group_contradicts", column)


def _settle_product(row: Fields) -> None:
    """Put what a product's name says into the row, and convert a volume that depends on it.

    Raises:
        FieldFault: The product does not allow the measure of the volume.
    """
    product = row.get("component")
    if isinstance(product, NamedProduct):
        row["component"] = product.component
        row["treatments"] = product.treatments
    try:
        if "volume_ml" in row:
            row["volume_ml"] = settle_dose(row["volume_ml"], product)
    except CellError as error:
        raise FieldFault(error.code, "volume_ml") from error
