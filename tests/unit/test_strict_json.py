"""JSON of which nothing is lost, in bodies and in events."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ContractError
from models.events import decode_event
from models.strict_json import load_strictly
from models.texts import render
from tests.support.world import build_request

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(':\\"a{}', max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(':\\"ab', max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ('{"group":"O-","group":"A+"}', "group"),
        ('{"lines":[{"quantity":1,"quantity":3}]}', "quantity"),
        ('{"a":{"b":1},"a":{"b":{"c":1}}}', "a"),
        ('{"a":":","a":1}', "a"),
        (r'{"\u0061":1,"a":2}', "a"),
        (r'{"a":"\u003a","a":"x"}', "a"),
        (r'{"a":"\u003A\u003a","b":{"x":1,"x":1}}', "x"),
    ],
)
def test_f53_a_field_that_stands_twice_is_named(raw: str, field: str) -> None:
    with pytest.raises(ContractError, match="field_twice") as caught:
        load_strictly(raw.encode())
    assert caught.value.params["field"] == field


@pytest.mark.parametrize(
    "raw",
    ['{"a":NaN}', '{"a":Infinity}', '{"a":1e999}', "{", "", '{"a":1}x', "[" * 600 + "]" * 600],
)
def test_f53_what_is_no_json_is_told(raw: str) -> None:
    with pytest.raises(ContractError, match=r"body_not_json|body_nested_too_deep"):
        load_strictly(raw.encode())


def test_it_is_told_in_chinese_where_json_breaks_off() -> None:
    with pytest.raises(ContractError) as caught:
        load_strictly(b'{"a": 1,\n "b": ')
    told = render(caught.value.code, caught.value.params)
    assert told.zh == "正文不是正确的 JSON：到第 2 行第 7 个字符读不下去"
    assert "unexpected end of data" in told.en


def test_a_byte_order_mark_says_nothing() -> None:
    assert load_strictly(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    body = json.dumps({"request": build_request().model_dump(mode="json", exclude_none=True)})
    assert decode_event("blood.request.opened.v1", b"\xef\xbb\xbf" + body.encode()).key


@given(_VALUES, st.sampled_from([json.dumps, lambda value: orjson.dumps(value).decode()]))
def test_f53_sound_json_is_read_as_it_is(value: Any, write: Callable[[Any], str]) -> None:  # noqa: ANN401 - any JSON
    text = write(value)
    assert load_strictly(text.encode()) == value
    assert (
        load_strictly(text.replace(":", r"\u003a").encode()) == value if ":" not in text else True
    )


@given(_VALUES, st.text('ab:"', min_size=1, max_size=2), _VALUES)
def test_f53_a_repeated_field_never_passes(first: Any, name: str, second: Any) -> None:  # noqa: ANN401 - any JSON
    text = f"[{{{json.dumps(name)}:{json.dumps(first)},{json.dumps(name)}:{json.dumps(second)}}}]"
    with pytest.raises(ContractError, match="field_twice"):
        load_strictly(text.encode())


def test_f53_an_event_with_a_field_twice_is_refused() -> None:
    body = json.dumps({"request": build_request().model_dump(mode="json", exclude_none=True)})
    assert decode_event("blood.request.opened.v1", body.encode()).key == "shigatse"
    twice = body.replace('"quantity": 2', '"quantity": 1, "quantity": 2')
    assert twice != body
    with pytest.raises(ContractError, match="field_twice"):
        decode_event("blood.request.opened.v1", twice.encode())
