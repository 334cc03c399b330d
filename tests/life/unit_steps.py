"""Steps on units: scans, and offers of a station to its neighbour."""

from __future__ import annotations

from datetime import timedelta

from models.components import Component
from models.events.shortages import OfferMade
from models.events.stock import UNDER_PROMISE, StockChange, StockChanged
from models.groups import BloodGroup
from models.shortages import Offer, Shortage, ShortageLevel, ShortageStatus
from tests.life.facilities import HOSPITAL_ID, NEIGHBOUR_ID, OTHER_HOSPITAL_ID, STATION_ID
from tests.life.model_objects import ModelBag, ModelScan
from tests.life.step_tools import Hand

_SHARE_UNDER_WAY = 0.6
_SHARE_NEXT_STEPS = 0.75
_SHARE_RIGHT_EPOCHS = 0.9
_SHARE_RIGHT_STATIONS = 0.95

_NEXT = {
    "collected": (StockChange.QUARANTINED,),
    "reserved": (StockChange.PICKED, StockChange.ISSUED),
    "picked": (StockChange.ISSUED,),
    "issued": (StockChange.DEPARTED, StockChange.RECEIVED),
    "in_transit": (StockChange.RECEIVED, StockChange.RETURNED),
    "received": (StockChange.TRANSFUSED, StockChange.RETURNED),
    "returned": (StockChange.RESTOCKED,),
}
_BY_HOSPITAL = frozenset(
    {StockChange.RECEIVED, StockChange.TRANSFUSED, StockChange.RETURNED, StockChange.DISCARDED}
)


async def scan(hand: Hand) -> None:
    """Scan a unit: mostly by the right sender with the next change, sometimes anything else."""
    bags = list(hand.model.bags.values())
    under_way = [bag for bag in bags if bag.state in _NEXT]
    bag = hand.pick(under_way if under_way and hand.happens(_SHARE_UNDER_WAY) else bags)
    if bag is None:
        return
    change = _draw_change(hand, bag)
    epoch = (await hand.system.look()).units[bag.unit_id].epoch
    scanned = ModelScan(
        unit_id=bag.unit_id,
        change=change,
        station_id=_draw_station(hand, bag, change),
        hospital_id=_draw_hospital(hand, change),
        right_epoch=hand.happens(_SHARE_RIGHT_EPOCHS) and epoch > 0,
        out_s=hand.chance.choice((300, 1000, 1801)),
    )
    presented = epoch if scanned.right_epoch else epoch + 1
    who = scanned.hospital_id
    await hand.send(
        StockChanged(
            station_id=scanned.station_id,
            unit_id=bag.unit_id,
            change=change,
            happened_at=hand.now,
            epoch=presented if change in UNDER_PROMISE else None,
            out_of_control_s=scanned.out_s if change is StockChange.RETURNED else None,
        ),
        f"hospital/{who}" if who else f"station/{scanned.station_id}",
    )
    hand.model.scan(scanned, own_hospital_id=HOSPITAL_ID, now=hand.now)


def _draw_change(hand: Hand, bag: ModelBag) -> StockChange:
    if bag.state in _NEXT and hand.happens(_SHARE_NEXT_STEPS):
        return hand.chance.choice(_NEXT[bag.state])
    return hand.chance.choice(list(StockChange))


def _draw_station(hand: Hand, bag: ModelBag, change: StockChange) -> str:
    """Draw the station that scans: mostly the receiver of a lent unit, else the unit's station."""
    arrives = change is StockChange.RECEIVED and bag.lent_to is not None
    right = (bag.lent_to if arrives else None) or bag.place
    return right if hand.happens(_SHARE_RIGHT_STATIONS) else _other(right)


def _draw_hospital(hand: Hand, change: StockChange) -> str | None:
    """Draw who scans: the station, often the patient's hospital, seldom another hospital."""
    if change not in _BY_HOSPITAL:
        return None
    return hand.chance.choice((None, None, HOSPITAL_ID, HOSPITAL_ID, OTHER_HOSPITAL_ID))


async def lend(hand: Hand) -> None:
    """A station has a shortage, and the other station offers one or two units that it has."""
    bags = hand.model.bags.values()
    bag = hand.pick([bag for bag in bags if bag.state == "available"])
    if bag is None:
        return
    group, component = BloodGroup(bag.group), Component(bag.component)
    shortage = Shortage(
        shortage_id=f"lack-{_other(bag.place)}-{component}-{group.name}",
        station_id=_other(bag.place),
        component=component,
        group=group,
        level=ShortageLevel.RED,
        status=ShortageStatus.OPEN,
        units_missing=100,
        uncovered_units=0,
        donor_groups=(group,),
        version=1,
        assessed_at=hand.now,
    )
    offer = Offer(
        offer_id=hand.next("o"),
        shortage_id=shortage.shortage_id,
        from_station_id=bag.place,
        to_station_id=shortage.station_id,
        component=component,
        group=group,
        quantity=hand.chance.randint(1, 2),
        valid_until=hand.now + timedelta(minutes=1),
        below_floor=True,
    )
    await hand.system.declare(shortage)
    seen = (await hand.system.look()).units
    doubted = {unit_id for unit_id, unit in seen.items() if unit.may_have_left}
    await hand.send(OfferMade(offer=offer), f"station/{bag.place}")
    hand.model.lend(bag, to=shortage.station_id, most=offer.quantity, doubted=doubted, now=hand.now)


def _other(station_id: str) -> str:
    return NEIGHBOUR_ID if station_id == STATION_ID else STATION_ID
