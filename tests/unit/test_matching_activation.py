"""Who answers a disaster, who leads, and how many donations are asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from models.alerts import Activation, ActivationStatus, Alert
from models.rules.rulebook import PACKAGED
from streams.matching.activation import (
    ActivationChange,
    ActivationStep,
    StationSupply,
    decide_activations,
    end_exercise,
)
from streams.matching.disaster_need import estimate_need
from tests.support.supply import AT, make_alert, make_station

SHIGATSE = make_station("shigatse")
LHASA = make_station("lhasa", location={"lat": 29.65, "lon": 91.12})
NAGQU = make_station("nagqu", location={"lat": 31.48, "lon": 92.05})
CHENGDU = make_station("chengdu", location={"lat": 30.57, "lon": 104.07})


def decide(
    alert: Alert,
    *supplies: StationSupply,
    current: tuple[Activation, ...] = (),
) -> tuple[ActivationChange, ...]:
    return decide_activations(
        estimate_need(alert, rules=PACKAGED.disasters),
        supplies,
        donors_ready_s=PACKAGED.donors.ready_after_s,
        current=current,
        now=AT,
        rules=PACKAGED.disasters,
    )


def supply(station: object, *, red_cells: int = 0, donors: int = 0) -> StationSupply:
    return StationSupply(
        station=station,  # type: ignore[arg-type] # a Station; told loosely to keep tests short
        red_cells=red_cells,
        callable_donors=donors,
    )


def test_c84_stock_that_comes_no_sooner_than_donors_blood_spares_no_donor() -> None:
    lhasa = supply(LHASA, red_cells=145)  # 100 above its floor
    ready_s = PACKAGED.donors.ready_after_s
    for eta_s, wanted_donors in ((5 * 3600, 0), (ready_s, 0), (ready_s + 1, 82)):
        changes = decide(
            make_alert(), supply(SHIGATSE, red_cells=36, donors=200), replace(lhasa, eta_s=eta_s)
        )
        assert sum(wanted(changes).values()) == wanted_donors
        (told,) = [reason for reason in changes[0].reasons if reason.code == "usable_when"]
        assert told.params == {
            "stations": f"lhasa={eta_s / 3600:.1f}h", "donors_s": ready_s,
        }  # fmt: skip


def wanted(changes: tuple[ActivationChange, ...]) -> dict[str, int]:
    return {c.activation.station_id: c.activation.donors_wanted for c in changes}


def test_the_nearest_leads_and_who_is_too_far_takes_no_part() -> None:
    changes = decide(make_alert(), supply(CHENGDU), supply(NAGQU), supply(SHIGATSE), supply(LHASA))
    assert [c.activation.station_id for c in changes] == ["shigatse", "lhasa", "nagqu"]
    assert [c.activation.lead for c in changes] == [True, False, False]
    assert {c.step for c in changes} == {ActivationStep.OPENED}
    # Every one carries the whole need, so that whoever reads one knows what the disaster needs.
    assert {c.activation.needs for c in changes} == {changes[0].activation.needs}


def test_donors_are_asked_for_what_stock_leaves_open_in_proportion_to_the_reserve() -> None:
    # Need 118 red cells. The lead gives 40; Lhasa keeps 4.5 d x 10 = 45 of its 70 and gives 25.
    changes = decide(
        make_alert(),
        supply(SHIGATSE, red_cells=40, donors=60),
        supply(LHASA, red_cells=70, donors=30),
    )
    assert wanted(changes) == {"shigatse": 35, "lhasa": 18}
    assert sum(wanted(changes).values()) == 118 - 40 - 25


def numbers(changes: tuple[ActivationChange, ...]) -> dict[str, tuple[int, int | None, int]]:
    return {
        c.activation.station_id: (
            c.activation.donors_wanted,
            c.activation.donors_callable,
            c.activation.donors_missing,
        )
        for c in changes
    }


def test_f19_wanted_callable_and_missing_are_three_numbers() -> None:
    changes = decide(make_alert(), supply(SHIGATSE, donors=7), supply(LHASA, donors=2))
    # 118 are wanted in all; what nobody covers is wanted of the lead, and told.
    assert numbers(changes) == {"shigatse": (116, 7, 109), "lhasa": (2, 2, 0)}
    nobody = decide(make_alert(), supply(SHIGATSE, red_cells=20))
    assert numbers(nobody) == {"shigatse": (98, 0, 98)}
    assert nobody[0].reasons[-1].params["donors_missing"] == 98


def test_f70_an_exercise_has_an_end_that_a_revision_does_not_move() -> None:
    drill = make_alert(status="exercise")
    (first,) = decide(drill, supply(SHIGATSE, donors=9))
    assert first.activation.ends_at == AT + timedelta(hours=12)
    (second,) = decide_activations(
        estimate_need(drill.but(revision=2), rules=PACKAGED.disasters),
        [supply(SHIGATSE, donors=9)],
        donors_ready_s=PACKAGED.donors.ready_after_s,
        current=[first.activation],
        now=AT + timedelta(hours=3),
        rules=PACKAGED.disasters,
    )
    assert second.activation.ends_at == AT + timedelta(hours=12)
    (actual,) = decide(make_alert(), supply(SHIGATSE))
    assert actual.activation.ends_at is None
    both = [second.activation, actual.activation.but(station_id="lhasa", activation_id="real")]
    (ended,) = end_exercise(both, now=AT + timedelta(hours=12), rules=PACKAGED.disasters)
    assert (ended.activation.station_id, ended.step) == ("shigatse", ActivationStep.STOOD_DOWN)
    assert [reason.code for reason in ended.reasons] == ["exercise_ended"]


def test_enough_stock_calls_nobody() -> None:
    changes = decide(make_alert(), supply(SHIGATSE, red_cells=118, donors=60))
    assert wanted(changes) == {"shigatse": 0}


def test_a_smaller_revision_gives_donors_back() -> None:
    first = decide(make_alert(), supply(SHIGATSE, donors=200))
    second = decide(
        make_alert(revision=2, injured=34, sent_at=AT + timedelta(days=4)),
        supply(SHIGATSE, donors=200),
        current=(first[0].activation,),
    )
    assert wanted(first) == {"shigatse": 118}
    assert wanted(second) == {"shigatse": 13}
    assert (second[0].step, second[0].activation.revision) == (ActivationStep.REVISED, 2)
    assert second[0].activation.activation_id == first[0].activation.activation_id


def test_a_cancel_stands_every_open_station_down() -> None:
    first = decide(make_alert(), supply(SHIGATSE, donors=9), supply(LHASA, donors=9))
    changes = decide(
        make_alert(revision=2, kind="cancel"),
        supply(SHIGATSE, donors=9),
        current=tuple(c.activation for c in first),
    )
    assert {c.step for c in changes} == {ActivationStep.STOOD_DOWN}
    assert wanted(changes) == {"shigatse": 0, "lhasa": 0}
    assert changes[0].reasons[-1].code == "nothing_needed"
    stood_down = tuple(c.activation for c in changes)
    assert decide(make_alert(revision=3, kind="cancel"), current=stood_down) == ()
    again = decide(make_alert(revision=4), supply(SHIGATSE, donors=9), current=stood_down)
    assert (again[0].step, again[0].activation.status) == (
        ActivationStep.OPENED,
        ActivationStatus.OPEN,
    )


def test_an_epicentre_that_moves_away_stands_a_station_down() -> None:
    first = decide(make_alert(), supply(SHIGATSE))
    moved = make_alert(revision=2, location={"lat": 30.57, "lon": 104.07})
    changes = decide(
        moved,
        supply(SHIGATSE),
        supply(CHENGDU),
        current=(first[0].activation,),
    )
    assert [(c.activation.station_id, c.step) for c in changes] == [
        ("chengdu", ActivationStep.OPENED),
        ("shigatse", ActivationStep.STOOD_DOWN),
    ]
    assert changes[1].reasons[-1].code == "out_of_radius"


def test_an_exercise_is_marked() -> None:
    changes = decide(make_alert(status="exercise"), supply(SHIGATSE, donors=9))
    assert changes[0].activation.exercise


@given(
    injured=st.integers(0, 3_000),
    stock=st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=5),
)
def test_never_more_donations_than_the_need_and_what_is_missing_is_told(
    injured: int, stock: list[tuple[int, int]]
) -> None:
    supplies = [
        supply(make_station(f"s-{at}"), red_cells=red_cells, donors=donors)
        for at, (red_cells, donors) in enumerate(stock)
    ]
    alert = make_alert(injured=injured)
    changes = decide(alert, *supplies)
    need = next(
        n.units
        for n in estimate_need(alert, rules=PACKAGED.disasters).needs
        if n.component == "red_cells"
    )
    given_by_lead = stock[0][0]
    asked = wanted(changes)
    assert sum(asked.values()) <= max(0, need - given_by_lead)
    for station_id, (wants, may, missing) in numbers(changes).items():
        donors = stock[int(station_id.removeprefix("s-"))][1]
        assert (may, missing) == (donors, max(0, wants - donors))
        assert not missing or station_id == "s-0"
    assert decide(alert, *reversed(supplies)) == changes
