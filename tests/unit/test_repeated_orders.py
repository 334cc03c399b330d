"""Two orders for one patient: as much is held as the larger asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from models.groups import BloodGroup
from models.patients import Patient
from models.requests import HardAttributes, Priority, UrgentRequest
from streams.matching.order_facts import (
    OpenOrder,
    OrderFacts,
    PendingBags,
)
from tests.support.orders import (
    DYING,
    OF_A,
    PLASMA,
    ROUTINE,
    URGENT,
    ask,
    build_case,
    decide,
    lay,
    list_lines,
    told,
)
from tests.support.world import NOW, build_request


def order(
    request: UrgentRequest, held: int = 0, on_the_way: int = 0, ago_h: float = 1
) -> OpenOrder:
    bags = PendingBags(at_station=tuple(lay(held)), on_the_way=tuple(lay(on_the_way, at=held)))
    return OpenOrder(request=request, opened_at=NOW - timedelta(hours=ago_h), pending={1: bags})


def beside(other: OpenOrder) -> OrderFacts:
    return OrderFacts(same_patient=(other,))


@pytest.mark.parametrize(
    ("first", "second", "given"), [(6, 6, 0), (4, 6, 2), (6, 4, 0), (2, 6, 6), (6, 2, 2)]
)
@pytest.mark.parametrize("priority", [DYING, URGENT])
def test_of_two_orders_for_a_patient_the_larger_is_held(
    first: int, second: int, given: int, priority: Priority
) -> None:
    before = ask(first, priority)
    case = build_case(ask(second, priority), facts=beside(order(before, held=first)))
    (decision,) = decide(case, shelf=lay(50, at=100))
    line = decision.lines[0]
    assert (len(line.reserved), line.uncovered, line.unconfirmed) == (given, 0, second - given)
    if given < second:
        (reason,) = line.asked_back
        params = {"requests": before.request_id, "units": second - given}
        assert (reason.code, reason.params) == ("order_overlaps", params)


def test_two_orders_of_one_batch_are_held_against_each_other() -> None:
    cases = [build_case(ask(quantity)) for quantity in (6, 4, 8)]
    decisions = decide(*cases, shelf=lay(50))
    assert sum(len(found.lines[0].reserved) for found in decisions) == 8
    nobody = build_request(group="A+", quantity=6, needed_in_h=0.25)
    free = decide(build_case(nobody), build_case(nobody.but(request_id="r-2")), shelf=lay(50))
    assert [len(found.lines[0].reserved) for found in free] == [6, 6]


def test_of_two_waiting_orders_of_one_batch_neither_is_counted_twice() -> None:
    first, second = ask(6), ask(6)
    one = build_case(first, facts=beside(order(second)))
    two = build_case(second, facts=beside(order(first)))
    decisions = decide(one, two, shelf=lay(50))
    assert sorted(len(found.lines[0].reserved) for found in decisions) == [0, 6]


@pytest.mark.parametrize(
    ("priority", "patient", "given"),
    [
        (DYING, OF_A.but(group=None), 6),
        (URGENT, OF_A.but(group=None), 6),
        (URGENT, OF_A.but(disputed_groups=("A+", "B+"), group=None), 6),
        (DYING, OF_A.but(reference=None), 6),
    ],
)
def test_one_name_for_several_casualties_keeps_blood_from_nobody(
    priority: Priority, patient: Patient, given: int
) -> None:
    first, second = (ask(6, priority, patient=patient) for _ in range(2))
    shelf = [replace(bag, group=BloodGroup.O_POS) for bag in lay(50, at=100)]
    (decision,) = decide(build_case(second, facts=beside(order(first, held=6))), shelf=shelf)
    assert len(decision.lines[0].reserved) == given


MORE = HardAttributes(irradiated=True)


@pytest.mark.parametrize(
    ("other", "mine"),
    [
        pytest.param(ask(6, ROUTINE), ask(6, URGENT), id="less urgent"),
        pytest.param(ask(6).but(needed_by=NOW + timedelta(hours=9)), ask(6), id="needed later"),
        pytest.param(ask(6, quantity_confirmed_by="Dr Tashi"), ask(6), id="confirmed there"),
        pytest.param(ask(6), ask(6, quantity_confirmed_by="Dr Tashi"), id="confirmed here"),
        pytest.param(ask(6, component=PLASMA), ask(6), id="another component"),
        pytest.param(ask(6, station_id="lhasa"), ask(6), id="another station"),
    ],
)
def test_an_order_that_spares_the_patient_nothing_is_no_repeat(
    other: UrgentRequest, mine: UrgentRequest
) -> None:
    case = build_case(mine, facts=beside(order(other, held=6)))
    (decision,) = decide(case, shelf=lay(50, at=100))
    assert told(decision.lines[0]) == (6, 0, 0, [])


def test_bags_that_lack_what_is_asked_spare_nothing() -> None:
    plain, special = ask(6), ask(6, lines=list_lines(6, MORE))
    shelf = [replace(bag, traits=bag.traits.but(irradiated=True)) for bag in lay(50, at=100)]
    (decision,) = decide(build_case(special, facts=beside(order(plain, held=6))), shelf=shelf)
    assert len(decision.lines[0].reserved) == 6
    (other,) = decide(build_case(plain, facts=beside(order(special, held=6))), shelf=shelf)
    assert other.lines[0].unconfirmed == 6


@pytest.mark.parametrize(
    ("priority", "held", "on_the_way", "ago_h", "given"),
    [
        (URGENT, 6, 0, 7, 6),
        (URGENT, 0, 6, 1, 0),
        (URGENT, 0, 0, 1, 6),
        (DYING, 0, 6, 1, 6),
        (DYING, 2, 4, 1, 4),
    ],
)
def test_what_has_left_or_arrived_spares_nothing_any_more(
    priority: Priority, held: int, on_the_way: int, ago_h: float, given: int
) -> None:
    before = order(ask(6, priority), held=held, on_the_way=on_the_way, ago_h=ago_h)
    (decision,) = decide(build_case(ask(6, priority), facts=beside(before)), shelf=lay(50, at=100))
    assert len(decision.lines[0].reserved) == given
