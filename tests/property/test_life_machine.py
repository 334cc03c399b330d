"""Units and requests driven by Hypothesis against the plain model; it shrinks what breaks.

The services are the real ones, on the store in memory. `python -m tests.life` drives many more.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from models.clearance import UnitFacts
from models.units import UnitStatus
from streams.matching import quarantine_release as release_rules
from streams.matching.kernel_routes import to_station
from streams.services import donation_recalls, hand_giving, quarantine_release, unit_scan_checks
from streams.services.hand_giving import HandGiving
from streams.services.unit_clearance import UnitClearances
from streams.services.unit_holds import UnitHolds
from streams.services.unit_scans import Scans
from tests.life.drive import WEIGHTS, Drive
from tests.life.memory_system import MemorySystem
from tests.life.model import BreachError


def at_once(work: Coroutine[Any, Any, None]) -> None:
    """Run what never waits for anything; no event loop is needed for it."""
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("the store in memory waited")


class LifeMachine(RuleBasedStateMachine):
    @initialize(chance=st.randoms(use_true_random=False))
    def begin(self, chance: Random) -> None:
        self.drive = Drive(MemorySystem(), chance=chance)

    @rule()
    def count(self) -> None:
        at_once(self.drive.take("count"))

    @rule()
    def ask(self) -> None:
        at_once(self.drive.take("ask"))

    @rule()
    def collect(self) -> None:
        at_once(self.drive.take("collect"))

    @precondition(lambda self: self.drive.model.bags)
    @rule(name=st.sampled_from(sorted(WEIGHTS.keys() - {"count", "ask", "collect"})))
    def go_on(self, name: str) -> None:
        at_once(self.drive.take(name))

    @precondition(lambda self: self.drive.model.bags)
    @rule()
    def scan(self) -> None:
        at_once(self.drive.take("scan"))


TestLifeMachine = LifeMachine.TestCase
TestLifeMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def drive_many(sequences: int = 500) -> None:
    for seed in range(sequences):
        at_once(Drive(MemorySystem(), chance=Random(seed)).run(50))


@pytest.mark.slow
def test_random_lives_are_as_foretold() -> None:
    drive_many()


def _forget_epochs(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(unit_scan_checks, "ensure_epoch", lambda *_: None)


def _forget_expiry(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.services.unit_scans.ensure_fresh", lambda *_: None)


def _ask_the_kernel_no_more(patch: pytest.MonkeyPatch) -> None:
    """What was cleared for the reservation is not cleared again when it is picked and issued."""

    async def clear_promised(*_: object, **__: object) -> None:
        return

    patch.setattr(UnitClearances, "clear_promised", clear_promised)


def _ask_the_kernel_no_more_of_neighbours(patch: pytest.MonkeyPatch) -> None:
    original = UnitClearances.clear_promised

    async def clear_promised(self: UnitClearances, work: Any, state: Any, **asked: Any) -> None:  # noqa: ANN401 - as the original
        if state.promise.transfer_id is None:
            await original(self, work, state, **asked)

    patch.setattr(UnitClearances, "clear_promised", clear_promised)


def _keep_what_was_promised_when_amended(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.services.requests.PICKABLE_STATES", ())


def _let_any_hospital_speak(patch: pytest.MonkeyPatch) -> None:
    async def ensure(*_: object) -> None:
        return

    patch.setattr("streams.services.unit_scans.ensure_own_patient", ensure)


def _arrive_anywhere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.services.unit_scans.ensure_at", lambda *_: None)


def _forget_the_way_to_the_neighbour(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("streams.matching.offers.to_station", lambda _, now: to_station(0, now=now))


def _release_whatever_comes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(release_rules, "_judge", lambda *_: ())


def _overwrite_instead_of_correcting(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(release_rules, "list_current", lambda told: [*told][-7:])


def _recall_nothing_afterwards(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(quarantine_release, "_must_come_back", lambda *_: False)


def _leave_the_neighbouring_bag(patch: pytest.MonkeyPatch) -> None:
    found = donation_recalls._find_place
    seen: list[str] = []

    def find(unit: Any, went: Any) -> Any:  # noqa: ANN401 - as the original
        seen.append(unit.unit_id)
        return found(unit, went) if len(seen) % 2 else None

    patch.setattr(donation_recalls, "_find_place", find)


def _stock_what_was_warm(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        "models.rules.types.returns.ReturnRules.ensure_restockable", lambda *_, **__: None
    )


def _count_around_quarantine(patch: pytest.MonkeyPatch) -> None:
    async def may_enter(*_: object) -> None:
        return

    patch.setattr("streams.services.stock_counts.ensure_may_enter", may_enter)


def _keep_quiet_about_lost_units(patch: pytest.MonkeyPatch) -> None:
    async def discard(work: Any, seen: Any) -> None:  # noqa: ANN401 - as the original
        await work.stock.move_unit(seen.state.unit_id, to="discarded")

    original = Scans.__init__

    def patched(self: Scans, **parts: Any) -> None:  # noqa: ANN401 - as the original
        original(self, **parts)
        self._acts = {
            change: discard if change == "discarded" else act for change, act in self._acts.items()
        }

    patch.setattr(Scans, "__init__", patched)


def _hold_nothing(patch: pytest.MonkeyPatch) -> None:
    async def place(*_: object) -> None:
        return

    patch.setattr(UnitHolds, "place", place)


def _give_what_is_picked(patch: pytest.MonkeyPatch) -> None:
    """A bag in somebody's hands goes to another patient by a word."""
    free = hand_giving._as_free

    def as_free(unit: UnitFacts) -> UnitFacts:
        is_picked = unit.status is UnitStatus.PICKED
        return replace(unit, status=UnitStatus.AVAILABLE) if is_picked else free(unit)

    patch.setattr(hand_giving, "_as_free", as_free)


def _take_nothing_back(patch: pytest.MonkeyPatch) -> None:
    async def take_back(*_: object, **__: object) -> None:
        return

    patch.setattr(HandGiving, "take_back", take_back)


@pytest.mark.parametrize(
    "breaking",
    [
        _hold_nothing,
        _give_what_is_picked,
        _take_nothing_back,
        _forget_epochs,
        _forget_expiry,
        _ask_the_kernel_no_more,
        _ask_the_kernel_no_more_of_neighbours,
        _keep_what_was_promised_when_amended,
        _let_any_hospital_speak,
        _arrive_anywhere,
        _forget_the_way_to_the_neighbour,
        _release_whatever_comes,
        _overwrite_instead_of_correcting,
        _recall_nothing_afterwards,
        _leave_the_neighbouring_bag,
        _stock_what_was_warm,
        _count_around_quarantine,
        _keep_quiet_about_lost_units,
    ],
    ids=lambda breaking: breaking.__name__.strip("_"),
)
def test_the_model_sees_each_broken_rule(breaking: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401 - a function
    breaking(monkeypatch)
    with pytest.raises(BreachError):
        drive_many(2_000)
