"""A sequence of random steps, sent to the system and predicted by the plain model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from random import Random

from tests.life import donation_steps, hand_steps, request_steps, unit_steps
from tests.life.driven_system import System
from tests.life.model import Model
from tests.life.step_tools import Hand

MOST_BAGS = 14
"""Enough for several bags in every state; more would only make the sequences slower."""

STEPS: Mapping[str, tuple[Callable[[Hand], Awaitable[None]], int]] = {
    "count": (donation_steps.count, 4),
    "collect": (donation_steps.collect, 1),
    "split": (donation_steps.split, 2),
    "deglycerolise": (donation_steps.deglycerolise, 1),
    "test_one": (donation_steps.send_one, 2),
    "test_all": (donation_steps.send_results, 3),
    "recall": (donation_steps.recall, 1),
    "ask": (request_steps.ask, 3),
    "amend": (request_steps.amend, 1),
    "cancel": (request_steps.cancel, 1),
    "inform": (request_steps.inform, 1),
    "correct": (request_steps.correct, 1),
    "refit": (request_steps.refit, 1),
    "scan": (unit_steps.scan, 24),
    "lend": (unit_steps.lend, 2),
    "give": (hand_steps.give, 1),
    "take_back": (hand_steps.take_back, 1),
    "hold": (hand_steps.hold, 1),
    "end_hold": (hand_steps.end_hold, 1),
}
"""Step to its function and its weight, without waiting; the weights are chosen so that every kind
of move occurs in a few hundred sequences."""

WEIGHTS: Mapping[str, int] = {**{name: weight for name, (_, weight) in STEPS.items()}, "wait": 5}

_ADDING = frozenset({"count", "collect"})
_SHARE_TIMERS_IN_TIME = 0.7
_WAITS_MIN = (5, 15, 45, 200, 900)


class Drive:
    """A sequence of random steps.

    Args:
        system: Fresh, or used by other sequences with other names.
        chance: Source of everything that is drawn.
        name: Prefix of the sequence's identifiers.
    """

    def __init__(self, system: System, *, chance: Random, name: str = "s") -> None:
        self._system = system
        self._hand = Hand(system, chance=chance, name=name)
        self._lapse = False
        self.taken: Counter[str] = Counter()

    @property
    def model(self) -> Model:
        return self._hand.model

    async def run(self, steps: int) -> None:
        """Take `steps` steps, and compare after each.

        Raises:
            BreachError: At the first difference between the system and the model.
        """
        for _ in range(steps):
            await self.step()

    async def step(self) -> None:
        """Take one step, drawn by weight."""
        names, weights = list(WEIGHTS), list(WEIGHTS.values())
        await self.take(self._hand.chance.choices(names, weights=weights)[0])

    async def take(self, name: str) -> None:
        """Take the step of this name, let the system come to rest, and compare."""
        hand = self._hand
        self.taken[name] += 1
        if name == "wait":
            hand.now += timedelta(minutes=hand.chance.choice(_WAITS_MIN))
            self._lapse = True
        elif name not in _ADDING or hand.model.count_alive() < MOST_BAGS:
            await STEPS[name][0](hand)
        # Timers may also fire late, after the next scan.
        is_rest = hand.happens(_SHARE_TIMERS_IN_TIME)
        if is_rest:
            await self._system.fire_due(hand.now)
            hand.model.expire(hand.now)
        seen = await self._system.look()
        units = {unit_id: (unit.state, unit.station_id) for unit_id, unit in seen.units.items()}
        hand.model.compare(units, seen.promises, now=hand.now, lapse=self._lapse, is_rest=is_rest)
        self._lapse = self._lapse and not is_rest
