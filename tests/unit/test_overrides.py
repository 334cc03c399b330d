"""A station's own file: what it may set, what it may only tighten, and every way to be refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.errors import DomainRefusal
from models.rules.citations import RuleKind
from models.rules.overrides import MAX_BYTES, check_overrides
from models.rules.rulebook import PACKAGED, Rule, RuleValue
from models.texts import list_texts, render
from tests.support.rules import HEADING, accept, check, write_file

Pair = tuple[Rule, RuleValue]


def list_values(may: str | None) -> list[Pair]:
    return [
        (rule, value)
        for rule in PACKAGED.list_rules()
        for value in rule.values
        if value.terms.may == may
    ]


def ids(pair: object) -> str:
    assert isinstance(pair, tuple)
    rule, value = pair
    return f"{rule.rule_id}.{value.name}"


def refuse(rule_id: str, name: str, given: object) -> DomainRefusal:
    checked = check({rule_id: {name: given}})
    assert checked.rules is PACKAGED
    assert not checked.changes
    (mistake,) = checked.mistakes
    assert isinstance(mistake, DomainRefusal)
    return mistake


def loosen(value: RuleValue) -> list[object]:
    """What would be looser, by a hair and by much."""
    now = value.value
    step = 1 if isinstance(now, int) else 0.5
    match value.terms.safer:
        case "higher":
            return [now - step]
        case "lower":
            return [now + step, now * 100 + step]
        case "narrower":
            low, high = now
            return [[low - 0.5, high], [low, high + 0.5], [low - 50, high + 50]]
        case "fewer":
            return [[*now, "X"], ["X", *now]]
        case _:
            return []


def tighten(value: RuleValue) -> list[object]:
    """What would be tighter, to the end of what makes sense."""
    now, terms = value.value, value.terms
    match terms.safer:
        case "higher":
            assert terms.most is not None
            return [now + 1, type(now)(terms.most)]
        case "lower":
            assert terms.least is not None
            return [now - 1, type(now)(terms.least)]
        case "narrower":
            low, high = now
            return [[low + 0.5, high], [low, high - 0.5]]
        case "fewer":
            return [list(terms.keeps)]
        case _:
            return [False]


@pytest.mark.parametrize("pair", list_values("tighten"), ids=ids)
def test_whatever_loosens_is_refused_by_its_rule(pair: Pair) -> None:
    rule, value = pair
    given = loosen(value)
    assert given or value.terms.safer == "off"
    for looser in given:
        mistake = refuse(rule.rule_id, value.name, looser)
        assert mistake.code in {"rule_loosened", "rule_window_wider", "rule_names_added"}
        assert mistake.params["rule"] == rule.rule_id
        assert mistake.params["value"] == value.name


@pytest.mark.parametrize("pair", list_values("tighten"), ids=ids)
def test_whatever_tightens_is_taken_and_told(pair: Pair) -> None:
    rule, value = pair
    for tighter in tighten(value):
        if tighter == value.value:
            continue
        found = accept({rule.rule_id: {value.name: tighter}})
        told = found.get_rule(rule.rule_id).find_value(value.name)
        assert told is not None
        assert (told.value, told.overridden) == (tighter, True)
        assert found.version.startswith(f"{PACKAGED.version}+")
        others = [other for other in found.list_rules() if other.rule_id != rule.rule_id]
        assert not [v for other in others for v in other.values if v.overridden]
        assert {rule.version for rule in found.list_rules()} == {found.version}


@pytest.mark.parametrize("pair", list_values("set"), ids=ids)
def test_what_only_sizes_may_be_set_within_its_range(pair: Pair) -> None:
    rule, value = pair
    least, most = value.terms.least, value.terms.most
    if not isinstance(value.value, int | float):
        return
    assert least is not None
    assert most is not None
    for outside in (least - 1, most + 1):
        given = type(value.value)(outside)
        assert refuse(rule.rule_id, value.name, given).code == "rule_out_of_range"
    accept({rule.rule_id: {value.name: type(value.value)(most)}})


def list_fixed() -> Iterator[Pair]:
    yield from list_values(None)


@pytest.mark.parametrize("pair", list(list_fixed()), ids=ids)
def test_what_is_fixed_is_refused_even_unchanged(pair: Pair) -> None:
    rule, value = pair
    if isinstance(value.value, dict) or value.name in {"rows", "steps"}:
        given: object = 1
    else:
        given = value.value
    code = refuse(rule.rule_id, value.name, given).code
    if rule.kind is RuleKind.LAW:
        assert code == "rule_is_law"
    else:
        assert code == ("rule_set_in_record" if rule.set_in else "rule_value_fixed")


MISTAKES = """
station = "日喀则"
versoin = "1"
approved_by = 7

[rules."unknown.o_negative_cap"]
o_negative_units = 5

[rules."unknown.group"]
female_rhd_negative_to_age_years = 61
male_rhd_negative_to_age_years = "nineteen"
child_to_age_years = 3

[rules."unknown.goup"]
x = 1

[rules."donor.interval.whole_blood"]
months = 3

[rules."donor.weight"]
male_kg = nan
kind = "local"

[rules."donor.age"]
from_years = 18.5

[rules."red_cells.abo"]
O = ["O", "A"]
A = ["O", "A"]
B = ["B", "B"]
AB = ["A", "B", "O"]

[rules."plasma.abo"]
O = ["O", "A", "B", "AB", "X"]
A = "A"

[rules."component.platelets"]
storage_temp_c = [18.0, 26.0]
transport_temp_c = [24.0, 20.0]

[rules."component.red_cells"]
storage_temp_c = [2.0]

[rules."rhd.asian_del"]
served_as_positive = 1

[rules."shortage.thresholds"]
red_below_d = 1.0

[rules."shortage.burn_rate"]
window_d = 0

[rules."disaster.pager"]
fallback_country = 86

[rules.donor]
wave = 3
"""

EXPECTED = [
    ("rules_key_unknown", "versoin"),
    ("rules_heading", "station"),
    ("rules_heading", "version"),
    ("rules_heading", "approved_by"),
    ("rule_loosened", "unknown.o_negative_cap"),
    ("rule_out_of_range", "unknown.group"),
    ("rule_value_type", "unknown.group"),
    ("rule_value_unknown", "unknown.group"),
    ("rule_unknown", "unknown.goup"),
    ("rule_is_law", "donor.interval.whole_blood"),
    ("rule_value_type", "donor.weight"),
    ("rule_part_fixed", "donor.weight"),
    ("rule_value_type", "donor.age"),
    ("rule_value_fixed", "red_cells.abo"),
    ("rule_order_changed", "red_cells.abo"),
    ("rule_name_twice", "red_cells.abo"),
    ("rule_name_needed", "red_cells.abo"),
    ("rule_names_added", "plasma.abo"),
    ("rule_value_type", "plasma.abo"),
    ("rule_window_wider", "component.platelets"),
    ("rule_window_reversed", "component.platelets"),
    ("rule_value_type", "component.red_cells"),
    ("rule_value_type", "rhd.asian_del"),
    ("rule_set_in_record", "shortage.thresholds"),
    ("rule_out_of_range", "shortage.burn_rate"),
    ("rule_value_type", "disaster.pager"),
    ("rules_table_wanted", "donor.wave"),
]


def test_every_mistake_of_a_file_is_told_at_once() -> None:
    checked = check_overrides(MISTAKES.encode())
    assert checked.rules is PACKAGED
    told = [(m.code, m.params.get("rule", m.params.get("key"))) for m in checked.mistakes]
    assert told == EXPECTED
    assert len({code for code, _ in told}) >= 16


def test_every_mistake_is_told_in_both_languages_without_a_gap() -> None:
    checked = check_overrides(MISTAKES.encode())
    texts = [render(mistake.code, mistake.params) for mistake in checked.mistakes]
    assert len({str(text) for text in texts}) == len(texts)
    for text, (code, subject) in zip(texts, EXPECTED, strict=True):
        assert code in list_texts()
        for wording in text:
            assert "…" not in wording.replace('["…"]', "")
            assert str(subject) in wording


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"\xff\xfe", "toml_not_utf8"),
        (b"station = ", "toml_syntax_at_end"),
        (b'station = "a"\nstation = "b"', "toml_syntax_at_end"),
        (b"#" * (MAX_BYTES + 1), "rules_file_too_long"),
    ],
)
def test_what_is_no_such_file_at_all_is_told(content: bytes, code: str) -> None:
    checked = check_overrides(content)
    assert [mistake.code for mistake in checked.mistakes] == [code]
    assert checked.rules is PACKAGED


def test_a_file_of_a_hundred_thousand_bytes_is_read_and_no_longer_one() -> None:
    filled = HEADING.encode().ljust(100_000, b"#")
    assert not check_overrides(filled).mistakes
    (mistake,) = check_overrides(filled + b"#").mistakes
    assert mistake.params == {"size": 100_001, "most": 100_000}


@pytest.mark.parametrize("rules", ["rules = 3", "[[rules]]\na = 1"])
def test_rules_that_are_no_table_are_told(rules: str) -> None:
    checked = check_overrides(f"{HEADING}{rules}\n".encode())
    assert [mistake.code for mistake in checked.mistakes] == ["rules_table_wanted"]


@pytest.mark.parametrize(
    ("rule_id", "values", "cause"),
    [
        ("disaster.pager", {"fallback_country": "XX"}, "must be one of the countries"),
        ("disaster.donations", {"group_order": ["O+", "O-"]}, "exactly once"),
        ("disaster.donations", {"group_order": ["Z+"]}, "只能是其中之一"),
    ],
)
def test_values_that_do_not_hold_together_are_told_with_their_rule(
    rule_id: str, values: dict[str, object], cause: str
) -> None:
    mistake, *_ = check({rule_id: values}).mistakes
    assert (mistake.code, mistake.params["rule"]) == ("rule_not_sound", rule_id)
    assert cause in str(mistake.params["cause"])


def test_a_file_without_changes_is_the_package() -> None:
    assert accept({}) is PACKAGED
    assert accept({"unknown.o_negative_cap": {"o_negative_units": 4}}) is PACKAGED


def test_the_version_tells_what_differs_and_nothing_else() -> None:
    one = accept({"unknown.o_negative_cap": {"o_negative_units": 3}})
    same = check_overrides(
        write_file({"unknown.o_negative_cap": {"o_negative_units": 3}})
        .replace("shigatse", "nagqu")
        .replace('"1"', '"2"')
        .encode()
    ).rules
    other = accept({"unknown.o_negative_cap": {"o_negative_units": 2}})
    assert one.version == same.version != other.version


def test_one_mistake_and_nothing_of_the_file_is_taken() -> None:
    checked = check(
        {
            "unknown.o_negative_cap": {"o_negative_units": 3},
            "shelf_life.platelets": {"use_within_h": 121},
        }
    )
    assert checked.rules is PACKAGED
    assert len(checked.mistakes) == 1


def test_a_name_may_be_written_with_or_without_quotes() -> None:
    plain = f"{HEADING}[rules.unknown.o_negative_cap]\no_negative_units = 3\n"
    quoted = f'{HEADING}[rules."unknown.o_negative_cap"]\no_negative_units = 3\n'
    assert check_overrides(plain.encode()).rules.version == (
        check_overrides(quoted.encode()).rules.version
    )


def test_a_byte_order_mark_of_windows_is_no_mistake() -> None:
    assert not check_overrides(b"\xef\xbb\xbf" + HEADING.encode()).mistakes


def test_the_packages_rulebook_is_not_changed_by_reading_a_file() -> None:
    before = repr(PACKAGED.documents)
    accept({"red_cells.abo": {"AB": ["AB"]}, "rhd.asian_del": {"served_as_positive": False}})
    assert repr(PACKAGED.documents) == before
