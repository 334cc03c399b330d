"""Breaches of a unit's life to plant: each must be seen by one check, and by no other."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.support.seeding import Seed, minutes
from tests.support.seeding_acts import NEIGHBOUR, STATION, trail, unit
from tests.support.seeding_life import DONATION, clear, live, relocate, result, scan, step

Plant = Callable[[Seed], None]

INTO: Mapping[str, tuple[str, ...]] = {
    "collected": ("available", "collected", "discarded"),
    "quarantined": ("available", "quarantined", "discarded"),
    "split": ("available", "split"),
    "available": ("available", "discarded", "available"),
    "on_hold": ("available", "expired", "on_hold", "available"),
    "reserved": ("available", "expired", "reserved", "available"),
    "picked": ("available", "picked", "available"),
    "issued": ("available", "issued", "discarded"),
    "in_transit": ("available", "reserved", "in_transit", "discarded"),
    "received": ("available", "received", "discarded"),
    "transfused": ("available", "reserved", "issued", "transfused", "discarded"),
    "returned": ("available", "returned", "available"),
    "discarded": ("available", "expired", "discarded"),
    "expired": ("available", "reserved", "issued", "expired"),
    "recalled": ("available", "discarded", "recalled"),
}
"""State to a life that comes into it from where nothing may: the audit tells, nothing else does."""

OUT_OF: Mapping[str, tuple[str, ...]] = {
    "collected": ("collected", "available"),
    "quarantined": ("quarantined", "reserved", "available"),
    "split": ("quarantined", "split", "available"),
    "available": ("available", "in_transit", "discarded"),
    "on_hold": ("available", "on_hold", "reserved", "available"),
    "reserved": ("available", "reserved", "returned", "available"),
    "picked": ("available", "reserved", "picked", "in_transit", "discarded"),
    "issued": ("available", "reserved", "issued", "reserved", "available"),
    "in_transit": ("available", "reserved", "issued", "in_transit", "issued", "discarded"),
    "received": ("available", "reserved", "issued", "received", "available"),
    "transfused": ("available", "reserved", "issued", "received", "transfused", "returned"),
    "returned": ("available", "reserved", "issued", "returned", "reserved", "available"),
    "discarded": ("available", "discarded", "returned"),
    "expired": ("available", "expired", "available"),
    "recalled": ("available", "recalled", "available"),
}
"""State to a life that goes on from it to where nothing may."""


def wander(*states: str) -> Plant:
    """A unit that lives like this, and was attested to be released."""

    def plant(seed: Seed) -> None:
        unit(seed, "X1")
        live(seed, "X1", *states, at=5)

    return plant


def stand(status: str) -> Plant:
    """A unit that came into a state as it may, but without the promise that goes with it."""
    ways = {
        "reserved": ("reserved",),
        "picked": ("reserved", "picked"),
        "issued": ("reserved", "issued"),
        "in_transit": ("reserved", "issued", "in_transit"),
        "received": ("reserved", "issued", "received"),
        "transfused": ("reserved", "issued", "received", "transfused"),
    }
    return wander("available", *ways[status])


def leave_its_promise(*states: str) -> Plant:
    """A unit that was promised, then ended, while its patient still counts on it."""

    def plant(seed: Seed) -> None:
        for number, state in enumerate(states):
            trail(seed, "U4", state, at=minutes(20 + number))
        seed.row("units", unit_id="U4")["status"] = states[-1]

    return plant


def use_expired(change: str) -> Plant:
    def plant(seed: Seed) -> None:
        unit(seed, "X1", expires_at=minutes(30))
        live(seed, "X1", "available", "discarded", at=5)
        scan(seed, "X1", change, at=30)

    return plant


def restock(*out_s: int, component: str = "red_cells") -> Plant:
    """A unit that came back so often, each time after so long without temperature control."""

    def plant(seed: Seed) -> None:
        # Of a group that fits nobody who waits: it lies free in the end.
        unit(seed, "X1", component=component, group="B+")
        live(seed, "X1", "available", at=5)
        for number, seconds in enumerate(out_s):
            scan(seed, "X1", "returned", at=10 + number, out_of_control_s=seconds)
            scan(seed, "X1", "restocked", at=10.5 + number)

    return plant


def restock_from_hospital(seed: Seed) -> None:
    """A unit that a hospital had received, in stock again."""
    unit(seed, "X1", group="B+")
    back = ("reserved", "issued", "received", "returned", "available")
    live(seed, "X1", "available", *back, at=5)


def make_of_what_is_whole(seed: Seed) -> None:
    """A component of a bag that still stands in the refrigerator."""
    unit(seed, "X1", component="whole_blood")
    live(seed, "X1", "available", at=5)
    unit(seed, "X2", parent_id="X1", donation_id="D-X1")
    live(seed, "X2", "available", at=5)


def make_of_another_donation(seed: Seed) -> None:
    unit(seed, "X1", group="B+", parent_id="LIFE-WB")
    live(seed, "X1", "available", at=5)


def make_of_another_group(seed: Seed) -> None:
    seed.row("units", unit_id="LIFE-WB")["blood_group"] = "A+"


def break_the_chain(seed: Seed) -> None:
    """The audit says reserved, then goes on from picked."""
    unit(seed, "X1")
    live(seed, "X1", "available", "reserved", at=5)
    step(seed, "X1", "picked", "available", at=9)


def move_in_silence(seed: Seed) -> None:
    """The row was changed by hand; the audit knows nothing of it."""
    unit(seed, "X1")
    live(seed, "X1", "available", at=5)
    seed.row("units", unit_id="X1")["status"] = "discarded"


def move_place_in_one_chain(seed: Seed) -> None:
    """The station that lost the bag never hears of it."""
    unit(seed, "X1")
    live(seed, "X1", "available", at=5)
    relocate(seed, "X1", NEIGHBOUR, at=9)
    seed.unlink(subject="X1", station_id=STATION, from_state="available", to_state="available")


def move_place_without_a_count(seed: Seed) -> None:
    unit(seed, "X1")
    live(seed, "X1", "available", at=5)
    relocate(seed, "X1", NEIGHBOUR, at=9)
    seed.rows["reconciliation_differences"].clear()


def move_place_of_the_dead(seed: Seed) -> None:
    unit(seed, "X1")
    live(seed, "X1", "available", "discarded", at=5)
    relocate(seed, "X1", NEIGHBOUR, at=9)


def move_place_and_back_in_silence(seed: Seed) -> None:
    unit(seed, "X1")
    live(seed, "X1", "available", at=5)
    relocate(seed, "X1", NEIGHBOUR, at=9)
    seed.row("units", unit_id="X1")["station_id"] = STATION


def issue_unreleased(seed: Seed) -> None:
    """It was thrown away since, and its promise ended; that it left stands in the audit."""
    unit(seed, "X1", released_at=None, attested_by=None)
    live(seed, "X1", "quarantined", "available", "reserved", "issued", "discarded", at=5)


def release(seed: Seed, unit_id: str, *, at: float) -> None:
    """A unit of its own donation, released by its results."""
    unit(seed, unit_id, source="donor", released_at=minutes(at), attested_by=None)
    clear(seed, f"D-{unit_id}", group="A+", at=minutes(at))
    live(seed, unit_id, "quarantined", "available", at=at - 1)


def lose_a_result(seed: Seed) -> None:
    release(seed, "X1", at=5)
    rows = seed.rows["test_results"]
    rows.remove(seed.row("test_results", donation_id="D-X1", test="nat_hbv", outcome="nonreactive"))


def find_it_reactive(seed: Seed) -> None:
    release(seed, "X1", at=5)
    seed.row("test_results", donation_id="D-X1", test="hbsag")["outcome"] = "reactive"


def hear_it_too_late(seed: Seed) -> None:
    """The last result came after the release."""
    release(seed, "X1", at=5)
    seed.row("test_results", donation_id="D-X1", test="alt")["recorded_at"] = minutes(6)


def find_it_reactive_and_recall_another(seed: Seed) -> None:
    """A recall long before excuses nothing: the reactive result stood when it was released."""
    release(seed, "X1", at=5)
    found = seed.row("test_results", donation_id="D-X1", test="hbsag")
    found |= {"outcome": "reactive", "recorded_at": minutes(4)}
    seed.rows["recalls"].append(
        seed.rows["recalls"][0]
        | {"recall_id": "recall-2", "donation_id": "D-X1", "recorded_at": minutes(70)}
    )
    step(seed, "X1", "available", "recalled", at=70)


def group_it_otherwise(seed: Seed) -> None:
    release(seed, "X1", at=5)
    seed.row("test_results", donation_id="D-X1", test="grouping")["blood_group"] = "O+"


def contradict_it(seed: Seed) -> None:
    release(seed, "X1", at=5)
    result(seed, "syphilis", at=minutes(5), donation_id="D-X1", outcome="reactive")


def clear_by_another(seed: Seed) -> None:
    """The clean results are the word of a station that never had the bag."""
    release(seed, "X1", at=5)
    for row in seed.rows["test_results"]:
        if row["donation_id"] == "D-X1":
            row["station_id"] = NEIGHBOUR


def transfuse_after_recall(seed: Seed) -> None:
    scan(seed, "LIFE-FP", "transfused", at=85)


def miss_a_component(seed: Seed) -> None:
    """The other component was taken off the shelf before, and stands there again."""
    seed.unlink(subject="LIFE-FP", to_state="recalled")
    seed.row("units", unit_id="LIFE-FP")["status"] = "available"


def miss_what_waits(seed: Seed) -> None:
    """A third component of the donation is still in quarantine."""
    unit(seed, "LIFE-CR", donation_id=DONATION, component="cryoprecipitate", released_at=None)
    live(seed, "LIFE-CR", "quarantined", at=-300)


LIFE_FAULTS: tuple[tuple[str, str, Plant], ...] = (
    *(("moved_against_life", f"into {to}", wander(*way)) for to, way in INTO.items()),
    *(("moved_against_life", f"out of {was}", wander(*way)) for was, way in OUT_OF.items()),
    ("moved_against_life", "steps that do not follow", break_the_chain),
    ("moved_against_life", "changed without a record", move_in_silence),
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
    ("released_against_results", "the word of another station", clear_by_another),
    ("used_after_recall", "transfused", transfuse_after_recall),
    ("missed_by_recall", "a component on the shelf", miss_a_component),
    ("missed_by_recall", "a component in quarantine", miss_what_waits),
    *(
        ("bound_otherwise", f"{status} for nobody", stand(status))
        for status in ("reserved", "picked", "issued", "in_transit", "received", "transfused")
    ),
    *(
        ("bound_otherwise", f"{states[-1]} and promised", leave_its_promise(*states))
        for states in (
            ("available",),
            ("discarded",),
            ("expired",),
            ("recalled",),
            ("issued", "returned"),
        )
    ),
    ("bound_otherwise", "issued, its promise only held", leave_its_promise("issued")),
    *(
        ("used_expired", change, use_expired(change))
        for change in ("picked", "issued", "transfused", "restocked")
    ),
    ("restocked_warm", "too long at once", restock(1801)),
    ("restocked_warm", "too long all together", restock(1000, 1000)),
    ("restocked_from_hospital", "received before", restock_from_hospital),
    ("restocked_warm", "platelets", restock(0, component="platelets")),
    ("made_of_nothing", "of a whole bag", make_of_what_is_whole),
    ("made_of_nothing", "of another donation", make_of_another_donation),
    ("made_of_nothing", "of another group", make_of_another_group),
)
