"""Reads the station's rules file, once at start, into the rulebook that a process decides by.

Every process of a station is given the same file; a change of it needs a restart, so that no
decision is made half under one version and half under another.
"""

from __future__ import annotations

from pathlib import Path

from models.errors import ConfigurationError
from models.rules.overrides import Checked, check_overrides
from models.rules.rulebook import PACKAGED, Rulebook
from models.texts import render


def read_rules_file(path: Path) -> Checked:
    """Check a station's file against the packaged rulebook.

    Raises:
        ConfigurationError: `rules_file_unreadable`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        detail = error.strerror or type(error).__name__
        raise ConfigurationError("rules_file_unreadable", path=str(path), detail=detail) from error
    return check_overrides(content)


def load_rulebook(path: Path | None) -> Rulebook:
    """Return the rulebook of these settings; without a file, the package's.

    Raises:
        ConfigurationError: The file cannot be read, or any of it is refused.
    """
    if path is None:
        return PACKAGED
    checked = read_rules_file(path)
    if checked.mistakes:
        first = checked.mistakes[0]
        raise ConfigurationError(
            "rules_file_refused",
            path=str(path),
            mistakes=len(checked.mistakes),
            first=str(render(first.code, first.params)),
        )
    return checked.rules
