"""Which of a neighbour's bags come, where those who wait need more than a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType

import pytest

from models.clearance import ForPatient, UnitFacts
from models.directory import Journey
from models.facilities import Hospital, StationPolicy
from models.groups import BloodGroup
from models.requests import Priority, UrgentRequest
from models.rules.rulebook import PACKAGED
from models.units import UnitStatus, UnitTraits
from streams.matching.burn_rate import Burn
from streams.matching.offered_units import WaitingLine
from streams.matching.offers import GivingStation, StationInNeed, decide_acceptance
from streams.matching.units_on_the_way import Coming, list_unreached
from tests.support.supply import AT, make_station, make_units
from tests.unit.test_matching_offers import make_offer, make_shortage

HOSPITAL = Hospital.model_validate(
    {
        "hospital_id": "h",
        "name_zh": "医院",
        "name_en": "hospital",
        "location": {"lat": 29.0, "lon": 88.0},
        "station_id": "shigatse",
        "can_thaw": True,
    }
)
ROAD_H = 4


def _line(
    *, units: int = 1, need_h: float = 12, priority: str = "urgent", demands: object = None
) -> WaitingLine:
    request = UrgentRequest.model_validate(
        {
            "request_id": f"r-{priority}-{need_h}",
            "hospital_id": "h",
            "station_id": "shigatse",
            "patient": {"group": "B+"},
            "priority": priority,
            "needed_by": AT + timedelta(hours=need_h),
            "lines": [
                {
                    "line_no": 1,
                    "component": "red_cells",
                    "quantity": units,
                    "attributes": demands or {},
                }
            ],
        }
    )
    return WaitingLine(
        purpose=ForPatient.of_line(
            request, request.lines[0], policy=StationPolicy(), capped_units=0
        ),
        units=units,
        hospital=HOSPITAL,
        journey=Journey(eta_s=1800, estimated=False),
    )


def _bags(**typed: UnitTraits) -> list[UnitFacts]:
    """Six B+ bags of Lhasa; those that are named, counted from one, have these traits."""
    return [
        replace(unit, traits=typed.get(f"u{at}", UnitTraits()))
        for at, unit in enumerate(
            make_units(6, group=BloodGroup.B_POS, station_id="lhasa", expires_in_h=240), start=1
        )
    ]


def _taken(
    units: Sequence[UnitFacts],
    waiting: Sequence[WaitingLine],
    *,
    quantity: int,
    missing: int = 10,
    coming: Sequence[Coming] = (),
    burn: float = 0.0,
    told: Mapping[str, object] = MappingProxyType({}),
) -> list[int]:
    verdict = decide_acceptance(
        make_offer(group="B+", quantity=quantity, **told),
        giver=GivingStation(
            station=make_station("lhasa", policy={"neighbours": ["shigatse"]}),
            units=units,
            burn=Burn(mean_per_d=burn),
        ),
        receiver=StationInNeed(
            station=make_station("shigatse"),
            shortage=make_shortage(
                missing=missing, group="B+", donor_groups=["B+", "O+"], urgent_units=missing
            ),
            waiting=waiting,
            coming=coming,
        ),
        eta_s=ROAD_H * 3600,
        now=AT,
        rules=PACKAGED,
    )
    numbers = {unit.unit_id: at for at, unit in enumerate(units, start=1)}
    return [numbers[cleared.unit.unit_id] for cleared in verdict.taken]


@pytest.mark.parametrize(
    ("demand", "traits"),
    [
        ({"antigen_negative": ["Jka"]}, UnitTraits(antigen_negative=("Jka",))),
        ({"leukoreduced": True}, UnitTraits(leukoreduced=True)),
        (
            {"irradiated": True},
            UnitTraits(irradiated=True, irradiated_at=AT - timedelta(days=1)),
        ),
    ],
)
def test_c90_the_bag_that_comes_is_one_that_the_patient_can_have(
    demand: dict[str, object], traits: UnitTraits
) -> None:
    units = _bags(u5=traits)
    assert _taken(units, [_line(demands=demand)], quantity=1) == [5]
    # Nobody waits: the plain bag that expires first.
    assert _taken(units, [], quantity=1) == [1]


def test_c90_who_needs_nothing_special_leaves_the_special_bag() -> None:
    units = _bags(u1=UnitTraits(leukoreduced=True))
    plain, special = _line(need_h=6), _line(need_h=12, demands={"leukoreduced": True})
    assert _taken(units, [special, plain], quantity=2) == [2, 1]


def test_c90_the_most_urgent_line_is_served_first() -> None:
    units = _bags(u5=UnitTraits(leukoreduced=True), u6=UnitTraits(antigen_negative=("Jka",)))
    urgent = _line(demands={"leukoreduced": True})
    dying = _line(priority=Priority.LIFE_THREATENING, demands={"antigen_negative": ["Jka"]})
    assert _taken(units, [urgent, dying], quantity=1) == [6]
    assert _taken(units, [urgent, dying], quantity=2) == [6, 5]


def test_c90_no_bag_is_passed_over_where_none_fits() -> None:
    assert _taken(_bags(), [_line(demands={"leukoreduced": True})], quantity=2) == [1, 2]


def test_c90_a_line_gets_no_more_of_the_special_bags_than_it_lacks() -> None:
    units = _bags(u5=UnitTraits(leukoreduced=True), u6=UnitTraits(leukoreduced=True))
    assert _taken(units, [_line(demands={"leukoreduced": True})], quantity=2) == [5, 1]


def test_c90_a_large_bag_covers_a_line_as_two_small_ones_do() -> None:
    """Of bags that fit, as much goes first as the line lacks: one of 400 ml is two units."""
    units = [
        replace(unit, volume_ml=400) if at in {4, 5} else unit
        for at, unit in enumerate(
            _bags(
                u5=UnitTraits(leukoreduced=True),
                u6=UnitTraits(leukoreduced=True),
            )
        )
    ]
    line = _line(units=2, demands={"leukoreduced": True})
    assert _taken(units, [line], quantity=4) == [5, 1, 2]


def _coming(*hours: float, traits: UnitTraits | None = None, volume_ml: int = 200) -> list[Coming]:
    bags = make_units(len(hours), group=BloodGroup.B_POS, station_id="ngari", expires_in_h=240)
    return [
        Coming(
            unit=replace(
                bag,
                traits=traits or UnitTraits(),
                volume_ml=volume_ml,
                status=UnitStatus.IN_TRANSIT,
            ),
            arrives_at=AT + timedelta(hours=hour),
        )
        for bag, hour in zip(bags, hours, strict=True)
    ]


@pytest.mark.parametrize(
    ("hours", "taken"),
    [
        ((), 2),
        ((5.0, 11.5), 0),  # half an hour from the station to the bed
        ((5.0, 11.6), 1),
        ((16.0, 16.0), 2),
    ],
)
def test_what_comes_too_late_spares_no_bag_that_comes_in_time(
    hours: Sequence[float], taken: int
) -> None:
    line = _line(units=2, need_h=12)
    found = _taken(_bags(), [line], quantity=4, missing=2, coming=_coming(*hours))
    assert len(found) == taken


def test_what_comes_too_late_bends_the_floor_of_who_comes_in_time() -> None:
    # Three B+ a day: of six, the normal floor keeps all and one day's keep leaves three.
    line, told = _line(units=2, need_h=12), {"below_floor": True, "confirmed_by": "Dawa"}
    late = _coming(16, 16)
    assert len(_taken(_bags(), [line], quantity=4, missing=2, coming=late, burn=3, told=told)) == 2
    soon = _coming(5, 5)
    assert _taken(_bags(), [line], quantity=4, missing=2, coming=soon, burn=3, told=told) == []


@pytest.mark.parametrize("fits", [True, False])
def test_what_is_on_its_way_and_does_not_fit_spares_no_bag_that_does(fits: bool) -> None:
    typed = UnitTraits(leukoreduced=True)
    line = _line(demands={"leukoreduced": True})
    coming = _coming(5, traits=typed if fits else None)
    units = _bags(u5=typed)
    assert _taken(units, [line], quantity=3, missing=1, coming=coming) == ([] if fits else [5])
    # Nothing of the offer fits: nothing comes beside what is on its way.
    assert _taken(_bags(), [line], quantity=3, missing=1, coming=coming) == []


def test_who_cannot_be_reached_in_time_asks_for_no_more_than_before() -> None:
    line = _line(units=2, need_h=4.2)
    assert _taken(_bags(), [line], quantity=4, missing=2, coming=_coming(16, 16)) == []


def test_what_is_on_its_way_serves_first_whom_little_else_serves() -> None:
    at = [AT + timedelta(hours=hour) for hour in (6, 12)]
    assert list_unreached([(at[1], 1), (at[0], 1)], _coming(5, 11)) == (0, 0)
    assert list_unreached([(at[0], 1), (at[1], 1)], _coming(5, 11)) == (0, 0)
    assert list_unreached([(at[0], 2), (at[1], 1)], _coming(5, 11)) == (1, 0)
    large = _coming(0, volume_ml=300)
    assert list_unreached([(at[0], 2), (at[1], 1)], large) == (1, 1)
