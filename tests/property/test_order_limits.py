"""Whatever is ordered: nobody in danger of life lacks blood that lies there for want of a word."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.clearance import UnitFacts
from models.directory import Journey
from models.doses import WHOLE
from models.facilities import StationPolicy
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.allocation.order_limits import is_next_part_due
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.matching.order_facts import OrderFacts, PendingBags
from tests.support.safety import build_facts
from tests.support.world import NOW, PEOPLES, build_request

PART = 40
STEPS = 60


def lay(units: int) -> list[UnitFacts]:
    return [
        build_facts(unit_id=f"u{number:04d}", group=BloodGroup.A_POS) for number in range(units)
    ]


def build_case(
    asked: int, priority: Priority, *, held: list[UnitFacts], sent: int, name: str = "bed-9"
) -> Case:
    request = build_request(
        request_id=name,
        patient=Patient(group=BloodGroup.A_POS, reference=name),
        quantity=asked,
        priority=priority,
        needed_in_h=0.25,
    )
    return Case(
        request=request,
        hospital=PEOPLES,
        policy=StationPolicy(),
        journey=Journey(eta_s=1800, estimated=False),
        version=1,
        cause_id="e1",
        covered={1: (len(held) + sent) * WHOLE},
        facts=OrderFacts(opened_at=NOW, pending={1: PendingBags(at_station=tuple(held))}),
        rules=PACKAGED,
    )


@given(
    asked=st.integers(1, 100),
    there=st.integers(0, 120),
    loads=st.lists(st.integers(1, 40), min_size=STEPS, max_size=STEPS),
)
def test_the_last_bag_of_an_order_in_danger_comes_without_a_word(
    asked: int, there: int, loads: list[int]
) -> None:
    """However few bags leave at a time, half a part is there as long as there is free blood."""
    free, held, sent = lay(there), list[UnitFacts](), 0
    for load in loads:
        case = build_case(asked, Priority.LIFE_THREATENING, held=held, sent=sent)
        if not held or is_next_part_due(case):
            (found,) = decide_batch([case], shelf=Shelf(free), now=NOW, hold_s=3600)
            given_now = {unit.unit_id for unit in found.decision.lines[0].reserved}
            held += [bag for bag in free if bag.unit_id in given_now]
            free = [bag for bag in free if bag.unit_id not in given_now]
        left = asked - sent
        assert len(held) >= min(PART // 2, left, len(held) + len(free))
        assert len(held) <= PART
        sent += len(held[:load])
        held = held[load:]
    assert sent + len(held) == min(asked, there)


@given(
    orders=st.lists(
        st.tuples(st.integers(1, 100), st.sampled_from(Priority)), min_size=1, max_size=5
    ),
    there=st.integers(0, 150),
)
def test_what_is_asked_back_is_neither_given_nor_looked_for(
    orders: list[tuple[int, Priority]], there: int
) -> None:
    cases = [
        build_case(asked, priority, held=[], sent=0, name=f"bed-{number}")
        for number, (asked, priority) in enumerate(orders)
    ]
    for (asked, priority), found in zip(
        orders, decide_batch(cases, shelf=Shelf(lay(there)), now=NOW, hold_s=3600), strict=True
    ):
        (line,) = found.decision.lines
        assert len(line.reserved) + line.uncovered + line.unconfirmed == asked
        assert bool(line.asked_back) is bool(line.unconfirmed)
        part = PART if priority is Priority.LIFE_THREATENING else PART // 2
        assert len(line.reserved) + line.uncovered <= part or not line.unconfirmed
        if asked <= part // 2 or (asked <= part and priority is Priority.LIFE_THREATENING):
            assert line.unconfirmed == 0
