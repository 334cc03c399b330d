"""Hand work in the seeded world, and breaches of it to plant."""

from __future__ import annotations

from collections.abc import Callable

from models.events.hand_work import (
    BagGiven,
    BagTakenBack,
    CallsResumed,
    CallsStoodDown,
    HoldEnded,
    HoldPlaced,
    TransferStoodDown,
)
from models.groups import BloodGroup
from models.patients import Patient
from tests.support.seeding import Seed, minutes
from tests.support.seeding_acts import (
    HOSPITAL,
    NEIGHBOUR,
    STATION,
    decide,
    end_promise,
    request,
    trail,
    unit,
)
from tests.support.seeding_life import live

Plant = Callable[[Seed], None]

DESK, BY, WHY = "dispatcher/night-desk", "Tsering", "the fresher bag for a child"
_OF = {"hospital_id": HOSPITAL, "station_id": STATION, "by": BY, "reason": WHY}


def add_hand_work(seed: Seed) -> None:
    """One bag is given instead of another; another one is taken back, and a third chosen."""
    for unit_id in ("H1", "H2"):
        unit(seed, unit_id, group="AB+")
    request(seed, "r-gift", Patient(group=BloodGroup.AB_POS), at=57, quantity=1)
    decide(seed, "r-gift", at=57, units=["H2"])
    order_gift(seed, "r-gift", "H1", at=58, instead_of="H2")
    end_promise(seed, "H2", status="released", at=58)
    decide(seed, "r-gift", at=58, units=["H1"])
    sign(seed, "H1")
    request(seed, "r-back", Patient(group=BloodGroup.A_POS), at=57, quantity=1)
    decide(seed, "r-back", at=57, units=["U7"])
    take_back(seed, "r-back", "U7", at=58)
    decide(seed, "r-back", at=58, units=["U8"])
    for unit_id in ("H3", "H4"):
        unit(seed, unit_id, group="AB+")
        live(seed, unit_id, "available", at=5)
        hold(seed, unit_id, at=50)
    end_hold(seed, "H4", at=58)
    stop_calls(seed, at=31, until=79)


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


def hold(seed: Seed, unit_id: str, *, at: float) -> None:
    """A bag that a dispatcher holds back from now on."""
    told = {"station_id": STATION, "unit_id": unit_id, "by": BY, "reason": WHY}
    event_id = f"e-hold-{unit_id}"
    seed.take_in(HoldPlaced.model_validate(told), event_id=event_id, source=DESK, at=minutes(at))
    trail(seed, unit_id, "on_hold", at=minutes(at))
    seed.row("units", unit_id=unit_id)["status"] = "on_hold"
    seed.rows["unit_holds"].append(
        told | {"actor": DESK, "placed_at": minutes(at), "caused_by": event_id}
    )


def end_hold(seed: Seed, unit_id: str, *, at: float) -> None:
    told = {"station_id": STATION, "unit_id": unit_id, "by": BY, "reason": WHY}
    seed.take_in(
        HoldEnded.model_validate(told),
        event_id=f"e-hold-end-{unit_id}",
        source=DESK,
        at=minutes(at),
    )
    trail(seed, unit_id, "available", at=minutes(at))
    seed.row("units", unit_id=unit_id)["status"] = "available"
    row = seed.row("unit_holds", unit_id=unit_id)
    row |= {"ended_at": minutes(at), "ended_by": DESK, "ended_why": WHY}


def stop_calls(seed: Seed, *, at: float, until: float) -> None:
    """Nobody is called for the shortage for a while: after its first wave, before its second."""
    told = {"station_id": STATION, "cause_id": "s-1", "by": BY, "reason": WHY}
    seed.take_in(
        CallsStoodDown.model_validate(told), event_id="e-stop", source=DESK, at=minutes(at)
    )
    seed.take_in(
        CallsResumed.model_validate(told), event_id="e-resume", source=DESK, at=minutes(until)
    )
    seed.rows["call_stops"].append(
        told
        | {"actor": DESK, "stopped_at": minutes(at), "caused_by": "e-stop"}
        | {"ended_at": minutes(until), "ended_by": DESK, "ended_why": WHY}
    )


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


def hold_for_another_reason(seed: Seed) -> None:
    seed.row("unit_holds", unit_id="H3")["reason"] = "because"


def hold_without_an_order(seed: Seed) -> None:
    unit(seed, "X1", group="AB+")
    live(seed, "X1", "available", "on_hold", at=5)
    row = seed.row("unit_holds", unit_id="H3")
    seed.rows["unit_holds"].append(row | {"unit_id": "X1", "caused_by": "e-nobody"})


def forget_who_holds(seed: Seed) -> None:
    """The state stands and nothing says who wanted it; the order was done and is over."""
    row = seed.row("unit_holds", unit_id="H3")
    row |= {"ended_at": minutes(59), "ended_by": DESK, "ended_why": WHY}


def never_hold(seed: Seed) -> None:
    """The engine took the order in and left the bag where it was."""
    unit(seed, "X1", group="AB+")
    told = {"station_id": STATION, "unit_id": "X1", "by": BY, "reason": WHY}
    placed = HoldPlaced.model_validate(told)
    seed.take_in(placed, event_id="e-hold-X1", source=DESK, at=minutes(60))


def promise_what_is_held(seed: Seed) -> None:
    """The bag was held until the fifty-eighth minute, and promised before that all the same."""
    request(seed, "r-held", Patient(group=BloodGroup.AB_POS), at=53, quantity=1)
    decide(seed, "r-held", at=53, units=["H4"])


def stop_for_another_reason(seed: Seed) -> None:
    seed.row("call_stops", cause_id="s-1")["reason"] = "because"


def stop_nothing(seed: Seed) -> None:
    """The order was taken in, and donors may be called as before."""
    seed.rows["call_stops"].clear()


def call_all_the_same(seed: Seed) -> None:
    """The second wave went out before the calls were taken up again."""
    row = seed.row("call_stops", cause_id="s-1")
    row["ended_at"] = minutes(83)
    for inbox in seed.rows["inbox"]:
        if inbox["event_id"] == "e-resume":
            inbox["taken_at"] = minutes(83)


def send_all_the_same(seed: Seed) -> None:
    """A transfer was stood down, and its bag is still held for it."""
    row = seed.row("promises", unit_id="U5", transfer_id="t-1")
    told = {"transfer_id": "t-1", "from_station_id": NEIGHBOUR, "to_station_id": STATION}
    stopped = TransferStoodDown.model_validate(told | {"by": BY, "reason": WHY})
    seed.take_in(stopped, event_id="e-stop-t-1", source=DESK, at=minutes(13))
    unit(seed, "X1", group="A+")
    live(seed, "X1", "available", at=5)
    trail(seed, "X1", "reserved", at=minutes(12))
    seed.row("units", unit_id="X1").update(status="reserved", epoch=1)
    seed.rows["promises"].append(
        row
        | {"promise_id": "X1.e1", "unit_id": "X1", "status": "held", "epoch": 1, "ended_at": None}
    )


HAND_FAULTS: tuple[tuple[str, str, Plant], ...] = (
    ("given_by_nobody", "no name", forget_the_name),
    ("given_by_nobody", "another reason than was told", say_another_reason),
    ("given_by_nobody", "no order", give_without_an_order),
    ("hand_work_undone", "chosen, not given", let_the_engine_choose_it),
    ("hand_work_undone", "still held", keep_what_goes_back),
    ("hand_work_undone", "given again in the same step", give_it_again),
    ("hand_work_undone", "the other bag stays", keep_both),
    ("hand_work_undone", "never held", never_hold),
    ("held_by_nobody", "another reason than was told", hold_for_another_reason),
    ("held_by_nobody", "no order", hold_without_an_order),
    ("held_by_nobody", "the state alone", forget_who_holds),
    ("promised_while_held", "promised in between", promise_what_is_held),
    ("held_by_nobody", "stood down for another reason", stop_for_another_reason),
    ("hand_work_undone", "calls not stood down", stop_nothing),
    ("hand_work_undone", "a transfer goes all the same", send_all_the_same),
    ("called_while_stopped", "a wave in between", call_all_the_same),
)
