"""Shortages in the order of who suffers: first where somebody waits in danger of life. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.rendering import explain
from models.facilities import Station
from models.requests import Priority, UrgentRequest
from models.rules.types.donors import donor_rules
from models.shortages import ShortageLevel
from streams.matching.shortage import find_wanted_group

Row = Mapping[str, Any]
Entry = dict[str, Any]
_NEVER = datetime.max.replace(tzinfo=UTC)
_PRIORITIES = [Priority.LIFE_THREATENING, Priority.URGENT, Priority.ROUTINE]


def list_worst_first(
    shortages: Sequence[Row],
    uncovered: Sequence[Row],
    *,
    stations: Mapping[str, Station],
    may_name: Callable[[str], bool],
) -> list[Entry]:
    """Tell of each shortage who waits for it, and sort the worst first.

    Args:
        shortages: `station_id`, `component`, `blood_group`, `body` and `opened_at`.
        uncovered: Lines of open requests: `station_id`, `body`, `line_no`, `uncovered`.
        stations: Whose policy says under which group a patient's need is counted.
        may_name: Whether the viewer may know a station's requests and hospitals; others are told
            the priority, the units and until when.

    Returns:
        By who waits most urgently: in danger of life, urgently, for a routine order, nobody; of
        these by when the first of them needs it, then by colour; of equals the oldest.
    """
    waiting: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for row in uncovered:
        station = stations.get(row["station_id"])
        if station is not None:
            _add(waiting, row, station, named=may_name(station.station_id))
    entries = []
    for row in shortages:
        place = (row["station_id"], row["component"], row["blood_group"])
        found = waiting.get(place, [])
        found.sort(key=lambda one: (_PRIORITIES.index(one["priority"]), one["needed_by"]))
        entries.append(
            {
                **row["body"],
                "opened_at": row["opened_at"],
                "waiting": found,
                "donors_not_called": find_uncalled([row["component"]]),
            }
        )
    return sorted(entries, key=_rank)


def find_uncalled(components: Iterable[str]) -> Entry | None:
    """Say of which components no donor is ever called; None if whole blood serves them all."""
    serves = donor_rules().serves.components
    uncalled = [name for name in components if name not in serves]
    if not uncalled:
        return None
    return explain("donors_not_called_for", {"components": ", ".join(uncalled)})


def _add(
    waiting: dict[tuple[str, str, str], list[Entry]], row: Row, station: Station, *, named: bool
) -> None:
    request = UrgentRequest.model_validate(row["body"])
    line = next((one for one in request.lines if one.line_no == row["line_no"]), None)
    if line is None:
        return
    group = find_wanted_group(line.component, request.patient, request.priority, station.policy)
    if group is None:
        return
    who = {"request_id": request.request_id, "hospital_id": request.hospital_id}
    waiting[station.station_id, line.component, group].append(
        {
            **(who if named else {}),
            "priority": request.priority,
            "units": row["uncovered"],
            "needed_by": request.needed_by,
        }
    )


def _rank(entry: Entry) -> tuple[int, datetime, int, datetime, str]:
    # Sorted as they suffer: the first one tells for whom this is most urgent, and until when.
    first = next(iter(entry["waiting"]), None)
    return (
        len(_PRIORITIES) if first is None else _PRIORITIES.index(first["priority"]),
        _NEVER if first is None else first["needed_by"],
        -ShortageLevel(entry["level"]).severity,
        entry["opened_at"],
        entry["shortage_id"],
    )
