"""What must hold for every batch on every shelf."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from models.clearance import Cleared, Step, UnitFacts
from models.components import Component
from models.decisions import Outcome
from models.directory import Journey
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient, RhdConsent, Sex
from models.requests import HardAttributes, Priority, RequestLine
from models.rules.rulebook import PACKAGED
from models.safety import clear
from models.units import UnitStatus, UnitTraits
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.matching.kernel_routes import to_hospital
from tests.support.world import NOW, PEOPLES, build_request, one_unit_ml

COMPONENTS = (Component.RED_CELLS, Component.PLATELETS, Component.FRESH_FROZEN_PLASMA)
ETA_S = 1800

traits = st.builds(
    UnitTraits,
    leukoreduced=st.booleans(),
    irradiated=st.booleans(),
    low_titre=st.booleans(),
    antigen_negative=st.sets(st.sampled_from(["C", "Mur", "Jka"])).map(tuple),
)
attributes = st.builds(
    HardAttributes,
    leukoreduced=st.booleans(),
    irradiated=st.booleans(),
    identical_group_only=st.booleans(),
    antigen_negative=st.sets(st.sampled_from(["C", "Jka"]), max_size=1).map(tuple),
    max_age_d=st.none() | st.integers(1, 30),
)
patients = st.builds(
    Patient,
    group=st.none() | st.sampled_from(list(BloodGroup)),
    sex=st.none() | st.sampled_from(list(Sex)),
    age_years=st.none() | st.integers(0, 90),
    antibodies=st.sets(st.sampled_from(["D", "Mur"]), max_size=2).map(tuple),
    rhd_consent=st.none() | st.just(RhdConsent(physician="a", signed_by="b")),
)


@st.composite
def shelves(draw: st.DrawFn) -> list[UnitFacts]:
    count = draw(st.integers(0, 25))
    return [
        UnitFacts(
            unit_id=f"U{number}",
            station_id="shigatse",
            component=(component := draw(st.sampled_from(COMPONENTS))),
            group=draw(st.sampled_from(list(BloodGroup))),
            volume_ml=one_unit_ml(component),
            collected_at=NOW - timedelta(days=draw(st.integers(0, 34))),
            expires_at=NOW + timedelta(minutes=draw(st.integers(1, 5000))),
            status=UnitStatus.AVAILABLE,
            released=True,
            recalled=False,
            epoch=draw(st.integers(0, 3)),
            traits=draw(traits),
        )
        for number in range(count)
    ]


@st.composite
def cases(draw: st.DrawFn) -> list[Case]:
    found = []
    for number in range(draw(st.integers(1, 5))):
        lines = tuple(
            RequestLine(
                line_no=line_no,
                component=draw(st.sampled_from(COMPONENTS)),
                quantity=draw(st.integers(1, 5)),
                attributes=draw(attributes),
            )
            for line_no in range(1, draw(st.integers(1, 2)) + 1)
        )
        request = build_request(
            request_id=f"r{number}",
            lines=lines,
            patient=draw(patients),
            priority=draw(st.sampled_from(list(Priority))),
            needed_in_h=draw(st.floats(-1, 6)),
        )
        found.append(
            Case(
                request=request,
                hospital=PEOPLES,
                policy=StationPolicy(),
                journey=Journey(eta_s=ETA_S, estimated=False),
                version=1,
                cause_id=f"e{number}",
                rules=PACKAGED,
            )
        )
    return found


@settings(max_examples=150, deadline=None)
@given(units=shelves(), batch=cases())
def test_every_decision_is_safe_and_complete(units: list[UnitFacts], batch: list[Case]) -> None:
    by_id = {unit.unit_id: unit for unit in units}
    matched = decide_batch(batch, shelf=Shelf(units), now=NOW, hold_s=3600)
    promised: set[str] = set()
    for case, result in zip(batch, matched, strict=True):
        decision = result.decision
        reserved = [unit for line in decision.lines for unit in line.reserved]
        assert [unit.unit_id for unit in reserved] == [told.unit.unit_id for told in result.cleared]
        assert decision.request_id == case.request.request_id
        for line, told in zip(case.request.lines, decision.lines, strict=True):
            assert told.requested == line.quantity
            assert len(told.reserved) + told.uncovered + told.refused == line.quantity
            if told.uncovered or told.refused:
                assert told.refusals, "a refusal without a reason"
            allowed = {candidate.group for candidate in case.candidates(line)}
            for chosen in told.reserved:
                unit = by_id[chosen.unit_id]
                assert chosen.unit_id not in promised
                promised.add(chosen.unit_id)
                assert unit.component is line.component
                assert unit.group in allowed
                assert unit.expires_at > NOW + timedelta(seconds=ETA_S)
                assert chosen.epoch == unit.epoch + 1
                assert not line.attributes.irradiated or unit.traits.irradiated
                assert not line.attributes.leukoreduced or unit.traits.leukoreduced
                assert set(line.attributes.antigen_negative) <= set(unit.traits.antigen_negative)
                assert chosen.reason.rule
        if decision.outcome is Outcome.REFUSED:
            assert not decision.waiting_for
        else:
            assert decision.waiting_for


@settings(max_examples=50, deadline=None)
@given(units=shelves(), batch=cases(), seed=st.randoms(use_true_random=False))
def test_the_order_of_the_shelf_does_not_matter(
    units: list[UnitFacts], batch: list[Case], seed: Random
) -> None:
    shuffled = list(units)
    seed.shuffle(shuffled)
    first = decide_batch(batch, shelf=Shelf(units), now=NOW, hold_s=3600)
    again = decide_batch(batch, shelf=Shelf(shuffled), now=NOW, hold_s=3600)
    assert first == again


@settings(max_examples=80, deadline=None)
@given(units=shelves(), batch=cases())
def test_nothing_that_fits_is_left_while_something_is_uncovered(
    units: list[UnitFacts], batch: list[Case]
) -> None:
    """No usable unit is left beside a waiting patient."""
    case = batch[0]
    shelf = Shelf(units)
    (first,) = decide_batch([case], shelf=shelf, now=NOW, hold_s=3600)
    decision = first.decision
    chosen = {unit.unit_id for line in decision.lines for unit in line.reserved}
    left = [unit for unit in units if unit.unit_id not in chosen]
    (again,) = decide_batch([case], shelf=Shelf(left), now=NOW, hold_s=3600)
    for line, rest in zip(decision.lines, again.decision.lines, strict=True):
        capped = any(reason.code == "o_negative_cap" for reason in line.refusals)
        if line.uncovered and not capped:
            assert not rest.reserved


def _fits(unit: UnitFacts, case: Case, line: RequestLine) -> bool:
    route = to_hospital(case.hospital, case.journey, now=NOW)
    purpose = case.purpose(line, capped_units=0)
    answer = clear(unit, purpose=purpose, step=Step.RESERVE, route=route, now=NOW, rules=case.rules)
    return isinstance(answer, Cleared)


def _most(slots: Sequence[frozenset[str]], taken: frozenset[str] = frozenset()) -> int:
    """The most slots that can have a unit each, by trying everything."""
    if not slots:
        return 0
    first, *rest = slots
    most = _most(rest, taken)
    for unit_id in first - taken:
        most = max(most, 1 + _most(rest, taken | {unit_id}))
    return most


@st.composite
def crowds(draw: st.DrawFn) -> tuple[list[UnitFacts], list[Case]]:
    """Few patients of known groups before few units, none of which is kept for anybody."""
    units = [
        replace(
            unit,
            component=Component.RED_CELLS,
            volume_ml=200,
            expires_at=NOW + timedelta(hours=48),
            traits=UnitTraits(antigen_negative=("Mur",) if draw(st.booleans()) else ()),
        )
        for unit in draw(shelves())[:5]
    ]
    found = []
    for number in range(draw(st.integers(2, 4))):
        patient = Patient(
            group=draw(st.sampled_from(list(BloodGroup))),
            antibodies=("Mur",) if draw(st.booleans()) else (),
        )
        request = build_request(
            request_id=f"r{number}",
            patient=patient,
            quantity=draw(st.integers(1, 2)),
            priority=draw(st.sampled_from(list(Priority))),
            needed_in_h=draw(st.floats(1, 6)),
        )
        found.append(
            Case(
                request=request,
                hospital=PEOPLES,
                policy=StationPolicy(),
                journey=Journey(eta_s=ETA_S, estimated=False),
                version=1,
                cause_id=f"e{number}",
                rules=PACKAGED,
            )
        )
    return units, found


@settings(max_examples=200, deadline=None)
@given(crowd=crowds())
def test_c77_no_order_of_a_batch_would_cover_more(
    crowd: tuple[list[UnitFacts], list[Case]],
) -> None:
    """Of the highest priority as much is covered as can be, then of the next with it, and so on."""
    units, batch = crowd
    matched = decide_batch(batch, shelf=Shelf(units), now=NOW, hold_s=3600)
    covered = 0
    slots: list[frozenset[str]] = []
    for priority in Priority:
        for case, result in zip(batch, matched, strict=True):
            if case.request.priority is not priority:
                continue
            (line,) = case.request.lines
            fitting = frozenset(unit.unit_id for unit in units if _fits(unit, case, line))
            slots += [fitting] * line.quantity
            covered += len(result.cleared)
        assert covered == _most(slots)
