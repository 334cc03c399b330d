"""Steps of dispatchers: they give a bag by hand, take one back, hold one and end its hold."""

from __future__ import annotations

from checker.unit_states import NEXT
from models.events.hand_work import BagGiven, BagTakenBack, HoldEnded, HoldPlaced
from tests.life.facilities import HOSPITAL_ID, NEIGHBOUR_ID, STATION_ID
from tests.life.model import BreachError
from tests.life.model_objects import ModelBag, SeenPromise
from tests.life.step_tools import Hand

_DESK = "dispatcher/night-desk"
_SIGNED = {"by": "Tsering", "reason": "for the sake of it"}
_SHARE_RIGHT_STATIONS = 0.9
_SHARE_ON_HOLD = 0.8


async def hold(hand: Hand) -> None:
    """A dispatcher holds a bag, now and then of another station than it lies at."""
    bag = hand.pick(list(hand.model.bags.values()))
    if bag is None:
        return
    station_id = _draw_station(hand, bag)
    placed = HoldPlaced(station_id=station_id, unit_id=bag.unit_id, **_SIGNED)
    await hand.send(placed, _DESK)
    if station_id == bag.place and "on_hold" in NEXT[bag.state]:
        bag.go("on_hold")


async def end_hold(hand: Hand) -> None:
    """A dispatcher ends a hold, now and then where there is none."""
    bags = list(hand.model.bags.values())
    held = [bag for bag in bags if bag.state == "on_hold"]
    bag = hand.pick(held if held and hand.happens(_SHARE_ON_HOLD) else bags)
    if bag is None:
        return
    station_id = _draw_station(hand, bag)
    await hand.send(HoldEnded(station_id=station_id, unit_id=bag.unit_id, **_SIGNED), _DESK)
    if bag.state == "on_hold" and station_id == bag.place:
        bag.go("available")


async def give(hand: Hand) -> None:
    """A dispatcher gives any bag to any request; whether it may have it, the model judges."""
    request_id = hand.pick(list(hand.model.patients))
    bag = hand.pick(list(hand.model.bags.values()))
    if request_id is None or bag is None:
        return
    given = BagGiven(
        request_id=request_id,
        hospital_id=HOSPITAL_ID,
        station_id=STATION_ID,
        line_no=1,
        unit_id=bag.unit_id,
        **_SIGNED,
    )
    before = await _find_promise(hand, bag)
    await hand.send(given, _DESK)
    after = await _find_promise(hand, bag)
    if after is not None and after != before and after.request_id == request_id:
        _ensure_there_to_be_given(hand, bag, request_id)
        bag.go("available")


async def take_back(hand: Hand) -> None:
    """A dispatcher takes a bag back from a request that holds it."""
    held = (await hand.system.look()).held
    request_id = hand.pick([of for of in held if held[of]])
    if request_id is None:
        return
    bag = hand.model.bags[hand.chance.choice(sorted(held[request_id]))]
    taken = BagTakenBack(
        request_id=request_id,
        hospital_id=HOSPITAL_ID,
        station_id=STATION_ID,
        unit_id=bag.unit_id,
        **_SIGNED,
    )
    await hand.send(taken, _DESK)
    if bag.state != "reserved":
        return
    promise = await _find_promise(hand, bag)
    if promise is not None and promise.request_id == request_id:
        raise BreachError(f"{bag.unit_id} was taken back from {request_id} and is still its own")
    bag.go("available")


def _ensure_there_to_be_given(hand: Hand, bag: ModelBag, request_id: str) -> None:
    """Check whose a bag was that was given; whether it suits is judged with its promise."""
    patients = hand.model.patients
    loser = patients.get(bag.asked_by or "")
    is_taken = (
        bag.state == "reserved" and loser is not None and patients[request_id].rank < loser.rank
    )
    if bag.state not in {"available", "on_hold"} and not is_taken:
        raise BreachError(f"{bag.unit_id}: {bag.state} was given to {request_id} by hand")


async def _find_promise(hand: Hand, bag: ModelBag) -> SeenPromise | None:
    promises = (await hand.system.look()).promises
    return next((promise for promise in promises if promise.unit_id == bag.unit_id), None)


def _draw_station(hand: Hand, bag: ModelBag) -> str:
    other = NEIGHBOUR_ID if bag.place == STATION_ID else STATION_ID
    return bag.place if hand.happens(_SHARE_RIGHT_STATIONS) else other
