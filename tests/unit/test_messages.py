"""Every code that the rooms use has both texts, and a text names only what its code is given."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from string import Formatter

import pytest

from cli.texts import OWN_TEXTS
from models.donors import CallOutStatus
from models.needs import FLAGS
from models.requests import RequestStatus
from models.shortages import TransferStatus
from models.texts import Text, join_texts, list_texts, render
from models.texts.words import list_value_names
from models.units import UnitStatus

ROOT = Path(__file__).resolve().parents[2]
_NAMES_PASSED = ("too_old", "irradiated_too_long_ago", "HLA", "DEL")
"""What a release may pass that is neither an antigen nor an attribute."""

ROOMS = ("models", "streams", "gateway")
CODED = {
    "ContractError",
    "DomainRefusal",
    "TransientError",
    "ConfigurationError",
    "InvariantViolation",
    "InvalidContent",
    "Reason",
    "RowError",
    "BrokenRuleError",
    "CellError",
    "FieldFault",
}
COUNTED = {"InvalidContent": "errors"}
"""What an error adds to its parameters by itself."""
DETAIL_IN_CHINESE = {"broken_other", "migration_failed", "file_reader_ended"}
"""What they tell is a station's own file, a tool's output or a number."""
WAITS = {"picking", "delivery", "donors_and_neighbours", "being_taken_in"}


@dataclass(frozen=True)
class Use:
    where: str
    codes: tuple[str, ...]
    given: frozenset[str] | None


def _strings(node: ast.expr, tree: ast.Module) -> Iterator[str]:
    """The texts that an expression may be: itself, either branch, or what a name was set to."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from _strings(node.body, tree)
        yield from _strings(node.orelse, tree)
    elif isinstance(node, ast.Name):
        for other in ast.walk(tree):
            if isinstance(other, ast.Assign) and node.id in {
                target.id for target in other.targets if isinstance(target, ast.Name)
            }:
                yield from _strings(other.value, tree)


def _given(call: ast.Call) -> frozenset[str] | None:
    """The names of the parameters, or None where they cannot be read from the source."""
    if isinstance(call.func, ast.Name) and call.func.id in {"Reason", "RowError"}:
        params = next((word.value for word in call.keywords if word.arg == "params"), None)
        if params is None:
            return frozenset()
        if not isinstance(params, ast.Dict):
            return None
        names = [key.value if isinstance(key, ast.Constant) else None for key in params.keys]
        return None if None in names else frozenset(str(name) for name in names)
    if any(word.arg is None for word in call.keywords):
        return None
    own = COUNTED.get(call.func.id, "") if isinstance(call.func, ast.Name) else ""
    return frozenset({own, *(str(word.arg) for word in call.keywords)})


def _uses(path: Path) -> Iterator[Use]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        if node.func.id not in CODED:
            continue
        named = [word.value for word in node.keywords if word.arg == "code"]
        first = named or node.args[:1]
        where = f"{path.relative_to(ROOT)}:{node.lineno}"
        yield Use(where, tuple(_strings(first[0], tree)) if first else (), _given(node))


USES = [
    use for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) for use in _uses(path)
]


def test_codes_are_found() -> None:
    """A scan that finds nothing would pass everything below."""
    found = {code for use in USES for code in use.codes}
    assert {"stock_short", "kafka_away", "request_ended", "record_too_large"} <= found
    assert len(found) > 50


def test_codes_can_be_read_from_the_source() -> None:
    """A code that is put together at run time escapes the test below."""
    hidden = [use.where for use in USES if not use.codes]
    # The last four pass on what was raised elsewhere, where this test reads it.
    allowed = {
        "gateway/count_intake.py",
        "gateway/files/count_files.py",
        "gateway/files/counted_units.py",
        "gateway/files/sheet_rows.py",
        "gateway/files/station_files.py",
        "gateway/files/products.py",
        "gateway/files/table_values.py",
        "models/events/stock.py",
        "models/station_toml.py",
        "streams/services/record_refusals.py",
    }
    assert {where.split(":")[0] for where in hidden} <= allowed, hidden


def test_every_code_has_its_texts() -> None:
    known = list_texts()
    missing = [f"{use.where}: {code}" for use in USES for code in use.codes if code not in known]
    assert not missing, "add to models/texts/messages.toml:\n" + "\n".join(missing)


def test_every_code_of_the_terminal_has_its_texts() -> None:
    """What only the command line and the demo raise has its texts beside the command line."""
    known = {*list_texts(), *OWN_TEXTS}
    uses = [
        use
        for room in ("cli", "demo", "deploy")
        for path in sorted((ROOT / room).rglob("*.py"))
        for use in _uses(path)
    ]
    missing = [f"{use.where}: {code}" for use in uses for code in use.codes if code not in known]
    assert uses
    assert not missing, "add to cli/texts.py:\n" + "\n".join(missing)


def test_a_text_names_only_what_it_is_given() -> None:
    known = list_texts()
    wrong = []
    for use in USES:
        for code in use.codes:
            if use.given is None or code not in known:
                continue
            # What a decision sums up is counted afterwards.
            given = use.given | {"units"}
            wrong += [
                f"{use.where}: {code} lacks {name}"
                for text in known[code]
                for _, name, _, _ in Formatter().parse(text)
                if name and name not in given
            ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("code", sorted(list_texts()))
def test_texts_are_in_both_languages(code: str) -> None:
    text = list_texts()[code]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in text.zh), "no Chinese"
    assert text.en.strip()
    assert not any("\u4e00" <= letter <= "\u9fff" for letter in text.en.replace("是/否", ""))
    names = [{name for _, name, _, _ in Formatter().parse(wording) if name} for wording in text]
    # What a program says of itself is English: it stands in the English sentence alone.
    assert names[1] - names[0] <= {"detail"}
    assert names[0] <= names[1]
    assert "detail" not in names[0] or code in DETAIL_IN_CHINESE


def test_what_a_request_waits_for_has_texts() -> None:
    assert set(list_texts()) >= WAITS


def test_render_fills_in() -> None:
    assert render("arrives_late", {"late_s": 90}) == Text(
        zh="预计晚到 1 分 30 秒", en="expected 1 min 30 s after the needed-by time"
    )


def test_what_is_demanded_of_a_bag_is_named_in_chinese() -> None:
    """A night doctor who reads no English still reads what is missing and what is passed."""
    lacks = render("lacks_attribute", {"attribute": "cmv_negative"})
    assert lacks.zh.endswith("CMV阴性（cmv_negative）")
    assert lacks.en.endswith("cmv_negative")
    passed = render("release_would_open", {"passed": "E, irradiated, too_old"}).zh
    assert "E、辐照（irradiated）、too_old（血龄过大）" in passed
    assert "洗涤（washed）、K-" in render("needs_remembered", {"needs": "washed, K-"}).zh


@pytest.mark.parametrize("name", [*FLAGS, *_NAMES_PASSED])
def test_every_demand_has_a_chinese_name(name: str) -> None:
    assert render("lacks_attribute", {"attribute": name}).zh != f"不具备所要求的属性：{name}"


def test_f76_seconds_and_ranks_are_told_as_people_say_them() -> None:
    assert render("arrives_late", {"late_s": 3666}).zh == "预计晚到 1 小时 1 分"
    assert render("arrives_late", {"late_s": 0}).zh == "预计晚到 0 秒"
    assert render("compatible_group", {"rank": 0}) == Text(
        zh="相容血型（首选）", en="compatible group (first choice)"
    )
    assert render("compatible_group", {"rank": 1}).zh == "相容血型（第 2 选择）"


def test_hours_are_told_as_days_and_no_unit_stands_twice() -> None:
    params = {"at": "2025-01-07T01:05:00+00:00", "oldest_h": 168.0, "ahead_s": 900}
    assert "已超过 7 天，" in render("alert_out_of_date", params).zh
    assert "more than 7 days ago" in render("alert_out_of_date", params).en
    assert "（超前 15 分以上）" in render("alert_ahead_of_time", params).zh
    shelf = {"component": "red_cells", "hours": 840, "latest": "x", "cited": "GB"}
    assert render("expiry_too_late", shelf).zh.startswith(
        "red_cells（悬浮红细胞） 最多保存 35 天，"
    )
    assert "超过 24 小时" in render("unagitated_too_long", {"hours": 24}).zh
    assert "超过 1 小时 30 分" in render("unagitated_too_long", {"hours": 1.5}).zh
    assert render("migration_timed_out", {"timeout_s": 120.0}).zh == "数据库迁移超过 2 分"


@pytest.mark.parametrize("code", sorted({*list_texts(), *OWN_TEXTS}))
def test_a_duration_has_its_unit_already(code: str) -> None:
    for text in OWN_TEXTS.get(code) or list_texts()[code]:
        assert not re.search(r"\{(hours|\w+_h|\w+_s)\} ?(秒|小时|s\b|h\b)", text)


def test_codes_within_a_chinese_sentence_are_named() -> None:
    params = {"unit_id": "RR1", "status": "discarded", "change": "discarded"}
    told = render("unit_state_forbids", {**params, "needed": "collected, quarantined"})
    assert told.zh == (
        "血袋 RR1 现为 discarded（报废），不能记为 discarded（报废）"
        "（须为 collected（已采集）、quarantined（入隔离））"
    )
    assert "discarded" in told.en
    assert "报废" not in told.en
    call = {"call_out_id": "c1", "status": "accepted", "answer": "donated", "needed": "arrived"}
    assert "现为 accepted（已答应），不能记为 donated（已献血）（须为 arrived（已到站））" in (
        render("call_out_state_forbids", call).zh
    )


@pytest.mark.parametrize("states", [UnitStatus, CallOutStatus, TransferStatus, RequestStatus])
def test_every_state_has_a_chinese_name(states: type[StrEnum]) -> None:
    assert {state.value for state in states} <= set(list_value_names())


def test_f72_a_text_within_a_text_keeps_to_its_language() -> None:
    one, other = Text("甲", "a"), Text("乙", "b")
    assert str(join_texts([one, other])) == "甲；乙 · a; b"
    params = {"unit_id": "u-1", "reasons": str(join_texts([one, other]))}
    told = render("unit_not_cleared", params)
    assert told == Text("血袋 u-1 现在不能发出：甲；乙", "unit u-1 may not leave now: a; b")
    for code, name in (
        ("body_invalid", "rule"),
        ("moment_impossible", "why"),
        ("rules_heading", "cause"),
    ):
        told = render(code, {"field": "x", "errors": 1, "key": "k", name: str(one)})
        assert "甲" in told.zh, code
        assert "· a" not in told.zh, code
        assert "甲" not in told.en, code
    # What was kept of several texts in another form is shown whole.
    old = render("unit_not_cleared", {"unit_id": "u-1", "reasons": "甲 · a; 乙 · b"})
    assert "甲 · a; 乙 · b" in old.zh


def test_no_text_holds_what_stands_between_its_languages() -> None:
    assert [code for code, text in list_texts().items() if " · " in text.zh + text.en] == []


def test_render_survives_what_it_does_not_know() -> None:
    assert render("from_a_newer_peer") == Text("from_a_newer_peer", "from_a_newer_peer")
    assert "…" in render("arrives_late").zh
    assert render("cancelled_by_hospital", {"reason": "{x}", "units_given_back": 0}).en.startswith(
        "cancelled by the hospital: {x}"
    )
