"""Judge whether a part of what a line asks for helps the patient. Pure.

Source: rules/data/policies.toml (supply.useful_part).
"""

from __future__ import annotations

from models.doses import WHOLE, OrderMeasure
from models.requests import RequestLine
from models.rules.types.policies import UsefulPartRule


def find_least_useful(line: RequestLine, part: UsefulPartRule) -> int:
    """Return the ordering units from which on a part of a line is of use."""
    if line.measure is OrderMeasure.BAG:
        return part.find_least(line.component)
    asked = line.to_units(line.quantity)
    return part.least_of(line.component, asked=asked)


def is_useful_part(line: RequestLine, part: UsefulPartRule, *, covered: int, units: int) -> bool:
    """Return whether a part helps; where one unit helps, so does half of one.

    It does if it is a dose, or its share of what was asked in its own measure.

    Args:
        line: What is asked.
        part: The rule.
        covered: What the part is in hundredths of the line's measure.
        units: The same in hundredths of the ordering unit.
    """
    if part.find_least(line.component) <= 1:
        return True
    share = part.share_of(line.quantity) * WHOLE
    return covered >= share or units >= find_least_useful(line, part) * WHOLE
