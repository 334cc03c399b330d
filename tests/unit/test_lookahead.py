"""What is shared now beside what is expected: who gets a bag, who waits, for whom it is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.groups import BloodGroup
from models.requests import Priority
from models.rules.rulebook import PACKAGED
from streams.matching.allocation.greedy import GreedyAllocator
from streams.matching.allocation.lookahead import (
    ExpectedDemand,
    OpenDemand,
    build_problem,
    name_open,
)
from streams.matching.allocation.min_cost_flow import FlowAllocator
from streams.matching.allocation.problem import Allocation, Problem, Supply
from streams.matching.expected_demand import Expected

DYING, URGENT, ROUTINE = Priority
A_COSTS = {"A+": 0, "O+": 1}
COSTS = {BloodGroup.A_POS: A_COSTS, BloodGroup.O_POS: {"O+": 0}}
WEIGHTS = PACKAGED.policies.lookahead.weights


def share(
    *asks: tuple[str, Priority, int, Mapping[str, int]],
    expected: Sequence[ExpectedDemand] = (),
    firm: Sequence[Priority] = (DYING,),
    limits: Mapping[str, int] | None = None,
    **stock: int,
) -> dict[str, dict[str, int]]:
    """Return what each open request gets; the stock is given as `A=2, O=1`, all of it RhD+."""
    built = build_problem(
        [
            OpenDemand(
                key=key,
                priority=priority,
                amount=amount,
                costs=costs,
                is_firm=priority in firm,
                limits=limits or {},
            )
            for key, priority, amount, costs in asks
        ],
        [Supply(key=f"{abo}+", amount=units) for abo, units in stock.items()],
        expected,
        weights=WEIGHTS,
    )
    flow, greedy = FlowAllocator().allocate(built), GreedyAllocator().allocate(built)
    for found in (flow, greedy):
        _ensure_within(built, found)
    return {key: flow.of(name_open(key)) for key, *_ in asks}


def _ensure_within(built: Problem, found: Allocation) -> None:
    for demand in built.demands:
        for supply, amount in found.of(demand.key).items():
            assert amount <= demand.find_limit(supply)


def often(
    group: BloodGroup, priority: Priority, *, mean: float = 20, dispersion: float = 2
) -> list[ExpectedDemand]:
    forecast = Expected(mean=mean, dispersion=dispersion)
    return [ExpectedDemand(key="k", priority=priority, expected=forecast, costs=COSTS[group])]


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


def test_who_is_kept_from_nothing_outweighs_every_forecast_and_the_graver_still_comes_first() -> (
    None
):
    urgent = ("u", URGENT, 2, A_COSTS)
    dying = often(BloodGroup.O_POS, DYING)
    assert share(urgent, O=2, expected=dying) == {"u": {}}
    both = (DYING, URGENT)
    assert share(urgent, O=2, expected=dying, firm=both) == {"u": {"O+": 2}}
    assert share(urgent, ("d", DYING, 1, A_COSTS), O=2, firm=both) == {
        "u": {"O+": 1},
        "d": {"O+": 1},
    }


def test_a_limit_leaves_what_does_not_serve() -> None:
    assert share(("d", DYING, 3, A_COSTS), A=3, O=3, limits={"A+": 1}) == {"d": {"A+": 1, "O+": 2}}


def test_urgent_yields_to_dying_and_routine_to_urgent_when_all_are_here() -> None:
    asks = [(priority.value, priority, 1, {"O+": 0}) for priority in (ROUTINE, URGENT, DYING)]
    assert share(*asks, O=1) == {"routine": {}, "urgent": {}, "life_threatening": {"O+": 1}}
    assert share(*asks, O=2)["urgent"] == {"O+": 1}


def test_what_is_expected_seldom_keeps_no_bag() -> None:
    seldom = often(BloodGroup.O_POS, URGENT, mean=0.05, dispersion=1.05)
    assert share(("u", URGENT, 1, A_COSTS), O=1, expected=seldom) == {"u": {"O+": 1}}
