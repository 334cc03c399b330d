"""A problem of allocation: so much lies in each place, so much is wanted, what each is worth.

Pure values. Whoever solves it says which demand gets how much of which supply; which bags these are
and whether each may go is decided afterwards, by `batch_choice` and the safety kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from models.errors import InvariantViolation


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What lies in one place and is as good as any other there.

    Attributes:
        key: Unique among the supplies.
        amount: 1 or more, in any unit that all supplies and demands share.
    """

    key: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is asked for now, or is expected to be asked for.

    Attributes:
        key: Unique among the demands.
        amount: 1 or more, in the unit of the supplies.
        worth: Of one unit of it, 0 or more; the sum of what is covered is made as large as can be.
        costs: By key of each supply that may serve it: what one unit of it costs, 0 or more. It is
            paid from the worth, so what costs more than it is worth is not given.
        limits: The most it may have of a supply, where that is less than it wants: not every bag
            of a place serves everybody.
    """

    key: str
    amount: int
    worth: int
    costs: Mapping[str, int]
    limits: Mapping[str, int] = field(default_factory=dict)

    def find_limit(self, supply: str) -> int:
        return min(self.amount, self.limits.get(supply, self.amount))


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Supplies and demands; each key once.

    Raises:
        InvariantViolation: A key stands twice, an amount is below 1, a worth or cost below 0, or a
            demand names a supply that is not there.
    """

    supplies: tuple[Supply, ...]
    demands: tuple[Wanted, ...]

    def __post_init__(self) -> None:
        keys = {supply.key for supply in self.supplies}
        amounts = [supply.amount for supply in self.supplies]
        amounts += [demand.amount for demand in self.demands]
        prices = [
            price for demand in self.demands for price in (demand.worth, *demand.costs.values())
        ]
        if (
            len(keys) < len(self.supplies)
            or len({demand.key for demand in self.demands}) < len(self.demands)
            or min(amounts, default=1) < 1
            or min(prices, default=0) < 0
            or any(not demand.costs.keys() <= keys for demand in self.demands)
        ):
            raise InvariantViolation("allocation_problem_invalid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """How much of each supply each demand gets.

    Attributes:
        shares: Amounts of 1 or more by demand and supply, in the order of the problem.
        made_by: Which way of solving answered.
    """

    shares: Mapping[tuple[str, str], int]
    made_by: str

    def of(self, demand: str) -> dict[str, int]:
        """Return what a demand gets, by supply."""
        return {key: amount for (to, key), amount in self.shares.items() if to == demand}


class Allocator(Protocol):
    """A way to solve a problem. Deterministic: the same problem in any order, the same shares."""

    def allocate(self, problem: Problem) -> Allocation:
        """Return shares within what there is and what is wanted."""
        ...
