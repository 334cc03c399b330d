"""Loads a mutant into this process in place of a module or a rule file of ours.

Call before the first import of `models`; modules that are imported already stay as they were.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import tomllib
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from tests.mutation.sources import Mutant
from tests.mutation.values import RuleMutant

ROOT = Path(__file__).parents[2]


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, mutant: Mutant, path: str) -> None:
        super().__init__(mutant.module, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._mutant.source, self.get_filename(fullname), "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != self._mutant.module:
            return None
        origin = str(ROOT / f"{fullname.replace('.', '/')}.py")
        loader = _Loader(self._mutant, origin)
        return importlib.machinery.ModuleSpec(fullname, loader, origin=origin)


def install(mutant: Mutant | RuleMutant) -> None:
    """Let this process load the mutant instead of the original.

    Raises:
        RuntimeError: `models` has been imported already.
    """
    if any(name.split(".")[0] == "models" for name in sys.modules):
        raise RuntimeError("models is imported already: the mutant would not be seen")
    if isinstance(mutant, Mutant):
        sys.meta_path.insert(0, _Finder(mutant))
        return
    text = (ROOT / mutant.path).read_text(encoding="utf-8")
    original, rules = tomllib.loads, mutant.rules

    def loads(read: str, **options: Any) -> dict[str, Any]:  # noqa: ANN401 - as tomllib's own
        return rules if read == text else original(read, **options)

    tomllib.loads = loads
