"""A donation's whole life in the seeded world: split, tested, released, and looked back to."""

from __future__ import annotations

from datetime import datetime

from tests.support.seeding import Seed, minutes
from tests.support.seeding_acts import HOSPITAL, NEIGHBOUR, STATION, unit

DONATION = "D-LIFE"
NEEDED = (
    "hbsag", "anti_hcv", "anti_hiv", "syphilis", "alt",
    "nat_hbv", "nat_hcv", "nat_hiv", "grouping",
)  # fmt: skip


def step(seed: Seed, unit_id: str, was: str, became: str, *, at: float) -> None:
    """One step of the audit; the unit stands there afterwards."""
    seed.link(
        subject_kind="unit",
        subject=unit_id,
        station_id=STATION,
        from_state=was,
        to_state=became,
        why="seed",
        actor="system",
        caused_by="seed",
        at=minutes(at),
    )
    seed.row("units", unit_id=unit_id)["status"] = became


def relocate(seed: Seed, unit_id: str, station_id: str, *, at: float) -> None:
    """The count of another station found it, and that station said that it lies there."""
    row = seed.row("units", unit_id=unit_id)
    for chain in (row["station_id"], station_id):
        seed.link(
            subject_kind="unit",
            subject=unit_id,
            station_id=chain,
            from_state=row["status"],
            to_state=row["status"],
            why="moved_here: seed",
            actor=f"station/{station_id}",
            caused_by=f"found-{unit_id}-{at}",
            at=minutes(at),
        )
    row["station_id"] = station_id
    _note_found(seed, unit_id, station_id, at=at)


def _note_found(seed: Seed, unit_id: str, station_id: str, *, at: float) -> None:
    count_id = f"count-{unit_id}-{at}"
    seed.rows["reconciliations"].append(
        {
            "count_id": count_id,
            "station_id": station_id,
            "counted_at": minutes(at),
            "is_full": False,
            "parts": 1,
            "units": 1,
            "begun_at": minutes(at),
            "taken_at": minutes(at),
        }
    )
    seed.rows["reconciliation_differences"].append(
        {
            "count_id": count_id,
            "unit_id": unit_id,
            "station_id": station_id,
            "kind": "moved",
            "counted": {},
            "recorded": {},
            "found_at": minutes(at),
            "resolution": "moved_here",
            "reason": "seed",
            "closed_by": f"station/{station_id}",
            "closed_at": minutes(at),
        }
    )


def live(seed: Seed, unit_id: str, *states: str, at: float) -> None:
    """Steps from the first state to the last, a minute each."""
    was = ""
    for number, became in enumerate(states):
        step(seed, unit_id, was, became, at=at + number)
        was = became


def result(
    seed: Seed,
    test: str,
    *,
    at: datetime,
    donation_id: str = DONATION,
    outcome: str | None = "nonreactive",
    group: str | None = None,
    **more: object,
) -> None:
    number = 1 + sum(
        1 for result in seed.rows["test_results"] if result["donation_id"] == donation_id
    )
    seed.rows["test_results"].append(
        {
            "result_id": f"{donation_id}-{number}",
            "donation_id": donation_id,
            "station_id": STATION,
            "test": test,
            "outcome": outcome,
            "blood_group": group,
            "method": "seed",
            "run_id": f"run-{number}",
            "performed_at": at,
            "performed_by": "seed",
            "note": "",
            "caused_by": "seed",
            "recorded_at": at,
            **more,
        }
    )


def clear(seed: Seed, donation_id: str, *, group: str, at: datetime) -> None:
    """Every needed result, clear, with one correction among them."""
    for test in NEEDED:
        if test == "grouping":
            result(seed, test, at=at, donation_id=donation_id, outcome=None, group=group)
        else:
            result(seed, test, at=at, donation_id=donation_id)
    wrong = seed.rows["test_results"][-2]
    wrong["outcome"] = "reactive"
    result(
        seed, wrong["test"], at=at, donation_id=donation_id, supersedes=wrong["result_id"], note="x"
    )


def scan(
    seed: Seed, unit_id: str, change: str, *, at: float, out_of_control_s: int | None = None
) -> None:
    seed.rows["unit_scans"].append(
        {
            "unit_id": unit_id,
            "change": change,
            "actor": "hospital" if change == "transfused" else "station",
            "facility_id": HOSPITAL if change == "transfused" else STATION,
            "done_by": "seed",
            "out_of_control_s": out_of_control_s,
            "happened_at": minutes(at),
            "caused_by": "seed",
            "recorded_at": minutes(at),
        }
    )


def add_life(seed: Seed) -> None:
    """A bag of whole blood, its two components, and their recall at minute 80."""
    common = {"donation_id": DONATION, "source": "donor", "group": "B+"}
    whole = {"component": "whole_blood", "released_at": None}
    unit(seed, "LIFE-WB", **common, **whole, collected_at=minutes(-600))
    live(seed, "LIFE-WB", "collected", "split", at=-590)
    clear(seed, DONATION, group="B+", at=minutes(-400))
    made = {**common, "parent_id": "LIFE-WB", "collected_at": minutes(-600)}
    released = {"released_at": minutes(-399), "attested_by": None}
    unit(seed, "LIFE-RC", **made, **released)
    unit(seed, "LIFE-FP", **made, **released, component="fresh_frozen_plasma")
    live(seed, "LIFE-RC", "quarantined", "available", "discarded", at=-400)
    scan(seed, "LIFE-RC", "discarded", at=-398)
    live(seed, "LIFE-FP", "quarantined", "available", at=-400)
    unit(seed, "LIFE-FOUND")
    live(seed, "LIFE-FOUND", "available", at=-20)
    relocate(seed, "LIFE-FOUND", NEIGHBOUR, at=-10)
    seed.rows["recalls"].append(
        {
            "recall_id": "recall-1",
            "donation_id": DONATION,
            "station_id": STATION,
            "reason": "seed",
            "recalled_by": "seed",
            "caused_by": "seed",
            "recalled_at": minutes(79),
            "recorded_at": minutes(80),
        }
    )
    step(seed, "LIFE-FP", "available", "recalled", at=80)
