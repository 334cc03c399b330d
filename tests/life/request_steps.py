"""Steps of hospitals: they request, amend, cancel, and change what they can use."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypedDict

from models.components import Component
from models.emergency_release import EmergencyRelease
from models.events.requests import PatientChanged, RequestAmended, RequestCancelled, RequestOpened
from models.groups import BloodGroup
from models.patient_records import PatientChange, PatientCorrection
from models.patients import Patient, Sex
from models.requests import Amendment, Cancellation, Priority, RequestLine, UrgentRequest
from tests.life.facilities import ETA_S, GROUPS, HOSPITAL_ID, STATION_ID, build_directory
from tests.life.model_objects import Ask, Told
from tests.life.step_tools import ANTIGENS, Hand

_SOURCE = f"hospital/{HOSPITAL_ID}"
_SHARE_USABLE = 0.8
_SHARE_ANTIBODIES = 0.25
_SHARE_RELEASED = 0.3
_REFERENCES = (None, "P1", "P2", "P3")
_RELEASE = EmergencyRelease(clinician="Dr A", reason="bleeds to death")


class _ToldOf(TypedDict):
    """What is told of a patient at once."""

    group: str
    antibodies: tuple[str, ...]


async def ask(hand: Hand) -> None:
    """A hospital requests one or two units of red cells, often for a patient who is known."""
    request_id, told, quantity = hand.next("q"), _draw_told(hand), hand.chance.randint(1, 2)
    reference = hand.chance.choice(_REFERENCES)
    priority = hand.chance.choice(list(Priority))
    is_released = hand.happens(_SHARE_RELEASED)
    request = UrgentRequest(
        request_id=request_id,
        hospital_id=HOSPITAL_ID,
        station_id=STATION_ID,
        patient=_patient(told, reference and hand.own(reference)),
        priority=priority,
        needed_by=hand.now + timedelta(hours=hand.chance.choice((1, 12))),
        lines=(_line(quantity),),
        emergency_release=_RELEASE if is_released else None,
    )
    known = hand.model.records.setdefault(reference, Told()) if reference else Told()
    asked = Ask(
        told=known,
        is_released=is_released,
        priority=priority,
        needed_by=request.needed_by,
        quantity=quantity,
        most=quantity,
    )
    live = (await hand.system.look()).held
    await hand.send(RequestOpened(request=request), _SOURCE)
    if known.learn(**told):
        hand.model.unsettle(known, live)
    hand.model.ask(request_id, asked)


async def amend(hand: Hand) -> None:
    """A hospital tells another group, or an antibody, and asks for another number of units."""
    request_id = hand.pick(list(hand.model.patients))
    if request_id is None:
        return
    live = (await hand.system.look()).held
    told, quantity = _draw_told(hand), hand.chance.randint(1, 2)
    amendment = Amendment(
        request_id=request_id,
        hospital_id=HOSPITAL_ID,
        station_id=STATION_ID,
        patient=_patient(told),
        lines=(_line(quantity),),
    )
    await hand.send(RequestAmended(amendment=amendment), _SOURCE)
    if request_id not in live:
        return
    known = hand.model.patients[request_id].told
    hand.model.give_back(live[request_id])
    hand.model.amend(request_id, quantity=quantity)
    if known.learn(**told):
        hand.model.unsettle(known, live.keys() - {request_id})


async def inform(hand: Hand) -> None:
    """A hospital tells something of a patient beside any request."""
    reference = hand.chance.choice([known for known in _REFERENCES if known])
    told = _draw_told(hand)
    live = (await hand.system.look()).held
    await _change(hand, reference, patient=_patient(told))
    known = hand.model.records.setdefault(reference, Told())
    if known.learn(**told):
        hand.model.unsettle(known, live)


async def correct(hand: Hand) -> None:
    """A named person says which group is right, or that there is no antibody."""
    reference = hand.pick(list(hand.model.records))
    if reference is None:
        return
    known = hand.model.records[reference]
    live = (await hand.system.look()).held
    by = {"person": "Dr A", "reason": "two new samples"}
    if known.antibodies and hand.happens(_SHARE_ANTIBODIES):
        gone = tuple(sorted(known.antibodies))
        await _change(
            hand, reference, correction=PatientCorrection(withdrawn_antibodies=gone, **by)
        )
        known.antibodies.clear()
    else:
        group = BloodGroup(hand.chance.choice(GROUPS))
        await _change(hand, reference, correction=PatientCorrection(group=group, **by))
        known.groups = {group}
    hand.model.unsettle(known, live)


async def _change(hand: Hand, reference: str, **told: Any) -> None:  # noqa: ANN401 - a change's own
    change = PatientChange(
        reference=hand.own(reference), hospital_id=HOSPITAL_ID, station_id=STATION_ID, **told
    )
    await hand.send(PatientChanged(change=change), _SOURCE)


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


def _draw_told(hand: Hand) -> _ToldOf:
    has_antibodies = hand.happens(_SHARE_ANTIBODIES)
    return {
        "group": hand.chance.choice((*GROUPS, "AB+")),
        "antibodies": ANTIGENS if has_antibodies else (),
    }


def _patient(told: _ToldOf, reference: str | None = None) -> Patient:
    stated = {"reference": reference} if reference else {}
    return Patient.model_validate({**stated, **told, "sex": Sex.MALE, "age_years": 40})


def _line(quantity: int) -> RequestLine:
    return RequestLine(line_no=1, component=Component.RED_CELLS, quantity=quantity)
