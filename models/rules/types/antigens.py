"""Red-cell antigens that matter, as cited data.

Pure. The rules stand in `rules/data/antigens.toml`; the kernel's rules hold an antibody's demands.
"""

from __future__ import annotations

from collections.abc import Iterable

from models.antigens import Antigens
from models.patients import ANTI_D
from models.rules.citations import CitedRule, RuleSet


class EastAsiaRule(CitedRule):
    antigens: Antigens


class AntigenRules(RuleSet):
    """All rules of `antigens.toml`."""

    east_asia: EastAsiaRule


def list_unusual(antigens: Iterable[str], *, rules: AntigenRules) -> list[str]:
    """List antigens that are not usually typed here, D and those of the label aside.

    Args:
        antigens: Antigens against which a patient has antibodies, or which a unit must lack.
        rules: The antigens that are usually typed.
    """
    known = {ANTI_D, "A", "B", *rules.east_asia.antigens}
    return sorted(set(antigens) - known)
