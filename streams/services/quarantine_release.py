"""Release units by their results: the one place where a unit leaves quarantine for the stock.

It runs whenever results or units of a donation become known, in whatever order they come. Nothing
else releases a unit; a released unit that is no longer clear is recalled at once.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from models.base import derive_id
from models.errors import ContractError, DomainRefusal
from models.events.donations import DonationTested
from models.laboratory import FindingFate
from models.unit_states import Actor
from models.units import UnitStatus
from streams.matching.quarantine_release import ReleaseVerdict, decide_release
from streams.ports import Received, UnitOfWork
from streams.ports.donations import Recall
from streams.ports.stock import MoveChanges, UnitState
from streams.services.donation_ownership import ensure_own_donation
from streams.services.donation_recalls import Recalls
from streams.services.unit_moves import MoveCause, move, name_actor

_GONE = frozenset({UnitStatus.DISCARDED, UnitStatus.SPLIT, UnitStatus.RECALLED})
_UNRELEASED = frozenset({UnitStatus.COLLECTED, UnitStatus.QUARANTINED})


class Releases:
    """Keeps results, and releases or recalls by them.

    Args:
        recalls: Recalls a donation with a finding after the release.
    """

    def __init__(self, *, recalls: Recalls) -> None:
        self._recalls = recalls

    async def keep_result(self, work: UnitOfWork, record: Received, event: DonationTested) -> None:
        """Keep one result and act on what all of them say now.

        Raises:
            ContractError: Its identifier is used, or the result it corrects is not one of its own
                station for the same donation and test.
            DomainRefusal: The source is not a station, the donation is another station's, or the
                result it corrects was corrected before.
        """
        actor, _ = name_actor(record, station_id=event.station_id)
        if actor is not Actor.STATION:
            raise DomainRefusal("result_not_of_station", result_id=event.result.result_id)
        await work.donations.lock_donations([event.donation_id], enters=False)
        await ensure_own_donation(work, event.donation_id, station_id=event.station_id)
        await _ensure_new(work, event)
        await work.donations.add_result(
            event.result,
            donation_id=event.donation_id,
            station_id=event.station_id,
            caused_by=record.envelope.id,
            now=work.context.now,
        )
        await self.assess(
            work,
            event.donation_id,
            recalled_by=event.result.performed_by,
            station_id=event.station_id,
        )

    async def assess(
        self,
        work: UnitOfWork,
        donation_id: str,
        *,
        recalled_by: str = "",
        station_id: str | None = None,
    ) -> None:
        """Release, discard or recall the units of a donation, as its results say now."""
        units = await work.stock.lock_donation(donation_id)
        if not units:
            return
        results = (await work.donations.list_results([donation_id])).get(donation_id, ())
        says = await work.donations.list_says(donation_id)
        verdicts = {
            unit.unit_id: decide_release(
                results,
                stations=says[unit.unit_id],
                label=unit.group,
                collected_at=unit.collected_at,
                rules=work.rules.testing,
            )
            for unit in units
        }
        outside = await _list_outside(work, donation_id, units)
        if any(_must_come_back(unit, verdicts[unit.unit_id], outside) for unit in units):
            await self._recalls.recall(
                work,
                Recall(
                    recall_id=derive_id("recall", donation_id, work.context.cause),
                    donation_id=donation_id,
                    station_id=station_id or units[0].station_id,
                    reason="test_result",
                    recalled_by=recalled_by or "xuelian",
                    caused_by=work.context.cause,
                    recalled_at=work.context.now,
                ),
                units,
                actor=Actor.ENGINE,
            )
            return
        registered = await work.donations.find_registered_group(donation_id)
        for unit in units:
            verdict = verdicts[unit.unit_id].held_for_donor(
                registered, label=unit.group, rules=work.rules.donors
            )
            await _settle(work, unit, verdict)


async def _ensure_new(work: UnitOfWork, event: DonationTested) -> None:
    result = event.result
    if await work.donations.find_result(result.result_id) is not None:
        raise ContractError("result_id_reused", result_id=result.result_id)
    if result.supersedes is None:
        return
    found = await work.donations.find_result(result.supersedes)
    if (
        found is None
        or found[0] != event.donation_id
        or found[1].result.test is not result.test
        or found[1].station_id != event.station_id
    ):
        raise ContractError(
            "corrected_result_unknown",
            result_id=result.result_id,
            supersedes=result.supersedes,
            donation_id=event.donation_id,
        )
    known = (await work.donations.list_results([event.donation_id]))[event.donation_id]
    if any(entry.result.supersedes == result.supersedes for entry in known):
        raise DomainRefusal("result_corrected_before", supersedes=result.supersedes)


async def _list_outside(
    work: UnitOfWork, donation_id: str, units: Sequence[UnitState]
) -> frozenset[str]:
    """List the units that ended here because their station gave them out by hand."""
    ended = (unit for unit in units if unit.status is UnitStatus.DISCARDED)
    if not any(unit.released_at is not None for unit in ended):
        return frozenset()
    went = await work.donations.list_destinations(donation_id)
    return frozenset(unit_id for unit_id, where in went.items() if where.issued_outside is not None)


def _must_come_back(unit: UnitState, verdict: ReleaseVerdict, outside: Collection[str]) -> bool:
    """Return whether a unit that was released would not be released again.

    A unit that its station released before we knew of it need not have all of our tests, but none
    of them may speak against it.
    """
    is_gone = unit.status in _GONE and unit.unit_id not in outside
    if unit.released_at is None or is_gone:
        return False
    if unit.attested_by is not None:
        return bool(verdict.forbidding)
    return not verdict.is_released


async def _settle(work: UnitOfWork, unit: UnitState, verdict: ReleaseVerdict) -> None:
    """Act on one unit that was not released yet."""
    if unit.status not in _UNRELEASED:
        return
    if verdict.forbidding and verdict.fate is FindingFate.DISCARD:
        why = " ".join(reason.code for reason in verdict.forbidding)
        cause = MoveCause(actor=Actor.ENGINE, why=why)
        await move(work, unit, UnitStatus.DISCARDED, cause)
    elif (
        verdict.is_released
        and unit.status is UnitStatus.QUARANTINED
        and unit.usable_until > work.context.now
    ):
        cause = MoveCause(actor=Actor.ENGINE, why="released")
        released = MoveChanges(released_at=work.context.now)
        await move(work, unit, UnitStatus.AVAILABLE, cause, released)
