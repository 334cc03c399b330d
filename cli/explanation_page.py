"""Lays an explanation of a request out as one page, to be read at night. It decides nothing.

Short texts stand on one line in both languages, long ones on two. All times are Beijing's: the page
says so once, and leaves the current year out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from rich.cells import cell_len

from cli.decisions import STATUS_WORDS
from cli.output import show_code
from models.texts.instants import ZONE_EN, ZONE_ZH, show_moment, to_local

Json = Mapping[str, Any]

WIDTH = 96
"""Columns within which both languages stand on one line."""

_HEADS = (
    "现在怎样 · Where it stands",
    "给了什么 · What is given",
    "略过了什么 · What was passed over",
    "改变什么就不同，最省事的在前 · What would change it, the cheapest first",
    "期间做了什么 · What was done meanwhile",
    "为何一次次决定 · Why it was decided, each time",
)


def list_page(answer: Json) -> list[str]:
    """List the lines of the page, in the order in which it is read."""
    as_of = datetime.fromisoformat(answer["as_of"])
    sections = (
        _list_both(answer["standing"], "  "),
        _list_given(answer, as_of),
        _list_passed_over(answer["lines"], as_of),
        _list_numbered(answer["would_change"]),
        _list_texts(answer["done"]),
        _list_versions(answer, as_of),
    )
    lines = [_describe_whose(answer, as_of)]
    for number, (head, section) in enumerate(zip(_HEADS, sections, strict=True), 1):
        lines += ["", f"{number} {head}", *(list(section) or ["  没有 · nothing"])]
    return [_shorten(line, as_of) for line in lines]


def _shorten(line: str, as_of: datetime) -> str:
    """Leave out what the head of the page says once: the zone, and the year."""
    line = re.sub(rf"（{ZONE_ZH}）(?=[，。；：、）])", "", line).replace(f" ({ZONE_EN})", "")
    line = re.sub(rf"（{ZONE_ZH}） ?", " ", line)
    return re.sub(rf"\b{to_local(as_of).year}-(?=\d\d-\d\d \d\d:\d\d)", "", line).rstrip()


def _describe_whose(answer: Json, as_of: datetime) -> str:
    group = answer["patient_group"] or "血型未知 · group unknown"
    number, newest = answer["version"], answer["newest_version"]
    return (
        f"{answer['request_id']}  {show_code(answer['priority'])}  {answer['hospital_id']} ← "
        f"{answer['station_id']}  {group}\n"
        f"第 {number} 版，共 {newest} 版 · version {number} of {newest}；"
        f"{show_moment(as_of)} {ZONE_ZH} · {ZONE_EN}"
    )


def _list_both(told: Json, indent: str, mark: str = "") -> Iterator[str]:
    """Yield a text in both languages, with the rule that it follows."""
    rule = f" [{told['rule']}]" if told.get("rule") else ""
    together = f"{indent}{mark}{told['zh']} · {told['en']}{rule}"
    if cell_len(together) <= WIDTH:
        yield together
        return
    yield f"{indent}{mark}{told['zh']}{rule}"
    yield f"{indent}{' ' * cell_len(mark)}{told['en']}"


def _list_texts(texts: Sequence[Json], indent: str = "  ") -> Iterator[str]:
    for told in texts:
        yield from _list_both(told, indent, "– ")


def _list_numbered(texts: Sequence[Json]) -> Iterator[str]:
    for number, told in enumerate(texts, 1):
        yield from _list_both(told, "  ", f"{number}. ")


def _list_given(answer: Json, as_of: datetime) -> Iterator[str]:
    for line in answer["lines"]:
        yield from _list_both(line["told"], "  ")
        for same, bags in groupby(line["units"], key=_distinguish):
            group = list(bags)
            names = "、".join(
                f"{bag['unit_id']}（失效 · exp. {_show_expiry(bag, as_of)}）" for bag in group
            )
            yield f"    {len(group)} × {same[0]} {names}"
            yield from _list_both(group[0]["why"], "      ")
            yield from _list_both(group[0]["way"], "      ")
        yield from _list_texts(line["asked_back"], "    ")
    if answer["to_mind"]:
        yield "  注意 · mind"
        yield from _list_texts(answer["to_mind"], "    ")


def _distinguish(bag: Json) -> tuple[str, str, str, str]:
    return bag["group"], bag["why"]["zh"], bag["why"]["rule"], bag["way"]["zh"]


def _show_expiry(bag: Json, as_of: datetime) -> str:
    return show_moment(datetime.fromisoformat(bag["expires_at"]), now=as_of, expiry=True)


def _list_passed_over(lines: Sequence[Json], as_of: datetime) -> Iterator[str]:
    for line in lines:
        if line["passed_over"]:
            at = show_moment(datetime.fromisoformat(line["passed_over_at"]), now=as_of)
            yield f"  {show_code(line['component'])}，{at} 决定时 · as decided at {at}"
            yield from _list_texts(line["passed_over"], "    ")


def _list_versions(answer: Json, as_of: datetime) -> Iterator[str]:
    for version in answer["versions"]:
        at = show_moment(datetime.fromisoformat(version["at"]), now=as_of)
        outcome = STATUS_WORDS.get(version["outcome"], version["outcome"])
        given = f"（+{version['units_given']} 袋 · bags）" if version["units_given"] else ""
        mark = ">" if version["version"] == answer["version"] else " "
        yield f" {mark}v{version['version']} {at} {outcome}{given}"
        for why in version["why"]:
            yield from _list_both(why, "     ")
