"""Find how far the units of a request are, and the outcome of a request that needs no more units.

The decision on a request and the move of one of its units both use it, so that they agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from models.decisions import Outcome
from models.requests import RequestStatus


class Stage(StrEnum):
    """The stage of those units of a request that are furthest behind."""

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
"""Whether everything asked for is covered, and the stage, mapped to the outcome and what is waited
for. In none of these cases are more units looked for."""


STATUS_OF = {
    Outcome.RESERVED: RequestStatus.RESERVED,
    Outcome.PARTLY_REFUSED: RequestStatus.PARTLY_REFUSED,
    Outcome.PARTLY_RESERVED: RequestStatus.OPEN,
    Outcome.WAITING: RequestStatus.OPEN,
    Outcome.DEFERRED: RequestStatus.OPEN,
    Outcome.REFUSED: RequestStatus.REFUSED,
    Outcome.EXPIRED: RequestStatus.EXPIRED,
    Outcome.PARTLY_FULFILLED: RequestStatus.PARTLY_FULFILLED,
    Outcome.FULFILLED: RequestStatus.FULFILLED,
    Outcome.CANCELLED: RequestStatus.CANCELLED,
}
"""Outcome of a decision, mapped to the status of the request from then on."""


def find_stage(*, held: int, issued: int, received: int) -> Stage:
    if held:
        return Stage.HELD
    if issued:
        return Stage.ISSUED
    return Stage.RECEIVED if received else Stage.NONE
