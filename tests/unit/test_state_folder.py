"""The state folder is the same wherever a command is given, and a second system is seen."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.kafka import NODE_MARK
from deploy.local.other_state_folders import list_other_systems
from streams import settings as settings_module
from streams.settings import Settings, find_state_dir

ROOT = Path(__file__).resolve().parents[2]


def test_f85_the_folder_of_a_checkout_is_the_same_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XUELIAN_STATE_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert Settings().state_dir == ROOT / "build" / "state"


def test_f85_an_installed_package_uses_the_folder_of_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings_module, "__file__", str(tmp_path / "site" / "streams" / "s.py"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    assert find_state_dir() == tmp_path / "share" / "xuelian"
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_state_dir() == tmp_path / ".local" / "share" / "xuelian"


def test_f85_a_folder_that_was_named_is_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XUELIAN_STATE_DIR", "mine")
    assert Settings().state_dir == tmp_path / "mine"


def test_f85_a_system_of_another_folder_is_seen(tmp_path: Path) -> None:
    """A process with the argument of a Kafka node stands for one: what is read is its argument."""
    node = f"{NODE_MARK}{tmp_path}/their state/kafka/node-1"
    waiting = "import sys; print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", waiting, node], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as stranger:
        assert stranger.stdin is not None
        assert stranger.stdout is not None
        # A process that has only just been started has no arguments yet: it says when it runs.
        assert stranger.stdout.readline() == b"up\n"
        others = list_other_systems(tmp_path / "ours")
        own = list_other_systems(tmp_path / "their state")
        stranger.stdin.close()
    assert tmp_path / "their state" in others
    assert tmp_path / "their state" not in own
