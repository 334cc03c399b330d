"""Act on a changed register of donors: review live calls, open causes and waiting units.

The register itself is written by the gateway, straight to PostgreSQL; a timer of the same
transaction brings the engine here, so that no donor data travels on Kafka.
"""

from __future__ import annotations

from streams.ports import Timer, UnitOfWork
from streams.services.alerts import AlertService
from streams.services.donor_call_outs import CallOuts
from streams.services.quarantine_release import Releases


class RegisterService:
    """Reviews everything that depends on a station's donors.

    Args:
        alerts: Decides open disasters again: a register that grew covers more of them.
        call_outs: Stands down donors who may no longer give, and calls donors who may.
        releases: Assesses units that waited because their donor's record has another group.
    """

    def __init__(self, *, alerts: AlertService, call_outs: CallOuts, releases: Releases) -> None:
        self._alerts = alerts
        self._call_outs = call_outs
        self._releases = releases

    async def fire(self, work: UnitOfWork, timer: Timer) -> None:
        """Review a station, the timer's subject. Doing it again at once changes nothing."""
        station_id = timer.subject
        for event_key in await work.disasters.list_open_event_keys(station_id):
            await self._alerts.reconsider(work, event_key)
        await self._call_outs.revisit(work, station_id)
        for donation_id in await work.donations.list_waiting_of_donors(station_id):
            await self._releases.assess(work, donation_id)
