"""Columns that are passed over, and what they say all the same: no bag goes around it."""

from __future__ import annotations

import pytest

from models.columns import WORDS
from models.errors import ContractError
from models.events.stock import CountedUnit
from models.own_words import NO_WORDS, OwnWords
from models.tables import Parsed
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
    for word in WORDS.use.against:
        assert WORDS.speaks_against("备注", word, is_said=True), word
    for word in WORDS.use.harmless:
        assert not WORDS.speaks_against("备注", word, is_said=True), word
    for word in WORDS.use.good:
        assert not WORDS.speaks_against("检验结果", word, is_said=True), word
