"""An outage is a few lines in the log, and a log has a largest size."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path

import structlog

from cli.logs import Throttle
from deploy.local.log_files import roll, roll_logs
from streams.agents.worker import Readiness


def library_line(
    text: str, *, level: int = logging.ERROR, name: str = "aiokafka"
) -> logging.LogRecord:
    return logging.LogRecord(name, level, "", 0, text, (), None)


def our_line(event: str, *, level: int = logging.WARNING, **fields: object) -> logging.LogRecord:
    record = library_line("", level=level, name="streams.relay.outbox")
    record.msg = {"event": event, **fields}
    return record


class Scene:
    def __init__(self) -> None:
        self.now = 0.0
        self.throttle = Throttle(monotonic=lambda: self.now)

    def count(self, make: object, *, times: int, every_s: float) -> int:
        passed = 0
        for number in range(times):
            passed += bool(self.throttle.filter(make(number)))  # type: ignore[operator]
            self.now += every_s
        return passed


def test_f88_a_flood_of_a_library_is_two_lines_a_minute() -> None:
    def line(number: int) -> logging.LogRecord:
        return library_line(f"Unable connect to node with id {number % 3}: [Errno {number}]")

    assert Scene().count(line, times=4000, every_s=57 / 4000) == 2


def test_f88_what_was_left_out_is_counted() -> None:
    scene = Scene()
    assert scene.count(lambda _: our_line("relay_waits", error="e"), times=10, every_s=1) == 1
    scene.now += 30
    last = our_line("relay_waits", error="e")
    assert scene.throttle.filter(last)
    assert last.msg == {"event": "relay_waits", "error": "e", "left_out": 9}


def test_f88_nothing_else_of_ours_is_left_out() -> None:
    scene = Scene()
    for make in (
        lambda n: our_line("unforeseen_fault", level=logging.ERROR, reference=n, error="x"),
        lambda n: our_line("api_key_wrong_secret", key_id=n),
        lambda _: our_line("part_ready_again", level=logging.INFO, error="x"),
        lambda _: library_line("assignment", level=logging.INFO),
        lambda _: library_line("Exception in ASGI application", name="uvicorn.error"),
    ):
        assert scene.count(make, times=5, every_s=0.1) == 5
    # Two agents that wait are two things.
    for agent in ("stock", "alerts"):
        assert scene.throttle.filter(our_line("dependency_away", error="x", agent=agent))


def test_f88_a_change_of_readiness_is_said_once() -> None:
    now = 0.0
    readiness = Readiness(monotonic=lambda: now)
    with structlog.testing.capture_logs() as logs:
        for reason in ("a", "b", "c"):
            readiness.report("relay", reason)
        now = 57.0
        readiness.report("relay", None)
        readiness.report("relay", None)
    assert [(line["event"], line.get("after_s")) for line in logs] == [
        ("part_not_ready", None),
        ("part_ready_again", 57.0),
    ]


WRITER = """
import sys, time
for n in range({lines}):
    sys.stdout.write(f"line {{n:06d}}\\n")
    sys.stdout.flush()
    if n % 20 == 0:
        time.sleep(0.002)
"""


def test_f88_a_log_is_rolled_while_others_write_to_it(tmp_path: Path) -> None:
    log = tmp_path / "urgent.log"
    lines = 10_000
    with log.open("ab") as sink:
        writers = [
            subprocess.Popen([sys.executable, "-c", WRITER.format(lines=lines)], stdout=sink)
            for _ in range(2)
        ]
    kept, rolled = 0, 0
    over = threading.Event()
    while not over.is_set():
        if all(writer.poll() is not None for writer in writers):
            over.set()
        if roll(log, limit_bytes=50_000):
            rolled += 1
            old = (tmp_path / "urgent.log.1").read_bytes()
            assert old.endswith(b"\n")
            kept += old.count(b"\n")
    kept += log.read_bytes().count(b"\n")
    assert rolled >= 2
    assert log.stat().st_size <= 50_000
    # What is written in the microseconds between copy and emptying may be lost, no more.
    assert 2 * lines * 0.99 <= kept <= 2 * lines


def test_f88_small_logs_and_other_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"x" * 11)
    (tmp_path / "b.log").write_bytes(b"x" * 9)
    (tmp_path / "c.txt").write_bytes(b"x" * 99)
    assert roll_logs(tmp_path, limit_bytes=10) == [tmp_path / "a.log"]
    assert (tmp_path / "a.log").read_bytes() == b""
    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 11
    assert not roll(tmp_path / "none.log")
