"""One system on a state folder at a time, and the second one is told where the first is."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from cli.commands import up
from cli.failures import describe_failure
from cli.output import Output
from deploy.local.process_table import ensure_port_free
from deploy.local.running_systems import find_running, hold_folder
from models.errors import ConfigurationError
from streams.settings import Settings

if TYPE_CHECKING:
    from deploy.local.local_system import LocalSystem

HOLDER = """
import sys
from pathlib import Path
from deploy.local.running_systems import hold_folder
with hold_folder(Path(sys.argv[1])) as note:
    note.report_places(sys.argv[2], {"urgent": "http://127.0.0.1:1"})
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(folder: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        yield other
        other.kill()


def test_a_second_system_on_one_folder_is_refused_with_the_address_of_the_first(
    tmp_path: Path,
) -> None:
    with held_by_another(tmp_path, "http://127.0.0.1:8123") as other:
        with (
            pytest.raises(ConfigurationError, match="system_runs_here") as caught,
            hold_folder(tmp_path),
        ):
            pass
        told = describe_failure(caught.value)
        for text in (told.zh, told.en):
            assert "http://127.0.0.1:8123" in text
            assert str(tmp_path) in text
            assert str(other.pid) in text
    # Killed, it holds nothing any more.
    assert find_running(tmp_path) is None
    with hold_folder(tmp_path):
        running = find_running(tmp_path)
        assert running is not None
        assert running.probes == {}


def test_a_port_that_our_own_folder_has_is_not_told_as_anothers(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            held_by_another(tmp_path, f"http://127.0.0.1:{port}"),
            pytest.raises(ConfigurationError, match="system_runs_here"),
        ):
            ensure_port_free(port, state_dir=tmp_path)
        with pytest.raises(ConfigurationError, match=r"port_taken|system_elsewhere"):
            ensure_port_free(port, state_dir=tmp_path)


def test_up_names_a_state_folder_that_was_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another terminal has to look into the same folder: keys are made in its database."""
    monkeypatch.setattr(up, "_ensure_first_key", lambda _: None)
    places = SimpleNamespace(
        gateway_url="http://g",
        kafka_bootstrap="k",
        postgres_dsn="p",
        probes={"gateway": "http://g"},
    )
    monkeypatch.delenv("XUELIAN_STATE_DIR", raising=False)
    line = f"export XUELIAN_STATE_DIR={tmp_path}"
    for settings, named in ((Settings(state_dir=tmp_path), True), (Settings(), False)):
        system = SimpleNamespace(settings=settings, endpoints=places)
        up._report_addresses(Output(), cast("LocalSystem", system))
        assert (line in capsys.readouterr().out.replace("\n", "")) is named
