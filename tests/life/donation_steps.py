"""Steps on donations and their units: counted, collected, split, tested, recalled."""

from __future__ import annotations

from datetime import timedelta

from checker.shelf_lives import UNSTATED_DAYS
from checker.unit_states import NEEDED_TESTS
from models.components import Component
from models.donors import Answer, CallOut, Donation
from models.events.donations import DonationRecalled, DonationSplit, DonationTested, MadeComponent
from models.events.donors import CallOutAnswered
from models.events.stock import Attestation, CountedUnit, StockCounted
from models.groups import BloodGroup
from models.laboratory import LabOutcome, LabResult, LabTest
from tests.life.facilities import NEIGHBOUR_ID, STATION_ID
from tests.life.model_objects import LabFinding, ModelBag
from tests.life.step_tools import Hand, to_bag
from tests.oracle.components import COMPONENTS

_SHARE_RELEASED = 0.5
_SHARE_AT_NEIGHBOUR = 0.2
_SHARE_SEPARATED = 0.2
_SHARE_FROZEN = 0.15
_SHARE_CORRECTIONS = 0.5
_FOUND = {"result_id", "test", "outcome", "supersedes", "performed_at", "run_id", "method"}
_MADE = (Component.RED_CELLS, Component.FRESH_FROZEN_PLASMA)
_TESTS = sorted(NEEDED_TESTS | {"nat"})
_METHODS = ("driven", "triplex HBV HCV HIV", "PCR HBV", "HCV/HIV duplex", "HEV RNA")


async def count(hand: Hand) -> None:
    """A stock count names a unit that was not known, with or without an attested release."""
    station_id = NEIGHBOUR_ID if hand.happens(_SHARE_AT_NEIGHBOUR) else STATION_ID
    is_frozen = hand.happens(_SHARE_FROZEN)
    component = Component.FROZEN_RED_CELLS if is_frozen else Component.RED_CELLS
    unit = hand.make_unit(component, station_id=station_id, may_be_typed=not is_frozen)
    released = hand.happens(_SHARE_RELEASED)
    who = Attestation(released_by="quality", released_at=unit.collected_at)
    counted = CountedUnit(unit=unit, released=released)
    await hand.send(
        StockCounted(station_id=station_id, counted_at=hand.now, units=(counted,), attestation=who),
        f"station/{station_id}",
    )
    bag = to_bag(unit, "available" if released else "quarantined", attested=released)
    if not hand.model.may_count(bag):
        return
    hand.model.bags[bag.unit_id] = bag
    if not released:
        hand.model.settle(unit.donation_id, hand.now)


async def collect(hand: Hand) -> None:
    """A called donor gives whole blood, which is kept as it is or separated at once."""
    separated = hand.happens(_SHARE_SEPARATED)
    unit = hand.make_unit(Component.RED_CELLS if separated else Component.WHOLE_BLOOD)
    call = CallOut(
        call_out_id=hand.next("call"),
        donor_id=hand.next("donor"),
        station_id=STATION_ID,
        cause_id="ended",
        wave=1,
        called_at=unit.collected_at,
    )
    await hand.system.await_donor(call, unit.group)
    await hand.send(
        CallOutAnswered(
            call_out_id=call.call_out_id,
            donor_id=call.donor_id,
            station_id=STATION_ID,
            answer=Answer.DONATED,
            answered_at=hand.now,
            donation=Donation.model_validate(unit.model_dump(exclude={"station_id", "traits"})),
        )
    )
    if unit.donation_id in hand.model.recalled:
        return
    hand.believe(unit, "quarantined" if separated else "collected")
    if separated:
        hand.model.settle(unit.donation_id, hand.now)


async def split(hand: Hand) -> None:
    """A bag of whole blood is made into two components."""
    bags = hand.model.bags.values()
    bag = hand.pick([bag for bag in bags if bag.component == "whole_blood"])
    if bag is None:
        return
    made = [
        MadeComponent(unit_id=hand.next("u"), component=component, volume_ml=150)
        for component in _MADE
    ]
    await hand.send(
        DonationSplit(
            station_id=STATION_ID,
            donation_id=bag.donation_id,
            unit_id=bag.unit_id,
            split_at=hand.now,
            components=tuple(made),
        )
    )
    if bag.state not in {"collected", "quarantined"} or bag.place != STATION_ID:
        return
    bag.go("split")
    for made_component in made:
        hand.model.bags[made_component.unit_id] = ModelBag(
            unit_id=made_component.unit_id,
            donation_id=bag.donation_id,
            group=bag.group,
            component=made_component.component,
            volume_ml=made_component.volume_ml,
            state="quarantined",
            place=STATION_ID,
            had_by=set(bag.had_by),
            collected_at=bag.collected_at,
            expires_at=bag.collected_at
            + timedelta(days=COMPONENTS[made_component.component].shelf_d),
        )
    hand.model.settle(bag.donation_id, hand.now)


async def deglycerolise(hand: Hand) -> None:
    """A station takes the glycerol out of a frozen bag, which may be in stock already."""
    bags = hand.model.bags.values()
    bag = hand.pick([bag for bag in bags if bag.component == "frozen_red_cells"])
    if bag is None:
        return
    made = MadeComponent(
        unit_id=hand.next("u"),
        component=Component.DEGLYCEROLISED_RED_CELLS,
        volume_ml=bag.volume_ml,
    )
    await hand.send(
        DonationSplit(
            station_id=STATION_ID,
            donation_id=bag.donation_id,
            unit_id=bag.unit_id,
            split_at=hand.now,
            components=(made,),
        )
    )
    if bag.state not in {"available", "quarantined"} or bag.place != STATION_ID:
        return
    # What a station attested of the bag holds of what is made of it; else the results say it.
    is_attested = bag.attested and bag.state == "available"
    bag.go("split")
    hand.model.bags[made.unit_id] = ModelBag(
        unit_id=made.unit_id,
        donation_id=bag.donation_id,
        group=bag.group,
        component=made.component,
        volume_ml=made.volume_ml,
        state="available" if is_attested else "quarantined",
        place=STATION_ID,
        had_by=set(bag.had_by),
        collected_at=bag.collected_at,
        expires_at=hand.now + timedelta(days=UNSTATED_DAYS["deglycerolised_red_cells"]),
        released=is_attested,
        attested=is_attested,
    )
    hand.model.settle(bag.donation_id, hand.now)


async def send_one(hand: Hand) -> None:
    """Send a result of any kind, which may correct an earlier result."""
    bag = hand.pick(list(hand.model.bags.values()))
    if bag is None:
        return
    test = hand.chance.choice(_TESTS)
    if test == "grouping":
        found = hand.chance.choice((bag.group, bag.group, "AB-", "invalid"))
    else:
        found = hand.chance.choice(("nonreactive", "nonreactive", "reactive", "invalid"))
    known = [
        finding for finding in hand.model.findings.get(bag.donation_id, []) if finding.test == test
    ]
    corrected = {finding.supersedes for finding in known}
    uncorrected = hand.pick([finding for finding in known if finding.result_id not in corrected])
    corrects = None
    if uncorrected is not None and hand.happens(_SHARE_CORRECTIONS):
        corrects = uncorrected.result_id
    await _send_result(hand, bag, test, found, corrects=corrects)


async def send_results(hand: Hand) -> None:
    """Send every result that a donation still lacks, all of them clear."""
    bags = hand.model.bags.values()
    bag = hand.pick([bag for bag in bags if bag.state == "quarantined"])
    if bag is None:
        return
    findings = hand.model.findings.get(bag.donation_id, [])
    done = {finding.test for finding in findings if finding.station_id in bag.had_by}
    for test in _TESTS:
        if test in NEEDED_TESTS - done:
            found = bag.group if test == "grouping" else "nonreactive"
            await _send_result(hand, bag, test, found)


async def _send_result(
    hand: Hand, bag: ModelBag, test: str, found: str, *, corrects: str | None = None
) -> None:
    """Send a result from the laboratory of the station that has a bag of the donation."""
    known = hand.model.findings.get(bag.donation_id, [])
    is_group = test == "grouping" and found != "invalid"
    result = LabResult(
        result_id=hand.next("r"),
        test=LabTest(test),
        outcome=None if is_group else LabOutcome(found),
        group=BloodGroup(found) if is_group else None,
        method=hand.chance.choice(_METHODS) if test == "nat" else "driven",
        run_id=hand.next("run"),
        performed_at=hand.now,
        performed_by="laboratory",
        supersedes=corrects,
        note="corrected" if corrects else "",
    )
    tested = DonationTested(station_id=bag.place, donation_id=bag.donation_id, result=result)
    await hand.send(tested, f"station/{bag.place}")
    others = {other.result_id for other in known if other.station_id != bag.place}
    if corrects in others:
        return  # a station may correct its own results only
    finding = LabFinding(
        donation_id=bag.donation_id,
        station_id=bag.place,
        recorded_at=hand.now,
        **result.model_dump(include=_FOUND),
        blood_group=result.group,
    )
    hand.model.findings.setdefault(bag.donation_id, []).append(finding)
    hand.model.settle(bag.donation_id, hand.now)


async def recall(hand: Hand) -> None:
    """A donation is recalled, wherever its units are."""
    bag = hand.pick(list(hand.model.bags.values()))
    if bag is None:
        return
    await hand.send(
        DonationRecalled(
            station_id=bag.place,
            donation_id=bag.donation_id,
            recall_id=hand.next("c"),
            reason="driven",
            recalled_at=hand.now,
            recalled_by="quality",
        ),
        f"station/{bag.place}",
    )
    hand.model.recall(bag.donation_id)
