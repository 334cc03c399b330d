"""The states of a unit and the changes between them, written a second time for checking.

A unit is collected, in quarantine until its test results are back, on the shelf, there on hold by a
person's word, reserved, picked,
issued, in transit, received by the hospital, transfused; or returned, discarded, expired, recalled.
Shares nothing with the engine's own definition.
"""

from __future__ import annotations

from datetime import timedelta

BIRTHS = frozenset({"collected", "quarantined", "available"})

NEXT: dict[str, frozenset[str]] = {
    "collected": frozenset({"quarantined", "split", "discarded", "expired", "recalled"}),
    "quarantined": frozenset({"available", "split", "discarded", "expired", "recalled"}),
    "available": frozenset({"on_hold", "reserved", "split", "discarded", "expired", "recalled"}),
    "on_hold": frozenset({"available", "discarded", "expired", "recalled"}),
    "reserved": frozenset(
        {"available", "on_hold", "picked", "issued", "discarded", "expired", "recalled"}
    ),
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

DEGLYCEROLISED = {"frozen_red_cells": "deglycerolised_red_cells"}
"""What is made of a bag that was on the shelf already; of no other one is anything made then."""

MAY_MOVE = frozenset({"available", "quarantined"})
"""States in which a count may find a unit at another station without a change of its state."""

LEFT_STATION = frozenset({"issued", "in_transit", "received", "transfused", "returned"})
"""A unit in one of these states has been issued; it must have been released before."""

SEROLOGY = ("hbsag", "anti_hcv", "anti_hiv", "syphilis", "alt")
NUCLEIC_ACID = ("nat_hbv", "nat_hcv", "nat_hiv")
GROUPING = ("grouping",)
NEEDED_TESTS = frozenset((*SEROLOGY, *NUCLEIC_ACID, *GROUPING))
"""献血法 art. 10, and the tests that stations report: serology, grouping, and nucleic acid of each
of HBV, HCV and HIV."""

ENDED = frozenset(state for state, after in NEXT.items() if not after)
"""A unit in one of these states is no bag any more."""

STILL_THERE = frozenset(NEXT) - ENDED - {"recalled"}
"""A unit in one of these states exists as a bag and is not frozen by a recall."""

BOUND = {"reserved": "held", "picked": "held", "issued": "issued", "in_transit": "issued"}
"""State of a promised unit to the state of its promise."""

REACHED = frozenset({"received", "transfused"})
"""A unit in one of these states reached a patient's hospital under a promise."""

FRESH_CHANGES = frozenset({"picked", "issued", "transfused", "restocked"})
"""Changes that are never made to a unit after it has expired."""

RESTOCKED_COMPONENTS = frozenset({"red_cells", "washed_red_cells"})
RESTOCKED_WITHIN = timedelta(minutes=30)
"""Red cells out of temperature control for longer are not restocked; other blood never is."""


def find_unrestockable(component: str, out: timedelta) -> str:
    """Return why a unit that was so long out of control is not restocked; empty if it may be."""
    if component not in RESTOCKED_COMPONENTS:
        return f"{component} 再入库 · is never stocked again"
    if out > RESTOCKED_WITHIN:
        return f"失控 {out} 后再入库 · restocked after so long out of control"
    return ""
