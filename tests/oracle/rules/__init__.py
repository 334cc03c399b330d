"""Every rule as the sources give it, a table for each rule file, in plain words and numbers.

Held against the sources line by line, not against `models/rules/data/`; nothing is read from there.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.oracle.rules.components import COMPONENT_RULES
from tests.oracle.rules.donors import DONORS
from tests.oracle.rules.doses import DOSES
from tests.oracle.rules.groups import ANTIGENS, COMPATIBILITY
from tests.oracle.rules.needs import NEEDS_TABLE
from tests.oracle.rules.saying import Table
from tests.oracle.rules.supply import DISASTERS, FIGURES, POLICIES, SHORTAGES
from tests.oracle.rules.units import ISSUE, PACKS, RETURNS, SAFETY, TESTING

TABLES: Mapping[str, Table] = {
    "compatibility": COMPATIBILITY,
    "antigens": ANTIGENS,
    "safety": SAFETY,
    "needs": NEEDS_TABLE,
    "components": COMPONENT_RULES,
    "testing": TESTING,
    "returns": RETURNS,
    "issue": ISSUE,
    "doses": DOSES,
    "packs": PACKS,
    "donors": DONORS,
    "disasters": DISASTERS,
    "shortages": SHORTAGES,
    "figures": FIGURES,
    "policies": POLICIES,
}
"""By the name of the rule file."""
