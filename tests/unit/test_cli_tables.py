"""Lists in 80 columns: no identifier is broken, nothing is cut, Chinese stands first."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from cli.decisions import print_request
from cli.donations import print_donation
from cli.fields import print_fields
from cli.output import Output, add_rows, build_table
from cli.overview import print_calls, print_requests
from cli.reports import print_counts, print_differences
from cli.table_layout import fit, wrap
from tests.support.answering import answering
from tests.support.commands import xuelian

UUIDS = [f"3f0c3a62-5c5e-5a53-9c43-3f5a6c2b7a1{n}" for n in range(10)]
AT = "2025-01-07T01:05:00+00:00"
LONG = "G12345678901234567-E0336V00-AND-SO-ON-UP-TO-64-CHARACTERS-AAAAAA"


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def ensure_readable(told: str, *whole: str) -> None:
    lines = told.splitlines()
    assert "…" not in told
    assert max(map(cell_len, lines)) <= 80, told
    for text in whole:
        assert any(text in line for line in lines), (text, told)


CALL = {
    "call_out_id": UUIDS[0], "donor_id": LONG[:40], "blood_group": "AB-", "status": "called",
    "called_at": AT, "answered_at": AT, "name": "欧阳多吉次仁", "contact": "+86 139 0000 0000",
    "gives": "apheresis_platelets", "purpose": "in_time",
}  # fmt: skip


def test_calls_are_readable_at_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    bare = {**CALL, "name": None, "contact": None, "answered_at": None, "purpose": None}
    print_calls(Output(), [CALL, bare])
    told = capsys.readouterr().out
    ensure_readable(
        told, UUIDS[0], f"{LONG[:40]} AB-", "+86 139 0000 0000", "欧阳多吉次仁", "已呼叫", "called",
        "2025-01-07 09:05", "apheresis_platelets（单采血小板）", "in_time（来得及）",
    )  # fmt: skip


def test_the_longest_identifiers_are_told_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_calls(Output(), [{**CALL, "donor_id": LONG}])
    ensure_readable(capsys.readouterr().out, LONG, UUIDS[0])
    row = {
        "unit_id": LONG, "kind": "differs", "recorded": {"group": "O+"}, "fields": ["group"],
        "counted": {"unit": {"group": "A+"}, "released": False}, "request_id": UUIDS[1],
        "row": 7,
    }  # fmt: skip
    print_differences(Output(), [row], 1)
    ensure_readable(capsys.readouterr().out, LONG, UUIDS[1], "血型 · group A+", "O+", "7 行")


def test_counts_donations_and_decisions_are_readable(capsys: pytest.CaptureFixture[str]) -> None:
    count = {"count_id": UUIDS[2], "counted_at": AT, "is_full": True, "units": 100_000,
             "parts": 50, "parts_taken": 50, "taken_at": AT,
             "open_differences": {"missing": 12}}  # fmt: skip
    print_counts(Output(), {"counts": [count]})
    ensure_readable(capsys.readouterr().out, UUIDS[2], "50/50", "12")
    unit: dict[str, Any] = {
        "unit_id": "G1234250000017-E0336V00", "parent_id": "x", "component": "fresh_frozen_plasma",
        "group": "AB-", "status": "quarantined", "station_id": "shigatse", "hospital_id": None,
        "to_station_id": None, "results_against": [],
    }  # fmt: skip
    recipient = {
        "donation_id": "G1234250000017", "unit_id": unit["unit_id"], "request_id": UUIDS[3],
        "hospital_id": "dingri-county-hospital", "patient_reference": "P-0000000000000017",
    }  # fmt: skip
    print_donation(
        Output(),
        {"donation_id": "G1234250000017", "units": [unit], "results": [], "recalls": [],
         "recipients": [recipient]},
    )  # fmt: skip
    told = capsys.readouterr().out
    ensure_readable(
        told, "└ G1234250000017-E0336V00", UUIDS[3], "dingri-county-hospital",
        "P-0000000000000017", "新鲜冰冻血浆",
    )  # fmt: skip


REQUEST = {
    "request_id": UUIDS[4], "hospital_id": "dingri-county-hospital-with-a-long-name-0123456789",
    "patient_group": "AB-", "priority": "life_threatening", "status": "open", "needed_by": AT,
    "lines": [{"component": "red_cells", "measure": "unit", "quantity": 14, "missing": 12}],
}  # fmt: skip


def test_a_hospital_with_a_long_name_breaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_requests(Output(), [REQUEST], title="申请")
    ensure_readable(capsys.readouterr().out, UUIDS[4], str(REQUEST["hospital_id"]), "缺 12")


def test_reasons_in_chinese_are_never_cut() -> None:
    """Chinese has no spaces to break at: a reason of one line is told over several."""
    reason = "相容血型（第4选择），因为同型的都已预留给危及生命的患者，而且最先过期的先用" * 3
    heads = ["血袋 · unit", "成分", "血型", "失效", "理由 · why"]
    table = add_rows(build_table("x", heads), [["EX-1", "红细胞", "O-", "12-28 23:59", reason]])
    sink = io.StringIO()
    Console(file=sink, width=80).print(fit(table, 80))
    told = "".join(sink.getvalue().split())
    ensure_readable(sink.getvalue(), "EX-1", "12-28 23:59")
    assert all(told.count(letter) >= reason.count(letter) for letter in set(reason))


def test_lines_break_where_they_may() -> None:
    def lines(text: str, width: int) -> list[str]:
        return wrap(Text(text), width).plain.split("\n")

    assert lines("01-07 09:05 北京时间", 12) == ["01-07 09:05", "北京时间"]
    assert lines("已呼叫 · called", 9) == ["已呼叫 ·", "called"]
    assert lines("库存不足，尚缺红细胞", 10) == ["库存不足，", "尚缺红细胞"]
    assert lines("给W1234-25-000017-RC的", 20) == ["给W1234-25-000017-RC", "的"]
    assert lines("a\n\nb", 5) == ["a", "", "b"]
    styled = wrap(Text("危及 生命", style="bold red"), 5)
    assert styled.plain.split("\n") == ["危及", "生命"]


def test_a_table_that_fits_stays_as_it_was_and_keeps_its_sides() -> None:
    table = build_table("x", ["a", ("n", {"justify": "right"})])
    add_rows(table, [["one", 7], ["two", 123]])
    sink = io.StringIO()
    Console(file=sink, width=80).print(fit(table, 80))
    assert [line.rstrip() for line in sink.getvalue().splitlines()][-3:-1] == [
        " one     7", " two   123",
    ]  # fmt: skip


def test_a_list_of_nothing_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(build_table("调拨 · transfers", ["a", "b"]))
    assert capsys.readouterr().out == "调拨 · transfers：没有 · none\n"


def test_fields_are_told_in_chinese_with_the_key_beside(capsys: pytest.CaptureFixture[str]) -> None:
    record: dict[str, Any] = {
        "activation_id": UUIDS[5], "status": "open", "exercise": True, "decided_at": AT,
        "ends_at": None, "needs": [{"component": "red_cells", "units": 40}],
        "donors_not_called": {"code": "x", "params": {}, "zh": "不召集", "en": "not called"},
        "policy": {"neighbours": ["lhasa"], "thresholds": {"red_below_d": 3.0}},
    }  # fmt: skip
    print_fields(Output(), record, words={"open": "进行中 · open"})
    assert capsys.readouterr().out.splitlines() == [
        f"  应急启动编号 · activation_id: {UUIDS[5]}",
        "  状态 · status: 进行中 · open",
        "  演练 · exercise: 是 · yes",
        "  决定时间 · decided_at: 2025-01-07 09:05 北京时间",
        "  何时止 · ends_at: –",
        "  需要 · needs: 1",
        "    品种 · component 悬浮红细胞 · red_cells  血袋 · units 40",
        "  不召集的原因 · donors_not_called: 不召集 · not called",
        "  本站规定 · policy:",
        "    邻站 · neighbours: 1",
        "      lhasa",
        "    短缺等级 · thresholds:",
        "      低于几天为红色 · red_below_d: 3.0",
    ]


def test_a_decision_names_components_and_promises_in_chinese(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reason = {"zh": "相容血型（第 4 选择）", "en": "compatible group (choice 4)"}
    unit = {"unit_id": "EX-SHIGATSE-261129-0019", "component": "red_cells", "group": "O-",
            "expires_at": AT, "reason": reason}  # fmt: skip
    line = {"component": "red_cells", "requested": 20, "reserved": [unit], "uncovered": 18,
            "refusals": [reason]}  # fmt: skip
    promise = {"unit_id": unit["unit_id"], "status": "held", "reason": reason}
    answer = {
        "request_id": UUIDS[6], "status": "open",
        "decision": {"reasons": [], "lines": [line]},
        "timeline": [{"at": AT, "kind": "promise", "promise": promise}],
    }  # fmt: skip
    print_request(Output(), answer)
    told = capsys.readouterr().out
    for text in ("EX-SHIGATSE-261129-0019", "预留 · promise", "预留中", "18", "第 4"):
        assert text in told
    assert "悬浮红细胞 · red_cells: 相容血型" in told
    assert "…" not in told.replace("… 3f0c", "")


WAITING = {"priority": "life_threatening", "units": 18, "hospital_id": "dingri-county-hospital",
           "needed_by": AT, "request_id": UUIDS[7]}  # fmt: skip
SHORTAGE = {
    "level": "red", "station_id": "shigatse", "component": "fresh_frozen_plasma", "group": "AB-",
    "units_missing": 18, "uncovered_units": 18, "days_of_supply": 0.0, "opened_at": AT,
    "waiting": [WAITING], "donors_not_called": None,
}  # fmt: skip
OVERDUE = {
    "mark": "unacknowledged", "priority": "life_threatening", "request_id": UUIDS[8],
    "transfer_id": None, "hospital_id": "dingri-county-hospital", "station_id": "shigatse",
    "from_station_id": None, "units": 0, "bags": 18, "waited_s": 3600, "due_at": AT,
}  # fmt: skip
ACTIVATION: dict[str, Any] = {
    "event_key": "us6000pi9w", "station_id": "shigatse", "status": "open", "lead": True,
    "needs": [{"component": "red_cells", "units": 40}], "donors_wanted": 80, "opened_at": AT,
    "activation_id": UUIDS[5],
}  # fmt: skip
EXERCISE: dict[str, Any] = {
    **ACTIVATION, "event_key": "drill-2026-05", "exercise": True, "activation_id": UUIDS[6],
}  # fmt: skip
DONOR = {
    "donor": {"donor_id": "DONOR-000000000017", "name": "欧阳多吉次仁", "group": "AB-",
              "last_whole_blood_on": "2024-05-31", "deferred_until": "2025-06-30T16:00:00+00:00",
              "consented_at": AT},
    "called": 12, "accepted": 7,
}  # fmt: skip
ALERT = {
    "outcome": "held", "alert_id": UUIDS[9], "event_key": "us6000pi9w-revised-by-ceic",
    "sent_at": AT, "reasons": [{"zh": "灾情通报的时间已经过去太久，须由调度确认后才会启动应急"}],
}  # fmt: skip
PLACE = {
    "name_zh": "定日县人民医院（示例）", "name_en": "Dingri County Hospital (example)",
    "hospital_id": "dingri-county-hospital-with-a-long-name-0123456789", "can_thaw": False,
    "station_id": "shigatse-central-blood-station",
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "answer", "whole"),
    [
        (
            ["shortages"],
            {"shortages": [SHORTAGE]},
            ["红色", "shigatse AB-", "缺 18", "急 18", UUIDS[7], "危重 18 dingri-county-hospital"],
        ),
        (
            ["overdue"],
            {"overdue": [OVERDUE]},
            ["‼", "无人签收", UUIDS[8], "dingri-county-hospital ← shigatse", "18 袋", "60 分钟"],
        ),
        (
            ["overdue"],
            {"overdue": [{**OVERDUE, "mark": "late", "units": 4, "bags": 2}]},
            ["缺 4", "2 袋"],
        ),
        (
            ["overdue"],
            {
                "overdue": [
                    {**OVERDUE, "request_id": LONG, "hospital_id": LONG[:60]},
                    {
                        **OVERDUE,
                        "request_id": None,
                        "transfer_id": LONG,
                        "hospital_id": None,
                        "from_station_id": "lhasa-central-blood-station",
                    },
                ]
            },
            [LONG, f"{LONG[:60]} ← shigatse", "lhasa-central-blood-station → shigatse"],
        ),
        (
            ["activations", "list"],
            {"activations": [ACTIVATION], "exercises": [EXERCISE]},
            [
                "应急启动 · activations 1",
                "演练 · exercises 1",
                UUIDS[5],
                UUIDS[6],
                "drill-2026-05（演练 · exercise）",
            ],
        ),
        (
            ["donor", "list", "shigatse"],
            {"donors": [DONOR], "after": None},
            ["DONOR-000000000017 AB-", "欧阳多吉次仁", "2024-05-31", "2025-06-30 24:00", "12/7"],
        ),
        (
            ["alert", "list"],
            {"alerts": [ALERT]},
            [UUIDS[9], "待核对", "us6000pi9w-revised-by-ceic"],
        ),
        (
            ["hospital", "list"],
            {"hospitals": [{"hospital": PLACE}]},
            [PLACE["hospital_id"], PLACE["station_id"], "不能 · no"],
        ),
    ],
)
async def test_lists_of_the_gateway_are_readable(
    words: list[str], answer: dict[str, Any], whole: list[str]
) -> None:
    with answering(200, answer) as settings:
        env = {"XUELIAN_GATEWAY_URL": settings.gateway_url, "XUELIAN_API_KEY": "xl_a_b"}
        ran = await xuelian(*words, env={**env, "COLUMNS": "80"})
    assert ran.exit_code == 0, ran.stderr
    ensure_readable(ran.stdout, *whole)


async def test_an_exercise_is_shown_by_its_identifier() -> None:
    with answering(200, {"activations": [ACTIVATION], "exercises": [EXERCISE]}) as settings:
        env = {"XUELIAN_GATEWAY_URL": settings.gateway_url, "XUELIAN_API_KEY": "xl_a_b"}
        for activation in (ACTIVATION, EXERCISE):
            ran = await xuelian("activations", "show", activation["activation_id"], env=env)
            assert ran.exit_code == 0, ran.stderr
            assert activation["event_key"] in ran.stdout
