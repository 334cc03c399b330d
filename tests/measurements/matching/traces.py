"""Traces: a day of requests against what lies on the shelf at its beginning.

Made by chance from a seed: the same seed, the same trace. A day's volume is what the shelf holds
divided by a ratio. Half of the requests are routine and can wait for some hours; the others are
served when they come, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from models.groups import BloodGroup
from models.requests import Priority

DAY_H = 24.0
QUANTITIES = (1, 1, 2, 2, 2, 4)
PRIORITIES = {Priority.LIFE_THREATENING: 0.15, Priority.URGENT: 0.35, Priority.ROUTINE: 0.5}
UNKNOWN_SHARE = 0.15
"""Of the patients in danger of life, whose group nobody knows yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A request of a trace.

    Attributes:
        at_h: Hours since the day began.
        group: None where it is unknown.
        until_h: Served until then or never; at once where it is `at_h`.
    """

    at_h: float
    group: BloodGroup | None
    priority: Priority
    quantity: int
    until_h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A day.

    Attributes:
        stock: Units by group when the day begins.
        requests: In the order in which they come.
        history: Days before, alike in volume and mix.
    """

    stock: Mapping[BloodGroup, int]
    requests: tuple[Asking, ...]
    history: tuple[tuple[Asking, ...], ...]


def _mix(o: float, a: float, b: float, ab: float, *, negative: float) -> dict[BloodGroup, float]:
    abo = {"O": o, "A": a, "B": b, "AB": ab}
    return {
        BloodGroup(f"{name}{sign}"): share * part
        for name, share in abo.items()
        for sign, part in (("+", 1 - negative), ("-", negative))
    }


MIXES = {
    "chinese": _mix(0.34, 0.28, 0.29, 0.09, negative=0.004),
    "western": _mix(0.45, 0.40, 0.11, 0.04, negative=0.15),
}
"""Shares of the groups, as surveys of Han Chinese and of Western European donors have them."""


def make_trace(
    seed: int, *, mix: str, ratio: float, units: int = 300, days_before: int = 7
) -> Trace:
    """Make a day whose supply is the ratio of its expected demand."""
    chance = Random(f"trace {seed} {mix} {ratio}")
    shares = MIXES[mix]
    drawn = chance.choices(list(shares), list(shares.values()), k=units)
    per_h = units / ratio / DAY_H
    return Trace(
        stock={group: drawn.count(group) for group in shares},
        requests=_draw_day(chance, shares, per_h),
        history=tuple(_draw_day(chance, shares, per_h) for _ in range(days_before)),
    )


def with_surge(trace: Trace, seed: int, *, mix: str) -> Trace:
    """Return the trace with four times the usual, urgent and worse, for three hours from eleven."""
    chance = Random(f"surge {seed} {mix}")
    usual = sum(asking.quantity for asking in trace.requests) / DAY_H
    priorities = {Priority.LIFE_THREATENING: 0.4, Priority.URGENT: 0.6}
    extra = _draw(chance, MIXES[mix], usual * 4, from_h=11, to_h=14, priorities=priorities)
    merged = sorted((*trace.requests, *extra), key=lambda asking: asking.at_h)
    return replace(trace, requests=tuple(merged))


def _draw_day(
    chance: Random, shares: Mapping[BloodGroup, float], per_h: float
) -> tuple[Asking, ...]:
    return _draw(chance, shares, per_h, from_h=0, to_h=DAY_H, priorities=PRIORITIES)


def _draw(
    chance: Random,
    shares: Mapping[BloodGroup, float],
    per_h: float,
    *,
    from_h: float,
    to_h: float,
    priorities: Mapping[Priority, float],
) -> tuple[Asking, ...]:
    requests_per_h = per_h * len(QUANTITIES) / sum(QUANTITIES)
    at_h, found = from_h, list[Asking]()
    while (at_h := at_h + chance.expovariate(requests_per_h)) < to_h:
        (priority,) = chance.choices(list(priorities), list(priorities.values()))
        (group,) = chance.choices(list(shares), list(shares.values()))
        is_dying = priority is Priority.LIFE_THREATENING
        slack = chance.uniform(2, 12) if priority is Priority.ROUTINE else 0.0
        found.append(
            Asking(
                at_h=at_h,
                group=None if is_dying and chance.random() < UNKNOWN_SHARE else group,
                priority=priority,
                quantity=chance.choice(QUANTITIES),
                until_h=min(at_h + slack, DAY_H),
            )
        )
    return tuple(found)
