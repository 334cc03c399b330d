"""The plain model: the possible life of a bag of blood, without the engine.

Holds the bags as it believes them to be, predicts the effect of each step, and compares. It imports
no rule of the engine: what may be is the checker's statement, written from the sources.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from checker.bag_content import WHOLE, measure_content
from checker.compatibility import Patient, Situation, get_allowed
from checker.quarantine_release import list_against, list_counting, list_missing
from checker.recipients import Special
from checker.shelf_lives import RUNS_IN
from checker.unit_states import (
    BOUND,
    FRESH_CHANGES,
    NEXT,
    STILL_THERE,
    find_unrestockable,
)
from tests.life.model_objects import (
    Ask,
    LabFinding,
    ModelBag,
    ModelScan,
    SeenPromise,
    Told,
)

_BECOMES = {"departed": "in_transit", "restocked": "available"}
"""Change to the state that it makes; every other is called as its state is."""

_WITHOUT_EPOCH = {"quarantined", "restocked", "discarded"}
"""Changes of a unit under no promise, or whatever its promise."""


class BreachError(AssertionError):
    """The system did something that is not allowed or was not predicted."""


@dataclass(kw_only=True)
class Model:
    """Everything that the model believes.

    Attributes:
        home: The station that supplies the hospital.
        eta: How long a unit is on the road to the hospital; it must not expire on the way.
        between_stations: The same between the two stations.
        usable: Whether the hospital can use red cells.
        records: What was told of each patient with a reference, whichever request told it.
        unsettled: Requests whose patient has changed and that have not been decided again.
    """

    home: str
    eta: timedelta
    between_stations: timedelta
    usable: bool = True
    bags: dict[str, ModelBag] = field(default_factory=dict)
    findings: dict[str, list[LabFinding]] = field(default_factory=dict)
    recalled: set[str] = field(default_factory=set)
    patients: dict[str, Ask] = field(default_factory=dict)
    records: dict[str, Told] = field(default_factory=dict)
    unsettled: set[str] = field(default_factory=set)

    def count_alive(self) -> int:
        """Count the bags that could still reach a patient."""
        return sum(bag.state in STILL_THERE - {"expired"} for bag in self.bags.values())

    def of_donation(self, donation_id: str) -> list[ModelBag]:
        return [bag for bag in self.bags.values() if bag.donation_id == donation_id]

    def list_wrong(self, bag: ModelBag) -> tuple[bool, bool, bool]:
        """Return whether results are missing, speak against the bag, and do so in two runs."""
        counting = list_counting(
            self.findings.get(bag.donation_id, []), group=bag.group, say=bag.had_by
        )
        against = list_against(counting, group=bag.group)
        runs = {(result.test, result.run_id) for result in against if result.outcome == "reactive"}
        is_repeated = len(runs) > len({test for test, _ in runs})
        missing = list_missing(counting, collected_at=bag.collected_at)
        return bool(missing), bool(against), is_repeated

    def may_count(self, new: ModelBag) -> bool:
        """Whether a stock count may add a bag that was not known."""
        donation_id = new.donation_id
        if donation_id in self.recalled:
            return False
        if not new.released:
            return True
        kept = {"collected", "quarantined", "split"}
        if any(bag.state in kept and not bag.released for bag in self.of_donation(donation_id)):
            return False
        return not self.list_wrong(new)[1]

    def settle(self, donation_id: str, now: datetime) -> None:
        """Predict the effect of results on the bags of a donation."""
        bags = self.of_donation(donation_id)
        for bag in bags:
            missing, found, _ = self.list_wrong(bag)
            is_bad = found or (missing and not bag.attested)
            if bag.released and is_bad and bag.state not in {"discarded", "recalled", "split"}:
                self.recall(donation_id)
                return
        for bag in bags:
            if bag.state not in {"collected", "quarantined"} or bag.released:
                continue
            missing, found, twice = self.list_wrong(bag)
            if found and twice:
                bag.go("discarded")
            elif bag.state == "quarantined" and not (missing or found) and bag.expires_at > now:
                bag.go("available")
                bag.released = True

    def recall(self, donation_id: str) -> None:
        bags = self.of_donation(donation_id)
        if bags:
            self.recalled.add(donation_id)
        for bag in bags:
            if bag.state in STILL_THERE:
                bag.go("recalled")

    def ask(self, request_id: str, asked: Ask) -> None:
        """Note a hospital's request."""
        self.patients[request_id] = asked

    def amend(self, request_id: str, *, quantity: int) -> None:
        """Note another number of units."""
        before = self.patients[request_id]
        self.patients[request_id] = replace(
            before, quantity=quantity, most=max(quantity, before.most)
        )

    def unsettle(self, told: Told, live: Iterable[str]) -> None:
        """Note that the open requests of a patient will be decided again."""
        self.unsettled |= {of for of in live if self.patients[of].told is told}

    def _is_taken(self, bag: ModelBag, promise: SeenPromise) -> bool:
        """Whether a patient in danger of life has taken an unpicked bag from one who is not."""
        loser = self.patients.get(bag.asked_by or "")
        taker = self.patients.get(promise.request_id or "")
        return (
            bag.state == "reserved"
            and loser is not None
            and not loser.is_in_danger
            and taker is not None
            and taker.is_in_danger
        )

    def lend(
        self, bag: ModelBag, *, to: str, most: int, doubted: Collection[str], now: datetime
    ) -> None:
        """Predict which bags of this kind are promised to a station: those that expire first.

        Bags of which nobody knows whether they are still there come last.
        """
        fit = [
            candidate
            for candidate in self.bags.values()
            if (candidate.state, candidate.place, candidate.component, candidate.group)
            == ("available", bag.place, bag.component, bag.group)
            and candidate.expires_at > now + self.between_stations
        ]
        in_order = sorted(
            fit,
            key=lambda candidate: (
                candidate.unit_id in doubted,
                len(candidate.lacks),
                candidate.expires_at,
                candidate.unit_id,
            ),
        )
        left, larger = most * WHOLE, list[tuple[int, ModelBag]]()
        lent = list[tuple[int, ModelBag]]()
        for candidate in in_order:
            holds = measure_content(candidate.component, candidate.volume_ml, "unit")
            (larger if holds > left else lent).append((holds, candidate))
            left -= holds if holds <= left else 0
        # Nothing is kept here for others: the smallest of the larger ones covers what is left.
        for holds, candidate in sorted(larger, key=lambda one: one[0]):
            if left > 0:
                left -= holds
                lent.append((holds, candidate))
        for holds, candidate in reversed(lent):
            # Without it there is enough.
            if left + holds <= 0:
                left += holds
            else:
                candidate.lie_for(to)

    def _may_go(self, bag: ModelBag, now: datetime) -> bool:
        """Whether a promised bag may still leave: it fits, arrives in time and is usable there."""
        if bag.lent_to is not None:
            return bag.expires_at > now + self.between_stations
        fits = self._suits(bag, bag.asked_by)
        return self.usable and fits and self._lasts(bag, bag.asked_by, now)

    def _lasts(self, bag: ModelBag, request_id: str | None, now: datetime) -> bool:
        """Whether the bag arrives in time and is good until it has been given."""
        ask = self.patients.get(request_id or "")
        begins_at = now + self.eta if ask is None else max(now + self.eta, ask.needed_by)
        return bag.expires_at >= begins_at + RUNS_IN["red_cells"]

    def _suits(self, bag: ModelBag, request_id: str | None) -> bool:
        """Whether the bag's group may go to the patient as the request now reads."""
        ask = self.patients.get(request_id or "")
        if ask is None:
            return False
        is_passed = ask.is_released and ask.is_in_danger
        if not (is_passed or ask.told.antibodies <= bag.lacks):
            return False
        # Every patient of these lives is a man of 40.
        groups = tuple(sorted(ask.told.groups))
        patient = Patient(
            group=groups[0],
            sex="male",
            age_years=40,
            special=Special(disputed=groups if len(groups) > 1 else ()),
        )
        situation = Situation(component=bag.component, patient=patient, priority=ask.priority)
        return bag.group in get_allowed(situation)

    def scan(self, scan: ModelScan, *, own_hospital_id: str, now: datetime) -> None:
        """Predict the effect of a scan; a refused scan changes nothing."""
        bag = self.bags[scan.unit_id]
        if not self._may_scan(bag, scan, own_hospital_id) or not self._may_become(bag, scan, now):
            return
        becomes = _BECOMES.get(scan.change, scan.change)
        if scan.change == "received" and bag.lent_to:
            bag.lie(bag.lent_to)
            becomes = "available"
        if scan.change == "returned":
            bag.out_s += scan.out_s
        bag.go(becomes)
        if scan.change == "quarantined":
            self.settle(bag.donation_id, now)

    def _may_become(self, bag: ModelBag, scan: ModelScan, now: datetime) -> bool:
        """Whether this bag, in this state, may change in this way now."""
        is_next = _BECOMES.get(scan.change, scan.change) in NEXT[bag.state]
        is_fresh = bag.expires_at > now or scan.change not in FRESH_CHANGES
        has_epoch = scan.right_epoch or scan.change in _WITHOUT_EPOCH
        if not (is_next and is_fresh and has_epoch):
            return False
        match scan.change:
            case "picked" | "issued":
                return self._may_go(bag, now)
            case "transfused":
                return self._suits(bag, bag.asked_by)
            case "restocked":
                if bag.handed_over:
                    return False
                out = timedelta(seconds=bag.out_s)
                return bag.state == "returned" and not find_unrestockable(bag.component, out)
            case _:
                return True

    @staticmethod
    def _may_scan(bag: ModelBag, scan: ModelScan, own_hospital_id: str) -> bool:
        """Whether the sender has the bag: it is its station, or the hospital of its patient."""
        arrives = scan.change == "received" and "received" in NEXT[bag.state]
        if scan.station_id != ((bag.lent_to if arrives else None) or bag.place):
            return False
        if scan.hospital_id is None:
            return True
        is_theirs = scan.hospital_id == own_hospital_id and bag.asked_by is not None
        return is_theirs and "returned" in NEXT[bag.state]

    def give_back(self, units: Iterable[str]) -> None:
        """Predict that a request gives back the bags that were not issued."""
        for unit_id in units:
            bag = self.bags[unit_id]
            if bag.state in {"reserved", "picked"}:
                bag.go("available")

    def expire(self, now: datetime) -> None:
        """Predict which bags have expired at the stations."""
        for bag in self.bags.values():
            if "expired" in NEXT[bag.state] and bag.expires_at <= now:
                bag.go("expired")

    def _is_held_too_late(self, bag: ModelBag, now: datetime) -> bool:
        """Whether a bag is held for a patient whom it could not be given in time any more."""
        is_held = BOUND.get(bag.state) == "held" and bag.asked_by is not None
        return is_held and not self._lasts(bag, bag.asked_by, now)

    def compare(
        self,
        units: Mapping[str, tuple[str, str]],
        promises: Iterable[SeenPromise],
        *,
        now: datetime,
        lapse: bool,
        is_rest: bool,
    ) -> None:
        """Compare with the state of the system, and learn the promises that were made.

        Args:
            units: Unit id to its state and its station, as the system has it.
            promises: The live promises.
            now: Aware UTC instant.
            lapse: Whether holds may have lapsed since the last comparison.
            is_rest: Whether every timer that was due has fired.

        Raises:
            BreachError: The state is not as predicted, and no allowed promise explains it.
        """
        live: dict[str, SeenPromise] = {}
        for promise in promises:
            if promise.unit_id in live:
                raise BreachError(f"{promise.unit_id} is promised twice")
            live[promise.unit_id] = promise
        if units.keys() != self.bags.keys():
            raise BreachError(f"other units: {units.keys() ^ self.bags.keys()}")
        for unit_id, (state, place) in units.items():
            bag = self.bags[unit_id]
            if place != bag.place:
                raise BreachError(f"{unit_id}: foretold at {bag.place}, is at {place}")
            self._compare_one(bag, state, live.get(unit_id), now, lapse=lapse)
        self._count_served()
        if is_rest:
            self._settle_patients(now)

    def _settle_patients(self, now: datetime) -> None:
        """Check that nothing lies promised to a patient who must not have it by now.

        By the way as it was when a bag was promised, which is when its hold was set.
        """
        self.unsettled.clear()
        for bag in self.bags.values():
            is_held = BOUND.get(bag.state) == "held" and bag.asked_by is not None
            if is_held and not self._suits(bag, bag.asked_by):
                raise BreachError(f"{bag.unit_id} is still held for {bag.asked_by}")
            is_due = bag.leaves_by is not None and bag.leaves_by <= now
            if is_due and self._is_held_too_late(bag, now):
                raise BreachError(f"{bag.unit_id} is still held and could not be given in time")

    def _count_served(self) -> None:
        """Check that no request has a bag more than it asked for.

        Units that already left are not called back when a request asks for less.
        """
        for request_id, ask in self.patients.items():
            bags = [bag for bag in self.bags.values() if bag.asked_by == request_id]
            is_waiting = any(BOUND.get(bag.state) == "held" for bag in bags)
            holds = [measure_content(bag.component, bag.volume_ml, "unit") for bag in bags]
            asked = ask.quantity if is_waiting else ask.most
            if bags and sum(holds) - max(holds) >= asked * WHOLE:
                raise BreachError(f"{request_id} has {holds} of {ask}")

    def _compare_one(
        self, bag: ModelBag, state: str, promise: SeenPromise | None, now: datetime, *, lapse: bool
    ) -> None:
        if (promise.status if promise else None) != BOUND.get(state):
            raise BreachError(f"{bag.unit_id}: {state} under {promise}")
        if promise is not None and promise.promise_id != bag.promise_id:
            self._learn(bag, state, promise, now, lapse=lapse)
        elif promise is None and self._may_be_free(bag, now, lapse=lapse) and state == "available":
            bag.go(state)
        elif bag.state != state:
            raise BreachError(f"{bag.unit_id}: foretold {bag.state}, is {state}")

    def _may_be_free(self, bag: ModelBag, now: datetime, *, lapse: bool) -> bool:
        """Whether a hold may have lapsed or be too late, or its request have been decided again."""
        is_held = BOUND.get(bag.state) == "held"
        if self._is_held_too_late(bag, now):
            return True
        return (lapse and bag.state == "reserved") or (is_held and bag.asked_by in self.unsettled)

    def _learn(
        self, bag: ModelBag, state: str, promise: SeenPromise, now: datetime, *, lapse: bool
    ) -> None:
        """Learn a new promise: to a station it must be as predicted; to a request it is judged."""
        if promise.to_station_id is not None:
            if (bag.state, bag.promise_id, bag.lent_to) != (state, None, promise.to_station_id):
                raise BreachError(f"{bag.unit_id}: {bag.state} was lent as {promise}")
            bag.promise_id = promise.promise_id
            return
        may_be_free = self._may_be_free(bag, now, lapse=lapse)
        is_free = bag.state == "available" or may_be_free or self._is_taken(bag, promise)
        if not is_free or state != "reserved":
            raise BreachError(f"{bag.unit_id}: {bag.state} was promised as {state}")
        bag.go("available")
        self._judge(bag, promise, now)
        bag.go(state)
        bag.promise_id, bag.asked_by = promise.promise_id, promise.request_id
        bag.leaves_by = bag.expires_at - RUNS_IN["red_cells"] - self.eta

    def _judge(self, bag: ModelBag, promise: SeenPromise, now: datetime) -> None:
        """Judge a promise: the bag is released, not recalled, compatible, in time and usable."""
        missing, found, _ = self.list_wrong(bag)
        if not bag.released or found or (missing and not bag.attested):
            raise BreachError(f"{bag.unit_id} was promised unreleased")
        if bag.donation_id in self.recalled:
            raise BreachError(f"{bag.unit_id} was promised after its recall")
        # Before an unsettled request is decided again it may yet be promised what suited it before;
        # no scan lets that leave, and at rest nothing is held that does not suit.
        suits = promise.request_id in self.unsettled or self._suits(bag, promise.request_id)
        if bag.component != "red_cells" or not suits:
            raise BreachError(f"{bag.unit_id}: {bag.component} {bag.group} as {promise}")
        if not self._lasts(bag, promise.request_id, now):
            raise BreachError(f"{bag.unit_id} expires before it would be given")
        if bag.place != self.home or not self.usable:
            raise BreachError(f"{bag.unit_id} at {bag.place}, usable: {self.usable}")
