"""The plain model: the possible life of a bag of blood, written a second time without the engine.

Holds the bags as it believes them to be, predicts the effect of each step, and compares. Written
from the sources in the documents, not from the code it judges: it imports no rule of the engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.life.bag import BOUND, Ask, Finding, ModelBag, ModelScan, Promise

RED_CELLS_FROM = {
    "O-": {"O-"},
    "O+": {"O-", "O+"},
    "A-": {"A-", "O-"},
    "A+": {"A-", "A+", "O-", "O+"},
    "B-": {"B-", "O-"},
    "B+": {"B-", "B+", "O-", "O+"},
    "AB-": {"AB-", "A-", "B-", "O-"},
    "AB+": {"AB-", "AB+", "A-", "A+", "B-", "B+", "O-", "O+"},
}
"""Recipient to the groups of red cells that may be given."""

SEVEN = ("hbsag", "anti_hcv", "anti_hiv", "syphilis", "alt", "nat", "grouping")
AT_STATION = {"collected", "quarantined", "available", "reserved", "picked", "returned"}
AT_HOSPITAL = {"issued", "in_transit", "received"}
GONE = {"split", "transfused", "discarded"}
OUT_OF_CONTROL_S = 1800


class BreachError(AssertionError):
    """The system did something that is not allowed or was not predicted."""


def _speaks_against(one: Finding, bag: ModelBag) -> bool:
    is_other_group = one.test == "grouping" and one.found != bag.group
    return one.found == "reactive" or is_other_group


@dataclass(kw_only=True)
class Model:
    """Everything that the model believes.

    Attributes:
        home: The station that supplies the hospital.
        eta: How long a unit is on the road to the hospital; it must not expire on the way.
        between_stations: The same between the two stations.
        usable: Whether the hospital can use red cells.
    """

    home: str
    eta: timedelta
    between_stations: timedelta
    usable: bool = True
    bags: dict[str, ModelBag] = field(default_factory=dict)
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    recalled: set[str] = field(default_factory=set)
    patients: dict[str, Ask] = field(default_factory=dict)

    def count_alive(self) -> int:
        """Count the bags that could still reach a patient."""
        return sum(bag.state not in {*GONE, "expired", "recalled"} for bag in self.bags.values())

    def of_donation(self, donation_id: str) -> list[ModelBag]:
        return [bag for bag in self.bags.values() if bag.donation_id == donation_id]

    def list_wrong(self, bag: ModelBag) -> tuple[bool, bool, bool]:
        """Return whether results are missing, speak against the bag, and do so in two runs."""
        findings = self.findings.get(bag.donation_id, [])
        corrected = {finding.corrects for finding in findings}
        valid = [
            finding
            for finding in findings
            if finding.result_id not in corrected
            and finding.found != "invalid"
            and (finding.station_id in bag.had_by or _speaks_against(finding, bag))
        ]
        missing = set(SEVEN) - {finding.test for finding in valid}
        reactive = [finding for finding in valid if finding.found == "reactive"]
        regrouped = [
            finding
            for finding in valid
            if finding.test == "grouping" and finding.found != bag.group
        ]
        runs = [
            {finding.run for finding in reactive if finding.test == test}
            for test in {o.test for o in reactive}
        ]
        return bool(missing), bool(reactive or regrouped), any(len(run_ids) > 1 for run_ids in runs)

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
            if bag.state not in GONE:
                bag.go("recalled")

    def ask(self, request_id: str, *, group: str, quantity: int) -> None:
        """Note a hospital's request or its amendment."""
        before = self.patients.get(request_id)
        most = max(quantity, before.most) if before else quantity
        self.patients[request_id] = Ask(group=group, quantity=quantity, most=most)

    def lend(self, bag: ModelBag, *, to: str, most: int, now: datetime) -> None:
        """Predict which bags of this kind are promised to a station: those that expire first."""
        fit = [
            candidate
            for candidate in self.bags.values()
            if (candidate.state, candidate.place, candidate.component, candidate.group)
            == ("available", bag.place, bag.component, bag.group)
            and candidate.expires_at > now + self.between_stations
        ]
        for candidate in sorted(
            fit, key=lambda candidate: (candidate.expires_at, candidate.unit_id)
        )[:most]:
            candidate.go("reserved")
            candidate.lent_to = to

    def _may_go(self, bag: ModelBag, now: datetime) -> bool:
        """Whether a promised bag may still leave: it must arrive in time and be usable there."""
        if bag.lent_to is not None:
            return bag.expires_at > now + self.between_stations
        return self.usable and bag.expires_at > now + self.eta

    def _fits(self, bag: ModelBag, now: datetime) -> bool:
        """Whether a bag that was sent is fresh and suits the patient of the current request."""
        ask = self.patients.get(bag.asked_by or "")
        return bag.expires_at > now and ask is not None and bag.group in RED_CELLS_FROM[ask.group]

    def scan(self, scan: ModelScan, *, own_hospital_id: str, now: datetime) -> None:  # noqa: C901 - a table of scans, read from top to bottom
        """Predict the effect of a scan; a refused scan changes nothing."""
        bag = self.bags[scan.unit_id]
        if not self._may_scan(bag, scan, own_hospital_id):
            return
        right_epoch, fresh = scan.right_epoch, bag.expires_at > now
        match scan.change:
            case "quarantined" if bag.state == "collected":
                bag.go("quarantined")
                self.settle(bag.donation_id, now)
            case "picked" if bag.state == "reserved" and right_epoch and self._may_go(bag, now):
                bag.go("picked")
            case "issued" if bag.state in {"reserved", "picked"} and right_epoch:
                if self._may_go(bag, now):
                    bag.go("issued")
            case "departed" if bag.state == "issued" and right_epoch:
                bag.go("in_transit")
            case "received" if bag.state in {"issued", "in_transit"} and right_epoch:
                bag.lie(bag.lent_to or bag.place)
                bag.go("available" if bag.lent_to else "received")
            case "transfused" if bag.state == "received" and right_epoch and self._fits(bag, now):
                bag.go("transfused")
            case "returned" if bag.state in AT_HOSPITAL and right_epoch:
                bag.go("returned")
                bag.out_s += scan.out_s
            case "restocked" if bag.state == "returned" and fresh:
                if bag.component == "red_cells" and bag.out_s <= OUT_OF_CONTROL_S:
                    bag.go("available")
            case "discarded" if bag.state not in {*GONE, "expired"}:
                bag.go("discarded")

    @staticmethod
    def _may_scan(bag: ModelBag, scan: ModelScan, own_hospital_id: str) -> bool:
        """Whether the sender has the bag: it is its station, or the hospital of its patient."""
        arrives = scan.change == "received" and bag.state in {"issued", "in_transit"}
        if scan.station_id != ((bag.lent_to if arrives else None) or bag.place):
            return False
        if scan.hospital_id is None:
            return True
        is_theirs = scan.hospital_id == own_hospital_id and bag.asked_by is not None
        return is_theirs and bag.state in AT_HOSPITAL

    def give_back(self, units: Iterable[str]) -> None:
        """Predict that a request gives back the bags that were not issued."""
        for unit_id in units:
            bag = self.bags[unit_id]
            if bag.state in {"reserved", "picked"}:
                bag.go("available")

    def expire(self, now: datetime) -> None:
        """Predict which bags have expired at the stations."""
        for bag in self.bags.values():
            if bag.state in AT_STATION and bag.expires_at <= now:
                bag.go("expired")

    def compare(
        self,
        units: Mapping[str, tuple[str, str]],
        promises: Iterable[Promise],
        *,
        now: datetime,
        lapse: bool,
    ) -> None:
        """Compare with the state of the system, and learn the promises that were made.

        Args:
            units: Unit id to its state and its station, as the system has it.
            promises: The live promises.
            now: Aware UTC instant.
            lapse: Whether holds may have lapsed since the last comparison.

        Raises:
            BreachError: The state is not as predicted, and no allowed promise explains it.
        """
        live: dict[str, Promise] = {}
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

    def _count_served(self) -> None:
        """Check that no request has more units than it asked for.

        Units that already left are not called back when a request asks for less.
        """
        for request_id, ask in self.patients.items():
            of_request = [bag.state for bag in self.bags.values() if bag.asked_by == request_id]
            is_waiting = any(BOUND.get(state) == "held" for state in of_request)
            if len(of_request) > (ask.quantity if is_waiting else ask.most):
                raise BreachError(f"{request_id} has {of_request} of {ask}")

    def _compare_one(
        self, bag: ModelBag, state: str, promise: Promise | None, now: datetime, *, lapse: bool
    ) -> None:
        if (promise.status if promise else None) != BOUND.get(state):
            raise BreachError(f"{bag.unit_id}: {state} under {promise}")
        if promise is not None and promise.promise_id != bag.promise_id:
            self._learn(bag, state, promise, now, lapse=lapse)
        elif promise is None and lapse and bag.state == "reserved" and state == "available":
            bag.go(state)
        elif bag.state != state:
            raise BreachError(f"{bag.unit_id}: foretold {bag.state}, is {state}")

    def _learn(
        self, bag: ModelBag, state: str, promise: Promise, now: datetime, *, lapse: bool
    ) -> None:
        """Learn a new promise: to a station it must be as predicted; to a request it is judged."""
        if promise.to_station_id is not None:
            if (bag.state, bag.promise_id, bag.lent_to) != (state, None, promise.to_station_id):
                raise BreachError(f"{bag.unit_id}: {bag.state} was lent as {promise}")
            bag.promise_id = promise.promise_id
            return
        is_free = bag.state == "available" or (lapse and bag.state == "reserved")
        if not is_free or state != "reserved":
            raise BreachError(f"{bag.unit_id}: {bag.state} was promised as {state}")
        bag.go("available")
        self._judge(bag, promise, now)
        bag.go(state)
        bag.promise_id, bag.asked_by = promise.promise_id, promise.request_id

    def _judge(self, bag: ModelBag, promise: Promise, now: datetime) -> None:
        """Judge a promise: the bag is released, not recalled, compatible, in time and usable."""
        ask = self.patients[promise.request_id or ""]
        missing, found, _ = self.list_wrong(bag)
        if not bag.released or found or (missing and not bag.attested):
            raise BreachError(f"{bag.unit_id} was promised unreleased")
        if bag.donation_id in self.recalled:
            raise BreachError(f"{bag.unit_id} was promised after its recall")
        if bag.group not in RED_CELLS_FROM[ask.group] or bag.component != "red_cells":
            raise BreachError(f"{bag.unit_id}: {bag.component} {bag.group} for {ask.group}")
        if bag.expires_at <= now + self.eta:
            raise BreachError(f"{bag.unit_id} expires before it would arrive")
        if bag.place != self.home or not self.usable:
            raise BreachError(f"{bag.unit_id} at {bag.place}, usable: {self.usable}")
