"""`xuelian rules`, and a process that does not start with a file that is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.doctor_checks import check_rules
from cli.main import app
from gateway.bootstrap import run_gateway
from models.errors import ConfigurationError
from models.rules.rulebook import PACKAGED
from streams.bootstrap import Role, run_process
from streams.rules_file import load_rulebook
from streams.settings import Settings
from tests.support.rules import HEADING, write_file
from tests.unit.test_donor_laws import NEW_LAW

GOOD = write_file(
    {
        "unknown.o_negative_cap": {"o_negative_units": 3},
        "red_cells.abo": {"AB": ["AB", "O"]},
    }
)
BAD = write_file(
    {
        "unknown.o_negative_cap": {"o_negative_units": 9},
        "donor.interval.whole_blood": {"months": 3},
    }
)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.toml"
    path.write_text(GOOD, encoding="utf-8")
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.toml"
    path.write_text(BAD, encoding="utf-8")
    return path


def run(*words: str, rules_file: Path | None = None) -> tuple[int, str]:
    env = {"COLUMNS": "140", "XUELIAN_RULES_FILE": str(rules_file) if rules_file else None}
    result = CliRunner().invoke(app, ["rules", *words], env=env)
    return result.exit_code, result.output


def told(*words: str, rules_file: Path | None = None) -> tuple[int, dict[str, Any]]:
    exit_code, text = run(*words, "--json", rules_file=rules_file)
    found = json.loads(text)
    assert isinstance(found, dict)
    return exit_code, found


def test_list_shows_every_rule() -> None:
    exit_code, found = told("list")
    assert exit_code == 0
    assert found["version"] == PACKAGED.version
    assert [rule["rule_id"] for rule in found["rules"]] == list(PACKAGED.rules)
    _, text = run("list")
    assert f"{len(PACKAGED.rules)} 条" in text
    for rule in PACKAGED.list_rules():
        assert rule.rule_id in text.replace("\n", "") or len(rule.rule_id) > 20


def test_list_can_be_narrowed() -> None:
    _, laws = told("list", "--kind", "law")
    assert laws["rules"]
    assert {rule["kind"] for rule in laws["rules"]} == {"law"}
    _, to_confirm = told("list", "--to-confirm")
    assert all(
        rule["confirm"] or rule["kind"] == "local" or rule["read"] != "read"
        for rule in to_confirm["rules"]
    )
    assert len(laws["rules"]) < len(to_confirm["rules"]) < len(PACKAGED.rules)


def test_show_tells_values_units_source_and_what_may_be_set() -> None:
    exit_code, text = run("show", "unknown.o_negative_cap@2026-3")
    assert exit_code == 0
    for part in ("o_negative_units = 4", "袋 bag", "Victoria", "1–4", "local"):
        assert part in text
    _, found = told("show", "donor.interval.whole_blood")
    assert (found["kind"], found["values"][0]["value"]) == ("law", 6)
    _, text = run("show", "rhd.anti_d")
    assert "Lifeblood" in text


def test_c01_show_tells_how_a_rule_was_read_and_that_its_source_is_abolished() -> None:
    _, found = told("show", "shelf_life.red_cells")
    assert (found["read"], found["until"]) == ("second_hand", "2024-09-01")
    assert {value["name"] for value in found["values"]} == set(found["confirm"])
    _, text = run("show", "shelf_life.red_cells")
    assert "转引 · second-hand" in text
    assert "2024-09-01 起废止 · abolished from 2024-09-01" in text
    _, text = run("show", "rhd.anti_d")
    assert "读过原文 · read；日期不详 · undated" in text


def test_show_guesses_what_was_meant() -> None:
    exit_code, found = told("show", "unknown.o_negativ_cap")
    assert exit_code == 1
    assert found["error"]["code"] == "rule_unknown"
    assert "unknown.o_negative_cap" in found["error"]["en"]


def test_list_and_show_tell_the_stations_own_values(good: Path) -> None:
    _, found = told("list", rules_file=good)
    assert found["version"].startswith("2026-3+")
    exit_code, text = run("show", "unknown.o_negative_cap", rules_file=good)
    assert exit_code == 0
    assert "o_negative_units = 3 袋 bag ✎" in text


def test_check_tells_what_would_change(good: Path) -> None:
    exit_code, found = told("check", str(good))
    assert exit_code == 0
    assert found["ok"]
    assert [
        (change["rule_id"], change["before"], change["after"]) for change in found["changes"]
    ] == [
        ("unknown.o_negative_cap", 4, 3),
        ("red_cells.abo", ["AB", "A", "B", "O"], ["AB", "O"]),
    ]
    exit_code, text = run("check", str(good))
    assert exit_code == 0
    for part in (found["version"], "AB, A, B, O", "XUELIAN_RULES_FILE="):
        assert part in text


def test_check_lists_every_mistake_and_fails(bad: Path) -> None:
    exit_code, found = told("check", str(bad))
    assert exit_code == 1
    assert not found["ok"]
    assert [mistake["code"] for mistake in found["mistakes"]] == ["rule_loosened", "rule_is_law"]
    exit_code, text = run("check", str(bad))
    assert exit_code == 1
    for part in ("unknown.o_negative_cap", "献血法 art. 9", "2 处不能接受"):
        assert part in text


def test_a_file_that_is_not_there_is_a_matter_of_configuration(tmp_path: Path) -> None:
    exit_code, found = told("check", str(tmp_path / "none.toml"))
    assert exit_code == 4
    assert found["error"]["code"] == "rules_file_unreadable"
    with pytest.raises(ConfigurationError, match="rules_file_unreadable"):
        load_rulebook(tmp_path, law_file=None)


@pytest.mark.parametrize("words", [["list"], ["show", "rhd.anti_d"]])
def test_no_rules_are_shown_that_no_process_would_follow(bad: Path, words: list[str]) -> None:
    exit_code, found = told(*words, rules_file=bad)
    assert exit_code == 4
    assert found["error"]["code"] == "rules_file_refused"


@pytest.mark.parametrize("role", Role)
async def test_no_worker_starts_with_a_file_that_is_refused(bad: Path, role: Role) -> None:
    """Before it reaches for a server: none runs at these addresses."""
    settings = Settings(rules_file=bad, kafka_bootstrap="127.0.0.1:1")
    refused = r"rules_file_refused.*mistakes=2, first=unknown\.o_negative_cap"
    with pytest.raises(ConfigurationError, match=refused):
        await run_process(settings, role)


def test_no_gateway_starts_with_a_file_that_is_refused(bad: Path) -> None:
    with pytest.raises(ConfigurationError, match="rules_file_refused"):
        run_gateway(Settings(rules_file=bad))


def test_a_file_that_is_good_makes_a_rulebook(good: Path) -> None:
    assert load_rulebook(good, law_file=None).version != PACKAGED.version
    assert load_rulebook(None, law_file=None) is PACKAGED


def test_doctor_looks_at_the_file(good: Path, bad: Path, tmp_path: Path) -> None:
    assert check_rules(Settings(rules_file=good)).detail.startswith("2026-3+")
    assert check_rules(Settings()).detail == PACKAGED.version
    with pytest.raises(ConfigurationError, match="rules_file_refused"):
        check_rules(Settings(rules_file=bad))
    empty = tmp_path / "empty.toml"
    empty.write_text(HEADING, encoding="utf-8")
    assert check_rules(Settings(rules_file=empty)).detail == PACKAGED.version


def test_c29_laws_lists_every_region_and_checks_a_file(tmp_path: Path) -> None:
    exit_code, found = told("laws")
    assert exit_code == 0
    assert {law["region"] for law in found["laws"]} == {"CN", "CN-HI", "CN-JX", "CN-SZ"}
    _, text = run("laws")
    for part in ("草案", "CN-HI", "2012-03-01", "转引"):
        assert part in text
    path = tmp_path / "law.toml"
    path.write_text(NEW_LAW, encoding="utf-8")
    exit_code, text = run("laws", str(path))
    assert exit_code == 0
    assert f"XUELIAN_LAW_FILE={path}" in text.replace("\n", "")
    path.write_text(NEW_LAW.replace("days = 90", "days = 1"), encoding="utf-8")
    exit_code, found = told("laws", str(path))
    assert exit_code == 4
    assert found["error"]["code"] == "law_file_refused"


def test_c29_show_tells_the_interval_of_the_region(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(f'{HEADING}[law]\nregion = "CN-HI"\n', encoding="utf-8")
    exit_code, text = run("show", "donor.interval.whole_blood", rules_file=path)
    assert exit_code == 0
    for part in ("months = 3", "female_months = 4", "海南经济特区", "since 2012-03-01", "转引"):
        assert part in text


@pytest.mark.parametrize("role", Role)
async def test_c29_no_process_starts_with_a_law_file_that_is_refused(
    role: Role, tmp_path: Path
) -> None:
    path = tmp_path / "law.toml"
    path.write_text(NEW_LAW.replace("days = 90", "days = 1"), encoding="utf-8")
    settings = Settings(law_file=path, kafka_bootstrap="127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="law_file_refused"):
        await run_process(settings, role)


def test_c29_no_gateway_starts_with_a_law_file_that_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="law_file_unreadable"):
        run_gateway(Settings(law_file=tmp_path / "none.toml"))


def test_c29_doctor_tells_the_version_under_the_law(tmp_path: Path, good: Path) -> None:
    path = tmp_path / "law.toml"
    path.write_text(NEW_LAW, encoding="utf-8")
    under_law = check_rules(Settings(law_file=path)).detail
    assert under_law == load_rulebook(None, law_file=path).version != PACKAGED.version
    both = check_rules(Settings(law_file=path, rules_file=good)).detail
    assert both.startswith(f"{under_law}+")
