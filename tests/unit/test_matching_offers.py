"""How much of a neighbour's offer a station takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.alerts import Activation
from models.clearance import UnitFacts
from models.components import Component
from models.groups import BloodGroup
from models.rules.rulebook import PACKAGED
from models.shortages import Offer, Shortage
from streams.matching.burn_rate import Burn
from streams.matching.offers import GivingStation, OfferVerdict, StationInNeed, decide_acceptance
from streams.matching.units_on_the_way import Coming
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
    led: Sequence[Activation] = (),
) -> OfferVerdict:
    return decide_acceptance(
        offer or make_offer(),
        giver=GivingStation(station=LHASA, units=units, burn=Burn(mean_per_d=burn), led=led),
        receiver=StationInNeed(
            station=SHIGATSE,
            shortage=shortage or make_shortage(),
            coming=[Coming(unit=unit, arrives_at=AT) for unit in make_units(in_transit)],
        ),
        eta_s=4 * 3600,
        now=AT,
        rules=PACKAGED,
    )


def test_takes_the_first_to_expire_that_still_arrive() -> None:
    units = make_units(9, group=O_POS, expires_in_h=3)
    verdict = accept(units[::-1], offer=make_offer(quantity=3))
    # Hours 3 and 4 do not survive four hours of road.
    assert [cleared.unit.unit_id for cleared in verdict.taken] == [
        unit.unit_id for unit in units[2:5]
    ]


def test_takes_no_more_than_is_missing_when_what_is_on_its_way_has_come() -> None:
    units = make_units(9)
    assert len(accept(units).taken) == 6
    assert len(accept(units, in_transit=7).taken) == 3
    verdict = accept(units, in_transit=10)
    assert (verdict.taken, [r.code for r in verdict.reasons]) == ((), ["nothing_missing"])


def of_volumes(*ml: int) -> list[UnitFacts]:
    units = make_units(len(ml), group=O_POS)
    return [replace(unit, volume_ml=volume) for unit, volume in zip(units, ml, strict=True)]


@pytest.mark.parametrize(
    ("shelf", "missing", "taken"),
    [
        ((400, 400, 400), 4, [400, 400]),  # 4 U, not 8
        ((300, 300, 300), 4, [300, 300, 300]),  # the last bag holds half a unit more
        ((400, 200), 1, [200]),  # the bag that fits
        ((400, 400), 1, [400]),  # else the whole bag
        ((100, 100, 100), 2, [100, 100, 100]),
        ((200, 400), 2, [400]),  # the giver keeps the bag without which there is enough
        ((100, 200, 400), 3, [200, 400]),
    ],
)
def test_f08_an_offer_is_taken_in_units(
    shelf: tuple[int, ...], missing: int, taken: list[int]
) -> None:
    verdict = accept(of_volumes(*shelf), shortage=make_shortage(missing=missing))
    assert [cleared.unit.volume_ml for cleared in verdict.taken] == taken


def test_f08_a_large_bag_does_not_go_below_the_floor() -> None:
    """4 U lie there and 3 are kept: a bag of 2 U would leave 2."""
    verdict = accept(of_volumes(400, 400), shortage=make_shortage(missing=1), burn=3 / 4.5)
    assert verdict.taken == ()
    assert [reason.code for reason in verdict.reasons] == ["giver_keeps_floor"]


def test_f08_units_on_their_way_count_as_units() -> None:
    assert len(accept(of_volumes(400, 400, 400), in_transit=6).taken) == 2


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
        giver=GivingStation(
            station=STRANGER,
            units=make_units(9, station_id="chengdu"),
            burn=Burn(mean_per_d=0.0),
        ),
        receiver=StationInNeed(station=SHIGATSE, shortage=make_shortage()),
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
    below = make_offer(group="A+", quantity=2, below_floor=True, confirmed_by="Dawa")
    given = accept(units[:9], offer=below, shortage=make_shortage(urgent_units=2), burn=2.0)
    assert len(given.taken) == 2
    assert given.reasons[0].params["below_floor"] == 1


HALF = 2.857
"""Red cells of A+ a day at a station of ten a day."""


def bend(
    *,
    confirmed: bool = True,
    quantity: int = 12,
    in_transit: int = 0,
    have: int = 12,
    urgent_units: int = 0,
    endangered_units: int = 0,
) -> OfferVerdict:
    """Lhasa has twelve A+ and uses 2.857 a day: thirteen are its normal floor."""
    told = {"below_floor": True, "confirmed_by": "Dawa"} if confirmed else {}
    return accept(
        make_units(have, group=A_POS),
        offer=make_offer(group="A+", quantity=quantity, **told),
        shortage=make_shortage(
            missing=20,
            uncovered_units=urgent_units,
            urgent_units=urgent_units,
            endangered_units=endangered_units,
        ),
        burn=HALF,
        in_transit=in_transit,
    )


def test_c86_the_floor_bends_for_patients_in_danger_when_a_person_says_yes() -> None:
    verdict = bend(urgent_units=4, endangered_units=4)
    assert len(verdict.taken) == 4
    (reason,) = verdict.reasons
    # Three days are nine bags, which leaves three of the four; one day is three bags.
    assert reason.params == {
        "offered": 12, "missing": 20, "taken": 4, "keep": 3, "below_floor": 1,
    }  # fmt: skip
    assert reason.rule == "offer.floor_bends@2026-3"


def test_c86_without_a_person_the_giver_is_told_what_it_could_give() -> None:
    for verdict in (
        bend(confirmed=False, urgent_units=4, endangered_units=4),
        accept(
            make_units(12, group=A_POS),
            offer=make_offer(group="A+", quantity=12, below_floor=True),
            shortage=make_shortage(missing=20, urgent_units=4, endangered_units=4),
            burn=HALF,
        ),
    ):
        (reason,) = verdict.reasons
        assert (verdict.taken, reason.code) == ((), "giver_may_confirm")
        assert reason.params == {"left": 12, "keep": 13, "spare": 4}


@pytest.mark.parametrize(
    ("urgent", "endangered", "have", "taken"),
    [
        (3, 0, 12, 3),  # the first step is enough
        (20, 0, 12, 9),  # one day is kept from who is not in danger
        (20, 10, 12, 10),
        (20, 20, 12, 11),  # six hours are kept from everybody
        (4, 0, 3, 0),
        (4, 2, 3, 2),
        (0, 0, 12, 0),  # nobody waits: a shelf does not bend another's floor
    ],
)
def test_c86_the_floor_sinks_by_steps_and_no_further_than_needed(
    urgent: int, endangered: int, have: int, taken: int
) -> None:
    verdict = bend(have=have, urgent_units=urgent, endangered_units=endangered)
    assert len(verdict.taken) == taken


def test_c86_what_is_on_its_way_bends_no_floor() -> None:
    assert bend(urgent_units=4, endangered_units=4, in_transit=4).taken == ()
    assert len(bend(urgent_units=4, endangered_units=4, in_transit=3).taken) == 1


def test_c86_above_its_normal_floor_a_giver_needs_nobody() -> None:
    verdict = bend(confirmed=False, have=17, urgent_units=4, endangered_units=4)
    assert (len(verdict.taken), verdict.reasons[0].params["below_floor"]) == (4, 0)


def test_c75_rhd_negative_fills_no_shelf_of_rhd_positive() -> None:
    # As an older event may still say, RhD- is among the groups that serve.
    shelf = make_shortage(level="yellow", uncovered_units=0)
    units = make_units(8, group=BloodGroup.A_NEG)
    offer = make_offer(group="A-", quantity=8)
    verdict = accept(units, offer=offer, shortage=shelf)
    assert [reason.code for reason in verdict.reasons] == ["rhd_negative_for_who_waits"]
    assert verdict.taken == ()
    # Two wait, ten are missing: two, and none for the shelf behind them.
    waiting = make_shortage(urgent_units=2, endangered_units=2)
    assert len(accept(units, offer=offer, shortage=waiting).taken) == 2
    assert accept(units, offer=offer, shortage=waiting, in_transit=2).taken == ()
    # A shelf of RhD- is filled with RhD-.
    negative = make_shortage(group="A-", donor_groups=["A-", "O-"], uncovered_units=0)
    assert len(accept(units, offer=offer, shortage=negative).taken) == 8


def test_c87_blood_does_not_leave_the_lead_of_a_disaster_unless_a_person_says_so() -> None:
    needs = [{"component": "red_cells", "units": 115, "basis": "reported"}]
    led = Activation.model_validate(
        {
            "activation_id": "a-1",
            "event_key": "us6000pi9w",
            "station_id": "lhasa",
            "revision": 1,
            "status": "open",
            "lead": True,
            "distance_km": 1,
            "needs": needs,
            "decided_at": AT,
        }
    )
    verdict = accept(make_units(9), led=[led])
    (reason,) = verdict.reasons
    assert (verdict.taken, reason.code) == ((), "giver_leads_disaster")
    assert reason.rule == "disaster.cover@2026-3"
    assert reason.params == {"event_key": "us6000pi9w"}
    assert len(accept(make_units(9), led=[led], offer=make_offer(confirmed_by="Dawa")).taken) == 6
    assert len(accept(make_units(9), led=[led.but(needs=())]).taken) == 6


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


@given(
    have=st.integers(0, 40),
    quantity=st.integers(1, 40),
    urgent=st.integers(0, 30),
    endangered=st.integers(0, 30),
    in_transit=st.integers(0, 30),
)
def test_below_the_normal_floor_goes_only_what_patients_wait_for(
    have: int, quantity: int, urgent: int, endangered: int, in_transit: int
) -> None:
    urgent = max(urgent, endangered)
    verdict = bend(
        have=have,
        quantity=quantity,
        in_transit=in_transit,
        urgent_units=urgent,
        endangered_units=endangered,
    )
    taken = len(verdict.taken)
    below = taken - max(0, have - 13)
    if below > 0:
        assert taken <= max(0, urgent - in_transit)
        assert have - taken >= (1 if endangered - in_transit >= taken else 3)
