"""Whatever goes wrong is one line in both languages and the right exit code."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.failures import describe_failure, render_code
from cli.gateway import GatewayClient, _to_failure, _without_rows
from cli.main import app
from cli.request_opening import Asked
from cli.texts import OWN_TEXTS
from deploy.local.errors import ServicesUnavailableError
from deploy.local.exit_codes import ExitCode
from models.errors import (
    ConfigurationError,
    ContractError,
    DomainRefusal,
    InvariantViolation,
    TransientError,
)
from models.texts import render

NOWHERE = {
    "XUELIAN_POSTGRES_DSN": "postgresql://xuelian@127.0.0.1:1/none",
    "XUELIAN_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "XUELIAN_GATEWAY_URL": "http://127.0.0.1:1",
    "XUELIAN_API_KEY": "xl_none_none",
}


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XUELIAN_STATE_DIR", str(tmp_path / "state"))
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (DomainRefusal("api_key_unknown", key_id="k"), ExitCode.FAILED),
        (ContractError("dead_letter_unknown", dead_letter_id="d"), ExitCode.FAILED),
        (TransientError("postgres_away", detail="x"), ExitCode.AWAY),
        (ServicesUnavailableError("没有 · none"), ExitCode.AWAY),
        (ConfigurationError("port_taken", port=1), ExitCode.CONFIGURATION),
        (InvariantViolation("constraint_broken", constraint="c"), ExitCode.FAILED),
        (ExceptionGroup("g", [TransientError("kafka_away")]), ExitCode.AWAY),
        (ZeroDivisionError("x"), ExitCode.FAILED),
    ],
)
def test_every_family_has_its_exit_code(error: Exception, exit_code: ExitCode) -> None:
    failure = describe_failure(error)
    assert failure.exit_code is exit_code
    assert failure.zh
    assert failure.en


def test_a_bug_is_named_and_points_to_debug() -> None:
    failure = describe_failure(ZeroDivisionError("division by zero"))
    assert failure.unforeseen
    assert "ZeroDivisionError: division by zero" in failure.zh
    assert "--debug" in failure.en


def test_the_services_say_what_to_do_instead() -> None:
    failure = describe_failure(ServicesUnavailableError("下载失败 · the download failed"))
    assert (failure.zh, failure.en) == ("下载失败", "the download failed")
    assert any("docker compose up" in line for line in failure.details)


@pytest.mark.parametrize("code", sorted(OWN_TEXTS))
def test_own_texts_fill_in_and_survive_missing_parameters(code: str) -> None:
    for text in render_code(code, {}):
        assert "{" not in text


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (["keys", "list"], 3, "postgres_away"),
        (["dlq", "list"], 3, "postgres_away"),
        (["topics", "check"], 3, "kafka_away"),
        (["shortages"], 3, "gateway_away"),
        (["request", "show", "r1"], 3, "gateway_away"),
        (["events", "tail"], 3, "gateway_away"),
        (["demo", "atlantis"], 4, "demo_unknown"),
    ],
)
def test_commands_fail_with_one_line_or_one_document(
    words: list[str], exit_code: int, code: str
) -> None:
    plain = CliRunner().invoke(app, words)
    assert plain.exit_code == exit_code
    assert plain.stderr.startswith("✗ ")
    assert "Traceback" not in plain.stderr
    assert len(plain.stderr.strip().splitlines()) == 1
    told = CliRunner().invoke(app, [*words, "--json"])
    assert told.exit_code == exit_code
    assert json.loads(told.stdout)["error"]["code"] == code


def test_debug_shows_where() -> None:
    result = CliRunner().invoke(app, ["--debug", "keys", "list"])
    assert result.exit_code == 3
    assert "Traceback" in result.stderr


def test_a_key_is_asked_for_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XUELIAN_API_KEY")
    result = CliRunner().invoke(app, ["shortages", "--json"])
    assert result.exit_code == 4
    assert json.loads(result.stdout)["error"]["code"] == "api_key_not_set"


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XUELIAN_GATEWAY_PORT", "many")
    result = CliRunner().invoke(app, ["shortages"])
    assert result.exit_code == 4
    assert "XUELIAN_GATEWAY_PORT" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["request", "new"],
        ["request", "new", "-n", "red_cells"],
        ["request", "new", "-n", "red_cells=many"],
        ["request", "new", "-n", "red_cells=1", "--priority", "soon"],
        ["keys", "create", "king"],
        ["dlq", "replay"],
        ["dlq", "replay", "some", "--all"],
        ["dlq", "replay", "--all", "--key", "k"],
        ["dlq", "replay", "one", "two", "--key", "k"],
        ["services", "up", "--brokers", "2"],
        ["worker", "idle"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_code_2(words: list[str]) -> None:
    assert CliRunner().invoke(app, words).exit_code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nonsense"], "没有命令 nonsense · No such command"),
        (["--foo"], "没有选项 --foo · "),
        (["request", "nwe"], "没有命令 nwe；是否为 new？ · "),
        (["request", "show"], "缺少参数 request_id · "),
        (["request", "show", "a", "b"], "多写了 b · "),
        (["request", "new", "--sex"], "选项 --sex 后面要写值 · "),
        (["request", "new", "--within", "x"], "--within：须为数字 · --within: must be a number"),
        (["request", "new", "--wait", "99"], "--wait：最大 30 · --wait: at most 30"),
        (["stock", "import", "a", "/nofile"], "file：没有文件 /nofile · "),
        (["stock", "import", "a", "/"], "file：/ 是文件夹，不是文件 · "),
        (["request", "new"], "--need：要写 --need、--packs 或 --file · --need: give --need"),
        (
            ["request", "new", "-n", "red_cells=1.5"],
            "--need：red_cells=1.5：写成 成分=数量，如 red_cells=4（U）、red_cells=2bag、",
        ),
        (
            ["request", "new", "-n", "red_cells=-1"],
            "--need：red_cells=-1：写成 成分=数量，如 red_cells=4（U）、red_cells=2bag、",
        ),
        (
            ["request", "new", "-n", "platelets=10U"],
            "--need：platelets=10U：platelets 以 治疗量 计（单采血小板 10 U 即一个治疗量）",
        ),
        (
            ["request", "new", "-n", "单采血小板=10单位"],
            "--need：单采血小板=10单位：platelets 以 治疗量",
        ),
        (
            ["request", "new", "-n", "red_cells=2治疗量"],
            "--need：red_cells=2治疗量：red_cells 以 U 计",
        ),
        (["request", "new", "--packs", "1", "--within", "nan"], "--within：最大 8760"),
        (["route", "set", "a", "b", "inf"], "minutes：最大 10080"),
        (["keys", "create", "king"], "scope 不能写“king”，只能是其中之一：hospital（医院）、"),
        (
            ["request", "new", "-n", "red_cells=1", "--sex", "x"],
            "--sex：不能写“x”，只能是其中之一：female（女）、male（男） · --sex: x is none of",
        ),
    ],
    ids=str,
)
def test_wrong_usage_is_told_in_chinese_first(words: list[str], told: str) -> None:
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 2
    assert found.stderr.startswith(f"✗ {told}")
    assert "Error" not in found.stderr


def test_a_choice_is_read_by_its_chinese_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Asked] = []

    def keep(one: Asked, **_: object) -> dict[str, object]:
        asked.append(one)
        return {"status": "refused", "request_id": "r1"}

    monkeypatch.setattr("cli.request_opening.send_request", keep)
    words = ["request", "new", "-n", "red_cells=1", "--sex", "女", "--priority", "危及生命"]
    CliRunner().invoke(app, words)
    assert [(options.sex, options.priority) for options in asked] == [
        ("female", "life_threatening")
    ]


def test_the_hospital_that_is_missing_is_named_as_an_option() -> None:
    problem = {"code": "hospital_needed", "detail": "x hospital_id · y hospital_id", "errors": []}
    failure = _to_failure(400, problem)
    assert "--hospital" in failure.zh
    assert "--hospital" in failure.en
    assert "hospital_id" not in failure.zh + failure.en


def test_a_place_in_a_file_is_told_in_chinese_first() -> None:
    error = {
        "field": "row 2, RhD “阴性”", "rows": [[2, 2], [4, 6]], "column": "rhd", "found": ["阴性"],
        "sheet": "", "rule": "x", "what_to_do": "改 · change", "name": None,
    }  # fmt: skip
    problem = {"code": "rows_invalid", "detail": "a · b", "errors": [error]}
    (told,) = _to_failure(400, problem).details
    assert told.startswith("第 2、4–6 行 RhD“阴性” · row 2, RhD “阴性”: ")
    chinese = {**error, "field": "第 2 行 血型“A型”"}
    (told,) = _to_failure(400, {**problem, "errors": [chinese]}).details
    assert told.startswith("第 2 行 血型“A型”: ")


def test_one_record_is_refused_by_its_fields_and_no_rows() -> None:
    error = {
        "field": "row 1, deferred_until “x”", "rows": [[1, 1]], "column": "deferred_until",
        "found": ["x"], "rule": "规则 · rule", "what_to_do": "改 · change",
    }  # fmt: skip
    problem = {"code": "rows_invalid", "detail": "a · b", "errors": [error]}
    failure = _to_failure(400, _without_rows(problem))
    assert failure.zh == "内容有 1 处不合规"
    assert failure.details == ("deferred_until（暂缓至）: 规则 · rule — 改 · change",)
    away = {"code": "postgres_away", "detail": "a · b"}
    assert _without_rows(away) == away


UNIT = "W1234-25-000017-RC"
WRITES = [
    (["request", "new", "--hospital", "h", "-n", "red_cells=1"], {"--needed-by"}),
    (["request", "cancel", "r1", "--reason", "已 转院"], {"--reason"}),
    (["stock", "change", "shigatse", UNIT, "picked", "--epoch", "1"], {"--at"}),
    (["stock", "reconcile", "close", "s", "c1", UNIT, "--as", "issued", "--reason", "x"], {"--at"}),
    (["donation", "recall", "s", "W1", "--reason", "x", "--by", "y"], {"--at", "--by"}),
    (["scan", "pick", "=G12342565432170", "-s", "shigatse"], {"--at"}),
    (["request", "cancel", "r1", "--reason=x", "--idempotency-key", "k1"], {"--reason=x"}),
]


@pytest.mark.parametrize(
    ("words", "settled"),
    WRITES,
    ids=lambda one: " ".join(sorted(one) if isinstance(one, set) else one)[:20],
)
def test_an_act_that_was_not_confirmed_is_told_with_the_command_that_repeats_it(
    words: list[str], settled: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[object, object]] = []

    def call(_: GatewayClient, *__: object, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        if "json" in fields:  # not the question of what time it is there
            sent.append((fields["json"], fields["headers"]))
        raise TransientError("gateway_away", url="u", cause="c")

    monkeypatch.setattr(GatewayClient, "call", call)
    first = CliRunner().invoke(app, words)
    assert first.exit_code == 3
    command = shlex.split(first.stderr.splitlines()[1])
    assert command[: len(words) + 1] == ["xuelian", *words]
    assert settled | {"--idempotency-key"} <= set(command)
    assert len({word for word in command if word[:2] == "--"}) == sum(
        word[:2] == "--" for word in command
    ), "nothing stands twice"
    again = CliRunner().invoke(app, command[1:])
    assert again.exit_code == 3
    assert sent[0] == sent[1]


def test_an_option_that_was_left_empty_is_told_with_what_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("cli.repeat_command.uuid4", lambda: "made-up")
    words = ["request", "cancel", "r1", "--reason", "x", "--idempotency-key", ""]
    found = CliRunner().invoke(app, words, env={"XUELIAN_GATEWAY_URL": "http://127.0.0.1:9"})
    command = shlex.split(found.stderr.splitlines()[1])
    assert command[1:] == [*words[:-1], "cli-made-up"]


def test_bags_that_were_read_from_a_pipe_stand_in_the_command() -> None:
    found = CliRunner().invoke(app, ["scan", "pick", "-s", "s"], input="=G1\n=<E1\n\n=G2\n")
    command = shlex.split(found.stderr.splitlines()[1])
    assert command[-4:] == ["=G1", "=<E1", "", "=G2"]


def test_a_command_without_a_key_advises_none() -> None:
    words = ["donor", "set", "s", "D-1", "--name", "x"]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 3
    assert "dempotency" not in found.stderr
    for code in ("kafka_away", "publisher_stopped"):
        failure = _to_failure(503, {"code": code, "detail": str(render(code))})
        assert "Idempotency-Key" not in failure.zh + failure.en


def test_demos_are_listed() -> None:
    result = CliRunner().invoke(app, ["demo", "--json"])
    assert result.exit_code == 0
    assert "dingri" in json.loads(result.stdout)["demos"]
