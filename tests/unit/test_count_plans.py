"""What taking a count in would do, judged from what was found, without a database."""

from __future__ import annotations

from dataclasses import replace

from models.errors import DomainRefusal
from models.events.stock import Attestation, CountedUnit
from models.rules.rulebook import PACKAGED
from streams.ports.donations import KnownDonations, Spellings
from streams.services.stock_entries import (
    CountFound,
    CountPlan,
    EntryTerms,
    Loud,
    OutcomeFound,
    list_doubtful,
)
from streams.services.stock_entries import judge_count as judge
from tests.support.world import NOW, build_unit

UNITS = {unit_id: build_unit(unit_id=unit_id) for unit_id in ("U1", "U2")}
WORD = Attestation(released_by="quality", released_at=UNITS["U1"].collected_at)
KNOWN = KnownDonations(
    recalled=frozenset(),
    in_quarantine=frozenset(),
    results={},
    spellings=Spellings(units={}, donations={}),
)
CONFIRMED = OutcomeFound(
    outcome="confirmed", units=3, digest="c", loud=(), donations={}, returned=frozenset()
)
NEW = replace(CONFIRMED, outcome="new", units=2, donations={"U1": "D-U1", "U2": "D-U2"})
QUIET = CountFound(outcomes=[CONFIRMED], missing=(), known=KNOWN)


def plan(found: CountFound, *, told: int = 9) -> CountPlan:
    counted = [CountedUnit(unit=UNITS[unit_id], released=True) for unit_id in list_doubtful(found)]
    entering = EntryTerms(counted=counted, attestation=WORD, now=NOW, rules=PACKAGED)
    return judge(found, entering, told=told)


def test_what_only_confirms_is_quiet() -> None:
    assert plan(QUIET).is_quiet
    assert not plan(replace(QUIET, outcomes=[CONFIRMED, NEW])).is_quiet


def test_a_new_unit_of_a_recalled_donation_is_refused_and_not_new() -> None:
    fresh = replace(QUIET, outcomes=[NEW])
    recalled = replace(fresh, known=replace(KNOWN, recalled=frozenset({"D-U2"})))
    told = plan(recalled)
    assert told.outcomes == {"new": 1, "refused": 1}
    ((unit_id, refusal),) = told.refused
    assert (unit_id, refusal.code) == ("U2", "donation_recalled")
    assert isinstance(refusal, DomainRefusal)
    assert plan(fresh).outcomes == {"new": 2}
    assert plan(fresh).digest != told.digest


def test_a_missing_unit_that_is_promised_is_told_first() -> None:
    differs = Loud(unit_id="A", kind="differs", fields=("group",))
    missing = [
        Loud(unit_id="B", kind="missing"),
        Loud(unit_id="C", kind="missing", request_id="r-1"),
    ]
    contradicting = replace(CONFIRMED, outcome="differs", units=1, loud=(differs,))
    told = plan(replace(QUIET, outcomes=[contradicting], missing=missing), told=2)
    assert [loud.unit_id for loud in told.loud] == ["C", "A"]
    assert told.outcomes == {"differs": 1, "missing": 2}
    assert told.missing_reserved == 1
