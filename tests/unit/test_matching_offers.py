"""What a neighbour spares, and what a station takes."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.clearance import UnitFacts
from models.components import Component
from models.groups import BloodGroup
from models.rules.rulebook import PACKAGED
from models.shortages import Offer, Shortage
from streams.matching.offers import OfferVerdict, decide_acceptance, decide_offer
from tests.support.supply import AT, make_station, make_units

SHIGATSE = make_station("shigatse")
LHASA = make_station("lhasa", policy={"neighbours": ["shigatse"]})
STRANGER = make_station("chengdu")
O_POS, A_POS, A_NEG = BloodGroup.O_POS, BloodGroup.A_POS, BloodGroup.A_NEG


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


def propose(
    units: list[UnitFacts],
    *,
    shortage: Shortage | None = None,
    burn: float = 0.0,
) -> dict[str, int]:
    proposal = decide_offer(
        shortage or make_shortage(),
        giver=LHASA,
        units=units,
        burns_per_d=dict.fromkeys(BloodGroup, burn),
        eta_s=4 * 3600,
        now=AT,
        valid_s=3600,
        rules=PACKAGED,
    )
    assert bool(proposal.offers) != bool(proposal.reasons)
    return {offer.group.value: offer.quantity for offer in proposal.offers}


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
        burn_per_d=burn,
        in_transit=in_transit,
        eta_s=4 * 3600,
        now=AT,
        rules=PACKAGED,
    )


def test_the_best_serving_group_first_up_to_what_is_missing() -> None:
    units = make_units(4, group=A_POS) + make_units(20, group=O_POS) + make_units(9, group=A_NEG)
    assert propose(units) == {"A+": 4, "O+": 6}


def test_the_neighbour_stays_above_its_own_orange() -> None:
    # 4.5 d x 2 a day = 9 kept of 12.
    assert propose(make_units(12, group=A_POS), burn=2.0) == {"A+": 3}
    assert propose(make_units(9, group=A_POS), burn=2.0) == {}


def test_only_what_serves_and_arrives_in_time_is_counted() -> None:
    assert propose(make_units(9, group=BloodGroup.B_POS)) == {}
    assert propose(make_units(9, group=A_POS, component=Component.PLATELETS)) == {}
    assert propose(make_units(9, group=A_POS, station_id="ngari")) == {}
    # One expires at the instant of arrival, the next an hour later.
    assert propose(make_units(2, group=A_POS, expires_in_h=4)) == {"A+": 1}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": "cleared"}, "shortage_cleared"),
        ({"station_id": "lhasa"}, "own_shortage"),
        ({"station_id": "chengdu"}, "not_a_neighbour"),
    ],
)
def test_nothing_is_offered_and_why(changes: dict[str, Any], code: str) -> None:
    proposal = decide_offer(
        make_shortage(**changes),
        giver=LHASA,
        units=make_units(9, group=A_POS),
        burns_per_d={},
        eta_s=0,
        now=AT,
        valid_s=3600,
        rules=PACKAGED,
    )
    assert (proposal.offers, [r.code for r in proposal.reasons]) == ((), [code])


def test_the_same_shortage_gets_the_same_offer_and_its_next_version_another() -> None:
    def ids(shortage: Shortage) -> list[str]:
        proposal = decide_offer(
            shortage,
            giver=LHASA,
            units=make_units(9, group=A_POS),
            burns_per_d={},
            eta_s=0,
            now=AT,
            valid_s=3600,
            rules=PACKAGED,
        )
        return [offer.offer_id for offer in proposal.offers]

    assert ids(make_shortage()) == ids(make_shortage())
    assert ids(make_shortage()) != ids(make_shortage(version=2))


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
        burn_per_d=0.0,
        in_transit=0,
        eta_s=0,
        now=AT,
        rules=PACKAGED,
    )
    assert (verdict.taken, [r.code for r in verdict.reasons]) == ((), ["not_a_neighbour"])


def test_f62_acceptance_keeps_the_givers_floor_as_proposals_do() -> None:
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


@given(
    missing=st.integers(1, 60),
    burn=st.floats(0, 10),
    stock=st.dictionaries(st.sampled_from(list(BloodGroup)), st.integers(0, 40)),
)
def test_an_offer_never_breaks_the_giver_and_never_exceeds_the_need(
    missing: int, burn: float, stock: dict[BloodGroup, int]
) -> None:
    units = [unit for group, n in stock.items() for unit in make_units(n, group=group)]
    offered = Counter(propose(units, shortage=make_shortage(missing=missing), burn=burn))
    assert sum(offered.values()) <= missing
    for group, quantity in offered.items():
        left = stock[BloodGroup(group)] - quantity
        assert left >= burn * 4.5 - 1e-9
