"""What people read: rules, instants and refusals in words, Chinese first, with the limits in it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import BaseModel, Field, ValidationError

import gateway.http.routes
from cli.output import show, show_expiry, show_instant
from gateway.http.problems import to_response
from gateway.intake.acceptance import Submission, _judge
from gateway.invalid_content import of_validation
from models.base import LARGEST, Day, Instant, Value
from models.envelope import Envelope
from models.errors import ContractError
from models.events.donations import DonationSplit
from models.events.registry import EVENT_CLASSES, decode_event
from models.events.requests import RequestOpened
from models.facilities import Station
from models.patients import Patient
from models.requests import MAX_QUANTITY, Priority, RequestLine
from models.rules.citations import RuleSet
from models.texts import list_texts, render
from models.texts.instants import show_moment
from models.texts.validation import PATTERNS, code_of, describe_broken
from streams.store.read_models.pages import EventFate

ROOT = Path(__file__).resolve().parents[2]


def _bodies() -> set[type[BaseModel]]:
    """Every model that comes in over HTTP or Kafka."""
    found: set[type[BaseModel]] = set(EVENT_CLASSES.values())
    for part in pkgutil.iter_modules(gateway.http.routes.__path__):
        module = importlib.import_module(f"gateway.http.routes.{part.name}")
        found |= {
            member
            for member in vars(module).values()
            if isinstance(member, type)
            and issubclass(member, Value)
            and member is not Value
            and not issubclass(member, RuleSet)
        }
    return found


def _walk(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if isinstance(schema.get("type"), str):
            yield schema
        if schema.get("type") == "custom-error":
            return  # what is inside is told as that one error
        for name, part in schema.items():
            if name not in {"metadata", "serialization", "ref", "cls"}:
                yield from _walk(part)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from _walk(part)


KINDS = {
    "str": ("string_type", "string_unicode"),
    "int": ("int_type", "int_parsing", "int_from_float", "int_parsing_size"),
    "float": ("float_type", "float_parsing", "finite_number"),
    "bool": ("bool_type", "bool_parsing"),
    "datetime": ("datetime_type", "datetime_parsing", "datetime_from_date_parsing"),
    "date": ("date_type", "date_parsing", "date_from_datetime_parsing"),
    "enum": ("enum",),
    "literal": ("literal_error",),
    "tuple": ("tuple_type",),
    "list": ("list_type",),
    "dict": ("dict_type",),
    "model": ("model_type",),
    "model-fields": ("missing", "extra_forbidden", "model_attributes_type"),
}
LIMITS = {
    "le": "less_than_equal",
    "lt": "less_than",
    "ge": "greater_than_equal",
    "gt": "greater_than",
    "pattern": "string_pattern_mismatch",
}


def _kinds_of(schema: dict[str, Any]) -> Iterator[str]:
    kind = schema["type"]
    yield from KINDS.get(kind, ())
    if kind == "custom-error":
        yield schema["custom_error_type"]
    yield from (error for limit, error in LIMITS.items() if schema.get(limit) is not None)
    for limit, word in (("max_length", "long"), ("min_length", "short")):
        if schema.get(limit) is not None:
            yield f"string_too_{word}" if kind == "str" else f"too_{word}"


def test_f72_every_constraint_of_what_comes_in_has_a_text() -> None:
    kinds: set[str] = set()
    patterns: set[str] = set()
    for model in _bodies():
        for schema in _walk(model.__pydantic_core_schema__):
            kinds |= set(_kinds_of(schema))
            if isinstance(schema.get("pattern"), str):
                patterns.add(schema["pattern"])
    assert {"less_than_equal", "enum", "string_pattern_mismatch"} <= kinds
    without = {
        kind
        for kind in kinds - {"string_pattern_mismatch"}
        if code_of(kind) not in list_texts() or code_of(kind) == "broken_other"
    }
    assert without == set()
    assert patterns <= set(PATTERNS), "a pattern that is not told in words"


def test_every_error_of_our_own_validators_is_told_in_chinese() -> None:
    kinds: set[str] = set()
    for file in (ROOT / "models").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            if node.func.id not in {"PydanticCustomError", "WrittenMomentError"}:
                continue
            kinds |= {
                argument.value
                for argument in node.args[:1]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            }
    assert {"instant_not_text", "instant_without_zone", "day_unreadable"} <= kinds
    assert {kind for kind in kinds if code_of(kind) == "broken_other"} == set()


class _Asked(Value):
    patient: Patient
    lines: tuple[RequestLine, ...]
    priority: Priority = Priority.URGENT


class _Dated(Value):
    at: Instant
    on: Day


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (5, "须为文字（加引号）：日期、时间和时区"),
        ("2025-01-07T09:05", "时间没有写时区"),
        ("20250107", "不是能读的时间：写日期、时间和时区"),
    ],
)
def test_an_instant_is_refused_in_chinese(at: object, told: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _Dated.model_validate({"at": at, "on": "1990-02-30"})
    first, second = (describe_broken(error) for error in caught.value.errors())
    assert first.zh.startswith(told)
    assert second.zh == "须为日历上的一天，写成 1990-05-31"


def test_a_kind_that_nobody_named_keeps_its_english_to_the_english() -> None:
    told = describe_broken({"type": "from_a_newer_library", "loc": (), "msg": "Input should be x"})
    assert told == ("不合规", "is not valid: Input should be x")


NUMBERS_OF_WORDS = {"Reason.params"}
"""Only told, never kept in a column of numbers, and nothing is counted with them."""
COUNTED_BIG = {"AuditSealed.sequence": 2**63 - 1, "Envelope.sequence": 2**63 - 1}
"""Fields that a `bigint` keeps."""


def _numbers(schema: object, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every number of a model with the class and the field that it stands in."""
    if isinstance(schema, dict):
        if schema.get("type") in {"int", "float"}:
            yield path, schema
        if schema.get("type") == "model":
            path = schema["cls"].__name__
        for name, part in schema.items():
            if schema.get("type") == "model-fields" and name == "fields":
                for field, inner in part.items():
                    yield from _numbers(inner, f"{path}.{field}")
            elif name not in {"metadata", "serialization", "cls"}:
                yield from _numbers(part, path)
    elif isinstance(schema, list | tuple):
        for part in schema:
            yield from _numbers(part, path)


def test_every_number_of_what_comes_in_has_bounds_that_can_be_kept() -> None:
    """One number that no column takes ended the worker that met it, at every start."""
    found: dict[str, dict[str, Any]] = {}
    for model in _bodies() | {Envelope}:
        found |= dict(_numbers(model.__pydantic_core_schema__, model.__name__))
    assert {"Alert.revision", "Casualties.injured", "StockChanged.epoch"} <= set(found)
    unbound = []
    for path, schema in found.items():
        most = schema.get("le", schema.get("lt"))
        least = schema.get("ge", schema.get("gt"))
        largest = COUNTED_BIG.get(path, LARGEST if schema["type"] == "int" else 1e30)
        is_within = most is not None and least is not None and -largest <= least <= most <= largest
        if path not in NUMBERS_OF_WORDS and not is_within:
            unbound.append((path, least, most))
    assert unbound == []


@pytest.mark.parametrize("given", ["NaN", "Infinity", "-Infinity", 1e308, -1.0, 100_000.5])
def test_a_demand_that_nobody_has_is_refused(given: object) -> None:
    record = {
        "station_id": "s",
        "name_zh": "站",
        "name_en": "S",
        "location": {"lat": 29.3, "lon": 88.9},
    }
    with pytest.raises(ValidationError):
        Station.model_validate({**record, "daily_demand": {"red_cells": given}})
    kept = Station.model_validate({**record, "daily_demand": {"red_cells": 12.5}})
    assert kept.daily_demand == {"red_cells": 12.5}


def test_f72_rules_over_whole_values_have_codes() -> None:
    """A bare ValueError would be told in English alone."""
    files = [*(ROOT / "models" / "events").glob("*.py")]
    files += [
        ROOT / "models" / f"{name}.py" for name in ("requests", "units", "laboratory", "donors")
    ]
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            assert node.func.id != "ValueError", f"{file.name}:{node.lineno}"
            if node.func.id == "BrokenRuleError" and isinstance(node.args[0], ast.Constant):
                assert node.args[0].value in list_texts(), f"{file.name}:{node.lineno}"


def _fault(**changes: object) -> dict[str, str]:
    fields = {"line_no": 1, "component": "red_cells", "quantity": 1, **changes}
    with pytest.raises(ValidationError) as caught:
        RequestLine.model_validate(fields)
    (field,) = of_validation(caught.value.errors(include_url=False)).fields
    return field.to_json()


@pytest.mark.parametrize("quantity", [0, 101, 1.5, "many"])
def test_f73_a_quantity_is_told_with_its_limits(quantity: object) -> None:
    told = _fault(quantity=quantity)
    assert told["rule"].startswith("1 到 100，计 U")
    assert "1 to 100 in U" in told["rule"]
    assert "halves are not possible" in told["rule"]
    assert str(MAX_QUANTITY) in told["rule"]
    assert told["name"] == "数量"
    assert "Input should" not in told["rule"]


def test_f72_an_unknown_field_and_a_wrong_code_are_told_in_chinese_first() -> None:
    assert _fault(qantity=1)["rule"] == "没有这个字段 · there is no such field"
    told = _fault(component="blood")
    assert told["rule"].startswith("只能是其中之一：red_cells（悬浮红细胞）")
    assert told["name"] == "品种"


@pytest.mark.parametrize(("given", "code"), [("悬浮红细胞", "red_cells"), ("全血", "whole_blood")])
def test_f74_a_chinese_product_is_answered_with_its_code(given: str, code: str) -> None:
    assert f"请写 {code}" in _fault(component=given)["what_to_do"]


@pytest.mark.parametrize(
    ("place", "given", "told"),
    [
        (("patient", "group"), "A型", "“A型”缺 RhD：写成 A+（RhD 阳性）或 A-（RhD 阴性）"),
        (("patient", "group"), "ab", "“ab”缺 RhD：写成 AB+（RhD 阳性）或 AB-（RhD 阴性）"),
        (("patient", "sex"), "女", "“女”请写 female"),
        (("priority",), "紧急", "“紧急”请写 urgent"),
        (("lines", 0, "attributes", "辐照"), True, "“辐照”请写 irradiated"),
        (("lines", 0, "attributes", "weiß"), True, None),
    ],
)
def test_a_word_that_is_no_code_is_answered_with_the_code(
    place: tuple[str | int, ...], given: object, told: str | None
) -> None:
    fields: dict[str, Any] = {
        "patient": {},
        "lines": [{"line_no": 1, "component": "red_cells", "quantity": 1, "attributes": {}}],
    }
    at: Any = fields
    for part in place[:-1]:
        at = at[part]
    at[place[-1]] = given
    with pytest.raises(ValidationError) as caught:
        _Asked.model_validate(fields)
    (field,) = of_validation(caught.value.errors(include_url=False)).fields
    if told is None:
        assert field.what_to_do == render("fix_extra_forbidden")
    else:
        assert field.what_to_do.zh == told


class _Hop(Value):
    eta_s: int = Field(ge=1)


class _Hops(Value):
    routes: tuple[_Hop, ...] = Field(min_length=1)


def test_f77_a_fault_of_many_entries_is_told_once_and_nothing_that_is_not_true() -> None:
    with pytest.raises(ValidationError) as caught:
        _Hops.model_validate({"routes": [{"eta_s": 0}] * 40 + [{"eta_s": "x"}]})
    wrong = of_validation(caught.value.errors(include_url=False))
    assert wrong.params["errors"] == 41
    many, one = (field.to_json() for field in wrong.fields)
    assert (many["field"], many["count"], many["name"]) == ("routes.0.eta_s", 40, "路程秒数")
    assert many["places"] == [f"routes.{at}.eta_s" for at in range(5)]
    zh, en = many["rule"].split(" · ")
    assert zh.endswith("（共 40 处：routes.0.eta_s, routes.1.eta_s, routes.2.eta_s, "
                       "routes.3.eta_s, routes.4.eta_s, …）")  # fmt: skip
    assert "(40 in all: routes.0.eta_s, " in en
    assert one["field"] == "routes.40.eta_s"
    assert "count" not in one


def test_f77_a_list_without_an_entry_is_told() -> None:
    with pytest.raises(ValidationError) as caught:
        _Hops.model_validate({"routes": []})
    (field,) = of_validation(caught.value.errors(include_url=False)).fields
    assert (field.field, field.rule.split(" · ")[0]) == ("routes", "至少 1 项")


def test_f77_kafka_counts_what_is_true() -> None:
    made = {"unit_id": "x1", "component": "red_cells", "volume_ml": 0, "expires_at": "2025-01-09"}
    with pytest.raises(ContractError) as caught:
        decode_event(DonationSplit.TYPE, orjson.dumps({"components": [made, made]}))
    with pytest.raises(ValidationError) as plain:
        DonationSplit.model_validate_json(orjson.dumps({"components": [made, made]}))
    kinds = [error["type"] for error in plain.value.errors()]
    assert "too_short" in kinds
    assert caught.value.params["errors"] == len(kinds) - 1


def test_f72_kafka_tells_the_same_words() -> None:
    with pytest.raises(ContractError) as caught:
        decode_event(RequestOpened.TYPE, b'{"request": {"request_id": "?"}}')
    told = str(render(caught.value.code, caught.value.params))
    assert "只能用英文字母" in told
    assert "String should" not in told


def test_f75_kafka_names_the_encoding() -> None:
    with pytest.raises(ContractError) as caught:
        decode_event(RequestOpened.TYPE, '{"note": "手术室"}'.encode("gb18030"))
    assert caught.value.code == "body_not_utf8"


@pytest.mark.parametrize(
    ("at", "told"),
    [("2026-12-24T16:00:00Z", "2026-12-24 24:00"), ("2026-12-24T15:59:00Z", "2026-12-24 23:59")],
)
def test_f82_an_expiry_is_told_as_its_label_has_it(at: str, told: str) -> None:
    assert show_moment(datetime.fromisoformat(at), expiry=True) == told
    assert show_expiry(at).endswith("北京时间")


def test_f82_an_instant_is_in_beijing_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    assert show_instant("2025-01-07T01:05:00Z") == "2025-01-07 09:05 北京时间"


def test_f84_the_year_is_told_where_it_is_not_this_one() -> None:
    at = datetime(2028, 1, 1, 2, tzinfo=UTC)
    assert show(at).startswith("2028-01-01 10:00")
    assert show_moment(at, now=at) == "01-01 10:00"


def test_f83_sentences_hold_no_utc() -> None:
    told = render(
        "label_contradicts_record",
        {
            "unit_id": "u1",
            "what": "expires_at",
            "label": "2026-12-19T15:59:00+00:00",
            "recorded": "2026-12-18T16:00:00+00:00",
        },
    )
    assert "失效时间（expires_at） 标签为 2026-12-19 23:59（北京时间）" in told.zh
    assert "记录为 2026-12-18 24:00（北京时间）" in told.zh
    assert "+00:00" not in told.zh + told.en


def test_f72_a_rule_of_no_wire_is_told_with_its_own_words() -> None:
    told = describe_broken({"type": "value_error", "loc": (), "msg": "Value error, barcode: x"})
    assert told.zh == "不合规：barcode: x"


def test_f79_the_field_that_was_used_before_is_named() -> None:
    alert = decode_event(
        "blood.alert.received.v1",
        (ROOT / "models/events/examples/blood.alert.received.v1.json").read_bytes(),
    )
    now = datetime(2025, 1, 7, tzinfo=UTC)
    sent = Submission(event=alert, event_id="e", source="feed/x", time=now, named_by="alert_id")
    other = EventFate(digest="0", taken_at=now, code=None, params=None, status=None, decision=None)
    with pytest.raises(ContractError) as caught:
        _judge(sent, other)
    answer = orjson.loads(to_response(caught.value).body)
    assert answer["status"] == 422
    assert answer["errors"][0]["field"] == "alert_id"
    assert "警报编号（alert_id）" in answer["detail"]
    assert "Idempotency-Key" not in str(answer)


def test_the_last_day_there_is_can_be_shown() -> None:
    """Registers write a deferral for good as 9999-12-31."""
    assert show_moment(datetime(9999, 12, 31, 23, 59, tzinfo=UTC)) == "9999-12-31 23:59"
