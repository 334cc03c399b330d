"""The story of the seeded world: one of everything that a sound system leaves behind.

Nagqu supplies a county hospital. Requests are reserved, wait, are fulfilled, cancelled, amended and
quarantined; a unit that was given back is promised again; Ngari answers a shortage with a transfer;
a donor gives, another is stood down and called again. The log repeats one event, as it may.
"""

from __future__ import annotations

import json
from datetime import date

from models.decisions import Outcome
from models.donors import CallOut, Donor
from models.envelope import Envelope
from models.events.donors import CallOutIssued
from models.events.requests import (
    RequestAmended,
    RequestCancelled,
    RequestOpened,
)
from models.events.shortages import ShortageDeclared, TransferAgreed
from models.events.stock import StockChange, StockChanged
from models.facilities import Hospital, Location, Station
from models.groups import BloodGroup
from models.patients import Patient, Sex
from models.requests import (
    Amendment,
    Cancellation,
    Priority,
    RequestLine,
    UrgentRequest,
)
from models.shortages import Shortage, ShortageLevel, ShortageStatus, Transfer, TransferStatus
from tests.support.seeding import AT, Seed, minutes
from tests.support.seeding_acts import (
    ETA_S,
    HOSPITAL,
    HOSPITAL_SOURCE,
    NEIGHBOUR,
    STATION,
    call,
    decide,
    end_promise,
    patient_columns,
    promise,
    request,
    trail,
    unit,
)
from tests.support.seeding_hand import add_hand_work
from tests.support.seeding_life import add_life


def build_world() -> Seed:
    """Return the sound world; every check holds on it."""
    seed = Seed()
    _facilities(seed)
    for number in range(1, 9):
        unit(seed, f"U{number}", group="A+")
    for number in range(1, 6):
        unit(seed, f"O{number}", group="O-")
    unit(seed, "P1", component="platelets", group="A+")
    unit(seed, "Q1", status="quarantined", released_at=None, source="donor")
    _requests(seed)
    _quarantine(seed)
    _mutual_aid(seed)
    _reserve(seed)
    _messages_on_their_way(seed)
    add_life(seed)
    add_hand_work(seed)
    # The last row of the chain is no unit's, so that cutting it off breaks the chain alone.
    seed.link(
        subject_kind="donor",
        subject="tenzin",
        station_id=STATION,
        from_state="available",
        to_state="called",
        why="seed",
        actor="system",
        caused_by="seed",
        at=minutes(81),
    )
    seed.seal(STATION, at=minutes(82))
    # A relay that died before it could note what it had sent sends it again.
    repeated = next(record for record in seed.records if record.topic == "blood.decisions.v1")
    seed.records.append(repeated)
    return seed


def _facilities(seed: Seed) -> None:
    for station_id in (STATION, NEIGHBOUR):
        station = Station(
            station_id=station_id,
            name_zh=station_id,
            name_en=station_id,
            location=Location(lat=31.5, lon=92.1),
            daily_demand={},
        )
        body = station.model_dump(mode="json")
        seed.rows["stations"].append({"station_id": station_id, "body": body})
    for hospital_id, can_thaw in ((HOSPITAL, True), ("nagqu-township", False)):
        hospital = Hospital(
            hospital_id=hospital_id,
            name_zh=hospital_id,
            name_en=hospital_id,
            location=Location(lat=31.4, lon=92.0),
            station_id=STATION,
            can_thaw=can_thaw,
        )
        body = hospital.model_dump(mode="json")
        seed.rows["hospitals"].append(
            {"hospital_id": hospital_id, "station_id": STATION, "body": body}
        )


def _requests(seed: Seed) -> None:
    adult = Patient(group=BloodGroup.A_POS, sex=Sex.MALE, age_years=40)
    request(seed, "r-reserved", adult, at=1, quantity=2)
    decide(seed, "r-reserved", at=1, units=["U1", "U2"])
    request(seed, "r-open", adult, at=2, component="platelets", quantity=2)
    decide(seed, "r-open", at=2, units=["P1"], outcome=Outcome.PARTLY_RESERVED)

    unknown = Patient(sex=Sex.FEMALE, age_years=30, reference="bed-7")
    dying = Priority.LIFE_THREATENING
    request(seed, "r-fulfilled", unknown, at=3, quantity=4, priority=dying)
    decide(seed, "r-fulfilled", at=3, units=["O1", "O2", "O3", "O4"])
    for unit_id in ("O1", "O2", "O3", "O4"):
        end_promise(seed, unit_id, status="received", at=50)
        seed.row("units", unit_id=unit_id)["status"] = "received"
        trail(seed, unit_id, "issued", at=minutes(20))
        trail(seed, unit_id, "received", at=minutes(50))
    decide(seed, "r-fulfilled", at=50, outcome=Outcome.FULFILLED)

    request(seed, "r-cancelled", adult, at=4, quantity=1)
    decide(seed, "r-cancelled", at=4, units=["U3"])
    cancellation = Cancellation(
        request_id="r-cancelled", hospital_id=HOSPITAL, station_id=STATION, reason="died"
    )
    seed.take_in(
        RequestCancelled(cancellation=cancellation),
        event_id="e-cancel",
        source=HOSPITAL_SOURCE,
        at=minutes(6),
    )
    end_promise(seed, "U3", status="released", at=6)
    decide(seed, "r-cancelled", at=6, outcome=Outcome.CANCELLED)
    request(seed, "r-after", adult, at=7, quantity=1)
    decide(seed, "r-after", at=7, units=["U3"])
    _amended(seed)


def _amended(seed: Seed) -> None:
    """Opened for an unknown man, who then turns out to be A+ and to need one unit fewer."""
    stranger = Patient(sex=Sex.MALE, age_years=40)
    request(seed, "r-amended", stranger, at=8, quantity=2)
    decide(seed, "r-amended", at=8, units=["O5"], outcome=Outcome.PARTLY_RESERVED)
    known = Patient(group=BloodGroup.A_POS, sex=Sex.MALE, age_years=40)
    line = RequestLine(line_no=1, component="red_cells", quantity=1)
    amendment = Amendment(
        request_id="r-amended",
        hospital_id=HOSPITAL,
        station_id=STATION,
        patient=known,
        lines=(line,),
    )
    seed.take_in(
        RequestAmended(amendment=amendment),
        event_id="e-amend",
        source=HOSPITAL_SOURCE,
        at=minutes(9),
    )
    end_promise(seed, "O5", status="released", at=9)
    row = seed.row("requests", request_id="r-amended")
    row |= patient_columns(known)
    row["body"] |= {
        "patient": known.model_dump(mode="json", exclude_none=True),
        "lines": [line.model_dump(mode="json", exclude_none=True)],
    }
    seed.row("request_lines", request_id="r-amended")["quantity"] = 1
    decide(seed, "r-amended", at=9, units=["U4"])


def _quarantine(seed: Seed) -> None:
    """A request of a hospital that is not known: kept whole, told to its dead-letter topic."""
    stranger = UrgentRequest.model_validate(
        {
            "request_id": "r-wrong",
            "hospital_id": "nowhere",
            "station_id": STATION,
            "patient": {},
            "priority": "urgent",
            "needed_by": minutes(60),
            "lines": [{"line_no": 1, "component": "red_cells", "quantity": 1}],
        }
    )
    event = RequestOpened(request=stranger)
    topic, offset = "blood.requests.v1", seed.next_offset("blood.requests.v1")
    seed.take_in(event, event_id="e-wrong", source="hospital/nowhere", at=minutes(10))
    where = {"topic": topic, "partition": 0, "offset": offset, "reader": "xuelian-urgent"}
    seed.rows["dead_letters"].append(
        {
            "dead_letter_id": "dl-1",
            "topic": topic,
            "partition": 0,
            "log_offset": offset,
            "reader": "xuelian-urgent",
            "key": STATION.encode(),
            "body": event.to_body(),
            "headers": [["ce_id", "e-wrong"], ["ce_subject", "r-wrong"]],
            "code": "hospital_unknown",
            "params": {},
            "quarantined_at": minutes(10),
        }
    )
    told = Envelope(
        id="dl-1.told",
        type="blood.record.quarantined.v1",
        source="xuelian",
        subject="dl-1",
        time=minutes(10),
        key="dl-1",
        data=json.dumps({**where, "code": "hospital_unknown", "params": {}}).encode(),
    )
    seed.publish(told, topic=f"{topic}.xuelian-urgent.dlq")


def _mutual_aid(seed: Seed) -> None:
    """Nagqu lacks A+; Ngari sends u5, which arrives and is promised to a patient there."""
    shortage = Shortage(
        shortage_id="s-1",
        station_id=STATION,
        component="red_cells",
        group=BloodGroup.A_POS,
        level=ShortageLevel.RED,
        status=ShortageStatus.OPEN,
        units_missing=3,
        uncovered_units=1,
        donor_groups=(BloodGroup.A_POS,),
        version=1,
        assessed_at=minutes(11),
    )
    body = shortage.model_dump(mode="json")
    kept = ("shortage_id", "station_id", "component", "level", "status", "units_missing", "version")
    seed.rows["shortages"].append(
        {name: body[name] for name in kept}
        | {"blood_group": "A+", "donor_groups": ["A+"], "body": body}
        | {"opened_at": AT, "assessed_at": minutes(11)}
    )
    seed.emit(ShortageDeclared(shortage=shortage), at=minutes(11))
    stations = {"from_station_id": NEIGHBOUR, "to_station_id": STATION}
    seed.rows["offers"].append(
        {"offer_id": "of-1", "shortage_id": "s-1", "status": "accepted", "body": {}}
        | stations
        | {"decided_at": minutes(12)}
    )
    transfer = Transfer.model_validate(
        {"transfer_id": "t-1", "offer_id": "of-1", "shortage_id": "s-1", "status": "agreed"}
        | stations
        | {"unit_ids": ["U5"], "eta_s": ETA_S, "agreed_at": minutes(12)}
    )
    seed.rows["transfers"].append(
        {"transfer_id": "t-1", "offer_id": "of-1", "status": TransferStatus.IN_TRANSIT}
        | stations
        | {"eta_s": ETA_S, "body": transfer.model_dump(mode="json")}
        | {"agreed_at": minutes(12), "updated_at": minutes(12)}
    )
    promise(seed, "U5", at=minutes(12), transfer_id="t-1")
    seed.emit(TransferAgreed(transfer=transfer), at=minutes(12))
    arrived = StockChanged(
        station_id=STATION,
        unit_id="U5",
        change=StockChange.RECEIVED,
        happened_at=minutes(40),
        epoch=1,
    )
    seed.take_in(arrived, event_id="e-arrived", source=f"station/{STATION}", at=minutes(40))
    end_promise(seed, "U5", status="received", at=40)
    seed.row("units", unit_id="U5")["status"] = "available"
    trail(seed, "U5", "issued", at=minutes(20))
    trail(seed, "U5", "available", at=minutes(40))
    adult = Patient(group=BloodGroup.A_POS, sex=Sex.MALE, age_years=40)
    request(seed, "r-served", adult, at=41, quantity=1)
    decide(seed, "r-served", at=41, units=["U5"])


def _reserve(seed: Seed) -> None:
    """Dolma gives; Tenzin is stood down and called again an hour later."""
    for donor_id in ("dolma", "tenzin"):
        person = Donor(
            donor_id=donor_id,
            station_id=STATION,
            name=donor_id,
            contact=f"+86 000 {donor_id}",
            group=BloodGroup.O_POS,
            sex=Sex.FEMALE,
            born_on=date(1990, 5, 1),
            weight_kg=52,
            last_whole_blood_on=date(2024, 5, 1),
            consented_at=minutes(-99999),
        )
        seed.rows["donors"].append(
            {
                "donor_id": donor_id,
                "station_id": STATION,
                "blood_group": "O+",
                "body": person.model_dump(mode="json", exclude_none=True),
                "last_whole_blood_on": person.last_whole_blood_on,
                "called": 1,
            }
        )
    seed.row("units", unit_id="Q1")["collected_at"] = minutes(70)
    seed.row("donors", donor_id="dolma")["last_whole_blood_on"] = minutes(70).date()
    call(seed, "c-1", "dolma", at=20, status="donated", ended_at=71, unit_id="Q1")
    call(seed, "c-2", "tenzin", at=20, status="stood_down", ended_at=30)
    call(seed, "c-3", "tenzin", at=80, status="called", wave=2)
    calls = tuple(
        CallOut.model_validate(
            {name: row[name] for name in CallOut.model_fields} | {"called_at": row["called_at"]}
        )
        for row in seed.rows["call_outs"][:2]
    )
    issued = CallOutIssued(
        station_id=STATION, cause_id="s-1", wave=1, donations_wanted=1, calls=calls
    )
    seed.emit(issued, at=minutes(20))


def _messages_on_their_way(seed: Seed) -> None:
    """What a sender may have seen without anything being wrong."""
    again = dict(seed.sent[0])
    seed.sent.append(again)
    refused = {"event_id": "e-refused", "subject": "r-refused", "accepted": False}
    unknown = {"event_id": "e-unknown", "subject": "r-unknown", "accepted": None}
    seed.sent += [again | refused, again | unknown]
