"""Stock and donor imports: what the columns are, and how a row becomes a value. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from itertools import chain

from models.cells import (
    CellError,
    InstantReader,
    read_abo,
    read_flag,
    read_group,
    read_names,
    read_rhd,
)
from models.donors import Donor
from models.doses import read_volume, settle_dose
from models.errors import ContractError
from models.events.stock import Attestation, CountedAs, CountedUnit, find_attestation_fault
from models.grids import read_sheets
from models.groups import Abo
from models.labels.bags import name_unit
from models.own_words import GUARDED, NO_WORDS, OwnWords
from models.products import Product
from models.sheets import Sheet, open_csv
from models.tables import FieldFault, Fields, Layout, Parsed, RowFault, finish, read_json

_TRAIT_FLAGS = ("leukoreduced", "irradiated", "cmv_negative", "washed", "low_titre")
_TRAITS = (*_TRAIT_FLAGS, "antigen_negative", "hla")
_ATTESTED = ("released_by", "released_at")
_ABO = frozenset(Abo)
_TOLD = frozenset(told.value for told in CountedAs if told is not CountedAs.ON_SHELF)


BLAMED = {
    "attestation_missing": "released_by",
    "released_before_collected": "released_at",
    "released_in_future": "released_at",
    "returned_unit_unknown": "status",
    "donation_recalled": "donation_id",
    "donation_in_quarantine": "donation_id",
    "results_forbid_release": "donation_id",
}
"""Why a unit may not be taken in, and the column in which its row says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Releasing:
    """By which a row that is counted as released is judged.

    Attributes:
        attestation: Who released, and when, the rows that name nobody of their own.
        now: Aware UTC instant; no release lies after it. None judges no moment.
        is_said: Each row says itself whether it is released. A sheet has columns for that or has
            none, and is read so; an object that leaves it out has said nothing.
    """

    attestation: Attestation | None = None
    now: datetime | None = None
    is_said: bool = False

    def find_fault(self, counted: CountedUnit) -> RowFault | None:
        if self.is_said and counted.is_released and "released" not in counted.model_fields_set:
            return RowFault("status_missing", "released", {})
        attested = counted.attestation or self.attestation
        fault = find_attestation_fault(counted, attested, now=self.now)
        if fault is None:
            return None
        params = {name: str(value) for name, value in fault.params.items()}
        return RowFault(fault.code, BLAMED[fault.code], params)


def _build_unit(station_id: str) -> Callable[[Fields], Fields]:
    def build(row: Fields) -> Fields:
        counted: Fields = {
            name: row.pop(name) for name in ("released", "counted_as") if name in row
        }
        attested = {name: row.pop(name) for name in _ATTESTED if name in row}
        if attested:
            counted["attestation"] = attested
        _apply_status(row.pop("status", None), counted)
        _name_unit(row)
        _settle_group(row)
        _settle_product(row)
        traits = {name: row.pop(name) for name in _TRAITS if name in row}
        for trait in row.pop("treatments", ()):
            traits.setdefault(trait, True)
        if traits:
            row["traits"] = {**row.get("traits", {}), **traits}
        return {"unit": {"station_id": station_id, **row}, **counted}

    return build


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


def _settle_group(row: Fields) -> None:
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
    if isinstance(product, Product):
        row["component"] = product.component
        row["treatments"] = product.treatments
    try:
        if "volume_ml" in row:
            row["volume_ml"] = settle_dose(row["volume_ml"], product)
    except CellError as error:
        raise FieldFault(error.code, "volume_ml") from error


def _units(
    station_id: str,
    releasing: Releasing,
    zone: timezone | None = None,
    own: OwnWords = NO_WORDS,
) -> Layout[CountedUnit]:
    return Layout(
        model=CountedUnit,
        words=own.to_unit_words(),
        identity="unit_id",
        required=(
            ("unit_id", "product_code"),
            "donation_id",
            "component",
            ("group", "abo"),
            "volume_ml",
            "collected_at",
            "expires_at",
        ),
        optional=("rhd", "station_id", "status", "released", *_ATTESTED, *_TRAITS),
        readers={
            **dict.fromkeys((*_TRAIT_FLAGS, "released"), read_flag),
            **dict.fromkeys(("antigen_negative", "hla"), read_names),
            **own.to_readers(),
            "group": read_group,
            "abo": read_abo,
            "rhd": read_rhd,
            "volume_ml": read_volume,
            "collected_at": InstantReader(zone, day_ends=False),
            "expires_at": InstantReader(zone, day_ends=True),
            "released_at": InstantReader(zone, day_ends=False),
        },
        build=_build_unit(station_id),
        parts={
            "abo": "group",
            "rhd": "group",
            "product_code": "unit_id",
            "status": "released",
        },
        check=releasing.find_fault,
        stated=(*((name,) for name in GUARDED), _ATTESTED),
        named_by="component",
    )


def _build_donor(station_id: str) -> Callable[[Fields], Fields]:
    def build(row: Fields) -> Fields:
        place = {name: row.pop(name) for name in ("lat", "lon") if name in row}
        if place:
            row["location"] = {**row.get("location", {}), **place}
        _settle_group(row)
        return {"station_id": station_id, **row}

    return build


def _donors(station_id: str, own: OwnWords = NO_WORDS) -> Layout[Donor]:
    instants = ("unavailable_until", "deferred_until", "consented_at")
    return Layout(
        model=Donor,
        words=own.to_donor_words(),
        identity="donor_id",
        required=(
            "donor_id",
            "name",
            "contact",
            ("group", "abo"),
            "sex",
            "born_on",
            "weight_kg",
        ),
        optional=(
            "rhd",
            "station_id",
            "lat",
            "lon",
            "staff",
            "repeat_without_reaction",
            "last_whole_blood_on",
            "last_platelets_on",
            *instants,
        ),
        readers={
            **dict.fromkeys(("staff", "repeat_without_reaction"), read_flag),
            **dict.fromkeys(("lat", "lon", "weight_kg"), str),
            "group": read_group,
            "abo": read_abo,
            "rhd": read_rhd,
            **dict.fromkeys(instants, InstantReader(None, day_ends=False)),
        },
        build=_build_donor(station_id),
        parts={"abo": "group", "rhd": "group"},
        private=frozenset({"name", "contact", "born_on"}),
    )


def parse_units(
    sheets: Iterable[Sheet],
    *,
    station_id: str,
    releasing: Releasing,
    zone: timezone | None = None,
    partial: bool = False,
    own: OwnWords = NO_WORDS,
) -> Parsed[CountedUnit]:
    """Read counted units of one station from sheets with heads. Empty cells mean "not given".

    Args:
        sheets: Of one file.
        station_id: Whose count it is; a station column must agree.
        releasing: By which rows are judged that are counted as released.
        zone: Of times that have none; None refuses them.
        partial: Keep the good rows beside the errors of the others.
        own: The station's own words.
    """
    layout = _units(station_id, releasing, zone, own)
    rows, left_out = read_sheets(sheets, layout)
    return finish(chain.from_iterable(rows), layout, station_id, partial=partial, left_out=left_out)


def parse_units_csv(text: str, *, station_id: str, releasing: Releasing) -> Parsed[CountedUnit]:
    """Read counted units from a CSV, every time with its zone. As `parse_units`."""
    return parse_units(open_csv(text), station_id=station_id, releasing=releasing)


def parse_units_json(
    rows: Sequence[object],
    *,
    station_id: str,
    releasing: Releasing,
    partial: bool = False,
    own: OwnWords = NO_WORDS,
) -> Parsed[CountedUnit]:
    """Read counted units from JSON objects with the columns of the CSV, or with `traits` nested.

    Each says whether it is released: by `released`, `status` or `counted_as`.
    """
    layout = _units(station_id, replace(releasing, is_said=True), own=own)
    return finish(read_json(rows, layout), layout, station_id, partial=partial)


def parse_donors(
    sheets: Iterable[Sheet], *, station_id: str, own: OwnWords = NO_WORDS
) -> Parsed[Donor]:
    """Read donors of one station from sheets with heads. As `parse_units`."""
    layout = _donors(station_id, own)
    rows, left_out = read_sheets(sheets, layout)
    return finish(chain.from_iterable(rows), layout, station_id, left_out=left_out)


def parse_donors_csv(text: str, *, station_id: str) -> Parsed[Donor]:
    return parse_donors(open_csv(text), station_id=station_id)


def parse_donors_json(rows: Sequence[object], *, station_id: str) -> Parsed[Donor]:
    """Read donors from JSON objects. As `parse_units_json`."""
    layout = _donors(station_id)
    return finish(read_json(rows, layout), layout, station_id)
