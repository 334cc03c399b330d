"""The plain model: what may become of a bag of blood, said once more without the engine's words.

Holds the bags as it believes them to be, foretells what each step does, and compares. Written from
the sources in the documents, not from the code it judges: it imports no rule of the engine.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

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
GONE = {"split", "transfused", "discarded"}
OUT_OF_CONTROL_S = 1800
BOUND = {"reserved": "held", "picked": "held", "issued": "issued", "in_transit": "issued"}
"""States under a live promise, and the status of that promise."""


@dataclass(slots=True, kw_only=True)
class Bag:
    """One bag as the model believes it to be.

    Attributes:
        released: It was in stock at least once.
        attested: Its station said so, before any test of ours.
        promise_id: Of its live promise.
    """

    unit_id: str
    donation_id: str
    group: str
    component: str
    state: str
    expires_at: datetime
    released: bool = False
    attested: bool = False
    out_s: int = 0
    promise_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One laboratory result; `found` is an outcome, or the group of a grouping."""

    result_id: str
    test: str
    found: str
    run: str
    corrects: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """A promise as the system tells it."""

    promise_id: str
    unit_id: str
    request_id: str
    status: str


class BreachError(AssertionError):
    """The system did what no station may do, or other than was foretold."""


@dataclass(kw_only=True)
class Model:
    """Everything that the model believes.

    Attributes:
        patients: Request id to the patient's group and the units asked for.
        eta: How long a unit is on the road; it must not expire there.
    """

    eta: timedelta
    bags: dict[str, Bag] = field(default_factory=dict)
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    recalled: set[str] = field(default_factory=set)
    patients: dict[str, tuple[str, int]] = field(default_factory=dict)

    def of_donation(self, donation_id: str) -> list[Bag]:
        return [bag for bag in self.bags.values() if bag.donation_id == donation_id]

    def list_wrong(self, donation_id: str, label: str) -> tuple[bool, bool, bool]:
        """Return whether anything is missing, was found, and was found twice over."""
        findings = self.findings.get(donation_id, [])
        corrected = {one.corrects for one in findings}
        valid = [
            one for one in findings if one.result_id not in corrected and one.found != "invalid"
        ]
        missing = set(SEVEN) - {one.test for one in valid}
        reactive = [one for one in valid if one.found == "reactive"]
        regrouped = [one for one in valid if one.test == "grouping" and one.found != label]
        runs = [
            {one.run for one in reactive if one.test == test} for test in {o.test for o in reactive}
        ]
        return bool(missing), bool(reactive or regrouped), any(len(one) > 1 for one in runs)

    def may_count(self, donation_id: str, *, group: str, released: bool) -> bool:
        """Whether a bag that was not known may come in with a count."""
        if donation_id in self.recalled:
            return False
        if not released:
            return True
        kept = {"collected", "quarantined", "split"}
        if any(bag.state in kept and not bag.released for bag in self.of_donation(donation_id)):
            return False
        return not self.list_wrong(donation_id, group)[1]

    def settle(self, donation_id: str, now: datetime) -> None:
        """Foretell what results do to the bags of a donation."""
        bags = self.of_donation(donation_id)
        for bag in bags:
            missing, found, _ = self.list_wrong(donation_id, bag.group)
            is_bad = found or (missing and not bag.attested)
            if bag.released and is_bad and bag.state not in {"discarded", "recalled", "split"}:
                self.recall(donation_id)
                return
        for bag in bags:
            if bag.state not in {"collected", "quarantined"} or bag.released:
                continue
            missing, found, twice = self.list_wrong(donation_id, bag.group)
            if found and twice:
                bag.state = "discarded"
            elif bag.state == "quarantined" and not (missing or found) and bag.expires_at > now:
                bag.state, bag.released = "available", True

    def recall(self, donation_id: str) -> None:
        bags = self.of_donation(donation_id)
        if bags:
            self.recalled.add(donation_id)
        for bag in bags:
            if bag.state not in GONE:
                bag.state, bag.promise_id = "recalled", None

    def scan(  # noqa: C901 - a table of scans, read from top to bottom
        self, unit_id: str, change: str, *, right_epoch: bool, out_s: int, now: datetime
    ) -> None:
        """Foretell a scan; one that is refused changes nothing."""
        bag = self.bags[unit_id]
        fresh = bag.expires_at > now
        # What runs out on the way is not sent, however fresh it is now.
        may_go = right_epoch and bag.expires_at > now + self.eta
        match change:
            case "quarantined" if bag.state == "collected":
                bag.state = "quarantined"
                self.settle(bag.donation_id, now)
            case "picked" if bag.state == "reserved" and may_go:
                bag.state = "picked"
            case "issued" if bag.state in {"reserved", "picked"} and may_go:
                bag.state = "issued"
            case "departed" if bag.state == "issued" and right_epoch:
                bag.state = "in_transit"
            case "received" if bag.state in {"issued", "in_transit"} and right_epoch:
                bag.state, bag.promise_id = "received", None
            case "transfused" if bag.state == "received" and right_epoch and fresh:
                bag.state = "transfused"
            case "returned" if bag.state in {"issued", "in_transit", "received"} and right_epoch:
                bag.state, bag.promise_id = "returned", None
                bag.out_s += out_s
            case "restocked" if bag.state == "returned" and fresh:
                if bag.component == "red_cells" and bag.out_s <= OUT_OF_CONTROL_S:
                    bag.state = "available"
            case "discarded" if bag.state not in {*GONE, "expired"}:
                bag.state, bag.promise_id = "discarded", None

    def give_back(self, units: Iterable[str]) -> None:
        """Foretell that a request lets go of what was not issued."""
        for unit_id in units:
            bag = self.bags[unit_id]
            if bag.state in {"reserved", "picked"}:
                bag.state, bag.promise_id = "available", None

    def expire(self, now: datetime) -> None:
        for bag in self.bags.values():
            if bag.state in AT_STATION and bag.expires_at <= now:
                bag.state, bag.promise_id = "expired", None

    def compare(
        self, states: dict[str, str], promises: Iterable[Promise], *, now: datetime, lapse: bool
    ) -> None:
        """Compare with how things stand, and learn the promises that were made.

        Args:
            states: Unit id to its state, as the system has it.
            promises: The live ones.
            now: Aware UTC instant.
            lapse: Whether holds may have lapsed since the last look.

        Raises:
            BreachError: Something is not as foretold and no promise of ours explains it.
        """
        live: dict[str, Promise] = {}
        for promise in promises:
            if promise.unit_id in live:
                raise BreachError(f"{promise.unit_id} is promised twice")
            live[promise.unit_id] = promise
        if states.keys() != self.bags.keys():
            raise BreachError(f"other units: {states.keys() ^ self.bags.keys()}")
        for unit_id, state in states.items():
            self._compare_one(self.bags[unit_id], state, live.get(unit_id), now, lapse=lapse)
        for request_id, (_, quantity) in self.patients.items():
            served = sum(promise.request_id == request_id for promise in live.values())
            if served > quantity:
                raise BreachError(f"{request_id} has {served} of {quantity}")

    def _compare_one(
        self, bag: Bag, state: str, promise: Promise | None, now: datetime, *, lapse: bool
    ) -> None:
        if (promise.status if promise else None) != BOUND.get(state):
            raise BreachError(f"{bag.unit_id}: {state} under {promise}")
        if promise is not None and promise.promise_id != bag.promise_id:
            is_free = bag.state == "available" or (lapse and bag.state == "reserved")
            if not is_free or state != "reserved":
                raise BreachError(f"{bag.unit_id}: {bag.state} was promised as {state}")
            self._judge(bag, promise, now)
            bag.state, bag.promise_id = state, promise.promise_id
        elif promise is None and lapse and bag.state == "reserved" and state == "available":
            bag.state, bag.promise_id = state, None
        elif bag.state != state:
            raise BreachError(f"{bag.unit_id}: foretold {bag.state}, is {state}")

    def _judge(self, bag: Bag, promise: Promise, now: datetime) -> None:
        """Judge a new promise: released, not recalled, of a fitting group, in time."""
        group = self.patients[promise.request_id][0]
        missing, found, _ = self.list_wrong(bag.donation_id, bag.group)
        if not bag.released or found or (missing and not bag.attested):
            raise BreachError(f"{bag.unit_id} was promised unreleased")
        if bag.donation_id in self.recalled:
            raise BreachError(f"{bag.unit_id} was promised after its recall")
        if bag.group not in RED_CELLS_FROM[group] or bag.component != "red_cells":
            raise BreachError(f"{bag.unit_id}: {bag.component} {bag.group} for {group}")
        if bag.expires_at <= now + self.eta:
            raise BreachError(f"{bag.unit_id} expires before it would arrive")
