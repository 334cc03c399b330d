"""Faults to plant in the seeded world, each with the one check that must notice it.

A fault changes the world before it is written; where PostgreSQL would refuse it, its guard is taken
out of the schema first, as a careless migration might.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from models.audit import AuditRow, hash_row
from models.decisions import Outcome
from models.events.requests import RequestAmended
from models.groups import BloodGroup
from models.patients import Patient, Sex
from models.requests import Amendment, Priority
from tests.support.faults_life import LIFE_FAULTS
from tests.support.seeding import Placed, Seed, minutes
from tests.support.seeding_acts import (
    HOSPITAL,
    HOSPITAL_SOURCE,
    STATION,
    call,
    decide,
    promise,
    request,
    trail,
    unit,
)
from tests.support.seeding_hand import HAND_FAULTS

Plant = Callable[[Seed], object]
LIVE_PROMISE = "DROP INDEX promises_live_uq"
SAFETY = "DROP TRIGGER promises_safe ON promises"
"""Taken out before every fault: it refuses most false promises, which the checker must see too."""


def a_copy(seed: Seed, event_id: str, **headers: str) -> Placed:
    """Put the record of an event on the log once more, with other headers."""
    original = find_record(seed, event_id)
    again = copy.deepcopy(original)
    again.headers |= headers
    seed.records.append(again)
    return again


def find_record(seed: Seed, event_id: str) -> Placed:
    return next(record for record in seed.records if record.headers["ce_id"] == event_id)


def change_body(record: Placed, **changes: object) -> None:
    record.value = json.dumps(json.loads(record.value) | changes).encode()


def shortage(seed: Seed) -> tuple[dict[str, Any], Placed]:
    """The outbox row and the record of the declared shortage."""
    row = seed.row("outbox", event_type="blood.shortage.declared.v1")
    return row, find_record(seed, row["event_id"])


def lose_sent(seed: Seed) -> None:
    seed.sent.append(seed.sent[0] | {"event_id": "e-lost", "subject": "r-lost"})


def lose_logged(seed: Seed) -> None:
    a_copy(seed, "e-r-open", ce_id="e-lost", ce_subject="r-lost")


def lose_stock_change(seed: Seed) -> None:
    a_copy(seed, "e-arrived", ce_id="e-lost")


def lose_sent_change(seed: Seed) -> None:
    sent = next(line for line in seed.sent if line["event_id"] == "e-arrived")
    seed.sent.append(sent | {"event_id": "e-lost"})


def wait_for_nothing(seed: Seed) -> None:
    seed.drops.append("ALTER TABLE requests DROP CONSTRAINT requests_waiting_ck")
    seed.row("requests", request_id="r-open")["waiting_for"] = ""


def forget(seed: Seed) -> None:
    row = seed.row("requests", request_id="r-open")
    row |= {"needed_by": minutes(-300), "decided_at": minutes(-300)}


def state_unknown(seed: Seed) -> None:
    seed.drops.append("ALTER TABLE requests DROP CONSTRAINT requests_status_ck")
    row = seed.row("requests", request_id="r-fulfilled")
    row["status"] = "parked"


def decide_in_silence(seed: Seed) -> None:
    before = seed.row("decisions", decision_id="r-open.v1")
    seed.rows["decisions"].append(before | {"decision_id": "r-open.v2", "version": 2})


def forget_decision(seed: Seed) -> None:
    seed.rows["decisions"].remove(seed.row("decisions", decision_id="r-amended.v2"))


def plant_other_outcome(seed: Seed) -> None:
    seed.row("decisions", decision_id="r-open.v1")["outcome"] = "waiting"


def promise_to_two(seed: Seed) -> None:
    seed.drops.append(LIVE_PROMISE)
    request(seed, "r-twice", adult(), at=5, quantity=1)
    decide(seed, "r-twice", at=5, units=["U1"])


def promise_to_two_and_hide_it(seed: Seed) -> None:
    """The rows were mended afterwards; what the hospitals were told remains."""
    request(seed, "r-twice", adult(), at=5, quantity=1)
    decide(seed, "r-twice", at=5, units=["U1"])
    first = seed.row("promises", promise_id="U1.e1")
    first |= {"status": "released", "ended_at": minutes(4)}
    seed.row("request_lines", request_id="r-reserved")["quantity"] = 1


def release_late(seed: Seed) -> None:
    seed.row("promises", promise_id="U3.e1")["ended_at"] = minutes(20)


def promise_what_was_received(seed: Seed) -> None:
    request(
        seed,
        "r-again",
        unknown_woman("bed-8"),
        at=60,
        quantity=1,
        priority=Priority.LIFE_THREATENING,
    )
    decide(seed, "r-again", at=60, units=["O1"])


def promise_in_transit(seed: Seed) -> None:
    """Ngari's unit goes to a patient while it is on its way to Nagqu."""
    served = seed.row("promises", promise_id="U5.e2")
    served["held_at"] = minutes(30)


def reuse_epoch(seed: Seed) -> None:
    seed.drops.append("ALTER TABLE promises DROP CONSTRAINT promises_epoch_uq")
    seed.row("promises", promise_id="U3.e2")["epoch"] = 1


def mislabel_promise(seed: Seed) -> None:
    seed.drops.append("ALTER TABLE promises DROP CONSTRAINT promises_unit_fk")
    seed.row("promises", promise_id="U1.e1")["blood_group"] = "A-"


def plant_other_unit(seed: Seed) -> None:
    row = seed.row("outbox", event_type="blood.request.decided.v1", subject="r-reserved")
    record = find_record(seed, row["event_id"])
    # Both copies on the log, else it would also be an identifier with two contents.
    for same in [record for record in seed.records if record.headers["ce_id"] == row["event_id"]]:
        body = json.loads(record.value)
        body["decision"]["lines"][0]["reserved"][0]["group"] = "O+"
        same.value = json.dumps(body).encode()


def promise_too_many(seed: Seed) -> None:
    promise(seed, "U6", at=minutes(1), request_id="r-reserved")


def promise_too_little(seed: Seed) -> None:
    """A bag of half a unit is told as the whole one that was asked."""
    seed.row("units", unit_id="U1")["volume_ml"] = 100


def patient_of(seed: Seed, request_id: str, **changes: object) -> None:
    row = seed.row("requests", request_id=request_id)
    row["body"]["patient"] |= changes


def demand(seed: Seed, **attributes: object) -> None:
    row = seed.row("requests", request_id="r-reserved")
    row["body"]["lines"][0]["attributes"] = attributes


def demand_young_at_need(seed: Seed) -> None:
    """Five days old when it was promised, seven when it is needed."""
    demand(seed, max_age_d=6)
    seed.row("requests", request_id="r-reserved")["needed_by"] = minutes(2 * 1440)


def serve_frozen_where_nobody_thaws(seed: Seed) -> None:
    unit(seed, "F1", component="fresh_frozen_plasma", group="A+")
    request(seed, "r-frozen", adult(), at=30, quantity=1, component="fresh_frozen_plasma")
    decide(seed, "r-frozen", at=30, units=["F1"])
    seed.row("requests", request_id="r-frozen")["hospital_id"] = "nagqu-township"


def serve_other_component(seed: Seed) -> None:
    seed.row("request_lines", request_id="r-reserved")["component"] = "washed_red_cells"


def forget_an_antibody(seed: Seed) -> None:
    """Told with an amendment that was taken in; the row knows of it no more."""
    amendment = Amendment(
        request_id="r-reserved",
        hospital_id=HOSPITAL,
        station_id=STATION,
        patient=Patient.model_validate({"antibodies": ["D"]}),
    )
    told = RequestAmended(amendment=amendment)
    seed.take_in(told, event_id="e-antibody", source=HOSPITAL_SOURCE, at=minutes(9))


def serve_fifth_o_negative(seed: Seed) -> None:
    request(seed, "r-fifth", unknown_woman(), at=60, quantity=1, priority=Priority.LIFE_THREATENING)
    decide(seed, "r-fifth", at=60, units=["O5"])


def serve_o_positive_to_unknown_woman(seed: Seed) -> None:
    unit(seed, "X1", group="O+")
    request(seed, "r-woman", unknown_woman("bed-9"), at=60, quantity=1, priority=Priority.ROUTINE)
    decide(seed, "r-woman", at=60, units=["X1"])


def adult() -> Patient:
    return Patient.model_validate({"group": "A+", "sex": "male", "age_years": 40})


def unknown_woman(reference: str = "bed-7") -> Patient:
    return Patient(sex=Sex.FEMALE, age_years=30, reference=reference)


def expire(unit_id: str, at: float) -> Plant:
    return lambda seed: seed.row("units", unit_id=unit_id).update(expires_at=minutes(at))


def free_platelets(group: str, **traits: bool) -> Plant:
    """Somebody lacks platelets, and a bag of this group lies free."""
    return lambda seed: add_platelets(seed, group, **traits)


def add_platelets(seed: Seed, group: str, **traits: bool) -> None:
    """Add a bag of platelets of the day before yesterday: they live for five days."""
    collected_at = minutes(-2 * 1440)
    unit(seed, "P2", component="platelets", group=group, traits=traits, collected_at=collected_at)


def expire_beside_platelets(seed: Seed) -> None:
    """Somebody's time passed, and a bag that fits had lain free for two hours and more."""
    add_platelets(seed, "A+")
    request(
        seed, "r-late", Patient(group=BloodGroup("A+")), at=-60, quantity=1, component="platelets"
    )
    decide(seed, "r-late", at=61, outcome=Outcome.EXPIRED)


def serve_two_hours_late(seed: Seed) -> None:
    """A bag that fits lay free all the time, and was promised at last."""
    add_platelets(seed, "A+")
    request(
        seed, "r-late", Patient(group=BloodGroup("A+")), at=-60, quantity=1, component="platelets"
    )
    decide(seed, "r-late", at=-59, outcome=Outcome.WAITING)
    decide(seed, "r-late", at=61, units=["P2"])


def leave_to_who_can_wait(seed: Seed) -> None:
    """Somebody is in danger of life, and a bag that fits is promised for a routine order."""
    unit(seed, "P3", group="B+", traits={"antigen_negative": ["E"]})
    patient = Patient(group=BloodGroup("B+"), antibodies=("E",))
    request(seed, "r-can-wait", patient, at=-60, quantity=1, priority=Priority.ROUTINE)
    decide(seed, "r-can-wait", at=-59, units=["P3"])
    request(seed, "r-dying", patient, at=-50, quantity=1, priority=Priority.LIFE_THREATENING)
    decide(seed, "r-dying", at=-49, outcome=Outcome.WAITING)


def put_off(priority: Priority, *, until: float | None) -> Plant:
    """Keep somebody waiting for a forecast, until some minute; nothing that fits lies free."""

    def plant(seed: Seed) -> None:
        patient = Patient(group=BloodGroup("B+"))
        request(
            seed,
            "r-put-off",
            patient,
            at=-60,
            quantity=1,
            component="cryoprecipitate",
            priority=priority,
        )
        decide(seed, "r-put-off", at=-59, outcome=Outcome.DEFERRED)
        if until is not None:
            row = seed.row("decisions", decision_id="r-put-off.v1")
            row["body"]["deferred_until"] = minutes(until).isoformat()

    return plant


def put_off_beside_platelets(seed: Seed) -> None:
    """Nobody graver ever asked for platelets: nothing is expected that they could be kept for."""
    add_platelets(seed, "A+")
    patient = Patient(group=BloodGroup("A+"))
    request(
        seed,
        "r-put-off",
        patient,
        at=-60,
        quantity=1,
        component="platelets",
        priority=Priority.ROUTINE,
    )
    decide(seed, "r-put-off", at=-59, outcome=Outcome.DEFERRED)
    row = seed.row("decisions", decision_id="r-put-off.v1")
    kept = {"code": "kept_for_expected_routine", "params": {}, "rule": ""}
    row["body"]["lines"] = [
        {"line_no": 1, "component": "platelets", "uncovered": 1, "refusals": [kept]}
    ]


def ask_back_from_danger(seed: Seed) -> None:
    """Somebody is in danger of life and waits for a word, and a bag that fits lies free."""
    unit(seed, "P3", group="B+")
    patient = Patient(group=BloodGroup("B+"))
    request(seed, "r-dying", patient, at=-60, quantity=2, priority=Priority.LIFE_THREATENING)
    decide(seed, "r-dying", at=-59, outcome=Outcome.WAITING)
    seed.row("request_lines", request_id="r-dying").update(uncovered=0, unconfirmed=2)


def hold_more_than_a_part(seed: Seed) -> None:
    """Twenty-five of thirty are held for who can wait, and nobody said that so many are meant."""
    held = [f"M{number}" for number in range(25)]
    for unit_id in held:
        unit(seed, unit_id, group="B+")
    request(seed, "r-much", Patient(group=BloodGroup("B+")), at=-60, quantity=30)
    decide(seed, "r-much", at=-59, units=held, outcome=Outcome.PARTLY_RESERVED)


def release_after_promise(seed: Seed) -> None:
    seed.row("units", unit_id="U1")["released_at"] = minutes(2)


def never_release(seed: Seed) -> None:
    seed.drops.append("ALTER TABLE units DROP CONSTRAINT units_released_ck")
    seed.row("units", unit_id="U1")["released_at"] = None


def donor_with(**changes: object) -> Plant:
    return lambda seed: seed.row("donors", donor_id="tenzin")["body"].update(changes)


def without_consent(seed: Seed) -> None:
    del seed.row("donors", donor_id="tenzin")["body"]["consented_at"]


def call_after_donation(seed: Seed) -> None:
    call(seed, "c-9", "dolma", at=85, status="called", wave=2)


def call_twice(seed: Seed) -> None:
    seed.drops.append("DROP INDEX call_outs_live_uq")
    call(seed, "c-9", "tenzin", at=81, status="accepted", wave=2)


def call_rare_for_disaster(seed: Seed) -> None:
    """The only shortage wants RhD-, so that only the disaster's call is wrong."""
    seed.row("shortages", shortage_id="s-1")["blood_group"] = "O-"
    seed.row("donors", donor_id="tenzin")["body"]["group"] = "O-"
    seed.rows["activations"].append(
        {
            "activation_id": "act-1",
            "event_key": "quake",
            "station_id": STATION,
            "status": "open",
            "revision": 1,
            "donors_wanted": 1,
            "body": {},
            "opened_at": minutes(0),
            "decided_at": minutes(0),
        }
    )
    seed.row("call_outs", call_out_id="c-3")["cause_id"] = "act-1"


def call_rare_for_plasma(seed: Seed) -> None:
    """Plasma of any RhD serves an RhD- patient: no rare donor is called for it."""
    seed.row("shortages", shortage_id="s-1").update(blood_group="O-", component="frozen_plasma")
    seed.row("donors", donor_id="tenzin")["body"]["group"] = "O-"


def swap(seed: Seed) -> None:
    places = [
        at
        for at, record in enumerate(seed.records)
        if record.topic == "blood.decisions.v1" and record.headers["ce_subject"] != "r-reserved"
    ]
    first, second = places[:2]
    records = seed.records
    records[first], records[second] = records[second], records[first]


def leave_gap(seed: Seed) -> None:
    row, record = shortage(seed)
    seed.rows["outbox"].remove(row)
    seed.records.remove(record)


def lose_newest(seed: Seed) -> None:
    """The counter went on and the event was never written: only the counter tells."""
    seed.rows["outbox_keys"][0]["sequence"] += 1


def reuse_own_id(seed: Seed) -> None:
    row, _ = shortage(seed)
    change_body(a_copy(seed, row["event_id"]), note="other")


def reuse_sender_id(seed: Seed) -> None:
    change_body(a_copy(seed, "e-r-open"), note="other")


def leave_in_outbox(seed: Seed) -> None:
    row, record = shortage(seed)
    row["published_at"] = None
    seed.records.remove(record)


def mark_unsent(seed: Seed) -> None:
    _, record = shortage(seed)
    seed.records.remove(record)


def forge(seed: Seed) -> None:
    """One field, and nothing else."""
    seed.rows["audit"][3]["why"] = "other"


def forge_row(seed: Seed) -> None:
    """A row together with its hash; the next one still follows the old."""
    row = seed.rows["audit"][3]
    row["why"] = "other"
    row["hash"] = hash_row(AuditRow(**row))


def forge_all(seed: Seed) -> None:
    """A row, every hash after it, and the head: only what was sealed tells."""
    forge(seed)
    seed.relink(STATION)


def delete_row(seed: Seed) -> None:
    del seed.rows["audit"][3]


def exchange_rows(seed: Seed) -> None:
    first, second = seed.rows["audit"][3], seed.rows["audit"][4]
    first["sequence"], second["sequence"] = second["sequence"], first["sequence"]


def cut_young_tail(seed: Seed) -> None:
    """A row that is not sealed yet; its head still tells."""
    trail(seed, "U8", "available", at=minutes(83))
    del seed.rows["audit"][-1]


def cut_tail_and_head(seed: Seed) -> None:
    del seed.rows["audit"][-1]
    seed.relink(STATION)


FAULTS: tuple[tuple[str, str, Plant], ...] = (
    ("requests_lost", "sent and nowhere", lose_sent),
    ("requests_lost", "on the log and nowhere else", lose_logged),
    ("events_lost", "on the log, not taken in", lose_stock_change),
    ("events_lost", "sent and nowhere", lose_sent_change),
    ("requests_without_state", "waits for nothing", wait_for_nothing),
    ("requests_without_state", "long past and open", forget),
    ("requests_without_state", "unknown state", state_unknown),
    ("decisions_missing", "never told", decide_in_silence),
    ("decisions_unknown", "no row", forget_decision),
    ("decisions_unknown", "other outcome", plant_other_outcome),
    ("promised_twice", "two live promises", promise_to_two),
    ("promised_twice", "rows mended, log not", promise_to_two_and_hide_it),
    ("promised_twice", "overlap in the past", release_late),
    ("promised_twice", "a unit that a patient got", promise_what_was_received),
    ("promised_twice", "a unit in transit", promise_in_transit),
    ("promised_twice", "epoch used twice", reuse_epoch),
    ("promise_mismatch", "row of another group", mislabel_promise),
    ("promise_mismatch", "told as another group", plant_other_unit),
    ("over_promised", "three for two", promise_too_many),
    ("under_promised", "half a unit", promise_too_little),
    ("incompatible", "ABO", lambda seed: patient_of(seed, "r-reserved", group="O+")),
    ("incompatible", "anti-D", lambda seed: patient_of(seed, "r-reserved", antibodies=["D"])),
    ("incompatible", "antibody", lambda seed: patient_of(seed, "r-reserved", antibodies=["Mur"])),
    ("incompatible", "an antibody that was told before", forget_an_antibody),
    ("incompatible", "high titre platelets", lambda seed: patient_of(seed, "r-open", group="B+")),
    ("incompatible", "attribute", lambda seed: demand(seed, irradiated=True)),
    ("incompatible", "too old", lambda seed: demand(seed, max_age_d=4)),
    ("incompatible", "too old when needed", demand_young_at_need),
    ("incompatible", "antigen", lambda seed: demand(seed, antigen_negative=["Dia"])),
    ("incompatible", "cannot thaw", serve_frozen_where_nobody_thaws),
    ("incompatible", "component", serve_other_component),
    ("incompatible", "fifth O-", serve_fifth_o_negative),
    ("incompatible", "O+ for an unknown woman", serve_o_positive_to_unknown_woman),
    ("expired_before_arrival", "on the way", expire("U1", 20)),
    ("expired_before_arrival", "already expired", expire("U1", 0.5)),
    ("expired_before_arrival", "between stations", expire("U5", 41.5)),
    ("expired_before_arrival", "before it is needed", expire("U1", 110)),
    ("waiting_beside_blood", "the very group", free_platelets("A+")),
    ("waiting_beside_blood", "another group of low titre", free_platelets("O+", low_titre=True)),
    ("waiting_beside_blood", "waited to the end", expire_beside_platelets),
    ("waited_beside_blood", "served two hours late", serve_two_hours_late),
    ("waiting_beside_blood", "put off for nobody", put_off_beside_platelets),
    ("wrongly_deferred", "in danger of life", put_off(Priority.LIFE_THREATENING, until=None)),
    ("wrongly_deferred", "nobody knows until when", put_off(Priority.URGENT, until=None)),
    ("left_deferred", "until long ago", put_off(Priority.URGENT, until=-400)),
    ("wrongly_deferred", "until it is too late", put_off(Priority.URGENT, until=50000)),
    ("wrongly_deferred", "a routine order is told when", put_off(Priority.ROUTINE, until=500)),
    ("danger_beside_promised", "a routine order keeps it", leave_to_who_can_wait),
    ("danger_asked_back", "a word is waited for", ask_back_from_danger),
    ("given_unasked", "twenty-five at once", hold_more_than_a_part),
    ("quarantined_promised", "released later", release_after_promise),
    ("quarantined_promised", "never released", never_release),
    ("ineligible_calls", "interval", donor_with(last_whole_blood_on="2024-09-01")),
    ("ineligible_calls", "platelets", donor_with(last_platelets_on="2024-12-20")),
    ("ineligible_calls", "too old", donor_with(born_on="1968-01-01")),
    ("ineligible_calls", "too young", donor_with(born_on="2008-01-01")),
    ("ineligible_calls", "too light", donor_with(weight_kg=44.0)),
    ("ineligible_calls", "deferred", donor_with(deferred_until="2025-03-01T00:00:00Z")),
    ("ineligible_calls", "away", donor_with(unavailable_until="2025-01-09T00:00:00Z")),
    ("ineligible_calls", "no consent", without_consent),
    ("ineligible_calls", "gave an hour ago", call_after_donation),
    ("donors_called_twice", "two live calls", call_twice),
    ("contacts_called_twice", "two numbers, one cause", donor_with(contact="000-DOLMA")),
    ("contacts_called_twice", "two contacts, one person", donor_with(name="DOL MA")),
    ("rare_donors_called", "O- for A+", donor_with(group="O-")),
    ("rare_donors_called", "O- for a disaster", call_rare_for_disaster),
    ("rare_donors_called", "O- for frozen plasma", call_rare_for_plasma),
    ("out_of_order", "two swapped", swap),
    ("sequence_gaps", "one missing", leave_gap),
    ("sequence_gaps", "the newest missing", lose_newest),
    ("ids_reused", "ours", reuse_own_id),
    ("ids_reused", "a sender's", reuse_sender_id),
    ("outbox_left", "unpublished", leave_in_outbox),
    ("outbox_unpublished", "marked and not there", mark_unsent),
    *LIFE_FAULTS,
    *HAND_FAULTS,
    ("audit_broken", "a field changed", forge),
    ("audit_broken", "a row and its hash changed", forge_row),
    ("audit_broken", "a row deleted", delete_row),
    ("audit_broken", "two rows exchanged", exchange_rows),
    ("audit_broken", "the tail cut off", cut_young_tail),
    ("audit_rewritten", "a row and all hashes after it changed", forge_all),
    ("audit_rewritten", "the tail cut off and the head with it", cut_tail_and_head),
)
