"""The life of a unit as the sources tell it, written down a second time for checking.

What a bag may do next, in words of the blood station: collected, kept apart until its tests are
back, on the shelf, promised, taken out, handed over, on the road, at the hospital, in the patient;
or back, thrown away, run out, called back. Shares nothing with the engine's own definition.
"""

from __future__ import annotations

from datetime import timedelta

BIRTHS = frozenset({"collected", "quarantined", "available"})

NEXT: dict[str, frozenset[str]] = {
    "collected": frozenset({"quarantined", "split", "discarded", "expired", "recalled"}),
    "quarantined": frozenset({"available", "split", "discarded", "expired", "recalled"}),
    "available": frozenset({"reserved", "discarded", "expired", "recalled"}),
    "reserved": frozenset({"available", "picked", "issued", "discarded", "expired", "recalled"}),
    "picked": frozenset({"available", "issued", "discarded", "expired", "recalled"}),
    "issued": frozenset(
        {"in_transit", "received", "available", "returned", "discarded", "recalled"}
    ),
    "in_transit": frozenset({"received", "available", "returned", "discarded", "recalled"}),
    "received": frozenset({"transfused", "returned", "discarded", "recalled"}),
    "returned": frozenset({"available", "discarded", "expired", "recalled"}),
    "expired": frozenset({"recalled"}),
    "recalled": frozenset({"discarded"}),
    "split": frozenset(),
    "transfused": frozenset(),
    "discarded": frozenset(),
}
"""State to the states that may follow it."""

MAY_MOVE = frozenset({"available", "quarantined"})
"""States in which a bag may turn up at another station and stay what it is."""

LEFT_STATION = frozenset({"issued", "in_transit", "received", "transfused", "returned"})
"""A unit in one of these has been handed over; it must have been released before."""

NEEDED_TESTS = frozenset({"hbsag", "anti_hcv", "anti_hiv", "syphilis", "alt", "nat", "grouping"})
"""献血法 art. 10, and the tests that stations report: serology, nucleic acid, grouping."""

STILL_THERE = frozenset(NEXT) - {"recalled", "transfused", "discarded", "split"}
"""A unit in one of these exists as a bag and is not frozen."""

BOUND = {"reserved": "held", "picked": "held", "issued": "issued", "in_transit": "issued"}
"""A unit in one of these is somebody's, and their promise is in this state."""

REACHED = frozenset({"received", "transfused"})
"""A unit in one of these reached a patient's hospital under a promise."""

FRESH_CHANGES = frozenset({"picked", "issued", "transfused", "restocked"})
"""Nobody does these to a unit whose label has run out."""

RESTOCKED_COMPONENTS = frozenset({"red_cells", "washed_red_cells"})
RESTOCKED_WITHIN = timedelta(minutes=30)
"""Red cells out of temperature control for longer are not stocked again; other blood never is."""
