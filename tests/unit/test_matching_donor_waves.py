"""Whom a wave calls, in which order, and when it stops."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.donation_kinds import DonationKind
from models.donors import CallOutStatus
from models.groups import BloodGroup
from models.rules.rulebook import PACKAGED
from streams.matching.donor_eligibility import DonorRecord
from streams.matching.donor_waves import (
    CallState,
    DonationDemand,
    Wave,
    choose_wave,
    count_callable,
    expect_acceptance,
    expect_donations,
    expect_show_up,
)
from streams.matching.float_sums import is_enough
from tests.support.supply import AT, make_record, make_station

STATION = make_station()
NEAR = {"lat": 29.27, "lon": 88.88}
TEN_KM_NORTH = {"lat": 29.27 + 10 / 111.195, "lon": 88.88}


def choose(
    *records: DonorRecord,
    wanted: int = 1,
    already: float = 0.0,
    groups: tuple[BloodGroup, ...] = (BloodGroup.O_POS, BloodGroup.A_POS),
) -> Wave:
    return choose_wave(
        records,
        DonationDemand(
            station=STATION,
            wanted=wanted,
            expected_already=already,
            groups=groups,
        ),
        now=AT,
        rules=PACKAGED.donors,
    )


def ids(wave: Wave) -> list[str]:
    return [call.donor_id for call in wave.calls]


def known(donor_id: str, contact: str, person: str = "") -> DonorRecord:
    return replace(make_record(donor_id), contact_key=contact, person_key=person)


def test_f56_one_contact_is_called_once_for_one_cause() -> None:
    records = [known("a", "13800000001"), known("b", "13800000001"), known("c", "139")]
    wave = choose(*records, wanted=99)
    assert ids(wave) == ["a", "c"]
    told = {reason.code: reason.params["donors"] for reason in wave.refusals}
    assert told == {"contact_called": 1}
    assert count_callable(records, groups=[BloodGroup.O_POS], now=AT, rules=PACKAGED.donors) == 2
    # Under whichever number it was called for the cause before, it stays with that number.
    again = choose_wave(
        records,
        DonationDemand(
            station=STATION,
            wanted=99,
            expected_already=0.0,
            groups=[BloodGroup.O_POS],
            called_before=[records[1]],
        ),
        now=AT,
        rules=PACKAGED.donors,
    )
    assert sorted(ids(again)) == ["b", "c"]
    # Who has no known contact is like nobody else.
    assert ids(choose(known("x", ""), known("y", ""), wanted=99)) == ["x", "y"]


def test_f56_one_person_with_two_contacts_is_called_once_for_one_cause() -> None:
    one_person = "李四|1988-08-08"
    records = [known("a", "138", one_person), known("b", "139", one_person), known("c", "137", "x")]
    wave = choose(*records, wanted=99)
    assert ids(wave) == ["a", "c"]
    assert [(r.code, r.rule, r.params["donors"]) for r in wave.refusals] == [
        ("person_called", "donor.same_person@2026-3", 1)
    ]
    assert count_callable(records, groups=[BloodGroup.O_POS], now=AT, rules=PACKAGED.donors) == 2
    again = choose_wave(
        records,
        DonationDemand(
            station=STATION,
            wanted=99,
            expected_already=0.0,
            groups=[BloodGroup.O_POS],
            called_before=[records[1]],
        ),
        now=AT,
        rules=PACKAGED.donors,
    )
    assert sorted(ids(again)) == ["b", "c"]
    # Who is not called under a number does not keep the number's contact from another.
    assert ids(choose(*records, known("d", "139", "y"), wanted=99)) == ["a", "c", "d"]


def test_f19_only_who_may_be_called_and_can_serve_counts_as_callable() -> None:
    records = [
        make_record("fit"),
        make_record("other-group", group="B+"),
        make_record("light", weight_kg=30),
        make_record("rare", group="O-"),
    ]
    groups = [BloodGroup.O_POS, BloodGroup.A_POS]
    assert count_callable(records, groups=groups, now=AT, rules=PACKAGED.donors) == 1


def test_group_then_staff_then_learnt_acceptance_then_distance_then_id() -> None:
    records = [
        make_record("z-other-group", group="A+", staff=True),
        make_record("e-id-last", location=TEN_KM_NORTH),
        make_record("d-id-first", location=TEN_KM_NORTH),
        make_record("c-near", location=NEAR),
        make_record("b-eager", called=4, accepted=4),
        make_record("a-staff", staff=True),
        make_record("y-tired", called=9, accepted=0, location=NEAR),
        make_record("x-nowhere"),
    ]
    assert ids(choose(*records, wanted=99)) == [
        "a-staff",
        "b-eager",
        "c-near",
        "d-id-first",
        "e-id-last",
        "x-nowhere",
        "y-tired",
        "z-other-group",
    ]


def test_a_wave_stops_where_the_expected_donations_reach_the_need() -> None:
    # 0.25 x 0.8 = 0.2 a donor: five for one donation, no sixth.
    wave = choose(*(make_record(f"d-{at}") for at in range(9)))
    assert len(wave.calls) == 5
    assert wave.expected == pytest.approx(1.0)
    assert not wave.short
    assert [(r.code, r.params) for r in wave.refusals] == [("not_needed_yet", {"donors": 4})]


def test_what_is_under_way_makes_the_wave_smaller_and_a_met_need_calls_nobody() -> None:
    records = [make_record(f"d-{at}") for at in range(9)]
    assert len(choose(*records, wanted=2, already=1.5).calls) == 3
    assert choose(*records, wanted=2, already=2.0).calls == ()


def test_a_reserve_too_small_says_so() -> None:
    wave = choose(make_record("d-1"), wanted=5)
    assert (ids(wave), wave.short) == (["d-1"], True)


def test_the_rest_are_told_by_reason_and_number() -> None:
    wave = choose(
        make_record("d-1", weight_kg=40),
        make_record("d-2", weight_kg=41, consented_at=None),
        make_record("d-3", group="B-"),
        wanted=5,
    )
    assert wave.calls == ()
    assert [(r.code, r.params["donors"]) for r in wave.refusals] == [
        ("group_not_wanted", 1),
        ("no_consent", 1),
        ("weight_too_low", 2),
    ]


def test_nobody_is_asked_twice_for_the_same_cause() -> None:
    wave = choose_wave(
        [make_record("d-1"), make_record("d-2")],
        DonationDemand(
            station=STATION,
            wanted=1,
            expected_already=0.0,
            groups=(BloodGroup.O_POS,),
            asked_before={"d-1"},
        ),
        now=AT,
        rules=PACKAGED.donors,
    )
    assert ids(wave) == ["d-2"]
    assert [reason.code for reason in wave.refusals] == ["asked_before"]


def test_answers_of_the_past_move_the_rate() -> None:
    assert expect_acceptance(make_record(), station=STATION, rules=PACKAGED.donors) == 0.25
    assert expect_acceptance(make_record(staff=True), station=STATION, rules=PACKAGED.donors) == 0.8
    assert (
        expect_acceptance(make_record(called=4, accepted=4), station=STATION, rules=PACKAGED.donors)
        == 0.625
    )
    assert (
        expect_acceptance(make_record(called=12), station=STATION, rules=PACKAGED.donors) == 0.0625
    )


def test_the_far_come_less_often() -> None:
    assert expect_show_up(make_record(), station=STATION, rules=PACKAGED.donors) == 0.8
    ten_km = expect_show_up(
        make_record(location=TEN_KM_NORTH), station=STATION, rules=PACKAGED.donors
    )
    assert ten_km == pytest.approx(0.8 * 0.72 / 0.87, rel=1e-2)
    far = make_record(location={"lat": 30.27, "lon": 88.88})
    assert expect_show_up(far, station=STATION, rules=PACKAGED.donors) == 0.4


def test_calls_already_out_count_by_how_far_they_got() -> None:
    def expected(status: CallOutStatus, *, ago_s: int = 60) -> float:
        # The call itself is counted as made already, and must not lower what is expected of it.
        state = CallState(
            record=make_record(called=1), status=status, called_at=AT - timedelta(seconds=ago_s)
        )
        return expect_donations([state], station=STATION, now=AT, rules=PACKAGED.donors)

    assert expected(CallOutStatus.DONATED) == 1.0
    assert expected(CallOutStatus.ARRIVED) == 1.0
    assert expected(CallOutStatus.ACCEPTED) == 0.8
    assert expected(CallOutStatus.CALLED) == pytest.approx(0.2)
    assert expected(CallOutStatus.CALLED, ago_s=1_800) == 0.0
    for ended in ("declined", "no_answer", "no_show", "deferred", "stood_down"):
        assert expected(CallOutStatus(ended)) == 0.0


def test_ten_chances_of_a_fifth_are_enough_for_two() -> None:
    """Their sum in floats is not quite 2: an eleventh donor would be called for nothing."""
    wave = choose(*(make_record(f"d-{at:02}") for at in range(20)), wanted=2)
    assert wave.calls[0].expected == pytest.approx(0.2)
    assert (len(wave.calls), wave.short) == (10, False)


@given(
    wanted=st.integers(0, 20),
    already=st.floats(0, 20),
    weights=st.lists(st.floats(40, 60), max_size=30),
)
def test_never_one_call_more_than_needed_and_never_an_ineligible_donor(
    wanted: int, already: float, weights: list[float]
) -> None:
    records = [make_record(f"d-{at:02}", weight_kg=kg) for at, kg in enumerate(weights)]
    wave = choose(*records, wanted=wanted, already=already)
    light = {r.donor.donor_id for r in records if r.donor.weight_kg < 45}
    assert not light & set(ids(wave))
    without_last = sum(call.expected for call in wave.calls[:-1])
    # `sum` of floats rounds otherwise from Python 3.12 on: a hair is no difference.
    assert not wave.calls or without_last < wanted - already
    assert wave.short == (not is_enough(wave.expected, wanted=wanted - already))
    assert choose(*reversed(records), wanted=wanted, already=already) == wave


def test_c89_who_gives_platelets_is_called_for_platelets_and_for_nothing_else() -> None:
    whole, platelets = make_record("w-1"), make_record("p-1", gives="apheresis_platelets")
    assert ids(choose(whole, platelets, wanted=9)) == ["w-1"]
    wave = choose_wave(
        [whole, platelets],
        DonationDemand(
            station=STATION,
            wanted=9,
            expected_already=0,
            groups=(BloodGroup.O_POS,),
            gives=DonationKind.APHERESIS_PLATELETS,
        ),
        now=AT,
        rules=PACKAGED.donors,
    )
    assert ids(wave) == ["p-1"]
    assert "gives_something_else" in {reason.code for reason in wave.refusals}
    groups = (BloodGroup.O_POS,)
    assert count_callable([whole, platelets], groups=groups, now=AT, rules=PACKAGED.donors) == 1
