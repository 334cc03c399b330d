"""Reads the rules file and law file, once at start, into the rulebook of a process.

Every process of a station is given the same file; a change of it needs a restart, so that no
decision is made half under one version and half under another.
"""

from __future__ import annotations

from pathlib import Path

from models.errors import ConfigurationError, ContractError, DomainRefusal
from models.rules.donor_laws import Law, read_law
from models.rules.overrides import Checked, check_overrides, follow_laws
from models.rules.rulebook import PACKAGED, Rulebook
from models.texts import render


def read_law_file(path: Path) -> Law:
    """Read a station's own law file.

    Raises:
        ConfigurationError: `law_file_unreadable`, `law_file_refused`.
    """
    try:
        return read_law(path.read_bytes())
    except OSError as error:
        detail = error.strerror or type(error).__name__
        raise ConfigurationError("law_file_unreadable", path=str(path), detail=detail) from error
    except (DomainRefusal, ContractError) as mistake:
        first = str(render(mistake.code, mistake.params))
        raise ConfigurationError("law_file_refused", path=str(path), first=first) from mistake


def read_rules_file(path: Path, *, own_law: Law | None = None) -> Checked:
    """Check a station's file against the packaged rulebook, under the laws of its region.

    Raises:
        ConfigurationError: `rules_file_unreadable`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        detail = error.strerror or type(error).__name__
        raise ConfigurationError("rules_file_unreadable", path=str(path), detail=detail) from error
    return check_overrides(content, own_law=own_law)


def load_rulebook(path: Path | None, *, law_file: Path | None) -> Rulebook:
    """Return the rulebook of these settings; without a file, the package's.

    Args:
        path: The station's own values, and the region whose laws it follows.
        law_file: A law that the package does not have.

    Raises:
        ConfigurationError: A file cannot be read, or any of it is refused.
    """
    own_law = None if law_file is None else read_law_file(law_file)
    if path is None:
        return follow_laws(PACKAGED, own_law=own_law)
    checked = read_rules_file(path, own_law=own_law)
    if checked.mistakes:
        first = checked.mistakes[0]
        raise ConfigurationError(
            "rules_file_refused",
            path=str(path),
            mistakes=len(checked.mistakes),
            first=str(render(first.code, first.params)),
        )
    return checked.rules
