"""Everything known of one donation, read for people at one moment. Knows nothing of donors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.groups import BloodGroup
from models.laboratory import StationResult
from streams.store.database import Database
from streams.store.donations import PgDonationRecords
from streams.store.query_files import load_queries

_QUERIES = load_queries("donation_page")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DonationDetail:
    """A donation.

    Attributes:
        says: Unit to the stations that have a say over it.
        registered_group: Of the donor who gave it, if one of our registers did; not for hospitals.
        recipients: Requests whose patients received of this donor, other donations included.
    """

    units: Sequence[Row]
    results: Sequence[StationResult]
    says: Mapping[str, frozenset[str]]
    scans: Sequence[Row]
    recalls: Sequence[Row]
    recipients: Sequence[Row]
    result_station_ids: frozenset[str]
    registered_group: BloodGroup | None = None

    @property
    def is_known(self) -> bool:
        return bool(self.units or self.results)

    @property
    def station_ids(self) -> frozenset[str]:
        """List the stations that it concerns: they hold, are to get, tested or recalled it."""
        places = {unit["station_id"] for unit in self.units}
        places |= {unit["to_station_id"] for unit in self.units if unit["to_station_id"]}
        places |= {recall["station_id"] for recall in self.recalls}
        return frozenset(places) | self.result_station_ids


class PgDonationPages:
    """Reads donations for the gateway.

    Args:
        database: Read only.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_stations(self, donation_id: str) -> frozenset[str]:
        """List the stations whose donation it is, as `ports.donations.DonationStore` does."""
        async with self._database.connection() as connection:
            return await PgDonationRecords(connection).list_stations(donation_id)

    async def read(self, donation_id: str) -> DonationDetail:
        """Read a donation; one that is not known is empty."""
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            donations = PgDonationRecords(connection)
            results = await donations.list_results([donation_id])
            says = await donations.list_says(donation_id)
            registered = await donations.find_registered_group(donation_id)
            found = {
                name: [
                    dict(row)
                    async for row in getattr(_QUERIES, query)(connection, donation_id=donation_id)
                ]
                for name, query in (
                    ("units", "list_units"),
                    ("scans", "list_scans"),
                    ("recalls", "list_recalls"),
                    ("recipients", "list_recipients"),
                    ("testers", "list_testers"),
                )
            }
        testers = frozenset(row["station_id"] for row in found.pop("testers"))
        return DonationDetail(
            results=results.get(donation_id, ()),
            says=says,
            result_station_ids=testers,
            registered_group=registered,
            **found,
        )
