"""The state folder and its processes: one starter at a time, no stranger is ever touched."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.accounts import Account
from deploy.local.broker_probe import find_metadata
from deploy.local.embedded_services import EmbeddedServices
from deploy.local.errors import ServicesUnavailableError, StateMismatchError
from deploy.local.health_wait import wait_healthy
from deploy.local.kafka import new_uuid
from deploy.local.postgres_install import get_major, get_programs
from deploy.local.server_processes import PidFile, adopt, find_birth, launch, stop
from deploy.local.state import StateFolder, is_port_free
from deploy.local.state_layout import ensure_record, move_taken_ports

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    folder = StateFolder(tmp_path / "state")
    folder.root.mkdir()
    return folder


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[PidFile]:
    remembered = PidFile(path=tmp_path / "sleeper.pid")
    pid = launch(
        [*SLEEPER, f"token={tmp_path}"], log=tmp_path / "log", pid_file=remembered, cwd=tmp_path
    )
    yield remembered
    if find_birth(pid) is not None:
        os.kill(pid, signal.SIGKILL)


def test_a_launched_process_is_remembered_and_stopped(sleeper: PidFile) -> None:
    pid = sleeper.find_alive()
    assert pid is not None
    assert psutil.Process(pid).ppid() != os.getpid()
    stop(sleeper, signals=[(signal.SIGTERM, 5.0)])
    assert find_birth(pid) is None
    assert not sleeper.path.exists()


def test_a_process_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    remembered = PidFile(path=tmp_path / "deaf.pid")
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf'); time.sleep(60)"
    log = tmp_path / "log"
    command = [sys.executable, "-u", "-c", deaf]
    pid = launch(command, log=log, pid_file=remembered, cwd=tmp_path)
    while "deaf" not in log.read_text(encoding="utf-8"):
        time.sleep(0.02)
    stop(remembered, signals=[(signal.SIGTERM, 0.3)])
    assert find_birth(pid) is None


def test_a_recycled_pid_is_neither_seen_nor_killed(tmp_path: Path) -> None:
    stranger = subprocess.Popen(SLEEPER, stdout=subprocess.DEVNULL)
    try:
        remembered = PidFile(path=tmp_path / "old.pid")
        remembered.path.write_text(
            json.dumps({"pid": stranger.pid, "birth": "another boot/1"}), encoding="utf-8"
        )
        assert remembered.find_alive() is None
        stop(remembered, signals=[(signal.SIGTERM, 1.0)])
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_nobody_noted_is_found_by_its_token(sleeper: PidFile, tmp_path: Path) -> None:
    pid = sleeper.find_alive()
    sleeper.clear()
    adopt(sleeper, token=f"token={tmp_path}/other")
    assert sleeper.find_alive() is None
    adopt(sleeper, token=f"token={tmp_path}")
    assert sleeper.find_alive() == pid


def test_two_starters_take_turns(state: StateFolder) -> None:
    inside: list[str] = []
    heard: list[str] = []

    def second() -> None:
        with state.lock(heard.append):
            inside.append("second")

    with state.lock(print):
        waiting = threading.Thread(target=second)
        waiting.start()
        while not heard:
            time.sleep(0.01)
        assert inside == []
    waiting.join(5)
    assert inside == ["second"]


def test_a_folder_that_was_destroyed_meanwhile_is_locked_anew(state: StateFolder) -> None:
    with state.lock(print):
        state.remove()
    with state.lock(print):
        assert (state.root / "lock").exists()


def test_ports_are_chosen_once_and_kept(state: StateFolder) -> None:
    record = ensure_record(state, brokers=3, report=print)
    assert set(record.ports) == {
        "postgres", "kafka-1", "kafka-2", "kafka-3", "controller-1", "controller-2", "controller-3",
    }  # fmt: skip
    assert len(set(record.ports.values())) == 7
    assert all(21000 <= port < 32000 for port in record.ports.values())
    assert ensure_record(state, brokers=3, report=print) == record


def test_a_port_taken_by_a_stranger_is_replaced_and_told(state: StateFolder) -> None:
    record = ensure_record(state, brokers=1, report=print)
    told: list[str] = []
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", record.ports["kafka-1"]))
        stranger.listen()
        assert not is_port_free(record.ports["kafka-1"])
        moved = move_taken_ports(state, record, running=[], report=told.append)
        kept = move_taken_ports(state, record, running=["kafka-1"], report=told.append)
    assert moved.ports["kafka-1"] != record.ports["kafka-1"]
    assert moved.ports["postgres"] == record.ports["postgres"]
    assert state.find_record() == moved
    assert kept == record
    (message,) = told
    assert str(record.ports["kafka-1"]) in message
    assert str(moved.ports["kafka-1"]) in message


@pytest.mark.parametrize(
    "change", [{"format": 99}, {"kafka": "3.9.1"}, {"postgres": "17"}, {"brokers": 3}]
)
def test_state_of_another_version_is_one_clear_error(
    state: StateFolder, change: dict[str, int | str]
) -> None:
    ensure_record(state, brokers=1, report=print)
    path = state.root / "services.json"
    raw = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**raw, **change}), encoding="utf-8")
    with pytest.raises(StateMismatchError, match="XUELIAN_STATE_DIR"):
        EmbeddedServices(state.root).up()


def test_data_whose_record_is_gone_is_not_put_beside_an_empty_kafka(state: StateFolder) -> None:
    (state.root / "postgres").mkdir()
    with pytest.raises(StateMismatchError, match="XUELIAN_STATE_DIR"):
        EmbeddedServices(state.root).up()


class _Outsider(Account):
    """An account that cannot enter the folders of the one who installed the package."""

    def can_reach(self, path: Path) -> bool:
        del path
        return False


def test_programs_out_of_the_accounts_reach_are_copied_and_run(tmp_path: Path) -> None:
    outsider = _Outsider(name="outsider", uid=os.geteuid(), gid=os.getegid())
    programs = get_programs(home=tmp_path, account=outsider)
    assert programs.is_relative_to(tmp_path)
    shown = subprocess.run(
        [programs / "pg_isready", "--version"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.split()[-1].startswith(f"{get_major()}.")
    assert get_programs(home=tmp_path, account=outsider) == programs


def test_a_folder_without_services_has_none(tmp_path: Path) -> None:
    services = EmbeddedServices(tmp_path / "none")
    assert services.status() == []
    services.down()
    services.destroy()
    assert not services.state.exists()
    with pytest.raises(ServicesUnavailableError, match="no services"):
        services.get_endpoints()


def test_two_brokers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 or 3"):
        EmbeddedServices(tmp_path, brokers=2)


def test_a_failed_start_quotes_the_end_of_its_own_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("of an earlier start\nno space left on device\n", encoding="utf-8")
    with pytest.raises(ServicesUnavailableError, match="no space left") as failure:
        wait_healthy(
            "kafka-1",
            is_healthy=lambda: False,
            is_alive=lambda: False,
            log=log,
            log_from=len("of an earlier start\n"),
            deadline_s=5,
        )
    assert "earlier" not in str(failure.value)


def test_a_stranger_on_the_port_is_not_taken_for_kafka() -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]

        def answer() -> None:
            link, _ = stranger.accept()
            with link:
                link.recv(1024)
                link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        assert find_metadata(port) is None
        answering.join(5)
    assert find_metadata(port) is None


def test_identifiers_are_as_kafka_wants_them() -> None:
    made = {new_uuid() for _ in range(200)}
    assert len(made) == 200
    assert all(len(text) == 22 and not text.startswith("-") for text in made)
