"""Stock and donor imports: what the columns are, and how a row becomes a value. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from models.donors import Donor
from models.events.stock import CountedUnit
from models.tables import CellError, Fields, Layout, Parsed, finish, read_csv, read_json

_YES = frozenset({"true", "1", "yes", "y", "是"})
_NO = frozenset({"false", "0", "no", "n", "否"})


def _read_flag(cell: str) -> bool:
    word = cell.lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise CellError("flag_invalid")


def _read_names(cell: str) -> list[str]:
    """Several names in one cell: parted by spaces, semicolons or `|`."""
    return [name for name in re.split(r"[\s;；|]+", cell) if name]


def _read_instant(cell: str) -> str:
    if not re.search(r"(Z|[+-]\d{2}:?\d{2})$", cell, flags=re.IGNORECASE):
        raise CellError("time_zone_missing")
    return cell


_TRAIT_FLAGS = ("leukoreduced", "irradiated", "cmv_negative", "washed", "low_titre")
_TRAITS = (*_TRAIT_FLAGS, "antigen_negative", "hla")
_ATTESTED = ("released_by", "released_at")
_UNIT_COLUMNS = (
    "unit_id",
    "donation_id",
    "component",
    "group",
    "volume_ml",
    "collected_at",
    "expires_at",
)


def _build_unit(station_id: str) -> Callable[[Fields], Fields]:
    def build(row: Fields) -> Fields:
        released = {"released": row.pop("released")} if "released" in row else {}
        attested = {name: row.pop(name) for name in _ATTESTED if name in row}
        if attested:
            released["attestation"] = attested
        traits = {name: row.pop(name) for name in _TRAITS if name in row}
        if traits:
            row["traits"] = {**row.get("traits", {}), **traits}
        return {"unit": {"station_id": station_id, **row}, **released}

    return build


def _units(station_id: str) -> Layout[CountedUnit]:
    return Layout(
        model=CountedUnit,
        identity="unit_id",
        required=_UNIT_COLUMNS,
        optional=("station_id", "released", *_ATTESTED, *_TRAITS),
        readers={
            **dict.fromkeys((*_TRAIT_FLAGS, "released"), _read_flag),
            **dict.fromkeys(("antigen_negative", "hla"), _read_names),
            **dict.fromkeys(("collected_at", "expires_at", "released_at"), _read_instant),
        },
        build=_build_unit(station_id),
    )


def _build_donor(station_id: str) -> Callable[[Fields], Fields]:
    def build(row: Fields) -> Fields:
        place = {name: row.pop(name) for name in ("lat", "lon") if name in row}
        if place:
            row["location"] = {**row.get("location", {}), **place}
        return {"station_id": station_id, **row}

    return build


def _donors(station_id: str) -> Layout[Donor]:
    instants = ("unavailable_until", "deferred_until", "consented_at")
    return Layout(
        model=Donor,
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
            *instants,
        ),
        readers={
            **dict.fromkeys(("staff", "repeat_without_reaction"), _read_flag),
            **dict.fromkeys(instants, _read_instant),
        },
        build=_build_donor(station_id),
    )


def parse_units_csv(text: str, *, station_id: str) -> Parsed[CountedUnit]:
    """Read counted units of one station from a CSV with a head.

    Args:
        text: The decoded file. Empty cells mean "not given".
        station_id: Whose count it is; a `station_id` column must agree.
    """
    return finish(read_csv(text, _units(station_id)), _units(station_id), station_id)


def parse_units_json(rows: Sequence[object], *, station_id: str) -> Parsed[CountedUnit]:
    """Read counted units from JSON objects with the columns of the CSV, or with `traits` nested."""
    return finish(read_json(rows), _units(station_id), station_id)


def parse_donors_csv(text: str, *, station_id: str) -> Parsed[Donor]:
    """Read donors of one station from a CSV with a head. As `parse_units_csv`."""
    return finish(read_csv(text, _donors(station_id)), _donors(station_id), station_id)


def parse_donors_json(rows: Sequence[object], *, station_id: str) -> Parsed[Donor]:
    """Read donors from JSON objects. As `parse_units_json`."""
    return finish(read_json(rows), _donors(station_id), station_id)
