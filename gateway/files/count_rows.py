"""From the fields of a row of a count to the shape of a counted unit: what several columns say.

Pure. Columns that say the same thing must agree, and what none of them says is not made up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gateway.files.cells import CellError
from gateway.files.doses import settle_dose
from gateway.files.products import NamedProduct
from gateway.files.tables import FieldFault, Fields
from gateway.labels.bags import name_unit
from models.errors import ContractError
from models.events.stock import CountedAs
from models.groups import Abo
from models.possible_times import render_past

TRAIT_FLAGS = ("leukoreduced", "irradiated", "cmv_negative", "washed", "low_titre")
TRAITS = (*TRAIT_FLAGS, "antigen_negative", "hla")
ATTESTED = ("released_by", "released_at")
_ABO = frozenset(Abo)
_TOLD = frozenset(told.value for told in CountedAs if told is not CountedAs.ON_SHELF)


def build_unit(station_id: str, now: datetime | None = None) -> Callable[[Fields], Fields]:
    """Return what puts the fields of a row into the shape of a counted unit of a station.

    Args:
        station_id: Whose unit it is.
        now: Aware UTC instant; nothing was collected after it. None judges no moment.

    It raises FieldFault where the fields of a row do not go together, and ContractError where they
    name no unit.
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
    """Expiry and release are judged by the collection: it is held against the present first.

    Raises:
        FieldFault: It cannot be true.
    """
    if now is not None and isinstance(at, datetime):
        fault = render_past(at, now=now)
        if fault is not None:
            raise FieldFault(fault[0], "collected_at", fault[1])


def _apply_status(status: str | None, counted: Fields) -> None:
    """A status says whether the unit is released, or that it is gone; quarantine always wins.

    Raises:
        FieldFault: It is no status.
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
    """A unit without a name of its own is named by its donation and product, as its label is."""
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
    """Make one group of what stands in one, two or three columns; they must agree.

    Raises:
        FieldFault: RhD is nowhere, or two columns contradict each other.
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
    for column, told in (("abo", abo), ("rhd", rhd)):
        if told is not None and told not in {group[:-1], group[-1]}:
            raise FieldFault("group_contradicts", column)


def _settle_product(row: Fields) -> None:
    """Put what a product's name says into the row, and end a volume that depends on it.

    Raises:
        FieldFault: The measure of the volume does not go with the product.
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
