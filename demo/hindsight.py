"""The day beside the best filling that hindsight finds, as values and as data. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from demo.day_trace import LineKey, Promised
from models.components import Component
from models.doses import WHOLE
from models.requests import Priority

_DECIMALS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LineInHindsight:
    """A line, what it got, and what it gets in one of the best fillings.

    Attributes:
        patient: The pseudonym.
        weight: What one unit is worth.
        asked: In hundredths of the ordering unit, as are `got` and `could`.
    """

    key: LineKey
    patient: str
    priority: Priority
    component: Component
    weight: int
    asked: int
    got: int
    could: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfPriority:
    """What all lines of a priority asked, got and could have got, in ordering units."""

    priority: Priority
    weight: int
    asked: float
    got: float
    could: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindsight:
    """The day beside its optimum.

    Attributes:
        impossible: Promises that the bound holds for impossible; any means that it is no bound.
    """

    lines: tuple[LineInHindsight, ...]
    impossible: tuple[Promised, ...]

    @property
    def optimum(self) -> float:
        """Return the best filling, in units times their weights."""
        return sum(line.could * line.weight for line in self.lines) / WHOLE

    @property
    def achieved(self) -> float:
        """Return what was promised and not lost, in units times their weights."""
        return sum(line.got * line.weight for line in self.lines) / WHOLE

    @property
    def share(self) -> float:
        """Our share of the optimum, rounded down; 1 where nothing could be filled."""
        optimum = sum(line.could * line.weight for line in self.lines)
        achieved = sum(line.got * line.weight for line in self.lines)
        return achieved * _DECIMALS // optimum / _DECIMALS if optimum else 1.0

    def list_priorities(self) -> Iterator[OfPriority]:
        """Yield the sums of each priority that asked, the most urgent first."""
        for priority in Priority:
            lines = [line for line in self.lines if line.priority is priority]
            if lines:
                yield OfPriority(
                    priority=priority,
                    weight=lines[0].weight,
                    asked=sum(line.asked for line in lines) / WHOLE,
                    got=sum(line.got for line in lines) / WHOLE,
                    could=sum(line.could for line in lines) / WHOLE,
                )

    def list_behind(self) -> list[LineInHindsight]:
        """List the lines that this best filling gives more, the greatest loss first."""
        behind = [line for line in self.lines if line.got < line.could]
        return sorted(behind, key=lambda line: ((line.got - line.could) * line.weight, line.key))


def to_row(hindsight: Hindsight) -> dict[str, Any]:
    """Return the comparison as data; quantities in ordering units."""
    return {
        "optimum": hindsight.optimum,
        "achieved": hindsight.achieved,
        "share": hindsight.share,
        "by_priority": [
            {
                "priority": of.priority,
                "weight": of.weight,
                "asked": of.asked,
                "optimum": of.could,
                "achieved": of.got,
            }
            for of in hindsight.list_priorities()
        ],
        "behind": [
            {
                "request_id": line.key[0],
                "line_no": line.key[1],
                "patient": line.patient,
                "priority": line.priority,
                "component": line.component,
                "asked": line.asked / WHOLE,
                "optimum": line.could / WHOLE,
                "achieved": line.got / WHOLE,
            }
            for line in hindsight.list_behind()
        ],
    }
