"""What can be seen beforehand is seen before anything is sent.

No gateway and no database answers here: a command that asked either first would say just that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli import example, keystore
from deploy.local.exit_codes import ExitCode
from models.errors import TransientError
from streams.settings import Settings
from streams.store.api_keys import IssuedKey
from tests.support.commands import Ran, xuelian

AWAY = {
    "XUELIAN_GATEWAY_URL": "http://127.0.0.1:9",
    "XUELIAN_API_KEY": "xl_a_b",
    "XUELIAN_KAFKA_BOOTSTRAP": "127.0.0.1:9",
    "XUELIAN_POSTGRES_DSN": "postgresql://x@127.0.0.1:9/x",
}


def error_of(ran: Ran) -> str:
    code: str = ran.document["error"]["code"]
    return code


async def remember(file: Path, *words: str, columns: Path | None = None) -> Ran:
    env = AWAY | ({"XUELIAN_COLUMNS_DIR": str(columns)} if columns else {})
    told = ["stock", "import", "shigatse", file, "--yes", "--remember", "--json", *words]
    return await xuelian(*told, env=env)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "库存.csv"
    path.write_text("血袋号\nW1\n", encoding="utf-8")
    return path


MAP = ("--map", "血源号=donation_id")


async def test_remembering_needs_its_folder_before_an_import(file: Path) -> None:
    ran = await remember(file, *MAP)
    assert (ran.exit_code, error_of(ran)) == (ExitCode.CONFIGURATION, "columns_not_set")
    told = ran.document["error"]
    assert "export XUELIAN_COLUMNS_DIR=" in told["zh"]
    assert "export XUELIAN_COLUMNS_DIR=" in told["en"]


async def test_remembering_needs_a_folder_that_takes_files(file: Path) -> None:
    ran = await remember(file, *MAP, columns=file / "columns")
    assert (ran.exit_code, error_of(ran)) == (ExitCode.FAILED, "folder_not_writable")


async def test_remembering_needs_words_that_can_be_kept(file: Path, tmp_path: Path) -> None:
    ran = await remember(file, "--map", "血型=donation_id", columns=tmp_path)
    assert error_of(ran) == "map_moves_column"
    ran = await remember(file, columns=tmp_path)
    assert (ran.exit_code, error_of(ran)) == (ExitCode.USAGE, "usage_invalid")
    (tmp_path / "shigatse.toml").write_text("?", encoding="utf-8")
    assert error_of(await remember(file, *MAP, columns=tmp_path)) == "columns_invalid"
    assert not list(tmp_path.glob("*.bak")), "looking changes nothing"


async def test_what_can_be_kept_is_sent(file: Path, tmp_path: Path) -> None:
    ran = await remember(file, *MAP, columns=tmp_path / "new" / "columns")
    assert (ran.exit_code, error_of(ran)) == (ExitCode.AWAY, "gateway_away")
    assert not (tmp_path / "new").exists()


async def test_an_export_needs_a_place_before_it_is_asked_for(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    for place in (folder, tmp_path / "nowhere" / "a.csv", file / "a.csv"):
        ran = await xuelian("stock", "export", "shigatse", place, "--json", env=AWAY)
        assert (ran.exit_code, error_of(ran)) == (ExitCode.FAILED, "file_not_writable")
    ran = await xuelian("stock", "export", "shigatse", file, "--json", env=AWAY)
    assert error_of(ran) == "gateway_away"
    assert file.read_text(encoding="utf-8").startswith("血袋号"), "looking changes nothing"


async def test_a_drill_needs_its_folder_before_it_runs(file: Path) -> None:
    ran = await xuelian("demo", "dingri", "--out", file, "--json", env=AWAY)
    assert (ran.exit_code, error_of(ran)) == (ExitCode.FAILED, "folder_not_writable")


async def test_nothing_fails_after_a_key_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its text is shown once: a failure after it was made would lose it."""
    made: list[str] = []

    def create(*_: object, **given: Any) -> IssuedKey:  # noqa: ANN401 - as it is called
        made.append(given["scope"])
        return IssuedKey(key_id="k", text="xl_k_s")

    def away(*_: object, **__: object) -> None:
        raise TransientError("postgres_away", detail="x")

    monkeypatch.setattr(keystore, "create_key", create)
    monkeypatch.setattr(keystore, "find_stranger", away)
    ran = await xuelian("keys", "create", "hospital", "dingri-county", "--json", env=AWAY)
    assert (error_of(ran), made) == ("postgres_away", [])


def test_the_example_makes_its_keys_last(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(example, "_make_keys", made.append)
    settings = Settings(gateway_url="http://127.0.0.1:9", clock="system", api_key=None)
    with pytest.raises(Exception, match="api_key_not_set"):
        example.make_region(settings, resolved=settings, report=lambda _: None)
    assert made == []
