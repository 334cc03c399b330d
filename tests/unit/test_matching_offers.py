"""How much of a neighbour's offer a station takes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.clearance import UnitFacts
from models.components import Component
from models.groups import BloodGroup
from models.rules.rulebook import PACKAGED
from models.shortages import Offer, Shortage
from streams.matching.burn import Burn
from streams.matching.offers import OfferVerdict, decide_acceptance
from tests.support.supply import AT, make_station, make_units

SHIGATSE = make_station("shigatse")
LHASA = make_station("lhasa", policy={"neighbours": ["shigatse"]})
STRANGER = make_station("chengdu")
O_POS, A_POS = BloodGroup.O_POS, BloodGroup.A_POS


def make_shortage(*, missing: int = 10, **changes: object) -> Shortage:
    fields: dict[str, object] = {
        "shortage_id": "s-1",
        "station_id": "shigatse",
        "component": "red_cells",
        "group": "A+",
        "level": "red",
        "status": "open",
        "units_missing": missing,
        "uncovered_units": 2,
        "donor_groups": ["A+", "O+", "A-", "O-"],
        "version": 1,
        "assessed_at": AT,
    }
    return Shortage.model_validate({**fields, **changes})


def make_offer(*, quantity: int = 6, **changes: object) -> Offer:
    fields: dict[str, object] = {
        "offer_id": "o-1",
        "shortage_id": "s-1",
        "from_station_id": "lhasa",
        "to_station_id": "shigatse",
        "component": "red_cells",
        "group": "O+",
        "quantity": quantity,
        "valid_until": AT + timedelta(hours=1),
    }
    return Offer.model_validate({**fields, **changes})


def accept(
    units: list[UnitFacts],
    *,
    offer: Offer | None = None,
    shortage: Shortage | None = None,
    in_transit: int = 0,
    burn: float = 0.0,
) -> OfferVerdict:
    return decide_acceptance(
        offer or make_offer(),
        shortage=shortage or make_shortage(),
        giver=LHASA,
        receiver=SHIGATSE,
        units=units,
        burn=Burn(mean_per_d=burn),
        in_transit=in_transit,
        eta_s=4 * 3600,
        now=AT,
        rules=PACKAGED,
    )


def test_takes_the_first_to_expire_that_still_arrive() -> None:
    units = make_units(9, group=O_POS, expires_in_h=3)
    verdict = accept(units[::-1], offer=make_offer(quantity=3))
    # Hours 3 and 4 do not survive four hours of road.
    assert [one.unit.unit_id for one in verdict.taken] == [unit.unit_id for unit in units[2:5]]


def test_takes_no_more_than_is_missing_when_what_is_on_its_way_has_come() -> None:
    units = make_units(9)
    assert len(accept(units).taken) == 6
    assert len(accept(units, in_transit=7).taken) == 3
    verdict = accept(units, in_transit=10)
    assert (verdict.taken, [r.code for r in verdict.reasons]) == ((), ["nothing_missing"])


@pytest.mark.parametrize(
    ("offer", "shortage", "code"),
    [
        ({}, {"status": "cleared", "units_missing": 0}, "shortage_cleared"),
        ({"valid_until": AT}, {}, "offer_expired"),
        ({"component": "platelets"}, {}, "other_component"),
        ({"group": "B+"}, {}, "group_does_not_serve"),
    ],
)
def test_declines_with_the_reason(
    offer: dict[str, object], shortage: dict[str, object], code: str
) -> None:
    base = make_shortage()
    verdict = accept(
        make_units(9),
        offer=make_offer(**{"quantity": 6, **offer}),  # type: ignore[arg-type] # told by keyword
        shortage=base.but(**shortage),
    )
    assert (verdict.taken, [r.code for r in verdict.reasons]) == ((), [code])


def test_a_stranger_is_declined() -> None:
    verdict = decide_acceptance(
        make_offer(from_station_id="chengdu"),
        shortage=make_shortage(),
        giver=STRANGER,
        receiver=SHIGATSE,
        units=make_units(9, station_id="chengdu"),
        burn=Burn(mean_per_d=0.0),
        in_transit=0,
        eta_s=0,
        now=AT,
        rules=PACKAGED,
    )
    assert (verdict.taken, [r.code for r in verdict.reasons]) == ((), ["not_a_neighbour"])


def test_f62_acceptance_keeps_the_givers_floor() -> None:
    # 4.5 d x 2 a day = 9 kept of 12; the giver says expressly that it goes below, or keeps them.
    units = make_units(12, group=A_POS)
    assert len(accept(units, offer=make_offer(group="A+", quantity=8), burn=2.0).taken) == 3
    kept = accept(units[:9], offer=make_offer(group="A+", quantity=2), burn=2.0)
    assert (kept.taken, [r.code for r in kept.reasons]) == ((), ["giver_keeps_floor"])
    assert kept.reasons[0].params == {"left": 9, "keep": 9}
    below = make_offer(group="A+", quantity=2, below_floor=True)
    given = accept(units[:9], offer=below, burn=2.0)
    assert len(given.taken) == 2
    assert given.reasons[0].params["below_floor"] == 1


def test_units_that_went_elsewhere_meanwhile() -> None:
    assert [r.code for r in accept([]).reasons] == ["no_unit_left"]
    assert len(accept(make_units(2)).taken) == 2


def test_only_what_serves_is_counted() -> None:
    assert not accept(make_units(9, group=A_POS)).taken
    assert not accept(make_units(9, component=Component.PLATELETS)).taken
    assert not accept(make_units(9, station_id="ngari")).taken


@given(
    missing=st.integers(1, 60),
    quantity=st.integers(1, 60),
    burn=st.floats(0, 10),
    stock=st.integers(0, 40),
)
def test_what_is_taken_never_breaks_the_giver_and_never_exceeds_the_need(
    missing: int, quantity: int, burn: float, stock: int
) -> None:
    verdict = accept(
        make_units(stock),
        offer=make_offer(quantity=quantity),
        shortage=make_shortage(missing=missing),
        burn=burn,
    )
    taken = len(verdict.taken)
    assert taken <= min(missing, quantity)
    assert not taken or stock - taken >= burn * 4.5 - 1e-9
