"""What a count may take in as new: no count goes around what is known of a donation.

A recall, a finding of the laboratory or a quarantine of ours stands against the word of a count.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from models.errors import DomainRefusal
from models.events.stock import CountedUnit, StockCounted
from models.units import UnitStatus
from streams.matching.release import decide_release
from streams.ports import UnitOfWork
from streams.ports.stock import NewUnit


async def ensure_may_enter(
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


def to_new(event: StockCounted, counted: CountedUnit) -> NewUnit:
    """Return the unit as it begins: in quarantine, or released on the word of who attests it."""
    attested = event.attestation_of(counted) if counted.released else None
    return NewUnit(
        unit=counted.unit,
        status=UnitStatus.QUARANTINED if attested is None else UnitStatus.AVAILABLE,
        source="stock",
        released_at=None if attested is None else attested.released_at,
        attested_by=None if attested is None else attested.released_by,
    )
