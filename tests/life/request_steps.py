"""Steps of hospitals: they request, amend, cancel, and change what they can use."""

from __future__ import annotations

from datetime import timedelta

from models.components import Component
from models.events.requests import RequestAmended, RequestCancelled, RequestOpened
from models.groups import BloodGroup
from models.patients import Patient, Sex
from models.requests import Amendment, Cancellation, Priority, RequestLine, UrgentRequest
from tests.life.hand import Hand
from tests.life.town import ETA_S, GROUPS, HOSPITAL_ID, STATION_ID, build_directory

_SOURCE = f"hospital/{HOSPITAL_ID}"
_SHARE_USABLE = 0.8


async def ask(hand: Hand) -> None:
    """A hospital requests one or two units of red cells."""
    request_id, (group, quantity) = hand.next("q"), _draw(hand)
    priority = hand.chance.choice(list(Priority))
    request = UrgentRequest(
        request_id=request_id,
        hospital_id=HOSPITAL_ID,
        station_id=STATION_ID,
        patient=_patient(group),
        priority=priority,
        needed_by=hand.now + timedelta(hours=hand.chance.choice((1, 12))),
        lines=(_line(quantity),),
    )
    hand.model.ask(
        request_id,
        group=group,
        quantity=quantity,
        needed_by=request.needed_by,
        priority=priority,
    )
    await hand.send(RequestOpened(request=request), _SOURCE)


async def amend(hand: Hand) -> None:
    """A hospital amends a request to another group and another number of units."""
    request_id = hand.pick(list(hand.model.patients))
    if request_id is None:
        return
    held = (await hand.system.look()).held.get(request_id)
    group, quantity = _draw(hand)
    amendment = Amendment(
        request_id=request_id,
        hospital_id=HOSPITAL_ID,
        station_id=STATION_ID,
        patient=_patient(group),
        lines=(_line(quantity),),
    )
    await hand.send(RequestAmended(amendment=amendment), _SOURCE)
    if held is not None:
        hand.model.give_back(held)
        hand.model.amend(request_id, group=group, quantity=quantity)


async def cancel(hand: Hand) -> None:
    """A hospital cancels a request, whose units still at the station are given back."""
    request_id = hand.pick(list(hand.model.patients))
    if request_id is None:
        return
    held = (await hand.system.look()).held.get(request_id)
    cancellation = Cancellation(
        request_id=request_id, hospital_id=HOSPITAL_ID, station_id=STATION_ID, reason="x"
    )
    await hand.send(RequestCancelled(cancellation=cancellation), _SOURCE)
    if held is not None:
        hand.model.give_back(held)


async def refit(hand: Hand) -> None:
    """The road to the hospital gets longer or shorter; the hospital can use red cells or not."""
    usable, eta_s = hand.happens(_SHARE_USABLE), hand.chance.choice((ETA_S, ETA_S, 4 * ETA_S))
    cannot_use = () if usable else (Component.RED_CELLS,)
    await hand.system.put_directory(build_directory(eta_s=eta_s, cannot_use=cannot_use))
    hand.model.usable, hand.model.eta = usable, timedelta(seconds=eta_s)


def _draw(hand: Hand) -> tuple[str, int]:
    return hand.chance.choice((*GROUPS, "AB+")), hand.chance.randint(1, 2)


def _patient(group: str) -> Patient:
    return Patient(group=BloodGroup(group), sex=Sex.MALE, age_years=40)


def _line(quantity: int) -> RequestLine:
    return RequestLine(line_no=1, component=Component.RED_CELLS, quantity=quantity)
