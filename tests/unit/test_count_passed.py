"""Columns that are passed over, and what they say all the same: no bag goes around it."""

from __future__ import annotations

from itertools import chain

import pytest

from gateway.files.columns import WORDS
from gateway.files.station_words import NO_WORDS, OwnWords
from gateway.files.table_values import Parsed
from models.errors import ContractError
from models.events.stock import CountedUnit
from tests.support.count_sheets import HEAD, bag, codes, parse, told

BARE = HEAD.removesuffix(",状态")
"""No column of states: released by the word for the whole file."""

USE = ("放行状态", "检验状态", "质控状态", "血袋状态", "是否可用", "检测结论", "可用", "检验结果")


def ignoring(heading: str, cell: str, *, head: str = BARE, row: str = "") -> Parsed[CountedUnit]:
    own: OwnWords = NO_WORDS.with_call("units", (), (heading,))
    line = row or bag().removesuffix(",在库")
    return parse(f"{line},{cell}", head=f"{head},{heading}", own=own)


@pytest.mark.parametrize("heading", USE)
@pytest.mark.parametrize(
    "cell",
    ["待检", "不合格", "阳性", "HBsAg阳性", "有反应", "报废", "隔离", "已发出", "审核中", "否", ""],
)
def test_a_column_of_use_is_not_passed_over_where_it_speaks_against(
    heading: str, cell: str
) -> None:
    parsed = ignoring(heading, cell)
    assert codes(parsed) == [(2, heading, "passed_over_speaks")]
    (error,) = parsed.errors
    assert (error.heading, error.found) == (heading, (cell,) if cell else ())


@pytest.mark.parametrize("heading", USE)
@pytest.mark.parametrize("cell", ["合格", "在库", "HBsAg阴性 HCV无反应性", "是", "未检出", "25.5"])
def test_a_column_of_use_that_agrees_is_passed_over(heading: str, cell: str) -> None:
    assert ignoring(heading, cell).errors == ()


@pytest.mark.parametrize(
    ("heading", "cell", "is_refused"),
    [
        ("备注", "待检", True),
        ("备注", "HCV 有反应", True),
        ("备注", "留给急诊", False),
        ("备注", "RhD阳性", False),
        ("备注", "", False),
        ("检验日期", "2025-01-03", False),
        ("检验者", "张敏", False),
        ("Rh(D)因子", "阳性", False),
        ("血型复检结果", "A型阳性", False),
        ("是否报废", "是", True),
        ("是否报废", "否", False),
        ("报废日期", "2025-01-03", True),
        ("报废日期", "", False),
        ("序号", "1", False),
        ("test result", "non-reactive", False),
        ("test result", "reactive", True),
    ],
)
def test_what_is_passed_over_is_judged_by_what_stands_in_it(
    heading: str, cell: str, is_refused: bool
) -> None:
    assert bool(ignoring(heading, cell).errors) is is_refused


def test_a_row_that_is_not_released_is_held_by_nothing_else() -> None:
    for status in ("待检", "报废"):
        assert ignoring("检验结果", "不合格", head=HEAD, row=bag(status=status)).errors == ()
    assert ignoring("检验结果", "", head=HEAD, row=bag()).errors == ()
    ((place, text),) = told(
        Parsed(errors=ignoring("检验结果", "不合格", head=HEAD, row=bag()).errors)
    )
    assert place == "第 2 行 检验结果“不合格”"
    assert "--map 检验结果=status" in text


@pytest.mark.parametrize("heading", USE)
def test_nobody_offers_to_pass_over_a_column_of_use(heading: str) -> None:
    parsed = parse(f"{bag()},合格", head=f"{HEAD},{heading}")
    assert codes(parsed) == [(1, heading, "column_tells_use")]
    assert "--ignore" not in told(parsed)[0][1]
    both = parse(f"{bag()},合格", head=HEAD.replace("献血码", "血源号") + f",{heading}")
    assert codes(both) == [(1, "donation_id", "column_unclear"), (1, heading, "column_tells_use")]
    mapped = NO_WORDS.with_call("units", (f"{heading}=status",), ())
    parsed = parse(f"{bag().removesuffix(',在库')},待检", head=f"{BARE},{heading}", own=mapped)
    assert [counted.released for counted in parsed.values] == [False]


def test_who_released_it_is_not_passed_over() -> None:
    for heading in ("放行人", "放行时间", "released_by"):
        with pytest.raises(ContractError, match="column_not_ignorable"):
            NO_WORDS.with_call("units", (), (heading,))


def test_every_word_against_is_against_and_every_good_one_good() -> None:
    for word in chain.from_iterable(WORDS.use.against.values()):
        assert WORDS.speaks_against("备注", word, is_said=True), word
    for word in WORDS.use.harmless:
        assert not WORDS.speaks_against("备注", word, is_said=True), word
    for word in WORDS.use.good:
        assert not WORDS.speaks_against("检验结果", word, is_said=True), word


KEPT = (
    "自体血，仅供本人", "自体", "自身输血", "定向捐献，仅限张某", "互助献血", "指定患者李某",
    "烧伤科专用", "仅供科研", "教学用", "质控品", "留样", "预留给李四", "已交叉配血",
    "待发人民医院", "autologous", "Directed donation", "reserved for patient X", "research only",
    "编号无，自体", "自 体", "合格；自体",
)  # fmt: skip
SPOKEN = (
    "溶血", "轻度溶血", "有凝块", "凝血块", "渗漏", "袋漏", "破裂", "变色", "勿发",
    "请勿发出-勿发", "暂不发放", "禁发", "暂停使用", "已冻结", "已发出给人民医院", "hemolysis",
    "HAEMOLYSED", "clots seen", "do not issue", "Hold", "recalled", "leaking",
)  # fmt: skip
PLACES = (
    "3号冰箱第2层", "急诊专用冰箱", "教学医院调入", "科研楼2号冰箱", "质控科已核对", "已留样",
    "无溶血", "未见凝块", "无渗漏", "遗漏补录", "质控合格", "解除冻结", "仅供参考",
    "shelf 3, holder 2", "no clots", "not hemolyzed", "preserved at 4C", "below threshold",
)  # fmt: skip


@pytest.mark.parametrize("remark", KEPT)
def test_a_remark_that_keeps_a_bag_for_somebody_refuses_it_in_quarantine_too(remark: str) -> None:
    cell = remark.replace(",", "，")
    for status in ("在库", "待检", "退回"):
        row = bag(status=status)
        parsed = parse(f"{row},{cell}", head=f"{HEAD},备注")
        assert codes(parsed) == [(2, "备注", "passed_over_kept")], status
        assert parsed.values == ()
    assert "去掉这一行" in told(parsed)[0][1]
    gone = parse(f"{bag(status='报废')},{cell}", head=f"{HEAD},备注")
    assert gone.errors == ()


@pytest.mark.parametrize("remark", SPOKEN)
def test_a_remark_that_holds_a_bag_back_refuses_it_as_released(remark: str) -> None:
    parsed = parse(f"{bag()},{remark}", head=f"{HEAD},备注")
    assert codes(parsed) == [(2, "备注", "passed_over_speaks")]
    assert parse(f"{bag(status='待检')},{remark}", head=f"{HEAD},备注").errors == ()


@pytest.mark.parametrize("remark", PLACES)
def test_a_remark_that_tells_a_place_or_the_contrary_passes(remark: str) -> None:
    for heading in ("备注", "remarks", "库位"):
        parsed = parse(f'{bag()},"{remark}"', head=f"{HEAD},{heading}")
        assert parsed.errors == (), heading


@pytest.mark.parametrize(
    ("heading", "cell", "code"),
    [
        ("是否自体", "是", "passed_over_kept"), ("是否自体", "否", None), ("是否自体", "", None),
        ("溶血检查", "无溶血", None), ("溶血检查", "有", "passed_over_speaks"),
        ("留样号", "L-17", None), ("血型备注", "自体", "passed_over_kept"),
        ("血型备注", "A型阳性", None),
        ("是否报废", "无，自体", "passed_over_kept"),
    ],
)  # fmt: skip
def test_a_heading_that_names_a_reason_asks_for_it(
    heading: str, cell: str, code: str | None
) -> None:
    found = ignoring(heading, cell, head=HEAD, row=bag()).errors
    assert [error.code for error in found] == ([code] if code else [])


def test_one_list_of_words_refuses_products_and_what_stands_beside_them() -> None:
    for reason, words in WORDS.use.against.items():
        for word in words:
            (by_name,) = parse(bag(product=f"悬浮红细胞({word})")).errors
            assert by_name.column == "component", word
            assert by_name.code != "product_unknown", word
            (by_remark,) = parse(f'{bag()},"{word}"', head=f"{HEAD},备注").errors
            kept = reason in WORDS.use.kept or WORDS.find_status(word) in {"set_aside", "unclear"}
            assert by_remark.code == ("passed_over_kept" if kept else "passed_over_speaks"), word


def test_a_title_that_keeps_a_table_for_somebody_holds_its_rows_back() -> None:
    for title in ("自体血登记表", "科研用血液库存", "Autologous units"):
        parsed = parse(HEAD, bag(1), bag(2, status="待检"), bag(3, status="报废"), head=title)
        assert codes(parsed) == [(3, "", "title_speaks"), (4, "", "title_speaks")]
        assert title in told(parsed)[0][1]
    for title in ("库存盘点表（在库、待检、报废）", "2025年1月血液库存"):
        assert parse(HEAD, bag(1), head=title).errors == ()
    bare = parse(BARE, bag().removesuffix(",在库"), head="待检血液")
    assert codes(bare) == [(3, "", "title_speaks")], "nothing else says that it is released"


def test_a_note_below_the_table_that_speaks_of_bags_refuses_the_whole_file() -> None:
    for note in ("备注：末两袋为自体血", "注：第3袋勿发", "说明：仅供科研"):
        for line in (note, f"{note}{',' * HEAD.count(',')}"):
            for partial in (False, True):
                parsed = parse(bag(1), line, partial=partial)
                assert codes(parsed) == [(3, "", "note_speaks")]
                assert parsed.values == (), "nobody knows which bag is meant"
