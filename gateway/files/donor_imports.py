"""Imports of donors: their columns, and how a row becomes a donor. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from itertools import chain

from gateway.files.cells import (
    InstantReader,
    read_abo,
    read_code,
    read_day,
    read_donation_kind,
    read_flag,
    read_group,
    read_rhd,
    read_sex,
    read_weight,
)
from gateway.files.counted_units import settle_group
from gateway.files.rows import finish, read_json
from gateway.files.sheet_rows import read_sheets
from gateway.files.sheets import Sheet
from gateway.files.station_words import NO_WORDS, OwnWords
from gateway.files.stock_imports import find_impossible
from gateway.files.table_values import Fields, Layout, Parsed
from models.donors import Donor
from models.texts.instants import BEIJING


def _build_donor(station_id: str) -> Callable[[Fields], Fields]:
    def build(row: Fields) -> Fields:
        place = {name: row.pop(name) for name in ("lat", "lon") if name in row}
        if place:
            row["location"] = {**row.get("location", {}), **place}
        settle_group(row)
        return {"station_id": station_id, **row}

    return build


def _donors(
    station_id: str,
    now: datetime | None,
    *,
    zone: timezone | None = None,
    own: OwnWords = NO_WORDS,
) -> Layout[Donor]:
    days = ("born_on", "last_whole_blood_on", "last_platelets_on")
    until = ("unavailable_until", "deferred_until")
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
            "gives",
            "last_whole_blood_on",
            "last_platelets_on",
            "consented_at",
            *until,
        ),
        readers={
            "donor_id": read_code,
            **dict.fromkeys(days, read_day),
            **dict.fromkeys(("staff", "repeat_without_reaction"), read_flag),
            **dict.fromkeys(("lat", "lon"), str),
            "weight_kg": read_weight,
            "group": read_group,
            "abo": read_abo,
            "rhd": read_rhd,
            "sex": read_sex,
            "gives": read_donation_kind,
            **dict.fromkeys(until, InstantReader(zone, day_ends=True)),
            "consented_at": InstantReader(zone, day_ends=False),
        },
        build=_build_donor(station_id),
        parts={"abo": "group", "rhd": "group"},
        private=frozenset({"name", "contact", "born_on"}),
        # A deferral that the station's register no longer shows is over, and a consent that it
        # does not show was withdrawn.
        emptied=frozenset({"consented_at", *until}),
        check=lambda donor: find_impossible(donor, now),
    )


def parse_donors(
    sheets: Iterable[Sheet],
    *,
    station_id: str,
    own: OwnWords = NO_WORDS,
    now: datetime | None = None,
) -> Parsed[Donor]:
    """Read donors of one station from sheets with heads; dates are read as those of a count.

    Args:
        sheets: The sheets of a file. Times without a zone are Beijing time; a day in an "until"
            column means the end of that day.
        station_id: The station whose register it is; a station column must agree.
        own: The words of the station and of this call.
        now: Aware UTC instant by which impossible moments are found; None judges no moment.
    """
    layout = _donors(station_id, now, zone=BEIJING, own=own)
    rows, left_out = read_sheets(sheets, layout)
    return finish(chain.from_iterable(rows), layout, station_id, left_out=left_out)


def parse_donors_json(
    rows: Sequence[object], *, station_id: str, now: datetime | None = None
) -> Parsed[Donor]:
    """Read donors from JSON objects; every moment must have its zone."""
    layout = _donors(station_id, now)
    return finish(read_json(rows, layout), layout, station_id)
