"""The wheel holds the product, all of it, and nothing beside it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = {"checker", "cli", "deploy", "gateway", "models", "streams"}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*command, str(folder)], cwd=ROOT, check=True, capture_output=True, timeout=60)
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_drill_and_the_measurements_stay_in_the_source_tree(names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PRODUCT


@pytest.mark.parametrize("room", sorted(PRODUCT))
def test_every_file_of_a_room_is_shipped_and_typed(names: set[str], room: str) -> None:
    """A text, a rule or a query that is missing would be missed when it is needed."""
    written = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert f"{room}/py.typed" in names
    assert written - names == set()
