"""The checker's report: named counts against goals, with examples, as data and as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table

MAX_EXAMPLES = 20
"""Examples kept of each check: enough to see a pattern; the count gives the full number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A single fault.

    Attributes:
        subject: Identifier of the request, unit, donor, key or event it is about.
        told: Description of the fault, Chinese first.
    """

    subject: str
    told: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """A named count against its goal.

    Attributes:
        name: Stable identifier.
        title: What is counted, for people.
        goal: The only value that passes; None for a count that is only information.
        examples: At most `MAX_EXAMPLES` of the findings.
    """

    name: str
    title: str
    value: int
    unit: str
    goal: int | None
    holds: bool
    examples: tuple[Finding, ...]

    @classmethod
    def of(
        cls, *, name: str, title: str, unit: str, findings: Iterable[Finding], told: bool = False
    ) -> CheckResult:
        """Count findings; with `told` the count is information and always holds."""
        found = sorted(findings, key=lambda finding: (finding.subject, finding.told))
        return cls(
            name=name,
            title=title,
            value=len(found),
            unit=unit,
            goal=None if told else 0,
            holds=told or not found,
            examples=tuple(found[:MAX_EXAMPLES]),
        )

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "title": self.title,
            "value": self.value,
            "unit": self.unit,
            "goal": self.goal,
            "holds": self.holds,
            "examples": [
                {"subject": example.subject, "told": example.told} for example in self.examples
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Every check of one run.

    Attributes:
        read: How much was read, per source; without it, no faults could mean that nothing was read.
    """

    checks: tuple[CheckResult, ...]
    read: dict[str, int]

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)

    def get(self, name: str) -> CheckResult:
        """Return the check of that name.

        Raises:
            KeyError: There is no check of that name.
        """
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def list_failed(self) -> tuple[CheckResult, ...]:
        return tuple(check for check in self.checks if not check.holds)

    def to_json(self) -> dict[str, object]:
        return {
            "holds": self.holds,
            "read": self.read,
            "checks": [check.to_json() for check in self.checks],
        }

    def to_table(self) -> Table:
        """Return the checks as a table."""
        table = Table(title="独立核查 · Independent check", title_justify="left")
        table.add_column("核查项 · check", overflow="fold")
        table.add_column("数目 · count", justify="right")
        table.add_column("目标 · goal", justify="right")
        table.add_column("结论 · verdict")
        for check in self.checks:
            table.add_row(
                check.title.replace(" · ", "\n"),
                f"{check.value:,}",
                "–" if check.goal is None else str(check.goal),
                _verdict(check),
            )
        return table


def _verdict(check: CheckResult) -> str:
    if check.goal is None:
        return "[dim]仅供参考 · told only[/dim]"
    return "[green]通过 · holds[/green]" if check.holds else "[bold red]不通过 · FAILS[/bold red]"
