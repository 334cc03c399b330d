"""Imports of stock: their columns, and how a row becomes a counted unit. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import lru_cache
from itertools import chain

from gateway.files.cells import (
    InstantReader,
    read_abo,
    read_anticoagulant,
    read_bag,
    read_code,
    read_flag,
    read_group,
    read_names,
    read_rhd,
)
from gateway.files.columns import WORDS
from gateway.files.counted_units import ATTESTED, DONE_AT, NAMES, TRAIT_FLAGS, TRAITS, build_unit
from gateway.files.printed_volumes import read_volume
from gateway.files.rows import finish, read_json
from gateway.files.sheet_rows import read_sheets
from gateway.files.sheets import Sheet
from gateway.files.station_words import GUARDED, NO_WORDS, OwnWords
from gateway.files.table_values import Fields, Layout, Parsed, RowFault
from models.base import Value, to_spelling_key
from models.events.stock import Attestation, CountedUnit, find_attestation_fault
from models.possible_times import list_impossible

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
"""The code of why a unit may not be taken in, to the column of its row that is to blame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseTerms:
    """The rule by which a row is judged that is counted as released.

    Attributes:
        attestation: Who released the rows that name nobody, and when.
        now: Aware UTC instant; no release may lie after it. None judges no moment.
        is_said: Each row must say itself whether it is released. This is for JSON objects, where a
            missing field says nothing; a sheet is read by whether it has columns for it.
    """

    attestation: Attestation | None = None
    now: datetime | None = None
    is_said: bool = False

    def find_fault(self, counted: CountedUnit) -> RowFault | None:
        return self._find_release_fault(counted) or find_impossible(counted, self.now)

    def _find_release_fault(self, counted: CountedUnit) -> RowFault | None:
        if self.is_said and counted.is_released and "released" not in counted.model_fields_set:
            return RowFault("status_missing", "released", {})
        attested = counted.attestation or self.attestation
        fault = find_attestation_fault(counted, attested, now=self.now)
        if fault is None:
            return None
        params = {name: str(value) for name, value in fault.params.items()}
        column = BLAMED[fault.code]
        if fault.code == "released_before_collected" and counted.attestation is None:
            # The attestation of the whole file fits the other rows, so the blame is on the row's
            # own collection time.
            column = "collected_at"
        return RowFault(fault.code, column, params)


def find_impossible(value: Value, now: datetime | None) -> RowFault | None:
    """Return the fault of the first moment of a row that cannot be true."""
    found = list_impossible(value, now=now) if now is not None else ()
    for moment in found:
        params = {name: str(param) for name, param in moment.params.items()}
        return RowFault(moment.code, moment.field.rpartition(".")[2], params)
    return None


def _doubt_row(row: Fields, heading: str, text: str) -> str | None:
    """Return the code of what a text beside a row says against how the row would be taken.

    A text about the state of a bag holds back a row that would count as released. A text that
    reserves the bag for a person or another use also holds back a row that would go into
    quarantine, because the test results would release it from there.
    """
    is_said = "status" in row or "released" in row
    reason = _speaks_against(heading, text, is_said)
    if reason is None or row.get("status") in _GONE or "counted_as" in row:
        return None
    if WORDS.is_kept(reason):
        return "passed_over_kept" if heading else "title_speaks"
    is_free = row.get("released") is not False and row.get("status") in {None, "available"}
    if not is_free:
        return None
    if heading:
        return "passed_over_speaks"
    # The title of a sheet may name states of some of its rows, so a row's own status counts.
    return None if is_said else "title_speaks"


_GONE = frozenset({"discarded", "issued", "expired"})


@lru_cache(maxsize=4096)
def _speaks_against(heading: str, text: str, is_said: bool) -> str | None:
    return WORDS.speaks_against(heading, text, is_said=is_said)


def _units(
    station_id: str,
    releasing: ReleaseTerms,
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
        optional=("rhd", "station_id", "status", "released", *ATTESTED, *TRAITS),
        readers={
            **dict.fromkeys(("unit_id", "donation_id", "product_code"), read_code),
            **dict.fromkeys((*TRAIT_FLAGS, "released"), read_flag),
            **dict.fromkeys(NAMES, read_names),
            **dict.fromkeys(DONE_AT, InstantReader(zone, day_ends=False)),
            "anticoagulant": read_anticoagulant,
            "bag": read_bag,
            "agitated": read_flag,
            **own.to_readers(),
            "group": read_group,
            "abo": read_abo,
            "rhd": read_rhd,
            "volume_ml": read_volume,
            "collected_at": InstantReader(zone, day_ends=False),
            "expires_at": InstantReader(zone, day_ends=True),
            "released_at": InstantReader(zone, day_ends=False),
        },
        build=build_unit(station_id, releasing.now),
        parts={
            "abo": "group",
            "rhd": "group",
            "product_code": "unit_id",
            "status": "released",
        },
        check=releasing.find_fault,
        stated=(*((name,) for name in GUARDED), ATTESTED),
        named_by="component",
        measured=frozenset({"volume_ml"}),
        identity_key=to_spelling_key,
        spelled_once={"donation_id": "donation_spelled_twice"},
        doubt=_doubt_row,
    )


def parse_units(
    sheets: Iterable[Sheet],
    *,
    station_id: str,
    releasing: ReleaseTerms,
    zone: timezone | None = None,
    partial: bool = False,
    own: OwnWords = NO_WORDS,
) -> Parsed[CountedUnit]:
    """Read counted units of one station from sheets with heads. Empty cells mean "not given".

    Args:
        sheets: The sheets of a file.
        station_id: The station whose count it is; a station column must agree.
        releasing: The rule by which rows are judged that are counted as released.
        zone: The zone of times that have none; None refuses such times.
        partial: Keep the good rows beside the errors of the others.
        own: The station's own words.
    """
    layout = _units(station_id, releasing, zone, own)
    rows, left_out = read_sheets(sheets, layout)
    return finish(chain.from_iterable(rows), layout, station_id, partial=partial, left_out=left_out)


def parse_units_json(
    rows: Sequence[object],
    *,
    station_id: str,
    releasing: ReleaseTerms,
    partial: bool = False,
    own: OwnWords = NO_WORDS,
) -> Parsed[CountedUnit]:
    """Read counted units from JSON objects with the columns of the CSV, or with `traits` nested.

    Each object must say whether the unit is released: by `released`, `status` or `counted_as`.
    """
    layout = _units(station_id, replace(releasing, is_said=True), own=own)
    return finish(read_json(rows, layout), layout, station_id, partial=partial)
