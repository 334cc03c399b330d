"""What of a large order is given at once, what is asked back, and that nobody bleeds for it."""

from __future__ import annotations

import pytest

from models.components import Component
from models.decisions import Outcome
from models.doses import OrderMeasure
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Amendment, HardAttributes, Priority, RequestLine
from models.rules.rulebook import PACKAGED
from streams.matching.allocation.order_limits import is_next_part_due
from streams.matching.order_facts import (
    OrderFacts,
    PendingBags,
    UsualOrder,
    find_usual,
)
from streams.matching.shelf_reads import list_wants
from tests.support.orders import (
    CELLS,
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


@pytest.mark.parametrize("priority", [DYING, URGENT, ROUTINE])
@pytest.mark.parametrize("quantity", [2, 6, 10])
def test_an_ordinary_order_is_never_asked_back(quantity: int, priority: Priority) -> None:
    (decision,) = decide(build_case(ask(quantity, priority)), shelf=lay(quantity))
    assert told(decision.lines[0]) == (quantity, 0, 0, [])
    assert decision.outcome is Outcome.RESERVED


@pytest.mark.parametrize(
    ("priority", "asked", "given", "code"),
    [
        (URGENT, 20, 20, None),
        (URGENT, 21, 20, "quantity_large"),
        (ROUTINE, 100, 20, "quantity_large"),
        (DYING, 40, 40, None),
        (DYING, 41, 40, "quantity_in_parts"),
        (DYING, 100, 40, "quantity_in_parts"),
    ],
)
def test_a_large_order_is_given_a_part(
    priority: Priority, asked: int, given: int, code: str | None
) -> None:
    (decision,) = decide(build_case(ask(asked, priority)), shelf=lay(300))
    rest = asked - given
    assert told(decision.lines[0]) == (given, 0, rest, [code] if code else [])
    outcome = (decision.outcome, decision.waiting_for)
    assert outcome == (
        (Outcome.PARTLY_RESERVED, "confirmation") if rest else (Outcome.RESERVED, "picking")
    )


def test_whoever_says_that_so_much_is_meant_gets_it() -> None:
    request = ask(100, quantity_confirmed_by="Dr Tashi")
    (decision,) = decide(build_case(request), shelf=lay(100))
    assert told(decision.lines[0]) == (100, 0, 0, [])


def test_a_part_that_stock_does_not_cover_is_looked_for() -> None:
    (decision,) = decide(build_case(ask(60, DYING)), shelf=lay(15))
    assert told(decision.lines[0]) == (15, 25, 20, ["quantity_in_parts"])
    assert decision.waiting_for == "donors_and_neighbours"


def test_a_journey_of_hours_takes_all_that_it_needs_with_it() -> None:
    """The next part would come by another journey of five hours."""
    (decision,) = decide(build_case(ask(100, DYING), eta_s=5 * 3600), shelf=lay(100))
    assert told(decision.lines[0]) == (100, 0, 0, [])
    (urgent,) = decide(build_case(ask(30), eta_s=5 * 3600), shelf=lay(100))
    assert told(urgent.lines[0])[0] == 20


def test_an_order_that_names_nobody_is_for_several() -> None:
    """Casualties whom nobody has named yet: the first orders of a disaster."""
    lines = tuple(RequestLine(line_no=number, component=CELLS, quantity=80) for number in (1, 2))
    nobody = Patient(group=BloodGroup.A_POS)
    request = build_request(patient=nobody, lines=lines, priority=DYING, needed_in_h=0.25)
    (decision,) = decide(build_case(request), shelf=lay(200))
    assert [len(line.reserved) for line in decision.lines] == [80, 40]
    (urgent,) = decide(build_case(request.but(priority=URGENT)), shelf=lay(200))
    assert [len(line.reserved) for line in urgent.lines] == [20, 0]


def pending(at_station: int = 0, on_the_way: int = 0) -> OrderFacts:
    bags = PendingBags(
        at_station=tuple(lay(at_station)), on_the_way=tuple(lay(on_the_way, at=at_station))
    )
    return OrderFacts(opened_at=NOW, pending={1: bags})


@pytest.mark.parametrize(
    ("priority", "asked", "at_station", "on_the_way", "arrived", "is_due", "given"),
    [
        (DYING, 100, 40, 0, 0, False, 0),
        (DYING, 100, 21, 19, 0, False, 19),
        (DYING, 100, 20, 20, 0, True, 20),
        (DYING, 100, 0, 40, 0, True, 40),
        (DYING, 100, 0, 0, 80, True, 20),
        (URGENT, 60, 20, 0, 0, False, 0),
        (URGENT, 60, 0, 20, 0, False, 0),
        (URGENT, 60, 0, 1, 19, False, 19),
        (URGENT, 60, 0, 0, 20, True, 20),
    ],
)
def test_the_next_part_follows_by_itself(
    priority: Priority,
    asked: int,
    at_station: int,
    on_the_way: int,
    arrived: int,
    *,
    is_due: bool,
    given: int,
) -> None:
    """In danger of life as the part before leaves, for others as it arrives; without any word."""
    case = build_case(
        ask(asked, priority),
        facts=pending(at_station, on_the_way),
        covered={1: (at_station + on_the_way + arrived) * 100},
    )
    assert is_next_part_due(case) is is_due
    (decision,) = decide(case, shelf=lay(300, at=200))
    assert told(decision.lines[0])[0] == given


def test_an_order_that_lacks_nothing_has_no_next_part() -> None:
    assert not is_next_part_due(build_case(ask(4, DYING), covered={1: 400}))


def test_all_lines_of_a_component_share_a_part() -> None:
    lines = tuple(
        RequestLine(line_no=number, component=component, quantity=16)
        for number, component in enumerate((CELLS, CELLS, PLASMA), start=1)
    )
    request = build_request(patient=OF_A, lines=lines, needed_in_h=0.25)
    (decision,) = decide(build_case(request), shelf=[*lay(60), *lay(60, PLASMA, at=100)])
    assert [len(line.reserved) for line in decision.lines] == [16, 4, 16]
    assert [line.unconfirmed for line in decision.lines] == [0, 12, 0]


def test_millilitres_are_limited_as_units_are() -> None:
    line = RequestLine(line_no=1, component=CELLS, measure=OrderMeasure.ML, quantity=6000)
    request = build_request(patient=OF_A, lines=(line,), needed_in_h=0.25)
    (decision,) = decide(build_case(request), shelf=lay(90))
    assert told(decision.lines[0]) == (20, 0, 2000, ["quantity_large"])


@pytest.mark.parametrize(
    ("component", "given"),
    [
        (PLASMA, 20),
        (Component.CRYOPRECIPITATE, 20),
        (Component.PLATELETS, 10),
        (Component.PLATELET_CONCENTRATE, 40),
        (Component.POOLED_PLATELETS, 40),
        (Component.WHOLE_BLOOD, 20),
    ],
)
def test_each_component_has_a_part_of_its_own(component: Component, given: int) -> None:
    (decision,) = decide(build_case(ask(90, component=component)), shelf=lay(200, component))
    assert told(decision.lines[0])[0] == given


@pytest.mark.parametrize(
    ("usual", "asked", "given", "code"),
    [
        (UsualOrder(units=30, orders=12), 60, 60, None),
        (UsualOrder(units=30, orders=12), 61, 30, "quantity_above_usual"),
        (UsualOrder(units=4, orders=900), 20, 20, None),
        (UsualOrder(units=4, orders=900), 21, 20, "quantity_above_usual"),
    ],
)
def test_what_is_usual_for_a_hospital_is_not_asked_back(
    usual: UsualOrder, asked: int, given: int, code: str | None
) -> None:
    case = build_case(ask(asked), facts=OrderFacts(usual={CELLS: usual}))
    (decision,) = decide(case, shelf=lay(300))
    assert told(decision.lines[0]) == (given, 0, asked - given, [code] if code else [])
    if code:
        params = decision.lines[0].asked_back[0].params
        assert params == {
            "asked": asked,
            "at_once": given,
            "usual": usual.units,
            "orders": usual.orders,
        }


@pytest.mark.parametrize(
    ("orders", "usual"),
    [
        ({}, None),
        ({2: 9}, None),
        ({2: 10}, 2),
        ({2: 9, 40: 1}, 2),
        ({2: 8, 40: 2}, 40),
        ({2: 50, 4: 40, 6: 9, 100: 1}, 4),
        ({2: 50, 4: 39, 6: 10, 100: 1}, 6),
    ],
)
def test_what_is_usual_is_what_nine_of_ten_orders_do_not_exceed(
    orders: dict[int, int], usual: int | None
) -> None:
    found = find_usual(orders, PACKAGED.policies.usual_order)
    assert (found.units if found else None) == usual
    assert found is None or found.orders == sum(orders.values())


@pytest.mark.parametrize(
    ("priority", "asked", "there", "given", "code"),
    [
        (URGENT, 10, 10, 10, None),
        (URGENT, 16, 16, 10, "quantity_takes_last"),
        (ROUTINE, 16, 24, 12, "quantity_takes_last"),
        (URGENT, 16, 32, 16, None),
        (URGENT, 16, 12, 10, "quantity_takes_last"),
        (DYING, 16, 16, 16, None),
        (DYING, 40, 40, 40, None),
    ],
)
def test_the_last_compatible_bags_are_not_taken_unasked(
    priority: Priority, asked: int, there: int, given: int, code: str | None
) -> None:
    (decision,) = decide(build_case(ask(asked, priority)), shelf=lay(there))
    assert told(decision.lines[0]) == (given, 0, asked - given, [code] if code else [])


def test_where_nothing_lies_there_the_order_is_looked_for_whole() -> None:
    (decision,) = decide(build_case(ask(20)), shelf=[])
    assert told(decision.lines[0]) == (0, 20, 0, [])


def test_enough_is_read_to_see_what_an_order_would_leave() -> None:
    large, small, dying = (
        list_wants([build_case(ask(*order))]) for order in ((16,), (10,), (16, DYING))
    )
    assert [max(filter(None, wants.values())) for wants in (small, dying)] == [18, 24]
    assert max(filter(None, large.values())) == 40


@pytest.mark.parametrize(
    ("changes", "is_kept"),
    [
        ({"lines": list_lines(30, HardAttributes())}, True),
        ({"lines": list_lines(20, HardAttributes())}, True),
        ({"lines": list_lines(31, HardAttributes())}, False),
        ({"massive_transfusion_packs": 1}, False),
        ({"note": "x"}, True),
        ({"lines": list_lines(31, HardAttributes()), "quantity_confirmed_by": "Dr Pema"}, True),
    ],
)
def test_a_word_ends_where_more_is_asked(changes: dict[str, object], *, is_kept: bool) -> None:
    request = ask(30, quantity_confirmed_by="Dr Tashi")
    amendment = Amendment.model_validate(
        {
            "request_id": request.request_id,
            "hospital_id": request.hospital_id,
            "station_id": request.station_id,
            **changes,
        }
    )
    assert bool(amendment.apply_to(request).quantity_confirmed_by) is is_kept
    assert not amendment.is_word_alone


def test_a_word_alone_changes_nothing_else() -> None:
    request = ask(30)
    amendment = Amendment(
        request_id=request.request_id,
        hospital_id=request.hospital_id,
        station_id=request.station_id,
        quantity_confirmed_by="Dr Tashi",
        amended_by="dispatcher/night",
    )
    assert amendment.is_word_alone
    assert amendment.apply_to(request) == request.but(quantity_confirmed_by="Dr Tashi")
