"""How a way is judged that was followed: its stays, its returns, and rooms that are closed."""

from __future__ import annotations

from tests.support.ways import Entry, Place, Way

ROUTE, INTAKE, STORE = "gateway/http/routes/a.py", "gateway/intake/b.py", "streams/store/c.py"
DOOR, WITHIN, OTHER = "gateway/files/d.py", "gateway/files/e.py", "gateway/files/f.py"


def way_of(*calls: tuple[str, str]) -> Way:
    """A way that begins at the route and goes on by calls of one module by another."""
    entries = [Entry(None, Place(ROUTE, "handle"))]
    entries += [Entry(Place(caller, "call"), Place(other, "do")) for caller, other in calls]
    return Way(entries=dict.fromkeys(entries))


def test_stays_are_in_the_order_of_first_entry() -> None:
    way = way_of((ROUTE, STORE), (ROUTE, INTAKE), (INTAKE, STORE))
    assert way.list_stays() == [ROUTE, STORE, INTAKE]


def test_a_call_of_an_earlier_stay_is_a_return_and_one_of_a_later_stay_is_none() -> None:
    assert way_of((ROUTE, INTAKE), (INTAKE, STORE), (ROUTE, STORE)).list_returns() == []
    back = way_of((ROUTE, INTAKE), (INTAKE, STORE), (STORE, INTAKE), (STORE, ROUTE))
    assert [entry.callee.module for entry in back.list_returns()] == [INTAKE, ROUTE]


def test_a_room_with_one_door_is_one_stay_whatever_happens_in_it() -> None:
    way = way_of((ROUTE, DOOR), (DOOR, WITHIN), (WITHIN, OTHER), (OTHER, WITHIN), (ROUTE, STORE))
    assert way.list_stays() == [ROUTE, DOOR, STORE]
    assert way.list_returns() == []


def test_a_room_with_two_doors_or_that_calls_out_is_as_many_stays_as_modules() -> None:
    two_doors = way_of((ROUTE, DOOR), (DOOR, WITHIN), (ROUTE, OTHER))
    assert two_doors.list_stays() == [ROUTE, DOOR, WITHIN, OTHER]
    calls_out = way_of((ROUTE, DOOR), (DOOR, WITHIN), (WITHIN, STORE))
    assert calls_out.list_stays() == [ROUTE, DOOR, WITHIN, STORE]
