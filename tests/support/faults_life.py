"""Breaches of a unit's life to plant: each must be seen by one check, and by no other."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.seeding import Seed, minutes
from tests.support.seeding_acts import NEIGHBOUR, STATION, unit
from tests.support.seeding_life import DONATION, clear, live, relocate, result, scan, step

Plant = Callable[[Seed], None]
RELEASED = "ALTER TABLE units DROP CONSTRAINT units_released_ck"


def skip_a_step(seed: Seed) -> None:
    """Straight from the shelf to the hospital."""
    unit(seed, "x1")
    live(seed, "x1", "available", "received", at=5)


def break_the_chain(seed: Seed) -> None:
    """The audit says reserved, then goes on from picked."""
    unit(seed, "x1")
    live(seed, "x1", "available", "reserved", at=5)
    step(seed, "x1", "picked", "available", at=9)


def move_in_silence(seed: Seed) -> None:
    """The row was changed by hand; the audit knows nothing of it."""
    unit(seed, "x1")
    live(seed, "x1", "available", at=5)
    seed.row("units", unit_id="x1")["status"] = "discarded"


def rise_from_the_dead(seed: Seed) -> None:
    unit(seed, "x1")
    live(seed, "x1", "available", "discarded", "available", at=5)


def move_place_in_one_chain(seed: Seed) -> None:
    """The station that lost the bag never hears of it."""
    unit(seed, "x1")
    live(seed, "x1", "available", at=5)
    relocate(seed, "x1", NEIGHBOUR, at=9)
    seed.unlink(subject="x1", station_id=STATION, from_state="available", to_state="available")


def move_place_without_a_count(seed: Seed) -> None:
    unit(seed, "x1")
    live(seed, "x1", "available", at=5)
    relocate(seed, "x1", NEIGHBOUR, at=9)
    seed.rows["reconciliation_differences"].clear()


def move_place_of_the_dead(seed: Seed) -> None:
    unit(seed, "x1")
    live(seed, "x1", "available", "discarded", at=5)
    relocate(seed, "x1", NEIGHBOUR, at=9)


def move_place_and_back_in_silence(seed: Seed) -> None:
    unit(seed, "x1")
    live(seed, "x1", "available", at=5)
    relocate(seed, "x1", NEIGHBOUR, at=9)
    seed.row("units", unit_id="x1")["station_id"] = STATION


def issue_unreleased(seed: Seed) -> None:
    seed.drops.append(RELEASED)
    unit(seed, "x1", released_at=None, status="issued", attested_by=None)


def release(seed: Seed, unit_id: str, *, at: float) -> None:
    """A unit of its own donation, released by its results."""
    unit(seed, unit_id, source="donor", released_at=minutes(at), attested_by=None)
    clear(seed, f"d-{unit_id}", group="A+", at=minutes(at))
    live(seed, unit_id, "quarantined", "available", at=at - 1)


def lose_a_result(seed: Seed) -> None:
    release(seed, "x1", at=5)
    rows = seed.rows["test_results"]
    rows.remove(seed.row("test_results", donation_id="d-x1", test="nat", outcome="nonreactive"))


def find_it_reactive(seed: Seed) -> None:
    release(seed, "x1", at=5)
    seed.row("test_results", donation_id="d-x1", test="hbsag")["outcome"] = "reactive"


def hear_it_too_late(seed: Seed) -> None:
    """The last result came after the release."""
    release(seed, "x1", at=5)
    seed.row("test_results", donation_id="d-x1", test="alt")["recorded_at"] = minutes(6)


def find_it_reactive_and_recall_another(seed: Seed) -> None:
    """A recall long before excuses nothing: the reactive result stood when it was released."""
    release(seed, "x1", at=5)
    found = seed.row("test_results", donation_id="d-x1", test="hbsag")
    found |= {"outcome": "reactive", "recorded_at": minutes(4)}
    seed.rows["recalls"].append(
        seed.rows["recalls"][0]
        | {"recall_id": "recall-2", "donation_id": "d-x1", "recorded_at": minutes(70)}
    )
    step(seed, "x1", "available", "recalled", at=70)


def group_it_otherwise(seed: Seed) -> None:
    release(seed, "x1", at=5)
    seed.row("test_results", donation_id="d-x1", test="grouping")["blood_group"] = "O+"


def contradict_it(seed: Seed) -> None:
    release(seed, "x1", at=5)
    result(seed, "syphilis", at=minutes(5), donation_id="d-x1", outcome="reactive")


def transfuse_after_recall(seed: Seed) -> None:
    scan(seed, "life-fp", "transfused", at=85)


def miss_a_component(seed: Seed) -> None:
    """The other component was taken off the shelf before, and stands there again."""
    seed.unlink(subject="life-fp", to_state="recalled")
    seed.row("units", unit_id="life-fp")["status"] = "available"


def miss_what_waits(seed: Seed) -> None:
    """A third component of the donation is still in quarantine."""
    unit(seed, "life-cr", donation_id=DONATION, component="cryoprecipitate", released_at=None)
    live(seed, "life-cr", "quarantined", at=-300)


LIFE_FAULTS: tuple[tuple[str, str, Plant], ...] = (
    ("moved_against_life", "a step left out", skip_a_step),
    ("moved_against_life", "steps that do not follow", break_the_chain),
    ("moved_against_life", "changed without a record", move_in_silence),
    ("moved_against_life", "back from the dead", rise_from_the_dead),
    ("moved_against_life", "elsewhere, in one chain alone", move_place_in_one_chain),
    ("moved_against_life", "elsewhere, and no count found it", move_place_without_a_count),
    ("moved_against_life", "elsewhere, although it ended", move_place_of_the_dead),
    ("moved_against_life", "elsewhere, and back in silence", move_place_and_back_in_silence),
    ("issued_unreleased", "never released", issue_unreleased),
    ("released_against_results", "a result is missing", lose_a_result),
    ("released_against_results", "a result is reactive", find_it_reactive),
    ("released_against_results", "reactive, recalled later", find_it_reactive_and_recall_another),
    ("released_against_results", "the last result came later", hear_it_too_late),
    ("released_against_results", "another group", group_it_otherwise),
    ("released_against_results", "results that contradict", contradict_it),
    ("used_after_recall", "transfused", transfuse_after_recall),
    ("missed_by_recall", "a component on the shelf", miss_a_component),
    ("missed_by_recall", "a component in quarantine", miss_what_waits),
)
