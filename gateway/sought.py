"""What was in fact done for the part of a request that stock did not cover. Pure.

Told from what is, at the time of reading: calls that went out, neighbours who hear of the shortage,
transfers that were agreed. A decision cannot tell this: it was made before any of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.rendering import explain
from models.donor_rules import donor_rules

Row = Mapping[str, Any]

_ZONE = ZoneInfo("Asia/Shanghai")
_ENDED = frozenset({"completed", "cancelled"})


def tell_sought(
    *,
    lines: Sequence[Row],
    calls: Sequence[Row],
    transfers: Sequence[Row],
    donors: int,
    neighbours: Sequence[str],
) -> list[dict[str, Any]]:
    """Tell what was done, in order; empty if nothing is missing.

    Args:
        lines: Of the request; `uncovered` counts units.
        calls: `status` and number of `calls` that serve it.
        transfers: That serve it, with `units`, `agreed_at` and `eta_s`.
        donors: How many donors the station has on its register.
        neighbours: Stations that hear of its shortages.
    """
    missing = sum(line["uncovered"] for line in lines)
    if not missing:
        return []
    lacking = sorted({line["component"] for line in lines if line["uncovered"]})
    return [
        *_tell_donors(lacking, calls, donors),
        *_tell_neighbours(neighbours),
        *_tell_transfers(transfers),
        _tell_missing(missing, transfers),
    ]


def _tell_missing(missing: int, transfers: Sequence[Row]) -> dict[str, Any]:
    on_the_way = sum(row["units"] for row in transfers if row["status"] not in _ENDED)
    if not on_the_way:
        return explain("sought_still_missing", {"missing": missing})
    # A transfer serves the shortage, and so whoever waits for the same blood.
    left = max(0, missing - on_the_way)
    return explain("sought_transfer_leaves", {"missing": missing, "left": left})


def join_texts(told: Sequence[Row]) -> dict[str, Any]:
    """Return one text of all that was done, under the code of what the request waits for."""
    return {
        "code": "donors_and_neighbours",
        "params": {},
        "zh": "；".join(one["zh"] for one in told),
        "en": "; ".join(one["en"] for one in told),
    }


def _tell_donors(
    lacking: Sequence[str], calls: Sequence[Row], donors: int
) -> Iterator[dict[str, Any]]:
    served = donor_rules().serves.components
    for component in lacking:
        if component not in served:
            yield explain("sought_by_appointment", {"component": component})
    if not set(lacking) & set(served):
        return
    called = sum(row["calls"] for row in calls)
    accepted = sum(row["calls"] for row in calls if row["status"] in {"accepted", "arrived"})
    if called:
        yield explain("sought_called", {"calls": called, "accepted": accepted})
    elif donors:
        yield explain("sought_not_called", {"donors": donors})
    else:
        yield explain("sought_no_donors")


def _tell_neighbours(neighbours: Sequence[str]) -> Iterator[dict[str, Any]]:
    if neighbours:
        yield explain("sought_neighbours", {"stations": " ".join(neighbours)})
    else:
        yield explain("sought_no_neighbour")


def _tell_transfers(transfers: Sequence[Row]) -> Iterator[dict[str, Any]]:
    for row in transfers:
        if row["status"] not in _ENDED:
            agreed_at: datetime = row["agreed_at"]
            arrives_at = (agreed_at + timedelta(seconds=row["eta_s"])).astimezone(_ZONE)
            at = f"{arrives_at:%m-%d %H:%M}"
            params = {"from_id": row["from_station_id"], "count": row["units"], "at": at}
            yield explain("sought_transfer", params)
