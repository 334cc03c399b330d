"""Judge what taking a stock count in would do, from what the store found. Pure.

The same judgement of new units serves each part that the engine takes in: see `stock_entries`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from models.errors import DomainRefusal
from models.events.stock import Attestation, CountedUnit
from models.rules.rulebook import Rulebook
from streams.services.stock_entries import KnownDonations, find_refusals


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
        get: Unit id to the unit as the count has it.
        attestation: Of the whole count.
        now: Aware UTC instant; no release lies after it.
        rules: The rulebook to judge by.
    """

    get: Callable[[str], CountedUnit]
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
    released, held = _list_donations(found, "new"), _list_donations(found, "new_quarantined")
    refused = _list_refused(found, released, held, entering)
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


def _list_refused(
    found: CountFound, released: Mapping[str, str], held: Mapping[str, str], entering: EntryTerms
) -> list[RefusedUnit]:
    """Judge the new units that anything may speak against: nearly none of a usual count."""
    returned = frozenset[str]().union(*(part.returned for part in found.outcomes))
    # Of one donation, one bag is called released and another is not.
    judged = {*released.values()} & {*held.values()}
    counted = [
        entering.get(unit_id)
        for unit_id, donation_id in [*released.items(), *held.items()]
        if donation_id in judged
        or unit_id in returned
        or found.known.concerns(unit_id, donation_id)
    ]
    refusals = find_refusals(
        counted,
        found.known,
        attestation=entering.attestation,
        now=entering.now,
        rules=entering.rules,
    )
    return [RefusedUnit(unit.unit.unit_id, refusal) for unit, refusal in refusals]
