"""Hand work in the seeded world, and breaches of it to plant."""

from __future__ import annotations

from collections.abc import Callable

from models.events.hand_work import BagGiven, BagTakenBack
from models.groups import BloodGroup
from models.patients import Patient
from tests.support.seeding import Seed, minutes
from tests.support.seeding_acts import HOSPITAL, STATION, decide, end_promise, request, unit

Plant = Callable[[Seed], None]

DESK, BY, WHY = "dispatcher/night-desk", "Tsering", "the fresher bag for a child"
_OF = {"hospital_id": HOSPITAL, "station_id": STATION, "by": BY, "reason": WHY}


def add_hand_work(seed: Seed) -> None:
    """One bag is given instead of another; another one is taken back, and a third chosen."""
    for unit_id in ("H1", "H2"):
        unit(seed, unit_id, group="B+")
    request(seed, "r-gift", Patient(group=BloodGroup.B_POS), at=57, quantity=1)
    decide(seed, "r-gift", at=57, units=["H2"])
    order_gift(seed, "r-gift", "H1", at=58, instead_of="H2")
    end_promise(seed, "H2", status="released", at=58)
    decide(seed, "r-gift", at=58, units=["H1"])
    sign(seed, "H1")
    request(seed, "r-back", Patient(group=BloodGroup.A_POS), at=57, quantity=1)
    decide(seed, "r-back", at=57, units=["U7"])
    take_back(seed, "r-back", "U7", at=58)
    decide(seed, "r-back", at=58, units=["U8"])


def order_gift(
    seed: Seed, request_id: str, unit_id: str, *, at: float, instead_of: str | None = None
) -> None:
    given = BagGiven.model_validate(
        {
            **_OF,
            "request_id": request_id,
            "unit_id": unit_id,
            "line_no": 1,
            "instead_of": instead_of,
        }
    )
    seed.take_in(given, event_id=f"e-give-{unit_id}", source=DESK, at=minutes(at))


def order_back(seed: Seed, request_id: str, unit_id: str, *, at: float) -> None:
    taken = BagTakenBack.model_validate({**_OF, "request_id": request_id, "unit_id": unit_id})
    seed.take_in(taken, event_id=f"e-back-{unit_id}", source=DESK, at=minutes(at))


def take_back(seed: Seed, request_id: str, unit_id: str, *, at: float) -> None:
    order_back(seed, request_id, unit_id, at=at)
    end_promise(seed, unit_id, status="released", at=at)


def sign(seed: Seed, unit_id: str, **changes: str) -> None:
    """Make a unit's promise one by hand."""
    row = seed.row("promises", unit_id=unit_id, status="held")
    params = {"key": DESK, "by": BY, "reason": WHY} | changes
    row["reason"] = row["reason"] | {"code": "given_by_hand", "params": params}


def forget_the_name(seed: Seed) -> None:
    sign(seed, "H1", by="")


def say_another_reason(seed: Seed) -> None:
    sign(seed, "H1", reason="because")


def give_without_an_order(seed: Seed) -> None:
    sign(seed, "U1")


def let_the_engine_choose_it(seed: Seed) -> None:
    """The bag is the request's, and nothing says that a person gave it."""
    seed.row("promises", unit_id="H1", status="held")["reason"] |= {"code": "identical_group"}


def keep_what_goes_back(seed: Seed) -> None:
    order_back(seed, "r-reserved", "U1", at=60)


def give_it_again(seed: Seed) -> None:
    unit(seed, "X1", group="B+")
    request(seed, "r-again", Patient(group=BloodGroup.B_POS), at=60, quantity=1)
    decide(seed, "r-again", at=60, units=["X1"])
    take_back(seed, "r-again", "X1", at=61)
    decide(seed, "r-again", at=61, units=["X1"])


def keep_both(seed: Seed) -> None:
    """Two are asked for: the bag that was to go back stayed beside the other."""
    unit(seed, "X1", group="B+")
    unit(seed, "X2", group="B+")
    request(seed, "r-both", Patient(group=BloodGroup.B_POS), at=60, quantity=2)
    decide(seed, "r-both", at=60, units=["X1"])
    order_gift(seed, "r-both", "X2", at=61, instead_of="X1")
    decide(seed, "r-both", at=61, units=["X2"])
    sign(seed, "X2")


HAND_FAULTS: tuple[tuple[str, str, Plant], ...] = (
    ("given_by_nobody", "no name", forget_the_name),
    ("given_by_nobody", "another reason than was told", say_another_reason),
    ("given_by_nobody", "no order", give_without_an_order),
    ("hand_work_undone", "chosen, not given", let_the_engine_choose_it),
    ("hand_work_undone", "still held", keep_what_goes_back),
    ("hand_work_undone", "given again in the same step", give_it_again),
    ("hand_work_undone", "the other bag stays", keep_both),
)
