"""What crashes is started again after growing pauses, within bounds; what must not run is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from deploy.local.child_processes import ROOT, Child
from deploy.local.embedded_services import EmbeddedServices
from deploy.local.local_system import LocalSystem
from deploy.local.services_child import ASK_EVERY_S, SILENT_S, ServiceChild
from deploy.local.supervisor import MAX_ENDS, WINDOW_S, Supervisor
from models.errors import ConfigurationError, TransientError


@dataclass
class FakeChild:
    """A process that ends when told; hand-written, since a real one needs real time."""

    name: str = "urgent"
    is_alive: bool = True
    exit_code: int | None = None
    log: Path = Path("urgent.log")
    starts: int = 0

    def start(self) -> None:
        self.is_alive, self.exit_code = True, None
        self.starts += 1

    def end(self, exit_code: int = -9) -> None:
        self.is_alive, self.exit_code = False, exit_code

    def tail(self) -> str:
        return "  last words"


@dataclass
class FakeSystem:
    children: Mapping[str, Child] = field(default_factory=dict)


class Scene:
    def __init__(self) -> None:
        self.child, self.other = FakeChild(), FakeChild(name="supply")
        self.gateway = FakeChild(name="gateway")
        self.failing: list[set[str]] = []
        self.now = 0.0
        self.told: list[str] = []
        self.supervisor = Supervisor(
            cast("LocalSystem", FakeSystem(self.list_children())),
            report=self.told.append,
            report_failing=lambda names: self.failing.append(set(names)),
            monotonic=lambda: self.now,
        )

    def list_children(self) -> dict[str, Child]:
        found = {child.name: child for child in (self.gateway, self.child, self.other)}
        return cast("dict[str, Child]", found)

    def look(self, child: FakeChild | None = None) -> None:
        self.supervisor.look_at(cast("Child", child or self.child))

    def crash_and_wait(self, child: FakeChild | None = None) -> float:
        """Crash, then let time pass until it is started again; return the seconds."""
        child = child or self.child
        child.end()
        began, starts = self.now, child.starts
        while child.starts == starts:
            self.look(child)
            self.now += 0.1
            assert self.now - began < 61
        return self.now - began


def test_a_living_process_is_left_alone() -> None:
    scene = Scene()
    scene.look()
    assert (scene.child.starts, scene.told) == (0, [])


def test_a_crash_is_told_and_the_pauses_grow() -> None:
    scene = Scene()
    pauses = [scene.crash_and_wait() for _ in range(MAX_ENDS - 1)]
    assert pauses == sorted(pauses)
    assert pauses[-1] > 3 * pauses[0]
    assert "urgent 退出" in scene.told[0]
    assert "signal 9" in scene.told[0]


def test_a_worker_that_keeps_ending_takes_nobody_with_it() -> None:
    scene = Scene()
    pauses = [scene.crash_and_wait() for _ in range(3 * MAX_ENDS)]
    assert 59 < pauses[-1] < 61
    assert any("‼ urgent 反复退出（5 次）" in line for line in scene.told)
    assert scene.failing == [{"urgent"}]
    scene.look()  # it lives now, for as long as it takes to be believed
    scene.now += WINDOW_S - 1
    scene.look()
    assert scene.failing == [{"urgent"}]
    scene.now += 2
    scene.look()
    assert scene.failing == [{"urgent"}, set()]
    assert scene.crash_and_wait() < 1


@pytest.mark.parametrize("names", [("gateway",), ("urgent", "supply")])
def test_without_a_gateway_or_any_worker_it_gives_up(names: tuple[str, ...]) -> None:
    scene = Scene()
    children = {child.name: child for child in (scene.gateway, scene.child, scene.other)}
    *first, last = (children[name] for name in names)
    for child in first:
        for _ in range(MAX_ENDS):
            scene.crash_and_wait(child)
    for _ in range(MAX_ENDS - 1):
        scene.crash_and_wait(last)
    last.end()
    with pytest.raises(TransientError, match="child_given_up"):
        scene.look(last)
    assert last.starts == MAX_ENDS - 1


def test_old_crashes_are_forgiven() -> None:
    scene = Scene()
    for _ in range(3 * MAX_ENDS):
        scene.crash_and_wait()
        scene.now += WINDOW_S
    assert scene.child.starts == 3 * MAX_ENDS


def test_a_wrong_configuration_is_not_tried_again() -> None:
    scene = Scene()
    scene.child.end(4)
    with pytest.raises(ConfigurationError, match=r"child_ended.*last words"):
        scene.look()
    assert scene.child.starts == 0


class FakeServices:
    """Servers that run, are dead or were stopped, as told."""

    def __init__(self) -> None:
        self.running, self.stopped, self.starts = True, False, 0
        self.failing = False
        self.answering = True

    def is_healthy(self, name: str) -> bool:
        assert name == "postgres"
        return self.answering

    def is_running(self, name: str) -> bool:
        assert name == "postgres"
        return self.running

    def is_stopped(self, name: str) -> bool:
        assert name == "postgres"
        return self.stopped

    def restart(self, name: str) -> None:
        assert name == "postgres"
        self.starts += 1
        if self.failing:
            raise OSError("no space left on device")
        self.running = True


class ServerScene(Scene):
    def __init__(self) -> None:
        super().__init__()
        self.services = FakeServices()
        self.server = ServiceChild(
            cast("EmbeddedServices", self.services),
            name="postgres",
            log=Path("postgres.log"),
            report=self.told.append,
            monotonic=lambda: self.now,
        )

    def look_for(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.supervisor.look_at(self.server)
            if self.server._starting is not None:
                self.server._starting.join()
            if self.server._asking is not None:
                self.server._asking.join()
            self.now += 0.1


def test_f86_a_server_that_died_is_started_again_and_that_is_said() -> None:
    scene = ServerScene()
    scene.services.running = False
    scene.look_for(5)
    assert scene.services.starts == 1
    assert "postgres 退出（意外停止" in scene.told[0]
    assert "重启 postgres" in scene.told[1]


def test_f86_a_server_that_does_not_start_is_given_up_loudly() -> None:
    scene = ServerScene()
    scene.services.running, scene.services.failing = False, True
    with pytest.raises(TransientError, match="child_given_up"):
        scene.look_for(WINDOW_S)
    assert scene.services.starts == MAX_ENDS - 1
    assert any("no space left" in line for line in scene.told)


def test_f86_a_server_that_was_stopped_is_left_alone_and_told_once() -> None:
    scene = ServerScene()
    scene.services.running, scene.services.stopped = False, True
    scene.look_for(5)
    assert scene.services.starts == 0
    assert len(scene.told) == 1
    assert "xuelian services up" in scene.told[0]


def test_f86_a_server_that_lives_and_does_not_answer_is_told_once_and_left_alone() -> None:
    scene = ServerScene()
    scene.look_for(60)
    assert scene.told == []
    # A short pause is nobody's concern.
    scene.services.answering = False
    scene.look_for(SILENT_S - ASK_EVERY_S)
    scene.services.answering = True
    scene.look_for(60)
    assert scene.told == []

    scene.services.answering = False
    scene.look_for(SILENT_S + ASK_EVERY_S + 1)
    assert len(scene.told) == 1
    assert scene.told[0].startswith("‼ postgres 的进程还在，却不应答")
    assert "postgres runs and does not answer" in scene.told[0]
    scene.look_for(600)
    assert len(scene.told) == 1
    assert scene.services.starts == 0

    scene.services.answering = True
    scene.look_for(60)
    assert scene.told[1:] == ["postgres 又应答了 · postgres answers again"]


def test_f86_a_silent_server_that_ends_is_started_as_any_other() -> None:
    scene = ServerScene()
    scene.services.answering = False
    scene.look_for(SILENT_S + ASK_EVERY_S + 1)
    scene.services.running, scene.services.answering = False, True
    scene.look_for(60)
    assert scene.services.starts == 1
    assert not any("又应答了" in line for line in scene.told)


def test_children_are_given_the_folder_in_which_the_code_stands() -> None:
    """Else they find it only where they happen to be started, or another one's."""
    assert (ROOT / "cli" / "main.py").is_file()
