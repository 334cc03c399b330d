"""Judge what a stock count would do, and decide what it may enter as new.

No count overrides what is known of a donation: a recall, a laboratory finding or a quarantine of
ours prevails. The same judgement of new units serves the preview of a whole file and each part that
the engine takes in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from models.base import to_spelling_key
from models.errors import DomainRefusal
from models.events.stock import (
    Attestation,
    CountedAs,
    CountedUnit,
    StockCounted,
    find_attestation_fault,
)
from models.rules.rulebook import Rulebook
from models.texts import join_texts, render
from models.units import UnitStatus
from streams.matching.quarantine_release import decide_release
from streams.ports import UnitOfWork
from streams.ports.donations import KnownDonations, Spellings
from streams.ports.stock import NewUnit


@dataclass(frozen=True, slots=True, kw_only=True)
class Loud:
    """A unit that contradicts the record.

    Attributes:
        kind: differs, moved, status or missing.
        recorded: As our record has it.
        request_id: Whom a missing unit is promised to.
    """

    unit_id: str
    kind: str
    fields: Sequence[str] = ()
    recorded: dict[str, Any] | None = None
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeFound:
    """The units of some parts that have one outcome.

    Attributes:
        digest: Of their identifiers.
        loud: The first of those that contradict the record.
        donations: Donation of each new unit.
        returned: New units that are counted as returned.
    """

    outcome: str
    units: int
    digest: str
    loud: Sequence[Loud]
    donations: Mapping[str, str]
    returned: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CountFound:
    """What the store found of a count, at one moment.

    Attributes:
        missing: What a full count does not name.
        known: Of the donations of new units.
    """

    outcomes: Sequence[OutcomeFound]
    missing: Sequence[Loud]
    known: KnownDonations


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryTerms:
    """By which a count's new units are judged.

    Attributes:
        counted: The units of `list_doubtful`, as the count has them.
        attestation: Of the whole count.
        now: Aware UTC instant; no release lies after it.
        rules: The rulebook to judge by.
    """

    counted: Sequence[CountedUnit]
    attestation: Attestation | None
    now: datetime
    rules: Rulebook


class RefusedUnit(NamedTuple):
    """A unit that may not be taken in, and why."""

    unit_id: str
    refusal: DomainRefusal


@dataclass(frozen=True, slots=True, kw_only=True)
class CountPlan:
    """What taking a count in would do.

    Attributes:
        outcomes: Units by outcome: new, new_quarantined, refused, confirmed, gone, changed_since,
            differs, moved, status, missing.
        digest: Changes with any unit's outcome.
        loud: The first of those that contradict the record, the promised ones before all.
        missing_reserved: Missing units that are promised to patients.
        refused: New units that may not be taken in.
    """

    outcomes: Mapping[str, int]
    digest: str
    loud: Sequence[Loud]
    missing_reserved: int
    refused: Sequence[RefusedUnit] = ()

    @property
    def is_quiet(self) -> bool:
        """Return whether it changes nothing and leaves nothing open."""
        return {"confirmed", "gone", "changed_since"}.issuperset(self.outcomes)


def list_doubtful(found: CountFound) -> list[str]:
    """List the new units that anything may speak against: nearly none of a usual count."""
    released, held = _list_donations(found, "new"), _list_donations(found, "new_quarantined")
    returned = frozenset[str]().union(*(part.returned for part in found.outcomes))
    # Of one donation, one bag is called released and another is not.
    judged = {*released.values()} & {*held.values()}
    return [
        unit_id
        for unit_id, donation_id in [*released.items(), *held.items()]
        if donation_id in judged
        or unit_id in returned
        or _concerns(found.known, unit_id, donation_id)
    ]


def judge_count(found: CountFound, entering: EntryTerms, *, told: int) -> CountPlan:
    """Judge a count.

    Args:
        found: What the store found.
        entering: By which new units are judged.
        told: Contradictions that are told one by one.
    """
    outcomes: Counter[str] = Counter()
    digest = sha256()
    for part in found.outcomes:
        outcomes[part.outcome] += part.units
        digest.update(f"{part.outcome} {part.digest}\n".encode())
    held = _list_donations(found, "new_quarantined")
    refusals = find_refusals(
        entering.counted,
        found.known,
        attestation=entering.attestation,
        now=entering.now,
        rules=entering.rules,
    )
    refused = [RefusedUnit(counted.unit.unit_id, refusal) for counted, refusal in refusals]
    for unit_id, _ in refused:
        outcomes["new_quarantined" if unit_id in held else "new"] -= 1
        outcomes["refused"] += 1
        digest.update(f"refused {unit_id}\n".encode())
    for missing in found.missing:
        outcomes["missing"] += 1
        digest.update(f"missing {missing.unit_id}\n".encode())
    loud = [*found.missing, *(unit for part in found.outcomes for unit in part.loud)]
    loud.sort(key=lambda unit: (unit.request_id is None, unit.kind))
    return CountPlan(
        outcomes={name: units for name, units in outcomes.items() if units},
        digest=digest.hexdigest(),
        loud=loud[:told],
        missing_reserved=sum(unit.request_id is not None for unit in found.missing),
        refused=refused,
    )


def _list_donations(found: CountFound, outcome: str) -> dict[str, str]:
    of_outcome = (part.donations for part in found.outcomes if part.outcome == outcome)
    return {unit_id: donation_id for some in of_outcome for unit_id, donation_id in some.items()}


def _concerns(known: KnownDonations, unit_id: str, donation_id: str) -> bool:
    """Return whether anything is known that may speak against a unit."""
    return (
        unit_id in known.spellings.units
        or donation_id in known.spellings.donations
        or donation_id in known.recalled
        or donation_id in known.in_quarantine
        or donation_id in known.results
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
    known = await work.donations.find_known(donations)
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
