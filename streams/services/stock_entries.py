"""Decide what a stock count may enter as new; no count overrides what is known of a donation.

A recall, a laboratory finding or a quarantine of ours prevails over a count. The same judgement
serves the preview of a whole file and each part that the engine takes in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.base import to_spelling_key
from models.errors import DomainRefusal
from models.events.stock import (
    Attestation,
    CountedAs,
    CountedUnit,
    StockCounted,
    find_attestation_fault,
)
from models.laboratory import StationResult
from models.rules.rulebook import Rulebook
from models.texts import join_texts, render
from models.units import UnitStatus
from streams.matching.quarantine_release import decide_release
from streams.ports import UnitOfWork
from streams.ports.donations import DonationStore, Spellings
from streams.ports.stock import NewUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDonations:
    """What is known of some donations; a donation of which nothing is known is missing.

    Attributes:
        in_quarantine: Donations with a unit, or a unit made into others, that we never released.
    """

    recalled: frozenset[str]
    in_quarantine: frozenset[str]
    results: Mapping[str, Sequence[StationResult]]
    spellings: Spellings

    def concerns(self, unit_id: str, donation_id: str) -> bool:
        """Return whether anything is known that may speak against a unit."""
        return (
            unit_id in self.spellings.units
            or donation_id in self.spellings.donations
            or donation_id in self.recalled
            or donation_id in self.in_quarantine
            or donation_id in self.results
        )


async def read_known(store: DonationStore, donations: Mapping[str, str]) -> KnownDonations:
    """Read what speaks against, or for, new units.

    Args:
        store: Store of what is known of donations.
        donations: Donation of each unit.
    """
    donation_ids = {*donations.values()}
    return KnownDonations(
        spellings=await store.list_spellings(unit_ids=donations, donation_ids=donation_ids),
        recalled=await store.list_recalled(donation_ids),
        in_quarantine=await store.list_in_quarantine(donation_ids),
        results=await store.list_results(donation_ids),
    )


def find_refusals(
    fresh: Sequence[CountedUnit],
    known: KnownDonations,
    *,
    attestation: Attestation | None,
    now: datetime,
    rules: Rulebook,
) -> Iterator[tuple[CountedUnit, DomainRefusal]]:
    """Yield each unit that may not be taken in as it is counted, with the reason.

    Args:
        fresh: Units of one stock count that are not on record.
        known: What is known of their donations.
        attestation: Attestation of the whole count.
        now: Aware UTC instant; no release lies after it.
        rules: The rulebook to decide by.
    """
    held = {counted.unit.donation_id for counted in fresh if not counted.is_released}
    held |= known.in_quarantine
    among: dict[tuple[str, str], str] = {}
    for counted in fresh:
        refusal = (
            _find_spelling(counted, known.spellings, among)
            or _find_refusal(counted, known, held, rules)
            or find_attestation_fault(counted, counted.attestation or attestation, now=now)
        )
        if refusal is not None:
            yield counted, refusal


def _find_spelling(
    counted: CountedUnit, spellings: Spellings, among: dict[tuple[str, str], str]
) -> DomainRefusal | None:
    """Refuse a unit that is on record with other leading zeros: it would become a second unit.

    Args:
        counted: The unit.
        spellings: Spellings on record.
        among: Spellings of this count so far; those of the unit are added.
    """
    unit_id, donation_id = counted.unit.unit_id, counted.unit.donation_id
    first_unit = among.setdefault(("unit", to_spelling_key(unit_id)), unit_id)
    first = among.setdefault(("donation", to_spelling_key(donation_id)), donation_id)
    other = spellings.units.get(unit_id, first_unit)
    if other != unit_id:
        return DomainRefusal("unit_spelled_otherwise", unit_id=unit_id, known=other)
    other = spellings.donations.get(donation_id, first)
    if other != donation_id:
        return DomainRefusal(
            "donation_spelled_otherwise", unit_id=unit_id, donation_id=donation_id, known=other
        )
    return None


def _find_refusal(
    counted: CountedUnit, known: KnownDonations, held: Collection[str], rules: Rulebook
) -> DomainRefusal | None:
    unit_id, donation_id = counted.unit.unit_id, counted.unit.donation_id
    if donation_id in known.recalled:
        return DomainRefusal("donation_recalled", unit_id=unit_id, donation_id=donation_id)
    if counted.counted_as is CountedAs.RETURNED:
        return DomainRefusal("returned_unit_unknown", unit_id=unit_id)
    if not counted.is_released:
        return None
    if donation_id in held:
        return DomainRefusal("donation_in_quarantine", unit_id=unit_id, donation_id=donation_id)
    verdict = decide_release(
        known.results.get(donation_id, ()),
        stations={counted.unit.station_id},
        label=counted.unit.group,
        collected_at=counted.unit.collected_at,
        rules=rules.testing,
    )
    if forbidding := verdict.forbidding:
        return DomainRefusal(
            "results_forbid_release",
            unit_id=unit_id,
            donation_id=donation_id,
            codes=" ".join(reason.code for reason in forbidding),
            reasons=str(join_texts(render(reason.code, reason.params) for reason in forbidding)),
        )
    return None


async def ensure_may_enter(
    work: UnitOfWork, event: StockCounted, fresh: Sequence[CountedUnit]
) -> None:
    """Refuse a part of a count whole if one of its new units may not be taken in.

    Raises:
        DomainRefusal: It names the first such unit.
    """
    donations = {counted.unit.unit_id: counted.unit.donation_id for counted in fresh}
    known = await read_known(work.donations, donations)
    refusals = find_refusals(
        fresh, known, attestation=event.attestation, now=work.context.now, rules=work.rules
    )
    for _, refusal in refusals:
        raise refusal


def to_new(event: StockCounted, counted: CountedUnit) -> NewUnit:
    """Return the unit as it enters: in quarantine, or released by its attestation."""
    attested = event.attestation_of(counted) if counted.is_released else None
    return NewUnit(
        unit=counted.unit,
        status=UnitStatus.QUARANTINED if attested is None else UnitStatus.AVAILABLE,
        source="stock",
        released_at=None if attested is None else attested.released_at,
        attested_by=None if attested is None else attested.released_by,
    )
