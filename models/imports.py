"""Stock and donor imports: what the columns are, and how a row becomes a value. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import chain

from models.base import Value, to_spelling_key
from models.bounds import list_impossible
from models.cells import (
    BEIJING,
    InstantReader,
    list_treatments,
    read_abo,
    read_code,
    read_component,
    read_day,
    read_flag,
    read_group,
    read_names,
    read_rhd,
    read_status,
    read_volume,
)
from models.columns import WORDS, to_word
from models.donors import Donor
from models.errors import ContractError
from models.events.stock import Attestation, CountedAs, CountedUnit, find_attestation_fault
from models.grids import read_sheets
from models.labels.bags import name_unit
from models.sheets import Sheet, open_csv
from models.tables import Fields, Layout, Parsed, RowFault, V, finish, read_json

_TRAIT_FLAGS = ("leukoreduced", "irradiated", "cmv_negative", "washed", "low_titre")
_TRAITS = (*_TRAIT_FLAGS, "antigen_negative", "hla")
_ATTESTED = ("released_by", "released_at")
_TOLD = frozenset(told.value for told in CountedAs if told is not CountedAs.ON_SHELF)


BLAMED = {
    "attestation_missing": "released_by",
    "released_before_collected": "released_at",
    "released_in_future": "released_at",
    "returned_unit_unknown": "status",
    "unit_spelled_otherwise": "unit_id",
    "donation_spelled_otherwise": "donation_id",
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
    """

    attestation: Attestation | None = None
    now: datetime | None = None

    def find_fault(self, counted: CountedUnit) -> RowFault | None:
        return self._find_release_fault(counted) or find_impossible(counted, self.now)

    def _find_release_fault(self, counted: CountedUnit) -> RowFault | None:
        attested = counted.attestation or self.attestation
        fault = find_attestation_fault(counted, attested, now=self.now)
        if fault is None:
            return None
        params = {name: str(value) for name, value in fault.params.items()}
        return RowFault(fault.code, BLAMED[fault.code], params)


def find_impossible(value: Value, now: datetime | None) -> RowFault | None:
    """Tell the first moment of a row that cannot be true."""
    found = list_impossible(value, now=now) if now is not None else ()
    for one in found:
        params = {name: str(told) for name, told in one.params.items()}
        return RowFault(one.code, one.field.rpartition(".")[2], params)
    return None


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
        if "abo" in row or "rhd" in row:
            abo, rhd = row.pop("abo", ""), row.pop("rhd", "")
            row.setdefault("group", f"{abo}{rhd}")
        traits = {name: row.pop(name) for name in _TRAITS if name in row}
        for trait in row.pop("treatments", ()):
            traits.setdefault(trait, True)
        if traits:
            row["traits"] = {**row.get("traits", {}), **traits}
        return {"unit": {"station_id": station_id, **row}, **counted}

    return build


def _apply_status(status: str | None, counted: Fields) -> None:
    """A status says whether the unit is released, or that it is gone; quarantine always wins."""
    if status in _TOLD:
        counted["counted_as"] = status
        if status == CountedAs.COLLECTED:
            counted["released"] = False
    elif status == "quarantined":
        counted["released"] = False
    elif status == "available":
        counted.setdefault("released", True)


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


def _read_product(station_id: str) -> Callable[[Fields], Fields]:
    build = _build_unit(station_id)

    def with_treatments(row: Fields) -> Fields:
        product = row.get("component")
        if isinstance(product, Product):
            row["component"] = product.component
            row["treatments"] = list_treatments(product.name)
        return build(row)

    return with_treatments


class Product:
    """A product as a sheet names it: its component and, in its name, what was done to it."""

    __slots__ = ("component", "name")

    def __init__(self, name: str, component: str) -> None:
        self.name = name
        self.component = component


def _units(
    station_id: str, releasing: Releasing, zone: timezone | None = None
) -> Layout[CountedUnit]:
    return Layout(
        model=CountedUnit,
        words=WORDS.units,
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
            **dict.fromkeys(("unit_id", "donation_id", "product_code"), read_code),
            **dict.fromkeys((*_TRAIT_FLAGS, "released"), read_flag),
            **dict.fromkeys(("antigen_negative", "hla"), read_names),
            "component": lambda cell: Product(str(cell), read_component(cell)),
            "group": read_group,
            "abo": read_abo,
            "rhd": read_rhd,
            "volume_ml": read_volume,
            "status": read_status,
            "collected_at": InstantReader(zone, day_ends=False),
            "expires_at": InstantReader(zone, day_ends=True),
            "released_at": InstantReader(zone, day_ends=False),
        },
        build=_read_product(station_id),
        parts={"abo": "group", "rhd": "group", "product_code": "unit_id"},
        check=releasing.find_fault,
        identity_key=to_spelling_key,
    )


def _build_donor(station_id: str) -> Callable[[Fields], Fields]:
    def build(row: Fields) -> Fields:
        place = {name: row.pop(name) for name in ("lat", "lon") if name in row}
        if place:
            row["location"] = {**row.get("location", {}), **place}
        return {"station_id": station_id, **row}

    return build


def _donors(station_id: str, now: datetime | None) -> Layout[Donor]:
    days = ("born_on", "last_whole_blood_on", "last_platelets_on")
    until = ("unavailable_until", "deferred_until")
    return Layout(
        model=Donor,
        words=WORDS.donors,
        identity="donor_id",
        required=("donor_id", "name", "contact", "group", "sex", "born_on", "weight_kg"),
        optional=(
            "station_id",
            "lat",
            "lon",
            "staff",
            "repeat_without_reaction",
            "last_whole_blood_on",
            "last_platelets_on",
            "consented_at",
            *until,
        ),
        readers={
            "donor_id": read_code,
            **dict.fromkeys(days, read_day),
            **dict.fromkeys(("staff", "repeat_without_reaction"), read_flag),
            **dict.fromkeys(("lat", "lon", "weight_kg"), str),
            "group": read_group,
            **dict.fromkeys(until, InstantReader(BEIJING, day_ends=True)),
            "consented_at": InstantReader(BEIJING, day_ends=False),
        },
        build=_build_donor(station_id),
        check=lambda donor: find_impossible(donor, now),
    )


def parse_units(
    sheets: Iterable[Sheet],
    *,
    station_id: str,
    releasing: Releasing,
    zone: timezone | None = None,
    partial: bool = False,
    ignore: Sequence[str] = (),
) -> Parsed[CountedUnit]:
    """Read counted units of one station from sheets with heads. Empty cells mean "not given".

    Args:
        sheets: Of one file.
        station_id: Whose count it is; a station column must agree.
        releasing: By which rows are judged that are counted as released.
        zone: Of times that have none; None refuses them.
        partial: Keep the good rows beside the errors of the others.
        ignore: Headings to pass over beside those that are always passed over.
    """
    layout = _units(station_id, releasing, zone)
    words = frozenset(to_word(heading) for heading in ignore)
    rows, left_out = read_sheets(sheets, layout, ignore=words)
    return finish(chain.from_iterable(rows), layout, station_id, partial=partial, left_out=left_out)


def parse_units_csv(text: str, *, station_id: str, releasing: Releasing) -> Parsed[CountedUnit]:
    """Read counted units from a CSV, every time with its zone. As `parse_units`."""
    return parse_units(open_csv(text), station_id=station_id, releasing=releasing)


def parse_units_json(
    rows: Sequence[object], *, station_id: str, releasing: Releasing, partial: bool = False
) -> Parsed[CountedUnit]:
    """Read counted units from JSON objects with the columns of the CSV, or with `traits` nested."""
    layout = _units(station_id, releasing)
    return finish(read_json(rows), layout, station_id, partial=partial)


def parse_donors(
    sheets: Iterable[Sheet], *, station_id: str, now: datetime | None = None
) -> Parsed[Donor]:
    """Read donors of one station from sheets with heads, their dates as those of a count.

    Args:
        sheets: Of one file. Times without a zone are Beijing's; until a day means until its end.
        station_id: Whose register it is; a station column must agree.
        now: Aware UTC instant, for what cannot be true; None judges no moment.
    """
    return _parse(sheets, _donors(station_id, now), station_id)


def parse_donors_csv(text: str, *, station_id: str, now: datetime | None = None) -> Parsed[Donor]:
    return parse_donors(open_csv(text), station_id=station_id, now=now)


def parse_donors_json(
    rows: Sequence[object], *, station_id: str, now: datetime | None = None
) -> Parsed[Donor]:
    """Read donors from JSON objects, every moment with its zone. As `parse_units_json`."""
    return finish(read_json(rows), _donors(station_id, now), station_id)


def _parse(sheets: Iterable[Sheet], layout: Layout[V], station_id: str) -> Parsed[V]:
    rows, left_out = read_sheets(sheets, layout)
    return finish(chain.from_iterable(rows), layout, station_id, left_out=left_out)
