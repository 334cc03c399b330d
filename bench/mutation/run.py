"""Run the fast tests on every mutant, each in a forked process, a few at a time.

A mutant dies when a test fails, when it cannot be loaded, or when it takes over `PATIENCE_S`.
Forking saves the imports of everything but our own modules; this process must not import `models`.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from time import monotonic

import hypothesis  # noqa: F401 - imported once, before the forks
import pydantic  # noqa: F401 - the same
import pytest

from bench.mutation.loading import ROOT, install
from bench.mutation.sources import Mutant, mutate_source
from bench.mutation.values import RuleMutant, mutate_rules

KERNEL = ("models/safety.py", "models/clearance.py", "models/compatibility.py")
RULES = (
    "models/rules/compatibility.toml",
    "models/rules/components.toml",
    "models/rules/safety.toml",
)
TESTS = ("tests/unit/test_safety_kernel.py",)
PATIENCE_S = 120.0
"""The fast tests take 15 s of one core; a mutant that hangs them is as dead as one that fails."""

AnyMutant = Mutant | RuleMutant


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    name: str
    killed: bool
    took_s: float


def list_mutants(files: Sequence[str]) -> list[AnyMutant]:
    """List every mutant of the files, of source and of rules."""
    found: list[AnyMutant] = []
    for path in files:
        text = (ROOT / path).read_text(encoding="utf-8")
        if path.endswith(".toml"):
            found += mutate_rules(tomllib.loads(text), path=path)
        else:
            module = path.removesuffix(".py").replace("/", ".")
            found += mutate_source(text, path=path, module=module)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    process: BaseProcess
    name: str
    began: float

    @property
    def took_s(self) -> float:
        return monotonic() - self.began

    @property
    def is_over(self) -> bool:
        return not self.process.is_alive() or self.took_s > PATIENCE_S

    def judge(self) -> Verdict:
        took_s = self.took_s
        self.process.kill()  # nothing, for one that has ended
        self.process.join()
        return Verdict(name=self.name, killed=self.process.exitcode != 0, took_s=took_s)


def judge(
    mutants: Iterable[AnyMutant | None], *, processes: int, tests: Sequence[str] = TESTS
) -> Iterator[Verdict]:
    """Yield a verdict on each mutant as it falls; None is the original."""
    running: list[_Trial] = []
    for mutant in mutants:
        while len(running) >= processes:
            yield from _reap(running)
        running.append(_begin(mutant, tuple(tests)))
    while running:
        yield from _reap(running)


def _begin(mutant: AnyMutant | None, tests: tuple[str, ...]) -> _Trial:
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=_test, args=(mutant, tests))
    process.start()
    return _Trial(
        process=process, name=mutant.name if mutant else "the original", began=monotonic()
    )


def _reap(running: list[_Trial]) -> list[Verdict]:
    wait([trial.process.sentinel for trial in running], timeout=1.0)
    over = [trial for trial in running if trial.is_over]
    for trial in over:
        running.remove(trial)
    return [trial.judge() for trial in over]


def _test(mutant: AnyMutant | None, tests: tuple[str, ...]) -> None:
    """Run the tests on one mutant; exit 0 only if all passed. What they print goes nowhere."""
    os.chdir(ROOT)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    if mutant is not None:
        install(mutant)
    options = ["-x", "-q", "-p", "no:cacheprovider", "--noconftest"]
    # The quick ones first: most mutants die in them.
    for choice in (["-k", "not agree"], ["-k", "agree"]):
        code = pytest.main([*options, *choice, *tests])
        if code != pytest.ExitCode.OK:
            sys.exit(int(code))
