"""Why a request got what it got: one sentence that is true, reasons, and what would change it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from cli.explanation_page import list_page
from gateway.reason_texts import explain
from gateway.requests.explanation import _WHYS, explain_request
from gateway.requests.passed_over import _COSTS
from gateway.requests.record import RequestRecord
from models.components import Component
from models.errors import DomainRefusal
from models.patients import Patient, Sex
from models.requests import Priority, RequestLine
from models.texts import list_texts
from tests.support.explaining import (
    build_record,
    decide,
    decide_line,
    give,
    promise,
    say,
)
from tests.support.world import NOW, build_request

PAGES = Path(__file__).parent / "explanations"

FOUR = build_request(request_id="r-night", group="A+", quantity=4, needed_in_h=3)
(LINE,) = FOUR.lines
A1, A2 = give("U000001", "A+"), give("U000002", "A+")
O1 = give("U000003", "O+", code="compatible_group", rank=1)
SHORT = say("stock_short", units=2, groups="A+ O+")


def partly_reserved() -> RequestRecord:
    """Two of four; a sample would help, Lhasa has some, and nobody could be called."""
    refusals = [
        say("expires_before_arrival", units=1),
        say("kept_for_rhd_negative", "rhd.kept_for_negative@2026-3", units=3),
        SHORT,
        say("release_would_open", passed="E", groups="A+", units=1),
        say("component_would_open", component="washed_red_cells", groups="A+", units=1),
        say("consent_would_open", groups="O+", units=2),
    ]
    first = decide(
        1, "partly_reserved", lines=[decide_line(LINE, A1, refusals=refusals, uncovered=3)]
    )  # fmt: skip
    second = decide(
        2, "partly_reserved", why="rematched", after_h=0.1,
        lines=[decide_line(LINE, O1, refusals=refusals, uncovered=2)],
        reasons=[say("may_have_left", unit_id="U000003")],
    )  # fmt: skip
    return build_record(
        FOUR, "open", [first, second],
        promises=[promise(A1, "issued", issued_at=NOW + timedelta(minutes=5)), promise(O1)],
        uncovered={1: 2},
        beside=[
            {"station_id": "lhasa", "component": "red_cells", "groups": "A+ O+", "bags": 7,
             "arrives_at": NOW + timedelta(hours=5)},
        ],
        steps=[
            explain("sought_no_donors"),
            explain("sought_neighbours", {"stations": "lhasa"}),
            explain("sought_no_offer"),
            explain("sought_still_missing", {"missing": 2}),
        ],
    )  # fmt: skip


def deferred() -> RequestRecord:
    """A routine order that can wait for blood that is kept for others."""
    routine = build_request(
        request_id="r-morning", group="A+", quantity=2, needed_in_h=20, priority=Priority.ROUTINE
    )
    until = (NOW + timedelta(hours=8)).isoformat()
    kept = say(
        "kept_for_expected", "supply.lookahead@2026-3",
        units=2, given_from=until, expected_units=3, hours=14, made_by="station",
    )  # fmt: skip
    line = decide_line(routine.lines[0], refusals=[kept], uncovered=2, deferred=2)
    only = decide(1, "deferred", lines=[line], deferred_until=until)
    return build_record(routine, "open", [only], uncovered={1: 2})


def ended() -> RequestRecord:
    """A request of two lines of which one bag came, told after its end."""
    lines = (
        RequestLine(line_no=1, component=Component.RED_CELLS, quantity=2),
        RequestLine(line_no=2, component=Component.PLATELETS, quantity=1),
    )
    woman = Patient(group=None, sex=Sex.FEMALE, age_years=30)
    asked = build_request(request_id="r-over", patient=woman, lines=lines, needed_in_h=2)
    first = decide(
        1, "partly_reserved",
        lines=[
            decide_line(lines[0], A1, A2),
            decide_line(lines[1], refusals=[say("stock_short_of_any", units=1)], uncovered=1),
        ],
    )  # fmt: skip
    lost = [say("unit_lost_recalled", unit_id="U000002")]
    second = decide(2, "partly_reserved", why="unit_lost", after_h=1, reasons=lost, lines=[
        decide_line(lines[0], refusals=[SHORT], uncovered=1),
        decide_line(lines[1], uncovered=1),
    ])  # fmt: skip
    third = decide(
        3, "partly_fulfilled", why="needed_by_passed", after_h=3,
        reasons=[say("needed_by_passed", units_uncovered=2)],
    )  # fmt: skip
    return build_record(
        asked, "partly_fulfilled", [first, second, third],
        promises=[
            promise(A1, "received", ended_at=NOW + timedelta(minutes=50)),
            promise(A2, "lost", ended_at=NOW + timedelta(hours=1)),
        ],
        steps=[explain("sought_nobody_was_called"), explain("sought_no_neighbour")],
        now=NOW + timedelta(hours=4),
    )  # fmt: skip


CASES = {"partly_reserved": partly_reserved, "deferred": deferred, "ended": ended}


def read_told(record: RequestRecord, number: int | None = None) -> dict[str, Any]:
    """The answer as a client reads it."""
    told: dict[str, Any] = orjson.loads(orjson.dumps(explain_request(record, number=number)))
    return told


@pytest.mark.parametrize("name", CASES)
def test_the_page_is_as_it_was_approved(name: str) -> None:
    page = "\n".join(list_page(read_told(CASES[name]()))) + "\n"
    assert page == (PAGES / f"{name}.txt").read_text(encoding="utf-8")


def codes(told: list[dict[str, Any]]) -> list[str]:
    return [text["code"] for text in told]


RED = "red_cells（悬浮红细胞）"


def stand(status: str, *bags: dict[str, Any], decision: dict[str, Any] | None = None,
          uncovered: int = 0, after_h: float = 0.2) -> dict[str, Any]:  # fmt: skip
    """Where a request for four units stands with these bags, a unit each."""
    told = decision or decide(1, status, lines=[decide_line(LINE, A1, A2)])
    record = build_record(
        FOUR, status, [told], promises=bags, uncovered={1: uncovered},
        now=NOW + timedelta(hours=after_h),
    )  # fmt: skip
    standing: dict[str, Any] = read_told(record)["standing"]
    return standing


def whole(status: str = "held", **changes: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    units = [give(f"W{at}", "A+") for at in range(4)]
    return [promise(unit, status, **changes) for unit in units]


def of_whole(status: str, bags: list[dict[str, Any]], **others: Any) -> dict[str, Any]:  # noqa: ANN401
    units = [give(f"W{at}", "A+") for at in range(4)]
    decision = decide(1, "reserved", lines=[decide_line(LINE, *units)])
    return stand(status, *bags, decision=decision, **others)


def test_reserved_is_said_only_where_all_is() -> None:
    told = of_whole("reserved", whole())
    assert told["code"] == "now_reserved"
    assert told["zh"] == (
        f"已全部预留：{RED} 要 4 U，全有；有的部分现在发出，2025-01-07 10:12（北京时间） 前全到，"
        "赶得上（2025-01-07 12:30（北京时间） 前需要）。"
    )
    # Whatever the status says, a bag that is missing is told as missing.
    for status, code in (("reserved", "partly_reserved"), ("fulfilled", "partly_fulfilled")):
        fewer = of_whole(status, whole("received", ended_at=NOW)[:3])
        assert fewer["code"] == f"now_{code}"
    part = stand("partly_refused", promise(A1), promise(A2))
    assert part["code"] == "now_partly_refused"
    assert "要 4，有 2，缺 2 U" in part["zh"]
    assert "不供" in part["zh"]
    open_part = stand("open", promise(A1), uncovered=2)
    assert open_part["code"] == "now_partly_reserved"
    assert open_part["zh"].endswith("；一部分不供。"), "one of the three missing is refused"


def test_when_it_is_there_is_told_as_it_is() -> None:
    left = {"issued_at": NOW + timedelta(hours=1)}
    on_the_way = of_whole("reserved", whole("issued", **left), after_h=1.1)
    assert on_the_way["code"] == "now_on_its_way"
    assert "11:00" in on_the_way["en"]
    overdue = of_whole("reserved", whole("issued", **left), after_h=2)
    assert "没有签收" in overdue["zh"]
    late = of_whole("reserved", whole(), after_h=4)
    assert "晚 1 小时 30 分" in late["zh"]
    assert "1 h 30 min later" in late["en"]
    nothing = stand("open", decision=decide(1, "waiting", lines=[decide_line(LINE)]), uncovered=4)
    assert nothing["code"] == "now_waiting"
    assert "一袋也没有预留" in nothing["zh"]
    assert "needed by" in nothing["en"]


@pytest.mark.parametrize("status", ["fulfilled", "refused", "cancelled", "expired"])
def test_an_end_is_told_as_an_end(status: str) -> None:
    closing = decide(1, status, lines=[decide_line(LINE)])
    bags = whole("received", ended_at=NOW) if status == "fulfilled" else []
    told = of_whole(status, bags) if bags else stand(status, decision=closing)
    assert told["code"] == f"now_{status}"
    assert ("全有" in told["zh"]) == (status == "fulfilled")
    assert ("一点也没有" in told["zh"]) == (status != "fulfilled")


def test_what_is_deferred_is_never_told_as_reserved_or_as_missing() -> None:
    until = (NOW + timedelta(hours=5)).isoformat()

    def defer(outcome: str, *bags: dict[str, Any], deferred: int, **until: Any) -> str:  # noqa: ANN401
        line = decide_line(LINE, uncovered=4 - len(bags), deferred=deferred)
        decision = decide(1, outcome, lines=[line], **until)
        told = stand("open", *bags, decision=decision, uncovered=4 - len(bags))
        return f"{told['code']}|{told['zh']}|{told['en']}"

    part = defer("partly_reserved", promise(A1), deferred=3, deferred_until=until)
    assert part.startswith("now_partly_reserved|只预留了一部分")
    assert "缺的部分暂缓" in part
    assert "最迟 2025-01-07 14:30" in part
    assert "decided again by 2025-01-07 14:30" in part
    some = defer("partly_reserved", promise(A1), deferred=2)
    assert "缺的里面有一部分暂缓" in some
    assert "再决定" not in some
    none = defer("deferred", deferred=4)
    assert none.startswith("now_deferred|暂缓：有血")
    assert "缺的" not in none
    waiting = defer("waiting", deferred=1)
    assert waiting.startswith("now_waiting|")
    assert "缺的里面有一部分暂缓" in waiting


def test_what_waits_for_a_word_is_told_as_waiting_for_it() -> None:
    def read(outcome: str, *bags: dict[str, Any], uncovered: int, deferred: int = 0) -> Any:  # noqa: ANN401
        waits = 4 - len(bags) - uncovered
        line = decide_line(LINE, uncovered=uncovered, deferred=deferred, unconfirmed=waits)
        looked_for = {1: uncovered}
        record = build_record(
            FOUR, "open", [decide(1, outcome, lines=[line])], promises=bags,
            uncovered=looked_for, unconfirmed=waits,
        )  # fmt: skip
        return read_told(record)

    part = read("partly_reserved", promise(A1), uncovered=0)
    assert "等确认" in part["standing"]["zh"]
    assert "不供" not in part["standing"]["zh"], "what waits for a word is not refused"
    (line,) = part["lines"]
    assert (line["refused"], line["unconfirmed"], line["uncovered"]) == (0, 3, 3)
    assert codes(line["asked_back"]) == ["quantity_large"]
    assert codes(part["would_change"])[0] == "word_would_open"
    assert codes(part["done"]) == ["done_waits_for_word"]
    assert read("waiting", uncovered=0)["standing"]["code"] == "now_asked_back"
    both = read("deferred", uncovered=2, deferred=2)["standing"]
    assert both["code"] == "now_deferred"
    assert "a part waits for a word" in both["en"]
    some = read("partly_reserved", promise(A1), uncovered=2, deferred=2)["standing"]["en"]
    assert "of what is missing a part is deferred" in some
    assert "of what is missing a part waits for a word" in some


def test_an_earlier_version_is_told_as_it_was() -> None:
    first = read_told(ended(), 1)
    assert first["version"] == 1
    assert first["standing"]["zh"].startswith(
        "（第 1 版，2025-01-07 09:30（北京时间） 时）只预留了一部分"
    )
    assert "要 2 U，全有" in first["standing"]["zh"]
    assert [unit["unit_id"] for unit in first["lines"][0]["units"]] == ["U000001", "U000002"]
    assert codes(first["done"]) == ["done_is_told_of_now"]
    assert first["would_change"] == []
    second = read_told(ended(), 2)
    assert [unit["unit_id"] for unit in second["lines"][0]["units"]] == ["U000001"]
    assert second["lines"][0]["uncovered"] == 1
    last = read_told(ended(), 3)
    assert last["standing"] == read_told(ended())["standing"]
    with pytest.raises(DomainRefusal, match="version_unknown"):
        explain_request(ended(), number=4)


def test_the_cheapest_comes_first_and_the_dangerous_last() -> None:
    told = codes(read_told(partly_reserved())["would_change"])
    assert told == [
        "consent_would_open",
        "component_would_open",
        "neighbour_would_serve_late",
        "release_would_open",
    ]


def test_a_reason_that_is_not_known_is_told_by_its_own_text() -> None:
    """A new rule of the engine needs no change here: its text is in the message file."""
    until = (NOW + timedelta(hours=2)).isoformat()
    refusals = [
        say("too_old", max_age_d=5, units=2),
        say("from_a_newer_engine", units=9, given_from=until, expected_units=3),
        say("something_new_would_open", groups="A+", units=1),
        say("release_would_open", passed="E", groups="A+", units=1),
    ]
    line = decide_line(LINE, refusals=refusals, uncovered=4)
    told = read_told(
        build_record(FOUR, "open", [decide(1, "waiting", lines=[line])], uncovered={1: 4})
    )
    assert codes(told["lines"][0]["passed_over"]) == ["from_a_newer_engine", "too_old"]
    assert told["lines"][0]["passed_over"][1]["zh"] == "采集已超过 5 天（2 袋）"
    assert codes(told["would_change"]) == [
        "wait_would_open",
        "something_new_would_open",
        "release_would_open",
    ]
    assert told["would_change"][0]["params"] == {"units": 9, "given_from": until}


def test_blood_that_comes_late_says_how_late() -> None:
    transfer = {
        "from_station_id": "lhasa", "status": "in_transit", "volumes_live": [200, 200],
        "agreed_at": NOW, "eta_s": 4 * 3600,
    }  # fmt: skip
    waits = decide(1, "waiting", lines=[decide_line(LINE, uncovered=4)])
    late = read_told(build_record(FOUR, "open", [waits], uncovered={1: 4}, transfers=[transfer]))
    (told,) = late["would_change"]
    assert (told["code"], told["params"]["late_s"]) == ("later_would_serve", 5400)
    assert "需血时间可晚 1 小时 30 分" in told["zh"]
    others: list[dict[str, Any]]
    others = [{"eta_s": 3600}, {"volumes_live": []}, {"status": "cancelled"}]
    for changes in others:
        rows = [{**transfer, **changes}]
        record = build_record(FOUR, "open", [waits], uncovered={1: 4}, transfers=rows)
        assert read_told(record)["would_change"] == []


def test_what_is_to_be_minded_stays_until_the_end() -> None:
    minded = say("consent_before_use", units=1)
    first = decide(1, "reserved", lines=[decide_line(LINE, A1, A2)], reasons=[minded])
    issued = say("units_issued", units=2)
    second = decide(2, "reserved", why="units_issued", reasons=[issued])
    told = read_told(build_record(FOUR, "reserved", [first, second], promises=whole_of(A1, A2)))
    assert codes(told["to_mind"]) == ["consent_before_use"]
    assert codes(told["versions"][1]["why"]) == ["units_issued"]


def test_hand_work_is_told_with_who_did_it_and_why() -> None:
    taken = say("bag_taken_back", by="Dawa", unit_id="U000001", reason="wrong bed")
    again = decide(2, "waiting", why="taken_back_by_hand", lines=[decide_line(LINE)],
                   reasons=[taken])  # fmt: skip
    first = decide(1, "partly_reserved", lines=[decide_line(LINE, A1)])
    told = read_told(build_record(FOUR, "open", [first, again], uncovered={1: 4}))
    assert codes(told["versions"][1]["why"]) == ["version_taken_back_by_hand", "bag_taken_back"]
    assert "Dawa 收回了血袋 U000001：wrong bed" in told["versions"][1]["why"][1]["zh"]
    assert told["to_mind"] == []


def whole_of(*units: dict[str, Any]) -> list[dict[str, Any]]:
    return [promise(unit) for unit in units]


def test_every_change_that_is_ranked_has_its_text() -> None:
    assert set(_COSTS) <= set(list_texts())
    assert set(_WHYS.values()) <= set(list_texts())
