"""What stations tell of their stock: counts, and through its parts scans, results, splits, recalls.

Each record is acted on by itself (`one_by_one`), in the order in which its station told it. What is
refused is refused whole, with the reason, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from models.errors import ContractError, DomainRefusal
from models.events.donations import DonationRecalled, DonationSplit, DonationTested
from models.events.stock import CountedUnit, StockChanged, StockCounted
from models.units import UnitStatus
from streams.matching.release import decide_release
from streams.ports import DirectorySource, Received, UnitOfWork
from streams.ports.stock import NewUnit, UnitState
from streams.services.moves import Cause, move, record_birth, schedule_after_arrival, tell_actor
from streams.services.recalls import Recalls
from streams.services.release import Releases
from streams.services.scans import Scans
from streams.services.splitting import Splitting


class StockService:
    """Acts on the stock topic.

    Args:
        directories: Which stations there are.
        scans: What happened to one unit.
        releases: Results of the laboratory.
        splitting: Components made of whole blood.
        recalls: Donations to be frozen.
    """

    def __init__(
        self,
        *,
        directories: DirectorySource,
        scans: Scans,
        releases: Releases,
        splitting: Splitting,
        recalls: Recalls,
    ) -> None:
        self._directories = directories
        self._scans = scans
        self._releases = releases
        self._splitting = splitting
        self._recalls = recalls

    async def act(self, work: UnitOfWork, record: Received, now: datetime) -> None:
        """Act on one new record.

        Raises:
            ContractError: It names what does not exist, or contradicts what is known.
            DomainRefusal: The unit's state, or what is known of its donation, does not allow it.
        """
        event = record.event
        match event:
            case StockCounted():
                await self._ensure_station(event.station_id)
                await self._count(work, record, event, now)
            case StockChanged():
                await self._ensure_station(event.station_id)
                await self._scans.act(work, record, event, now)
            case DonationTested():
                await self._ensure_station(event.station_id)
                await self._releases.keep_result(work, record, event, now)
            case DonationSplit():
                await self._ensure_station(event.station_id)
                await self._splitting.act(work, record, event, now)
            case DonationRecalled():
                await self._ensure_station(event.station_id)
                await self._recalls.act(work, record, event, now)
            case other:
                raise ContractError("event_not_for_topic", type=other.TYPE)

    async def _ensure_station(self, station_id: str) -> None:
        if station_id in self._directories.current().stations:
            return
        if station_id not in (await self._directories.refresh()).stations:
            raise ContractError("station_unknown", station_id=station_id)

    async def _count(
        self, work: UnitOfWork, record: Received, event: StockCounted, now: datetime
    ) -> None:
        actor, _ = tell_actor(record, station_id=event.station_id)
        known = await work.stock.lock_units([counted.unit.unit_id for counted in event.units])
        fresh = []
        for counted in event.units:
            state = known.get(counted.unit.unit_id)
            if state is None:
                fresh.append(counted)
            else:
                _ensure_same(state, counted)
        await _ensure_may_enter(work, event, fresh, now)
        caused_by = record.envelope.id
        cause = Cause(actor=actor, why="counted", caused_by=caused_by, now=now)
        await _take_in(work, event, fresh, cause)
        found = [one for one in known.values() if one.status is UnitStatus.COLLECTED]
        for state in found:
            await move(work, state, UnitStatus.QUARANTINED, cause)
        # Its results may have come before the unit.
        waiting = {counted.unit.donation_id for counted in fresh if not counted.released}
        waiting |= {state.donation_id for state in found}
        for donation_id in sorted(await work.donations.list_results(waiting)):
            await self._releases.assess(work, donation_id, caused_by=caused_by, now=now)


async def _take_in(
    work: UnitOfWork, event: StockCounted, fresh: Sequence[CountedUnit], cause: Cause
) -> None:
    if not fresh:
        return
    added = [_to_new(event, counted) for counted in fresh]
    await work.stock.add_units(added)
    for new in added:
        why = cause.why
        if new.attested_by is not None and new.released_at is not None:
            why = f"{why}: released by {new.attested_by} at {new.released_at.isoformat()}"
        born = replace(cause, why=why)
        record_birth(work, new.unit.unit_id, new.status, born, station_id=event.station_id)
    schedule_after_arrival(work, event.station_id, cause.now)


def _ensure_same(state: UnitState, counted: CountedUnit) -> None:
    unit = counted.unit
    if (state.component, state.group, state.donation_id) != (
        unit.component,
        unit.group,
        unit.donation_id,
    ):
        raise ContractError("unit_differs", unit_id=state.unit_id)


async def _ensure_may_enter(
    work: UnitOfWork, event: StockCounted, fresh: Sequence[CountedUnit], now: datetime
) -> None:
    """No count goes around what is known of a donation: a recall, a finding, its quarantine.

    Raises:
        DomainRefusal: It names the first unit that may not be taken in like this.
    """
    donations = {counted.unit.donation_id for counted in fresh}
    recalled = await work.donations.list_recalled(donations)
    for counted in fresh:
        if counted.unit.donation_id in recalled:
            raise DomainRefusal(
                "donation_recalled",
                unit_id=counted.unit.unit_id,
                donation_id=counted.unit.donation_id,
            )
    released = [counted for counted in fresh if counted.released]
    held = {counted.unit.donation_id for counted in fresh if not counted.released}
    held |= await work.donations.list_in_quarantine(donations)
    results = await work.donations.list_results(donations)
    for counted in released:
        unit = counted.unit
        if unit.donation_id in held:
            raise DomainRefusal(
                "donation_in_quarantine", unit_id=unit.unit_id, donation_id=unit.donation_id
            )
        verdict = decide_release(results.get(unit.donation_id, ()), label=unit.group)
        if verdict.forbidding:
            told = " ".join(reason.code for reason in verdict.forbidding)
            raise DomainRefusal(
                "results_forbid_release",
                unit_id=unit.unit_id,
                donation_id=unit.donation_id,
                reasons=told,
            )
        attested = event.attestation_of(counted)
        if attested is not None and attested.released_at > now:
            raise DomainRefusal(
                "released_in_future",
                unit_id=unit.unit_id,
                released_at=attested.released_at.isoformat(),
            )


def _to_new(event: StockCounted, counted: CountedUnit) -> NewUnit:
    attested = event.attestation_of(counted) if counted.released else None
    return NewUnit(
        unit=counted.unit,
        status=UnitStatus.QUARANTINED if attested is None else UnitStatus.AVAILABLE,
        source="stock",
        released_at=None if attested is None else attested.released_at,
        attested_by=None if attested is None else attested.released_by,
    )
