"""What is shared now beside what is expected: who gets a bag, who waits, for whom it is kept."""

from __future__ import annotations

from collections.abc import Mapping

from models.groups import BloodGroup
from models.requests import Priority
from streams.matching.allocation.lookahead import OpenDemand, build_problem
from streams.matching.allocation.min_cost_flow import FlowAllocator
from streams.matching.allocation.problem import Supply
from streams.matching.expected_demand import DemandKind, Expected

DYING, URGENT, ROUTINE = Priority
A_COSTS = {"A+": 0, "O+": 1}
COSTS: Mapping[DemandKind, Mapping[str, int]] = {
    DemandKind(group, priority): costs
    for group, costs in ((BloodGroup.A_POS, A_COSTS), (BloodGroup.O_POS, {"O+": 0}))
    for priority in Priority
}


def share(
    *asks: tuple[str, Priority, int, Mapping[str, int]],
    expected: Mapping[DemandKind, Expected] | None = None,
    **stock: int,
) -> dict[str, dict[str, int]]:
    """Return what each open request gets; the stock is given as `A=2, O=1`, all of it RhD+."""
    built = build_problem(
        [
            OpenDemand(key=key, priority=priority, amount=amount, costs=costs)
            for key, priority, amount, costs in asks
        ],
        [Supply(key=f"{abo}+", amount=units) for abo, units in stock.items()],
        expected or {},
        costs=COSTS,
    )
    found = FlowAllocator().allocate(built)
    return {key: found.of(f"open {key}") for key, *_ in asks}


def often(group: BloodGroup, priority: Priority) -> dict[DemandKind, Expected]:
    return {DemandKind(group, priority): Expected(mean=20, dispersion=2)}


def test_the_own_group_goes_first_and_the_universal_one_to_whom_nothing_else_serves() -> None:
    a, o = ("a", URGENT, 1, A_COSTS), ("o", URGENT, 1, {"O+": 0})
    assert share(a, o, A=1, O=1) == {"a": {"A+": 1}, "o": {"O+": 1}}


def test_a_routine_request_waits_while_others_are_expected_to_need_the_bag_more() -> None:
    routine = ("r", ROUTINE, 1, A_COSTS)
    assert share(routine, O=2) == {"r": {"O+": 1}}
    assert share(routine, O=2, expected=often(BloodGroup.O_POS, URGENT)) == {"r": {}}
    # Its own group is not what they need.
    assert share(routine, A=1, O=2, expected=often(BloodGroup.O_POS, URGENT)) == {"r": {"A+": 1}}


def test_nobody_in_danger_of_life_waits_for_a_forecast() -> None:
    dying = ("d", DYING, 2, A_COSTS)
    assert share(dying, O=2, expected=often(BloodGroup.O_POS, DYING)) == {"d": {"O+": 2}}


def test_urgent_yields_to_dying_and_routine_to_urgent_when_all_are_here() -> None:
    asks = [(priority.value, priority, 1, {"O+": 0}) for priority in (ROUTINE, URGENT, DYING)]
    assert share(*asks, O=1) == {"routine": {}, "urgent": {}, "life_threatening": {"O+": 1}}
    assert share(*asks, O=2)["urgent"] == {"O+": 1}


def test_what_is_expected_seldom_keeps_no_bag() -> None:
    seldom = {DemandKind(BloodGroup.O_POS, URGENT): Expected(mean=0.05, dispersion=1.05)}
    assert share(("u", URGENT, 1, A_COSTS), O=1, expected=seldom) == {"u": {"O+": 1}}
