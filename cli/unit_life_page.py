"""The page `docs/unit-life.md`: every move of a unit, what releases it, and the limits.

`python -m cli.unit_life_page` writes it; a test holds the page equal to what this module says. The
words around the tables stand in `unit_life_page.md` beside it.
"""

from __future__ import annotations

from pathlib import Path

from models.rules.rulebook import PACKAGED
from models.unit_states import END_STATES, MOVES, PromiseEffect

PAGE = Path(__file__).resolve().parents[1] / "docs" / "unit-life.md"

_TEMPLATE = Path(__file__).with_suffix(".md")
_COLUMNS = (
    "| 从 · from | 到 · to | 事件 · event | 由谁 · by | 须已放行 · needs release | 预留 · promise |"
)


def build_page() -> str:
    """Return the whole page."""
    return _TEMPLATE.read_text(encoding="utf-8").format(
        diagram="\n".join(_list_diagram()),
        moves="\n".join(_list_table()),
        tests="\n".join(_list_tests()),
    )


def _list_diagram() -> list[str]:
    lines = ["```mermaid", "stateDiagram-v2"]
    for (start, end), move in MOVES.items():
        lines.append(f"    {start or '[*]'} --> {end}: {move.cause}")
    lines += [f"    {state} --> [*]" for state in sorted(END_STATES)]
    return [*lines, "```"]


def _list_table() -> list[str]:
    rows = [
        f"| {f'`{move.from_state}`' if move.from_state else '–'} | `{move.to_state}` "
        f"| {move.zh} · {move.cause} | {', '.join(sorted(move.actors))} "
        f"| {'是 · yes' if move.needs_release else '–'} "
        f"| {'–' if move.promise is PromiseEffect.NONE else move.promise} |"
        for move in MOVES.values()
    ]
    return [_COLUMNS, "|---|---|---|---|---|---|", *rows]


def _list_tests() -> list[str]:
    rules = PACKAGED.testing
    needed = [
        f"| `{rule.rule}` | {rule.kind} | {', '.join(rule.tests)} | {rule.source} |"
        for rule in (rules.serology, rules.nat, rules.grouping)
    ]
    findings = [
        f"| `{rule.rule}` | {rule.kind} | {rule.fate} | {rule.source} |"
        for rule in (
            rules.reactive,
            rules.repeated_reactive,
            rules.contradicting,
            rules.group_differs,
        )
    ]
    returns, limit = PACKAGED.returns, PACKAGED.safety.out_of_control
    back, never = returns.restock, returns.handed_over
    within = f"{', '.join(limit.components)}: {limit.restock_within_min} min"
    return [
        "| 规则 · rule | 类别 · kind | 内容 · what | 出处 · source |",
        "|---|---|---|---|",
        *needed,
        *findings,
        f"| `{never.rule}` | {never.kind} | {never.zh} · {never.en} | {never.source} |",
        f"| `{back.rule}` | {back.kind} | {within} | {back.source} |",
    ]


if __name__ == "__main__":
    PAGE.write_text(build_page(), encoding="utf-8")
