"""Facts beside an order by which its quantity is judged. Values only. Pure.

The bags that it has, how its hospital orders as a rule, and the patient's other open orders.

Source: rules/data/policies.toml (order.usual, order.same_patient).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import ceil

from models.components import Component
from models.doses import LabelledBag, OrderMeasure, sum_content
from models.requests import HardAttributes, Priority, RequestLine, UrgentRequest
from models.rules.types.policies import SameOrderRule, UsualOrderRule


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingBags:
    """Bags that are promised to a line and did not reach the hospital yet.

    Attributes:
        at_station: Reserved or picked.
        on_the_way: Issued, and not received.
    """

    at_station: tuple[LabelledBag, ...] = ()
    on_the_way: tuple[LabelledBag, ...] = ()

    def measure(self, priority: Priority, measure: OrderMeasure = OrderMeasure.UNIT) -> int:
        """Return what is ahead of the patient, in hundredths of a measure.

        Whoever is in danger of life has use for the next bag when the one before has left; for the
        others it is looked for when the one before has arrived.
        """
        is_in_danger = priority is Priority.LIFE_THREATENING
        bags = self.at_station if is_in_danger else (*self.at_station, *self.on_the_way)
        return sum_content(bags, measure)

    def with_more(self, bags: Iterable[LabelledBag]) -> PendingBags:
        """Return the same with bags that are reserved now."""
        return replace(self, at_station=(*self.at_station, *bags))


NOTHING_PENDING = PendingBags()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualOrder:
    """What a hospital usually orders of one component at one priority.

    Attributes:
        units: Ordering units that most of its orders do not exceed.
        orders: How many orders this is learned from.
    """

    units: int
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An open order, as another order for the same patient is held against it.

    Attributes:
        opened_at: When it was opened.
        pending: What its lines have, by line number.
    """

    request: UrgentRequest
    opened_at: datetime
    pending: Mapping[int, PendingBags] = field(default_factory=dict)

    def find_pending(self, line: RequestLine) -> PendingBags:
        return self.pending.get(line.line_no, NOTHING_PENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """What is known beside an order.

    Attributes:
        opened_at: When the order was opened; None if it is opened now.
        pending: What its own lines have, by line number.
        usual: What its hospital usually orders; a component of which too little is known is
            missing.
        same_patient: The hospital's other open orders for the patient.
    """

    opened_at: datetime | None = None
    pending: Mapping[int, PendingBags] = field(default_factory=dict)
    usual: Mapping[Component, UsualOrder] = field(default_factory=dict)
    same_patient: tuple[OpenOrder, ...] = ()


NO_FACTS = OrderFacts()


def find_usual(orders: Mapping[int, int], rule: UsualOrderRule) -> UsualOrder | None:
    """Return what is usual: the quantity that the share of past orders does not exceed.

    Args:
        orders: Ordering units, 1 or more, to how many orders asked for so many.
        rule: How it is learned.

    Returns:
        None if there are too few orders to know anything.
    """
    total = sum(orders.values())
    if total < rule.least_orders:
        return None
    left = ceil(rule.share * total)
    for units in sorted(orders):
        left -= orders[units]
        if left <= 0:
            return UsualOrder(units=units, orders=total)
    return None


def count_units(request: UrgentRequest, component: Component) -> int:
    """Return the ordering units of a component that an order asks for in all its lines."""
    return sum(
        line.to_units(line.quantity) for line in request.lines if line.component is component
    )


def list_overlapping(
    mine: OpenOrder, line: RequestLine, others: Iterable[OpenOrder], rule: SameOrderRule
) -> list[OpenOrder]:
    """List the orders that a line may repeat: what they hold is there for the patient.

    Only what comes as soon and serves as well counts: an order that is less urgent, is needed
    later, or asks for less special blood spares the patient nothing.
    """
    if count_units(mine.request, line.component) < rule.from_units:
        return []
    return [other for other in others if _may_repeat(mine, line, other, rule)]


def _may_repeat(mine: OpenOrder, line: RequestLine, other: OpenOrder, rule: SameOrderRule) -> bool:
    request = other.request
    return (
        request.request_id != mine.request.request_id
        and not request.quantity_confirmed_by
        and request.station_id == mine.request.station_id
        and request.priority.rank <= mine.request.priority.rank
        and request.needed_by <= mine.request.needed_by
        and abs(other.opened_at - mine.opened_at) <= timedelta(hours=rule.within_h)
        and count_units(request, line.component) >= rule.from_units
        and any(serves_as_well(like, line) for like in request.lines)
    )


def is_surely_one_patient(request: UrgentRequest) -> bool:
    """Return whether orders under the pseudonym are surely for one patient.

    Where casualties come unidentified one name may stand for several: two groups under one name, or
    none, is no ground to keep blood from anybody.
    """
    patient = request.patient
    is_typed = patient.group is not None and not patient.disputed_groups
    return bool(patient.reference) and is_typed


def serves_as_well(other: RequestLine, line: RequestLine) -> bool:
    """Return whether the bags of one line have all that another asks for."""
    is_alike = line.attributes in {other.attributes, HardAttributes()}
    return other.component is line.component and is_alike


def names_same_patient(one: UrgentRequest, other: UrgentRequest) -> bool:
    """Return whether two orders are of one hospital and for one patient, by the pseudonym."""
    reference = (one.patient.reference or "").lower()
    is_same = reference == (other.patient.reference or "").lower()
    return bool(reference) and is_same and one.hospital_id == other.hospital_id
