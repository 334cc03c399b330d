"""A station that serves a day by `decide_batch`: couriers take what is reserved, patients use."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from math import ceil

from models.clearance import UnitFacts
from models.components import Component
from models.directory import Journey
from models.facilities import StationPolicy
from models.patients import Patient
from models.requests import RequestLine, UrgentRequest
from models.rules.rulebook import PACKAGED
from streams.matching.allocation.batch_decision import decide_batch
from streams.matching.allocation.order_limits import is_next_part_due
from streams.matching.available_units import Shelf
from streams.matching.decision_inputs import Case
from streams.matching.order_facts import OpenOrder, OrderFacts, PendingBags
from tests.measurements.orders.traces import ALL_STEPS, BAG_U, STEP_S, Day, Order
from tests.support.safety import build_facts
from tests.support.world import NOW, PEOPLES, build_request

JOURNEY_STEPS = 2
COURIER_STEPS = 4
PACKING_STEPS = 1
"""An order's courier leaves a quarter of an hour after it, then hourly, and drives half an hour."""

ANSWER_STEPS = 1
MARGIN = 1.5
MOST_OF_A_LINE = 100
_WHOLE = 100


class Way(StrEnum):
    """How orders are taken.

    whole: as if every quantity were confirmed. parts: nobody ever answers. asked: after a quarter
    of an hour the hospital says what its patients will need, for casualties half as much again.
    """

    WHOLE = "whole"
    PARTS = "parts"
    ASKED = "asked"


@dataclass(slots=True)
class _Open:
    order: Order
    request: UrgentRequest
    held: dict[int, list[UnitFacts]] = field(default_factory=dict)
    sent: dict[int, list[tuple[int, UnitFacts]]] = field(default_factory=dict)
    asked_at: int | None = None
    is_new: bool = True

    def map_pending(self, step: int) -> dict[int, PendingBags]:
        return {
            line.line_no: PendingBags(
                at_station=tuple(self.held.get(line.line_no, ())),
                on_the_way=tuple(
                    bag for there, bag in self.sent.get(line.line_no, ()) if there > step
                ),
            )
            for line in self.request.lines
        }

    def count_covered(self, line: RequestLine) -> int:
        bags = len(self.held.get(line.line_no, ())) + len(self.sent.get(line.line_no, ()))
        return bags * BAG_U * _WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What became of a day.

    Attributes:
        free: Bags that nobody has, by step.
        late: Bags that were not there when a patient needed them, by hospital.
        unused: Bags that left the station and that no patient needed.
    """

    free: tuple[int, ...]
    late: dict[str, int]
    unused: int


def serve(day: Day, way: Way) -> Served:
    """Serve a day, step by step."""
    station = _Station(day, way)
    free = []
    for step in range(ALL_STEPS + 1):
        station.step(step)
        free.append(len(station.free))
    return Served(free=tuple(free), late=station.late, unused=station.count_unused())


class _Station:
    def __init__(self, day: Day, way: Way) -> None:
        self._day = day
        self._way = way
        self.free = {
            bag.unit_id: bag
            for bag in (
                build_facts(
                    unit_id=f"b{number:04d}",
                    group=day.group,
                    volume_ml=400,
                    expires_at=NOW + timedelta(days=20),
                )
                for number in range(day.bags)
            )
        }
        self._open: list[_Open] = []
        self.there = {name: day.own.get(name, 0) for name in day.needs}
        self.late = dict.fromkeys(day.needs, 0)
        self._owed = dict.fromkeys(day.needs, 0)

    def count_unused(self) -> int:
        """Count the bags that left, less what the patients needed beyond the hospital's own."""
        left = sum(len(bags) for order in self._open for bags in order.sent.values())
        needed = sum(
            max(0, sum(needs) - self._day.own.get(name, 0))
            for name, needs in self._day.needs.items()
        )
        return max(0, left - needed)

    def step(self, step: int) -> None:
        self._arrive(step)
        self._use(step)
        for number, order in enumerate(self._day.orders):
            if order.at == step:
                self._open.append(_Open(order, self._to_request(number, order)))
        self._answer(step)
        self._decide(step)
        self._send(step)

    def _to_request(self, number: int, order: Order) -> UrgentRequest:
        left = order.units
        lines: list[RequestLine] = []
        while left:
            quantity = min(left, MOST_OF_A_LINE)
            lines.append(
                RequestLine(
                    line_no=len(lines) + 1, component=Component.RED_CELLS, quantity=quantity
                )
            )
            left -= quantity
        reference = f"{order.hospital}-{order.patient}" if order.patient else None
        now = NOW + timedelta(seconds=STEP_S * order.at)
        request = build_request(
            request_id=f"r{number:03d}",
            patient=Patient(group=self._day.group, reference=reference),
            lines=tuple(lines),
            priority=order.priority,
            needed_in_h=1,
            now=now,
        )
        word = "the ward" if self._way is Way.WHOLE else None
        return request.but(quantity_confirmed_by=word)

    def _arrive(self, step: int) -> None:
        for order in self._open:
            for bags in order.sent.values():
                self.there[order.order.hospital] += sum(there == step for there, _ in bags)

    def _use(self, step: int) -> None:
        for name, needs in self._day.needs.items():
            self._owed[name] += needs[step]
            used = min(self._owed[name], self.there[name])
            self._owed[name] -= used
            self.there[name] -= used
            # Each quarter of an hour that a bag is missing counts.
            self.late[name] += self._owed[name]

    def _answer(self, step: int) -> None:
        if self._way is not Way.ASKED:
            return
        for order in list(self._open):
            if order.asked_at is None or step < order.asked_at + ANSWER_STEPS:
                continue
            order.asked_at = None
            self._amend(order, step)

    def _amend(self, order: _Open, step: int) -> None:
        """Say how much is meant: what has left, and what the patients will need beside all else.

        What was reserved is free again, as by an amendment.
        """
        name = order.order.hospital
        for bags in order.held.values():
            self.free.update({bag.unit_id: bag for bag in bags})
            bags.clear()
        ahead = sum(self._day.needs[name][step + 1 :])
        coming = sum(
            len(bags.at_station) + len(bags.on_the_way)
            for other in self._open
            if other.order.hospital == name
            for bags in other.map_pending(step).values()
        )
        margin = 1 if order.order.patient else MARGIN
        need = ceil(margin * (self._owed[name] + ahead))
        wants = max(0, need - self.there[name] - coming) * BAG_U
        if not wants and not any(order.sent.values()):
            self._open.remove(order)
            return
        lines = []
        for line in order.request.lines:
            has = order.count_covered(line) // _WHOLE
            quantity = max(1, min(line.quantity, has + wants))
            wants = max(0, wants - (quantity - has))
            lines.append(line.but(quantity=quantity))
        order.request = order.request.but(
            lines=tuple(lines), quantity_confirmed_by="the ward, asked"
        )

    def _decide(self, step: int) -> None:
        lacking = [order for order in self._open if self._is_due(order, step)]
        if not lacking:
            return
        now = NOW + timedelta(seconds=STEP_S * step)
        found = decide_batch(
            [self._build_case(order, step) for order in lacking],
            shelf=Shelf(self.free.values()),
            now=now,
            hold_s=3600,
        )
        for order, matched in zip(lacking, found, strict=True):
            order.is_new = False
            for line in matched.decision.lines:
                bags = order.held.setdefault(line.line_no, [])
                bags += [self.free.pop(unit.unit_id) for unit in line.reserved]
            if order.asked_at is None and any(line.unconfirmed for line in matched.decision.lines):
                order.asked_at = step

    def _is_due(self, order: _Open, step: int) -> bool:
        lacks = any(
            order.count_covered(line) < line.quantity * _WHOLE for line in order.request.lines
        )
        if not lacks:
            return False
        if order.is_new or order.request.quantity_confirmed_by or order.request.patient.reference:
            return True
        return is_next_part_due(self._build_case(order, step))

    def _build_case(self, order: _Open, step: int) -> Case:
        others = tuple(
            OpenOrder(
                request=other.request,
                opened_at=NOW + timedelta(seconds=STEP_S * other.order.at),
                pending=other.map_pending(step),
            )
            for other in self._open
            if other is not order and other.order.hospital == order.order.hospital
        )
        return Case(
            request=order.request,
            hospital=PEOPLES,
            policy=StationPolicy(),
            journey=Journey(eta_s=JOURNEY_STEPS * STEP_S, estimated=False),
            version=1,
            cause_id="e1",
            covered={line.line_no: order.count_covered(line) for line in order.request.lines},
            facts=OrderFacts(
                opened_at=NOW + timedelta(seconds=STEP_S * order.order.at),
                pending=order.map_pending(step),
                same_patient=others if order.request.patient.reference else (),
            ),
            rules=PACKAGED,
        )

    def _send(self, step: int) -> None:
        """Let the couriers leave a quarter of an hour after an order, then hourly.

        They take what is reserved as they begin to load, and what is reserved while they load: the
        next part of an order is there when half of the one before has been scanned out.
        """
        leaving = [
            order
            for order in self._open
            if (step - order.order.at) % COURIER_STEPS == PACKING_STEPS
        ]
        for order in leaving:
            for line_no, bags in order.held.items():
                _load(order, line_no, bags[: ceil(len(bags) / 2)], step)
        self._decide(step)
        for order in leaving:
            for line_no, bags in order.held.items():
                _load(order, line_no, list(bags), step)


def _load(order: _Open, line_no: int, bags: list[UnitFacts], step: int) -> None:
    order.held[line_no] = [bag for bag in order.held[line_no] if bag not in bags]
    order.sent.setdefault(line_no, []).extend((step + JOURNEY_STEPS, bag) for bag in bags)
