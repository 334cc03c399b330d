"""Runs the fast tests on every mutant, each in a forked process, a few at a time.

A mutant dies when it cannot be loaded, when a test fails, or when it uses up `PATIENCE_S`. Forking
avoids repeated imports of other packages; this process must not import our own modules.
"""

from __future__ import annotations

import gc
import importlib
import io
import multiprocessing
import os
import resource
import signal
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from enum import IntEnum
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic

import hypothesis.strategies
import pytest

from tests.mutation.loading import ROOT, install
from tests.mutation.sources import Mutant, mutate_source
from tests.mutation.suites import Command, Suite
from tests.mutation.values import RuleMutant, mutate_rules

PATIENCE_S = 90
"""Processor seconds. The slowest suite needs 20; a mutant that hangs counts as dead."""

INI = Path(__file__).with_name("pytest.ini")
"""The settings of pytest for this check; the file gives their reasons."""

OPTIONS = ("-c", str(INI), "--rootdir", str(ROOT))

FOREIGN = ("asyncio", "aiokafka", "asyncpg", "pydantic.main", "rich.console", "rich.table")
"""Packages of others that the tests import: imported once, before the forks."""

LOADED = ("models.facilities", "models.rules.overrides", "models.safety")
"""Modules that a process imports before it decides anything."""

AnyMutant = Mutant | RuleMutant


class End(IntEnum):
    """How a mutant ended; the exit code of its process. `broken`: no test could be run on it."""

    SURVIVED = 0
    LOADING = 40
    BEHAVIOUR = 41
    TERMS = 42
    TABLES = 43
    BROKEN = 44
    HUNG = 45


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A mutant with the tests for it; None is the original.

    Attributes:
        quick: The quickest tests run first. The same mutants die, and less is learned of what
            noticed them: a table of the sources notices before a decision could.
    """

    mutant: AnyMutant | None
    suite: Suite
    quick: bool = False

    @property
    def name(self) -> str:
        return self.mutant.name if self.mutant else "the original"

    def list_stages(self) -> list[tuple[End, Sequence[Command]]]:
        """List the tests in the order they run, each with the end of a mutant that fails them."""
        suite, mutant = self.suite, self.mutant
        if not isinstance(mutant, RuleMutant):
            return [(End.BEHAVIOUR, suite.behaviour)]
        stages = {
            "value": [(End.BEHAVIOUR, suite.behaviour), (End.TABLES, suite.tables)],
            "terms": [(End.TERMS, suite.terms), (End.TABLES, suite.tables)],
            "name": [(End.TABLES, suite.tables)],
        }
        told: list[tuple[End, Sequence[Command]]] = [
            (
                end,
                [tuple(word.format(rule=mutant.rule) for word in command) for command in commands],
            )
            for end, commands in stages[mutant.about]
        ]
        return told[::-1] if self.quick else told


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    task: Task
    end: End
    took_s: float


def list_tasks(suites: Mapping[str, Suite], *, quick: bool = False) -> list[Task]:
    """List every mutant of the files, of source and of rules, with its tests."""
    tasks: list[Task] = []
    for path, suite in suites.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        found: Iterable[AnyMutant]
        if path.endswith(".toml"):
            found = mutate_rules(tomllib.loads(text), path=path)
        else:
            module = path.removesuffix(".py").replace("/", ".")
            found = mutate_source(text, path=path, module=module)
        tasks += [Task(mutant=mutant, suite=suite, quick=quick) for mutant in found]
    return tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    process: BaseProcess
    task: Task
    began: float

    @property
    def took_s(self) -> float:
        return monotonic() - self.began

    @property
    def is_over(self) -> bool:
        return not self.process.is_alive()

    def judge(self) -> Verdict:
        self.process.join()
        code = self.process.exitcode
        if code == -signal.SIGXCPU:
            end = End.HUNG
        else:
            # Any other exit code means that the process did not judge the mutant.
            end = End(code) if code in {member.value for member in End} else End.BROKEN
        return Verdict(task=self.task, end=end, took_s=self.took_s)


def judge(tasks: Iterable[Task], *, processes: int) -> Iterator[Verdict]:
    """Yield a verdict on each mutant as its process ends."""
    running: list[_Trial] = []
    _warm_up()
    for task in tasks:
        while len(running) >= processes:
            yield from _reap(running)
        running.append(_begin(task))
    while running:
        yield from _reap(running)


def _warm_up() -> None:
    """Import packages of others, and exclude them from every later garbage collection."""
    for name in FOREIGN:
        importlib.import_module(name)
    with redirect_stdout(io.StringIO()):
        pytest.main([*OPTIONS, "--version"])
    gc.disable()
    gc.freeze()


def _begin(task: Task) -> _Trial:
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=_test, args=(task,))
    process.start()
    return _Trial(process=process, task=task, began=monotonic())


def _reap(running: list[_Trial]) -> list[Verdict]:
    wait([trial.process.sentinel for trial in running], timeout=1.0)
    over = [trial for trial in running if trial.is_over]
    for trial in over:
        running.remove(trial)
    return [trial.judge() for trial in over]


def _test(task: Task) -> None:
    """Load a mutant and run its tests; the exit code is its end. The tests' output is discarded."""
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # The limit is on processor time, so that a busy machine kills no mutant.
    resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE_S, PATIENCE_S + 5))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    # Use the same examples for every mutant, and keep nothing from one mutant to the next.
    hypothesis.settings.register_profile("mutation", derandomize=True, database=None)
    hypothesis.settings.load_profile("mutation")
    if task.mutant is not None:
        install(task.mutant)
    try:
        for name in LOADED:
            importlib.import_module(name)
    except Exception:  # noqa: BLE001 - whatever the error, no process would start with this mutant
        sys.exit(End.LOADING)
    for end, commands in task.list_stages():
        if not _passes(commands):
            sys.exit(end)


def _passes(commands: Sequence[Command]) -> bool:
    for command in commands:
        code = pytest.main([*OPTIONS, *command])
        if code in {pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED}:
            return False
        if code != pytest.ExitCode.OK:
            sys.exit(End.BROKEN)
    return True
