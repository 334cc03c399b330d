"""The optimum of hindsight against every way to fill, and above whatever anybody serves."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from demo.clairvoyant import LineDemand, Lot, fill, look_back_on
from demo.day_trace import DayBag, DayRequest, DayTrace, LineKey, Promised
from demo.scenario import Scenario, read_scenario
from demo.serving_options import to_hospital
from models.clearance import Cleared, ForPatient, Step
from models.components import Component
from models.groups import BloodGroup
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from models.safety import clear
from tests.support.demo_days import FAR, NEAR, make_ask, make_bag

KEYS = [(f"r-{at}", 1) for at in range(4)]
STATIONS = ("shigatse", "lhasa", "nagqu", "ngari")
GROUPS = (BloodGroup.A_POS, BloodGroup.O_POS, BloodGroup.O_NEG)


@cache
def _dingri() -> Scenario:
    return read_scenario("dingri")


@st.composite
def fillings(
    draw: st.DrawFn, *, most_lots: int, most: int
) -> tuple[tuple[LineDemand, ...], tuple[Lot, ...]]:
    keys = KEYS[: draw(st.integers(1, len(KEYS)))]
    wants = tuple(
        LineDemand(
            key=key, amount=draw(st.integers(1, 3)), weight=draw(st.sampled_from((1, 10, 100)))
        )
        for key in keys
    )
    lots = tuple(
        Lot(content=draw(st.integers(1, most)), serves=draw(st.frozensets(st.sampled_from(keys))))
        for _ in range(draw(st.integers(0, most_lots)))
    )
    return wants, lots


def _weigh(wants: Sequence[LineDemand], filled: dict[LineKey, int] | Counter[LineKey]) -> int:
    return sum(want.weight * min(want.amount, filled[want.key]) for want in wants)


def _find_best(wants: Sequence[LineDemand], lots: Sequence[Lot]) -> int:
    """Try every way to give each lot whole to one of the lines that it serves, or to nobody."""
    best = 0
    for way in itertools.product(*([None, *sorted(lot.serves)] for lot in lots)):
        given_to = Counter[LineKey]()
        for lot, key in zip(lots, way, strict=True):
            if key is not None:
                given_to[key] += lot.content
        best = max(best, _weigh(wants, given_to))
    return best


@given(fillings(most_lots=3, most=2))
@settings(max_examples=300, deadline=None)
def test_no_way_to_divide_the_lots_weighs_more(
    made: tuple[tuple[LineDemand, ...], tuple[Lot, ...]],
) -> None:
    wants, lots = made
    parts = [replace(lot, content=1) for lot in lots for _ in range(lot.content)]
    filled = fill(wants, lots)
    assert set(filled) == {want.key for want in wants}
    assert all(0 <= filled[want.key] <= want.amount for want in wants)
    assert _weigh(wants, filled) == _find_best(wants, parts)
    assert _weigh(wants, filled) >= _find_best(wants, lots)


@st.composite
def days(draw: st.DrawFn) -> tuple[tuple[DayRequest, ...], tuple[DayBag, ...]]:
    scenario = _dingri()
    hours = st.integers(-5, 20)
    bags = tuple(
        make_bag(
            scenario,
            f"u-{at}",
            station_id=draw(st.sampled_from(STATIONS)),
            component=draw(st.sampled_from((Component.RED_CELLS, Component.PLATELETS))),
            group=draw(st.sampled_from(GROUPS)),
            volume_ml=draw(st.sampled_from((200, 300, 400))),
            since_h=draw(hours),
            expires_h=draw(st.sampled_from((10, 20, 200))),
            until_h=draw(st.one_of(st.none(), hours)),
        )
        for at in range(draw(st.integers(1, 6)))
    )
    asks = []
    for at in range(draw(st.integers(1, 4))):
        at_h = draw(st.integers(1, 12))
        typed_h = draw(st.one_of(st.none(), st.integers(at_h, at_h + 2)))
        ask = make_ask(
            scenario,
            name=f"r-{at}",
            at_h=at_h,
            need_h=at_h + draw(st.integers(0, 12)),
            hospital_id=draw(st.sampled_from((NEAR, FAR))),
            priority=draw(st.sampled_from(Priority)),
            component=draw(st.sampled_from((Component.RED_CELLS, Component.PLATELETS))),
            quantity=draw(st.integers(1, 3)),
            group=draw(st.sampled_from(GROUPS)),
            typed_h=typed_h,
        )
        asks.append(ask)
    return tuple(asks), bags


def _serve(
    asks: Sequence[DayRequest], bags: Sequence[DayBag], tries: Sequence[tuple[int, int, int]]
) -> tuple[Promised, ...]:
    """Serve by chance: at some moment a bag that lies there goes to a request that is open then."""
    promised = dict[str, Promised]()
    for of_ask, of_bag, minutes in tries:
        ask, bag = asks[of_ask % len(asks)], bags[of_bag % len(bags)]
        now = ask.opened_at + timedelta(minutes=minutes)
        is_open = now <= ask.closes_at and bag.unit_id not in promised
        if is_open and _lies_there(bag, now) and _may_have(ask, bag, now):
            key = (ask.request.request_id, 1)
            promised[bag.unit_id] = Promised(key=key, unit_id=bag.unit_id)
    return tuple(promised.values())


def _lies_there(bag: DayBag, now: datetime) -> bool:
    scenario, unit, since = _dingri(), bag.lies.unit, bag.lies.since
    if bag.until is not None and bag.until <= now:
        return False
    if unit.station_id == "shigatse":
        return since <= now
    road = timedelta(seconds=scenario.routes[unit.station_id, "shigatse"])
    return max(since, scenario.event.occurred_at) + road <= now


def _may_have(ask: DayRequest, bag: DayBag, now: datetime) -> bool:
    """Ask the kernel as the system does: for the patient as known now, and the time of need."""
    scenario, request = _dingri(), ask.request
    patient = [patient for known_at, patient in ask.known if known_at <= now][-1]
    hospital = scenario.get_hospital(request.hospital_id).hospital
    road_s = scenario.routes["shigatse", request.hospital_id]
    policy = next(
        station.policy for station in scenario.stations if station.station_id == "shigatse"
    )
    answer = clear(
        replace(bag.lies.unit, station_id="shigatse"),
        purpose=ForPatient.of_line(
            request.but(patient=patient), request.lines[0], policy=policy, capped_units=0
        ),
        step=Step.RESERVE,
        route=to_hospital(hospital, road_s, arrival_at=now + timedelta(seconds=road_s)),
        now=now,
        rules=PACKAGED,
    )
    return isinstance(answer, Cleared)


@given(
    days(),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 1200)), max_size=20),
)
@settings(max_examples=200, deadline=None)
def test_whoever_serves_is_never_above_the_optimum(
    day: tuple[tuple[DayRequest, ...], tuple[DayBag, ...]], tries: list[tuple[int, int, int]]
) -> None:
    asks, bags = day
    promised = _serve(asks, bags, tries)
    found = look_back_on(_dingri(), DayTrace(asks=asks, bags=bags, promised=promised))
    assert found.impossible == ()
    assert 0 <= found.share <= 1
    assert found.achieved <= found.optimum
