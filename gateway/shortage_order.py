"""Orders shortages by who waits for the blood: life-threatening requests come first. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gateway.reason_texts import explain
from models.components import Component
from models.facilities import Station
from models.requests import Priority, UrgentRequest
from models.rules.rulebook import Rulebook
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
    rules: Rulebook,
) -> list[Entry]:
    """Add to each shortage which requests wait for it, and sort the worst first.

    Args:
        shortages: `station_id`, `component`, `blood_group`, `body` and `opened_at`.
        uncovered: Lines of open requests: `station_id`, `body`, `line_no`, `uncovered`.
        stations: Their policies say under which group a patient's need is counted.
        may_name: Whether the viewer may know a station's requests and hospitals; other viewers see
            only the priority, the units and the needed-by time.
        rules: The station's rulebook.

    Returns:
        The shortages by the highest priority that waits for them (life-threatening, urgent,
        routine, none), then by the earliest needed-by time of that priority, then by colour, then
        the oldest first.
    """
    waiting: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for row in uncovered:
        station = stations.get(row["station_id"])
        if station is not None:
            _add(waiting, row, station, named=may_name(station.station_id), rules=rules)
    entries = []
    for row in shortages:
        place = (row["station_id"], row["component"], row["blood_group"])
        found = waiting.get(place, [])
        found.sort(key=lambda want: (_PRIORITIES.index(want["priority"]), want["needed_by"]))
        entries.append(
            {
                **row["body"],
                "opened_at": row["opened_at"],
                "waiting": found,
                "donors_not_called": None
                if rules.donors.find_kind(Component(row["component"]))
                else find_uncalled([row["component"]], rules),
            }
        )
    return sorted(entries, key=_rank)


def find_uncalled(components: Iterable[str], rules: Rulebook) -> Entry | None:
    """Name the components for which no donor is called; None if whole blood serves them all."""
    serves = rules.donors.serves.components
    uncalled = [name for name in components if name not in serves]
    if not uncalled:
        return None
    return explain("donors_not_called_for", {"components": ", ".join(uncalled)})


def _add(
    waiting: dict[tuple[str, str, str], list[Entry]],
    row: Row,
    station: Station,
    *,
    named: bool,
    rules: Rulebook,
) -> None:
    request = UrgentRequest.of_row(row["body"])
    line = next((line for line in request.lines if line.line_no == row["line_no"]), None)
    if line is None:
        return
    group = find_wanted_group(
        line.component, request.patient, request.priority, station.policy, rules
    )
    if group is None:
        return
    who = {"request_id": request.request_id, "hospital_id": request.hospital_id}
    waiting[station.station_id, line.component, group].append(
        {
            **(who if named else {}),
            "priority": request.priority,
            "units": line.to_units(row["uncovered"]),
            "needed_by": request.needed_by,
        }
    )


def _rank(entry: Entry) -> tuple[int, datetime, int, datetime, str]:
    # The waiting requests are sorted: the first has the highest priority and is needed first.
    first = next(iter(entry["waiting"]), None)
    return (
        len(_PRIORITIES) if first is None else _PRIORITIES.index(first["priority"]),
        _NEVER if first is None else first["needed_by"],
        -ShortageLevel(entry["level"]).severity,
        entry["opened_at"],
        entry["shortage_id"],
    )
