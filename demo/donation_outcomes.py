"""The outcome of every donation of the day, as the gateway returns it at the end.

Read before the processes end; the report shows it. Judges nothing: the checker does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo.actor_context import DrillStage
from models.clearance import UnitFacts
from models.components import Component
from models.groups import BloodGroup
from models.units import UnitStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class DonatedLife(UnitFacts):
    """A unit that a called donor gave, and what became of it.

    Attributes:
        clear: Number of results that allow its release.
        against: Number of reactive results.
        released_at: When its results released it; None if they never did.
        place: Chinese and English name of its destination, promised or reached; None without one.
    """

    clear: int
    against: int
    released_at: datetime | None
    place: tuple[str, str] | None


async def read_lives(stage: DrillStage) -> list[DonatedLife]:
    """Read every donation of the day, in the order of collection."""
    lives = []
    for unit_id, given in stage.board.donated.items():
        donation_id = unit_id.rpartition("-")[0]
        answer = await stage.door("station", given.station_id).call(
            "GET", f"/v1/donations/{donation_id}"
        )
        lives += [_to_life(stage, unit, answer.body["results"]) for unit in answer.body["units"]]
    return sorted(lives, key=lambda life: (life.collected_at, life.unit_id))


def count_steps(lives: Sequence[DonatedLife]) -> Counter[str]:
    """Count the donations that were donated, tested, released, and that have each status."""
    counted: Counter[str] = Counter(donated=len(lives))
    for life in lives:
        counted["tested"] += bool(life.clear or life.against)
        counted["released"] += life.released_at is not None
        counted[life.status] += 1
    return counted


def _to_life(
    stage: DrillStage, unit: dict[str, Any], results: Sequence[dict[str, Any]]
) -> DonatedLife:
    against = sum(result.get("outcome") == "reactive" for result in results)
    goal = unit["hospital_id"] or unit["to_station_id"]
    released_at, status = unit["released_at"], UnitStatus(unit["status"])
    return DonatedLife(
        unit_id=unit["unit_id"],
        station_id=unit["station_id"],
        component=Component(unit["component"]),
        group=BloodGroup(unit["group"]),
        volume_ml=unit["volume_ml"],
        status=status,
        collected_at=datetime.fromisoformat(unit["collected_at"]),
        expires_at=datetime.fromisoformat(unit["expires_at"]),
        released=released_at is not None,
        recalled=status is UnitStatus.RECALLED,
        epoch=0,
        clear=len(results) - against,
        against=against,
        released_at=datetime.fromisoformat(released_at) if released_at else None,
        place=stage.scenario.get_names(goal) if goal else None,
    )
