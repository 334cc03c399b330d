"""Act on what stations report of their stock: stock counts, scans, results, splits and recalls.

Each record is acted on by itself (`one_by_one`), in the order in which its station sent it. A
refused record is refused whole, with the reason, and changes nothing.
"""

from __future__ import annotations

from models.errors import ContractError
from models.events.donations import DonationRecalled, DonationSplit, DonationTested
from models.events.hand_work import HoldEnded, HoldPlaced
from models.events.stock import DifferencesClosed, StockChanged, StockCounted
from streams.ports import DirectorySource, Received, UnitOfWork
from streams.services.component_preparation import DonationSplits
from streams.services.donation_recalls import Recalls
from streams.services.quarantine_release import Releases
from streams.services.stock_counts import Counts
from streams.services.stock_differences import DifferenceClosure
from streams.services.unit_holds import UnitHolds
from streams.services.unit_scans import Scans


class StockService:
    """Acts on the stock topic.

    Args:
        directories: Which stations there are.
        scans: Acts on what happened to one unit.
        releases: Keeps laboratory results.
        splitting: Makes components of whole blood.
        recalls: Freezes donations.
        holds: Keeps bags back by hand.
    """

    def __init__(
        self,
        *,
        directories: DirectorySource,
        scans: Scans,
        releases: Releases,
        splitting: DonationSplits,
        recalls: Recalls,
        holds: UnitHolds,
    ) -> None:
        self._directories = directories
        self._scans = scans
        self._counts = Counts(releases=releases)
        self._releases = releases
        self._splitting = splitting
        self._recalls = recalls
        self._holds = holds

    async def act(self, work: UnitOfWork, record: Received) -> None:
        """Act on one new record.

        Raises:
            ContractError: It names what does not exist, or contradicts what is known.
            DomainRefusal: The unit's state, or what is known of its donation, does not allow it.
        """
        event = record.event
        match event:
            case StockCounted():
                await self._ensure_station(event.station_id)
                await self._counts.take(work, record, event)
            case StockChanged():
                await self._ensure_station(event.station_id)
                await self._scans.act(work, record, event)
            case DonationTested():
                await self._ensure_station(event.station_id)
                await self._releases.keep_result(work, record, event)
            case DonationSplit():
                await self._ensure_station(event.station_id)
                await self._splitting.act(work, record, event)
            case DonationRecalled():
                await self._ensure_station(event.station_id)
                await self._recalls.act(work, record, event)
            case HoldPlaced():
                await self._ensure_station(event.station_id)
                await self._holds.place(work, record, event)
            case HoldEnded():
                await self._ensure_station(event.station_id)
                await self._holds.end(work, record, event)
            case DifferencesClosed():
                await self._ensure_station(event.station_id)
                await DifferenceClosure(
                    work=work, record=record, event=event, change=self._scans.act
                ).close()
            case other:
                raise ContractError("event_not_for_topic", type=other.TYPE)

    async def _ensure_station(self, station_id: str) -> None:
        if station_id in self._directories.current().stations:
            return
        if station_id not in (await self._directories.refresh()).stations:
            raise ContractError("station_unknown", station_id=station_id)
