"""Files as text, read as an import reads them."""

from __future__ import annotations

from datetime import datetime

from gateway.files.donor_imports import parse_donors
from gateway.files.sheets import open_csv
from gateway.files.stock_imports import ReleaseTerms, parse_units
from gateway.files.table_values import Parsed
from models.donors import Donor
from models.events.stock import CountedUnit


def parse_units_csv(text: str, *, station_id: str, releasing: ReleaseTerms) -> Parsed[CountedUnit]:
    """Read counted units from a CSV; every time must have its zone."""
    return parse_units(open_csv(text), station_id=station_id, releasing=releasing)


def parse_donors_csv(text: str, *, station_id: str, now: datetime | None = None) -> Parsed[Donor]:
    return parse_donors(open_csv(text), station_id=station_id, now=now)
