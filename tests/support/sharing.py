"""Sharing of shelves as the services of a test do it."""

from __future__ import annotations

from streams.services.demand_outlooks import DemandOutlooks
from streams.services.shelf_sharing import ShelfSharing
from streams.solver.direct import DirectSolver


def build_sharing() -> ShelfSharing:
    return ShelfSharing(outlooks=DemandOutlooks(), solver=DirectSolver())
