"""How many donations a shortage wants beside the blood that is on its way to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from models.requests import UrgentRequest
from models.rules.rulebook import PACKAGED
from models.shortages import Shortage
from streams.matching.units_on_the_way import Coming
from streams.ports import UnitOfWork
from streams.ports.shortages import UncoveredLine
from streams.services.donor_needs import StationCauses
from tests.support.supply import AT, make_station, make_units

READY_H = PACKAGED.donors.ready_after_s / 3600
SOON_H, LATE_H = READY_H + 4, READY_H - 2
"""Needed when a donor's blood would be ready, and before that."""


def _wait(need_h: float) -> UncoveredLine:
    request = UrgentRequest.model_validate(
        {
            "request_id": f"r-{need_h}",
            "hospital_id": "h",
            "station_id": "shigatse",
            "patient": {"group": "O+"},
            "priority": "urgent",
            "needed_by": AT + timedelta(hours=need_h),
            "lines": [{"line_no": 1, "component": "red_cells", "quantity": 2}],
        }
    )
    return UncoveredLine(request=request, line_no=1, units=2)


def _coming(*hours: float) -> list[Coming]:
    return [
        Coming(unit=unit, arrives_at=AT + timedelta(hours=hour))
        for unit, hour in zip(make_units(len(hours)), hours, strict=True)
    ]


async def _count_wanted(waits: Sequence[float], coming: Sequence[float]) -> int:
    shortage = Shortage.model_validate(
        {
            "shortage_id": "s-1",
            "station_id": "shigatse",
            "component": "red_cells",
            "group": "O+",
            "level": "red",
            "status": "open",
            "units_missing": 4,
            "uncovered_units": 4,
            "donor_groups": ["O+"],
            "version": 1,
            "assessed_at": AT,
        }
    )

    def answer(value: object) -> Any:  # noqa: ANN401 - a method of the store
        async def told(*_: object, **__: object) -> object:
            return value

        return told

    supply = SimpleNamespace(
        list_open_activations=answer([]),
        lock_open_shortages=answer([shortage]),
        list_uncovered=answer([_wait(hours) for hours in waits]),
        list_calls=answer([]),
        list_stopped=answer(frozenset()),
        list_in_transit=answer(_coming(*coming)),
        count_cells=answer([]),
    )
    work = SimpleNamespace(
        disasters=supply,
        reserve=supply,
        exchange=supply,
        context=SimpleNamespace(now=AT),
        rules=PACKAGED,
    )
    causes = StationCauses(
        cast("UnitOfWork", work), make_station(), etas_s={"ngari": 0}, ways_s={"h": 3600}
    )
    need = await causes.find("s-1")
    assert need is not None
    return need.wanted


@pytest.mark.parametrize(
    ("waits", "coming", "wanted"),
    [
        ((SOON_H,), (), 2),
        ((SOON_H,), (SOON_H - 1, SOON_H - 1), 0),  # an hour from the station to the bed
        ((SOON_H,), (SOON_H - 0.9, SOON_H - 1), 1),
        ((SOON_H,), (40, 40), 2),
        ((LATE_H,), (40, 40), 0),  # a donor's blood would be late too
        ((SOON_H, LATE_H), (READY_H, READY_H, 40, 40), 0),
        ((SOON_H, LATE_H), (READY_H, 40, 40), 1),
    ],
)
async def test_what_comes_too_late_spares_no_donor_whose_blood_would_be_in_time(
    waits: Sequence[float], coming: Sequence[float], wanted: int
) -> None:
    assert await _count_wanted(waits, coming) == wanted


def test_a_bag_on_its_way_counts_by_what_it_holds() -> None:
    (bag,) = _coming(1)
    assert bag.hundredths == 100
    assert replace(bag, unit=replace(bag.unit, volume_ml=400)).hundredths == 200
