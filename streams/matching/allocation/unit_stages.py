"""How far the units of a request are, and what is told of one for which no more is looked for.

Read alike when it is decided and when one of its units moves, so that both say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from models.decisions import Outcome


class Stage(StrEnum):
    """How far the units of a request are that are furthest behind."""

    HELD = "held"
    ISSUED = "issued"
    RECEIVED = "received"
    NONE = "none"


ENDS: Mapping[tuple[bool, Stage], tuple[Outcome, str]] = {
    (True, Stage.HELD): (Outcome.RESERVED, "picking"),
    (True, Stage.ISSUED): (Outcome.RESERVED, "delivery"),
    (True, Stage.RECEIVED): (Outcome.FULFILLED, ""),
    (False, Stage.HELD): (Outcome.PARTLY_REFUSED, "picking"),
    (False, Stage.ISSUED): (Outcome.PARTLY_REFUSED, "delivery"),
    (False, Stage.RECEIVED): (Outcome.PARTLY_FULFILLED, ""),
    (False, Stage.NONE): (Outcome.EXPIRED, ""),
    (True, Stage.NONE): (Outcome.EXPIRED, ""),
}
"""Whether all that was asked for is covered, and the stage, to what is told and waited for; nothing
more is looked for in any of them."""


def find_stage(*, held: int, issued: int, received: int) -> Stage:
    if held:
        return Stage.HELD
    if issued:
        return Stage.ISSUED
    return Stage.RECEIVED if received else Stage.NONE
