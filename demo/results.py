"""The results of the day as named checks: the checker's counts, and the demo's own goals.

Pure, except that it reads the machine's description. A check without a goal is only information.
"""

from __future__ import annotations

import json
import platform
import subprocess
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.resources import files
from os import cpu_count
from pathlib import Path
from typing import Any

from demo.actor_context import DrillStage
from demo.actors.faulty_senders import EXPECTED_CODES
from demo.day_record import Board, percentile
from demo.hindsight import Hindsight, to_row
from demo.played_day import PlayedDay
from demo.unserved import Unserved, count_with_nothing, to_rows
from models.requests import Priority
from models.units import UnitStatus

SOURCES = ("stock", "donor", "neighbour")


def read_texts() -> dict[str, dict[str, Any]]:
    """Read the texts of figures and sections, in both languages."""
    return tomllib.loads(files("demo").joinpath("texts.toml").read_text(encoding="utf-8"))


_TITLES: dict[str, list[str]] = read_texts()["figures"]
_UNITS: dict[str, str] = read_texts()["units"]


def describe_unit(unit: str) -> str:
    """Return a unit of measure in both languages; without a Chinese word it stays as it is."""
    return f"{_UNITS[unit]} · {unit}" if unit in _UNITS else unit


STAFF_STATION = "nagqu"
STAFF_GAVE_ML = 6000
"""Millilitres that Nagqu's 25 staff gave on the day, as the station reported: the demo's goal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A named value against its goal.

    Attributes:
        goal: None where the value is only information.
        title: For people, Chinese first.
    """

    name: str
    title: str
    value: float | int | str
    unit: str
    goal: float | int | None
    holds: bool


def _exactly(name: str, value: int, unit: str, *, goal: int) -> Figure:
    title = _get_title(name)
    return Figure(name=name, title=title, value=value, unit=unit, goal=goal, holds=value == goal)


def _at_least(name: str, value: float, unit: str, *, goal: float) -> Figure:
    title = _get_title(name)
    return Figure(name=name, title=title, value=value, unit=unit, goal=goal, holds=value >= goal)


def _at_most(name: str, value: float, unit: str, *, goal: float) -> Figure:
    title = _get_title(name)
    return Figure(name=name, title=title, value=value, unit=unit, goal=goal, holds=value <= goal)


def _told(name: str, value: float, unit: str) -> Figure:
    return Figure(name=name, title=_get_title(name), value=value, unit=unit, goal=None, holds=True)


def _get_title(name: str) -> str:
    return " · ".join(_TITLES[name])


def list_figures(day: PlayedDay) -> list[Figure]:
    """List every check and figure of the day, the checker's first."""
    return [
        *(
            Figure(
                name=check.name,
                title=check.title,
                value=check.value,
                unit=check.unit,
                goal=check.goal,
                holds=check.holds,
            )
            for check in day.verdict.checks
        ),
        *_list_demanded(day.stage),
        *list_served(day.stage, day.unserved),
        *list_beside_optimum(day.hindsight, goal=day.stage.scenario.hindsight.share),
        _exactly("audit_breaches", day.audit["breached"], "rows", goal=0),
        *_list_told(day.stage),
        _told("audit_rows", day.audit["rows"], "rows"),
        _at_least("audit_seals", day.audit["seals"], "records", goal=1),
    ]


def _list_demanded(stage: DrillStage) -> list[Figure]:
    board = stage.board
    undecided = board.count_requests()["deciding"]
    flawed = {donor.donor.donor_id for donor in stage.donors.values() if donor.ineligible}
    staff_ml = sum(
        given.volume_ml
        for given in board.donated.values()
        if given.staff and given.station_id == STAFF_STATION
    )
    planned = Counter(EXPECTED_CODES[: board.bad])
    missing, wrongly = planned - board.quarantined, board.quarantined - planned
    flawed_called = len(flawed & board.called_donors)
    return [
        _exactly("undecided", undecided, "requests", goal=0),
        _exactly("bad_not_quarantined", missing.total(), "messages", goal=0),
        _exactly("requests_wrongly_quarantined", wrongly.total(), "requests", goal=0),
        _exactly("flawed_donors_called", flawed_called, "donors", goal=0),
        _exactly("unexpected_answers", len(stage.refused.lines), "answers", goal=0),
        _exactly("nagqu_staff_ml", staff_ml, "ml", goal=STAFF_GAVE_ML),
        _exactly("look_backs", _count_look_backs(board), "recalls", goal=1),
    ]


def list_served(stage: DrillStage, unserved: Sequence[Unserved]) -> list[Figure]:
    """List what is demanded of the requests that end with nothing, and of the report on them."""
    empty, sent = count_with_nothing(stage.board), max(1, stage.board.sent)
    ended = [request for request in unserved if request.has_nothing and request.is_due]
    dying = sum(request.priority is Priority.LIFE_THREATENING for request in ended)
    beside = sum(request.lay_beside_free_blood for request in ended)
    unexplained = sum(not request.is_explained for request in unserved)
    share = round(100 * empty / sent, 1)
    return [
        _at_most("share_with_nothing", share, "%", goal=stage.scenario.goals.with_nothing_percent),
        _exactly("dying_with_nothing", dying, "requests", goal=0),
        _exactly("nothing_beside_neighbours", beside, "requests", goal=0),
        _exactly("unserved_unexplained", unexplained, "requests", goal=0),
    ]


def list_beside_optimum(hindsight: Hindsight, *, goal: float) -> list[Figure]:
    """List what is demanded of the day beside the best that hindsight finds.

    A promise that the bound holds for impossible would mean that it is no bound.
    """
    beyond = len(hindsight.impossible)
    return [
        _at_least("share_of_optimum", hindsight.share, "share", goal=goal),
        _exactly("promises_beyond_hindsight", beyond, "promises", goal=0),
        _told("optimum", hindsight.optimum, "weighted units"),
        _told("achieved", hindsight.achieved, "weighted units"),
    ]


def _count_look_backs(board: Board) -> int:
    """Count the look-back if it left no usable unit and found at least one patient, else 0."""
    seen = board.look_back
    if seen is None or not seen.requests:
        return 0
    ended = {UnitStatus.RECALLED, UnitStatus.TRANSFUSED, UnitStatus.DISCARDED, UnitStatus.SPLIT}
    return int(all(status in ended for status in seen.units.values()))


def _list_told(stage: DrillStage) -> list[Figure]:
    board, ms = stage.board, stage.board.list_ms()
    counts = board.count_requests()
    sources = count_sources(stage)
    donated_ml = sum(given.volume_ml for given in board.donated.values())
    empty = count_with_nothing(board)
    return [
        _told("requests_with_nothing", empty, "requests"),
        _told("latency_p50", round(percentile(ms, 0.5), 1), "ms"),
        _told("latency_p99", round(percentile(ms, 0.99), 1), "ms"),
        _told("requests_sent", board.sent, "requests"),
        _told("requests_repeated", board.repeats, "messages"),
        *(
            _told(f"requests_{name}", counts[name], "requests")
            for name in sorted(counts)
            if counts[name]
        ),
        _told("units_delivered", len(board.received), "units"),
        *(_told(f"units_from_{source}", sources[source], "units") for source in SOURCES),
        _told("donors_called", len(board.called_donors), "donors"),
        _told("donations", len(board.donated), "donations"),
        _told("donated_ml", donated_ml, "ml"),
        _told("tests_failed", board.failed_tests, "units"),
        _told("shortages", len(board.shortages), "shortages"),
        _told("offers", board.offers, "offers"),
        _told("transfers", len(board.transfers), "transfers"),
        _told("units_transferred", len(board.shared), "units"),
    ]


def find_source(stage: DrillStage, unit_id: str) -> str:
    """Return the source of a delivered unit: a neighbour, a donor called here, or the shelf."""
    if unit_id in stage.board.shared:
        return "neighbour"
    return "donor" if unit_id in stage.board.donated else "stock"


def count_sources(stage: DrillStage) -> Counter[str]:
    """Count delivered units by their source."""
    return Counter(find_source(stage, unit_id) for unit_id in stage.board.received)


def list_waiting(stage: DrillStage) -> list[tuple[str, str]]:
    """List requests that have not ended, each with what it waits for."""
    return sorted(
        (request_id, view.waiting_for)
        for request_id, view in stage.board.requests.items()
        if view.waiting_for
    )


def write_result(
    path: Path, day: PlayedDay, *, figures: Sequence[Figure], started_at: datetime
) -> None:
    """Write the results as data.

    With what would have served each request that lacks something, and the day beside its optimum.
    """
    result = {
        "target": "demo",
        "commit": _find_commit(),
        "started_at": started_at.isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {cpu_count()} cores, "
        f"Python {platform.python_version()}",
        "holds": all(figure.holds for figure in figures),
        "checks": [asdict(figure) for figure in figures],
        "hindsight": to_row(day.hindsight),
        "unserved": to_rows(day.stage, day.unserved, read_texts()["levers"]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _find_commit() -> str:
    """Return the commit of this work tree; empty outside a git checkout."""
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command without input
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return answer.stdout.strip()
