"""Orders of two published days, and what their patients were given. Made by chance from a seed.

London, 7 July 2005: nine hospitals ordered 978 units of red cells, 18 deliveries in eight hours;
25 patients were given some 13 units each, one more than 50 (Glasgow 2012; NHS Blood and Transplant
2025). Of what was given in 24 hours nearly three quarters went in the first two (Dann 2007). Which
hospital ordered how much, and when, is not published and drawn.

Brussels, 22 March 2016: twice as many O RhD- red cells were ordered as on other days, and no more
were used (Congress review, ISBT Science Series). Taken here as every order sent twice.

One British or Belgian unit is a bag of 400 ml, 2 U.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from models.groups import BloodGroup
from models.requests import Priority

STEP_S = 900
BAG_U = 2
HOSPITALS = 9
ORDERED, PATIENTS, USED_EACH, MOST = 978, 25, 13, 55
EARLY_SHARE, EARLY_STEPS, ALL_STEPS = 0.73, 8, 32
ORDERS_END = 28
LONDON_BAGS = 1000
OWN_BAGS = 12
OTHERS, OTHERS_U = 40, (2, 2, 4, 4, 6)

DOUBLED = 40
BRUSSELS_BAGS = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order of a trace.

    Attributes:
        at: The step at which it comes.
        patient: The pseudonym; None for an order that is for nobody in particular.
        units: Ordering units, U.
    """

    at: int
    hospital: str
    patient: str | None
    priority: Priority
    units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day.

    Attributes:
        group: Of all bags and patients.
        bags: What lies at the station in the morning.
        own: By hospital, the bags that it has itself.
        orders: In the order in which they come.
        needs: By hospital, the bags that its patients need at each step.
    """

    group: BloodGroup
    bags: int
    own: Mapping[str, int]
    orders: tuple[Order, ...]
    needs: Mapping[str, tuple[int, ...]]


def make_london(seed: int) -> Day:
    """Make the day of London; 40 ordinary orders of other patients come beside those."""
    chance = Random(seed)
    names = [f"london-{number}" for number in range(HOSPITALS)]
    needs = {name: [0] * (ALL_STEPS + 1) for name in names}
    begins = {name: chance.randint(0, 4) for name in names}
    for used in _list_used(chance):
        name = chance.choice(names)
        for _ in range(used):
            needs[name][_draw_step(chance, begins[name])] += 1
    orders = []
    own = dict.fromkeys(names, OWN_BAGS)
    asked = _divide(chance, ORDERED, 2 * HOSPITALS)
    for number, bags in enumerate(asked):
        name = names[number % HOSPITALS]
        is_first = number < HOSPITALS
        at = begins[name] if is_first else chance.randint(begins[name] + 1, ORDERS_END)
        # What patients come to need beyond the first order is asked for who is dying, too.
        bleeds = sum(needs[name]) > OWN_BAGS + asked[number % HOSPITALS]
        orders.append(_bulk(at, name, bags, is_dying=is_first or bleeds))
    for number in range(OTHERS):
        at, units = chance.randint(0, ALL_STEPS - 4), chance.choice(OTHERS_U)
        name = f"other-{number}"
        orders.append(
            Order(
                at=at, hospital=name, patient="p", priority=Priority.LIFE_THREATENING, units=units
            )
        )
        needs[name] = [0] * (ALL_STEPS + 1)
        needs[name][at + 3] = units // BAG_U
    return _finish(BloodGroup.O_POS, LONDON_BAGS, own, orders, needs)


def make_brussels(seed: int) -> Day:
    """Make the day of Brussels: each order for an O RhD- patient comes twice within an hour."""
    chance = Random(seed)
    orders = []
    needs: dict[str, list[int]] = {}
    for number in range(DOUBLED):
        name, at = f"brussels-{number}", chance.randint(0, ALL_STEPS - 8)
        units = chance.choice((4, 4, 6, 8))
        priority = chance.choice((Priority.LIFE_THREATENING, Priority.URGENT))
        orders += [
            Order(at=at + again, hospital=name, patient="p", priority=priority, units=units)
            for again in (0, chance.randint(0, 2))
        ]
        needs[name] = [0] * (ALL_STEPS + 1)
        needs[name][at + 4] = units // BAG_U
    return _finish(BloodGroup.O_NEG, BRUSSELS_BAGS, {}, orders, needs)


def _finish(
    group: BloodGroup,
    bags: int,
    own: Mapping[str, int],
    orders: list[Order],
    needs: dict[str, list[int]],
) -> Day:
    return Day(
        group=group,
        bags=bags,
        own=own,
        orders=tuple(sorted(orders, key=lambda order: (order.at, order.hospital))),
        needs={name: tuple(bags_at) for name, bags_at in needs.items()},
    )


def _bulk(at: int, hospital: str, bags: int, *, is_dying: bool) -> Order:
    """Return an order for casualties whom nobody has named yet."""
    priority = Priority.LIFE_THREATENING if is_dying else Priority.URGENT
    units = min(bags * BAG_U, 200)
    return Order(at=at, hospital=hospital, patient=None, priority=priority, units=units)


def _list_used(chance: Random) -> list[int]:
    """List what each patient was given: 13 units on average, one of them more than 50."""
    others = _divide(chance, PATIENTS * USED_EACH - MOST, PATIENTS - 1)
    return [MOST, *others]


def _draw_step(chance: Random, begins: int) -> int:
    early = chance.random() < EARLY_SHARE
    step = begins + 1 + chance.randrange(EARLY_STEPS if early else ALL_STEPS - 8)
    return min(step, ALL_STEPS)


def _divide(chance: Random, total: int, parts: int) -> list[int]:
    """Divide a total by chance into parts of 1 or more."""
    weights = [chance.uniform(0.4, 1.6) for _ in range(parts)]
    found = [max(1, round(total * weight / sum(weights))) for weight in weights]
    found[found.index(max(found))] += total - sum(found)
    return found
