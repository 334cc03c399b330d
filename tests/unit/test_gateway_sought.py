"""What was done for what stock does not cover: told as it is, never as it is hoped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.uncovered_needs import (
    BloodSources,
    count_calls,
    depends_on_reserve,
    join_texts,
    list_done,
    list_neighbours,
    list_serving_calls,
    list_serving_transfers,
    list_sought,
    list_wants,
)
from models.components import Component
from models.doses import OrderMeasure
from models.facilities import StationPolicy
from models.patients import Patient, Sex
from models.requests import Priority, RequestLine, UrgentRequest
from models.rules.rulebook import PACKAGED
from streams.matching.donor_eligibility import DonorRecord
from tests.support.supply import AT, make_record, make_station
from tests.support.world import build_request

RED = build_request(group="A+", quantity=8, needed_in_h=12)
UNKNOWN_WOMAN = Patient(group=None, sex=Sex.FEMALE, age_years=30)


def describe(
    request: UrgentRequest = RED,
    *,
    calls: Sequence[dict[str, Any]] = (),
    transfers: Sequence[dict[str, Any]] = (),
    reserve: Sequence[DonorRecord] = (),
    neighbours: Sequence[str] = (),
    shortages: Sequence[dict[str, Any]] | None = None,
    offers: Sequence[dict[str, Any]] = (),
    eta_s: int = 0,
    has_ended: bool = False,
) -> list[dict[str, Any]]:
    lines = [{"line_no": line.line_no, "uncovered": line.quantity} for line in request.lines]
    wants = list_wants(request, lines, StationPolicy(), PACKAGED)
    serving = list_serving_calls(wants, calls)
    sources = BloodSources(
        calls=serving,
        transfers=list_serving_transfers(wants, transfers),
        shortages=[{"component": want.component, "blood_group": want.place} for want in wants]
        if shortages is None
        else shortages,
        offers=offers,
        reserve=reserve if depends_on_reserve(request, wants, serving) else (),
        neighbours=neighbours,
    )
    if has_ended:
        return list_done(wants, sources)
    return list_sought(request, wants, sources, eta_s=eta_s, now=AT, rules=PACKAGED.donors)


def codes(request: UrgentRequest = RED, **given: Any) -> list[str]:  # noqa: ANN401 - any argument
    return [step["code"] for step in describe(request, **given)]


def call(
    donor_id: str, status: str, *, group: str = "A+", place: str = "A+", counts: bool = True
) -> dict[str, Any]:
    return {
        "shortage_id": f"s-{place}",
        "component": "red_cells",
        "blood_group": place,
        "donor_id": donor_id,
        "donor_group": group,
        "status": status,
        "counts": counts,
    }


def transfer(**changes: object) -> dict[str, Any]:
    return {
        "from_station_id": "lhasa",
        "component": "red_cells",
        "blood_group": "A+",
        "units_group": "A+",
        "status": "agreed",
        "units": 2,
        "volumes_live": [200, 200],
        "arrived": 0,
        "agreed_at": datetime(2025, 1, 7, 6, 40, tzinfo=UTC),
        "eta_s": 3600,
        **changes,
    }


def test_f11_nobody_was_asked_is_said_so() -> None:
    assert codes() == ["sought_no_donors", "sought_no_neighbour", "sought_still_missing"]


def test_f11_platelets_say_that_nobody_is_called() -> None:
    platelets = build_request(group="A+", component=Component.PLATELETS)
    told = codes(platelets, reserve=[make_record(group="A+")], neighbours=("lhasa",))
    assert told == [
        "sought_by_appointment",
        "sought_neighbours",
        "sought_no_offer",
        "sought_still_missing",
    ]


def test_c88_the_answer_waits_for_no_donor_who_cannot_be_in_time() -> None:
    donor = [make_record(group="A+")]
    soon = build_request(group="A+", quantity=8, needed_in_h=2)
    assert codes(soon, reserve=donor)[:2] == ["sought_not_called", "sought_donors_too_late"]
    assert codes(soon)[:2] == ["sought_no_donors", "sought_donors_too_late"]
    told = describe(soon, calls=[call("c-1", "called")])
    assert [step["code"] for step in told[:2]] == ["sought_called", "sought_donors_too_late"]
    # Half an hour to answer, an hour to come, five hours to the release.
    assert told[1]["params"] == {"at": "01-07 15:35"}
    assert "不能等献血者" in told[1]["zh"]
    # The blood still has to go to the hospital.
    at_the_station = build_request(group="A+", quantity=8, needed_in_h=7)
    assert "sought_donors_too_late" not in codes(at_the_station, reserve=donor)
    far = describe(at_the_station, reserve=donor, eta_s=3600)
    assert [step["params"]["at"] for step in far if "late" in step["code"]] == ["01-07 16:35"]
    assert "sought_donors_too_late" not in codes(reserve=donor)
    routine = soon.but(priority=Priority.ROUTINE)
    assert "sought_donors_too_late" not in codes(routine, reserve=donor)
    platelets = build_request(group="A+", component=Component.PLATELETS, needed_in_h=2)
    assert "sought_donors_too_late" not in codes(platelets)


def test_c89_platelets_are_asked_of_who_gives_platelets() -> None:
    platelets = build_request(group="A+", component=Component.PLATELETS, needed_in_h=24)
    giver = make_record("p-1", group="A+", gives="apheresis_platelets")
    assert codes(platelets, reserve=[giver, make_record("w-1", group="A+")])[0] == (
        "sought_not_called"
    )
    called = [call("p-1", "called", place="A+") | {"component": "platelets"}]
    assert codes(platelets, calls=called)[0] == "sought_called"
    assert codes(RED, reserve=[giver])[0] == "sought_no_donor_serves"


def test_f11_donors_are_called_only_when_they_were() -> None:
    assert codes(reserve=[make_record(group="A+")])[0] == "sought_not_called"
    calls = [call(f"c-{at}", "called") for at in range(4)]
    calls += [call("y-1", "accepted"), call("y-2", "arrived", group="O+")]
    told = describe(calls=calls)
    assert (told[0]["code"], told[0]["params"]) == ("sought_called", {"calls": 6, "accepted": 2})


def test_each_donor_is_counted_once_and_only_who_serves_and_is_under_way() -> None:
    calls = [
        call("twice", "no_answer"),
        call("twice", "called"),
        call("home", "accepted"),
        call("home", "stood_down"),
        call("gave", "donated"),
        call("gave-long-ago", "donated", counts=False),
        call("other-group", "called", group="B+"),
        call("other-cause", "called", place="O+", group="O+"),
    ]
    told = describe(calls=calls)
    assert told[0]["code"] == "sought_called_and_donated"
    assert told[0]["params"] == {"calls": 2, "accepted": 1, "donated": 1}
    assert "1 名已答应，其中 1 名已献血" in told[0]["zh"]
    lines = [{"line_no": 1, "uncovered": 8}]
    serving = list_serving_calls(list_wants(RED, lines, StationPolicy(), PACKAGED), calls)
    assert [(counted["status"], counted["calls"]) for counted in count_calls(serving)] == [
        ("called", 1),
        ("donated", 1),
        ("stood_down", 1),
    ]


def test_a_covered_line_has_no_donors_called() -> None:
    wants = list_wants(RED, [{"line_no": 1, "uncovered": 0}], StationPolicy(), PACKAGED)
    assert list_serving_calls(wants, [call("c", "called")]) == []


@pytest.mark.parametrize(
    ("reserve", "code", "donors"),
    [
        ([make_record("d-1", group="A+"), make_record("d-2", group="B+")], "sought_not_called", 1),
        (
            [make_record("d-1", group="O+", on_live_call=True)],
            "sought_donors_on_other_calls",
            1,
        ),
        ([make_record("d-1", group="A+", consented_at=None)], "sought_nobody_left", 1),
        # RhD- donors are not called for whom RhD+ serves.
        (
            [make_record("d-1", group="B+"), make_record("d-2", group="A-")],
            "sought_no_donor_serves",
            2,
        ),
    ],
)
def test_who_is_left_to_call_is_told(reserve: list[DonorRecord], code: str, donors: int) -> None:
    told = describe(reserve=reserve)[0]
    assert (told["code"], told["params"]) == (code, {"donors": donors})


def test_who_declined_is_nobody_to_hope_for() -> None:
    asked = [make_record("no-1", group="A+"), make_record("no-2", group="A+")]
    calls = [call("no-1", "declined"), call("no-2", "no_show")]
    assert codes(calls=calls, reserve=asked)[:2] == [
        "sought_calls_came_to_nothing",
        "sought_nobody_left",
    ]
    left = [*asked, make_record("free", group="A+")]
    assert codes(calls=calls, reserve=left)[1] == "sought_not_called"


def test_a_routine_order_calls_nobody() -> None:
    routine = build_request(group="A+", priority=Priority.ROUTINE)
    calls = [call("for-another", "called")]
    told = codes(routine, calls=calls, reserve=[make_record(group="A+")])
    assert told[0] == "sought_routine_calls_nobody"


def test_an_unknown_patient_is_told_of_what_she_may_get() -> None:
    woman = build_request(patient=UNKNOWN_WOMAN, priority=Priority.LIFE_THREATENING, quantity=3)
    others = [transfer(volumes_live=[200] * 3), transfer(blood_group="O+", units_group="A-")]
    assert "sought_transfer" not in codes(woman, transfers=others)
    hers = transfer(blood_group="O+", units_group="O-")
    assert codes(woman, transfers=[hers])[-2:] == ["sought_transfer", "sought_transfer_leaves"]
    positive = call("o-pos", "called", place="O+", group="O+")
    assert codes(woman, calls=[positive])[0] == "sought_called"
    routine = woman.but(priority=Priority.ROUTINE)
    assert codes(routine, calls=[positive])[0] == "sought_routine_calls_nobody"


def test_f12_a_transfer_on_its_way_is_told_with_its_hour() -> None:
    told = describe(transfers=[transfer()], neighbours=("lhasa",))
    text = join_texts(told)["zh"]
    assert "lhasa 调来 2 袋，预计 01-07 15:40（北京时间）到" in text
    assert text.endswith("缺 8 单位；调来的若都给这份申请，仍缺 6 单位")
    assert "sought_transfer" not in codes(transfers=[transfer(status="cancelled")])


def test_of_a_transfer_what_was_lost_is_not_told() -> None:
    (told,) = (
        step
        for step in describe(transfers=[transfer(volumes_live=[200] * 1)])
        if step["code"] == "sought_transfer"
    )
    assert told["params"]["count"] == 1
    assert "sought_transfer" not in codes(transfers=[transfer(volumes_live=[])])


def test_what_comes_of_one_component_leaves_the_other_missing() -> None:
    lines = (
        RequestLine(line_no=1, component=Component.RED_CELLS, quantity=2),
        RequestLine(line_no=2, component=Component.PLATELETS, quantity=3),
    )
    told = describe(
        build_request(group="A+", lines=lines), transfers=[transfer(volumes_live=[200] * 9)]
    )
    assert told[-1]["params"] == {"missing": 5, "left": 3}


def test_of_what_comes_the_volumes_count_and_not_the_bags() -> None:
    """Two bags of 300 ml are 3 U of 8; 600 ml of plasma are 6 U, of which two bags bring 4."""
    large = describe(transfers=[transfer(volumes_live=[300, 300])])
    assert large[-1]["params"] == {"missing": 8, "left": 5}
    plasma = Component.FRESH_FROZEN_PLASMA
    line = RequestLine(line_no=1, component=plasma, measure=OrderMeasure.ML, quantity=600)
    asked = build_request(group="A+", lines=(line,))
    assert describe(asked)[-1]["params"] == {"missing": 6}
    coming = transfer(component=plasma.value, volumes_live=[200, 200])
    told = describe(asked, transfers=[coming])
    assert told[-1]["params"] == {"missing": 6, "left": 2}
    assert "lhasa 调来 2 袋" in join_texts(told)["zh"]


def test_neighbours_are_told_only_of_what_was_announced() -> None:
    told = describe(neighbours=("lhasa",), shortages=[])
    assert [step["code"] for step in told[1:]] == ["sought_not_announced", "sought_still_missing"]
    assert told[1]["params"] == {"stations": "lhasa", "components": "red_cells"}
    other_place = [{"component": "red_cells", "blood_group": "O+"}]
    assert "sought_neighbours" not in codes(neighbours=("lhasa",), shortages=other_place)


def test_what_neighbours_answered_is_told() -> None:
    offer = {
        "from_station_id": "lhasa", "component": "red_cells", "blood_group": "A+",
        "units_group": "A+", "status": "declined",
        "reasons": [{"code": "giver_keeps_floor", "params": {"left": 9, "keep": 12}}],
    }  # fmt: skip
    told = describe(neighbours=("lhasa",), offers=[offer])
    assert [step["code"] for step in told[1:]] == [
        "sought_neighbours", "sought_offer_declined", "sought_still_missing",
    ]  # fmt: skip
    assert told[2]["zh"] == "lhasa 的支援没有成：本站只剩 9 单位，须保留 12 单位"
    taken = {**offer, "status": "accepted"}
    came = [transfer(status="completed", volumes_live=[], arrived=2)]
    told = describe(neighbours=("lhasa",), offers=[offer, taken], transfers=came)
    assert [step["code"] for step in told[1:]] == [
        "sought_neighbours", "sought_transfer_arrived", "sought_still_missing",
    ]  # fmt: skip
    unfit = {**offer, "units_group": "B+"}
    assert "sought_no_offer" in codes(neighbours=("lhasa",), offers=[unfit])


def test_who_did_not_come_is_told_beside_who_is_called() -> None:
    told = describe(calls=[call("a", "called"), call("b", "declined"), call("c", "no_show")])
    assert [(step["code"], step["params"]) for step in told[:2]] == [
        ("sought_called", {"calls": 1, "accepted": 0}),
        ("sought_others_did_not_come", {"calls": 2}),
    ]


def test_of_an_ended_request_is_told_what_was_done_and_not_what_could_be() -> None:
    reserve = [make_record(group="A+")]
    assert codes(reserve=reserve, has_ended=True) == [
        "sought_nobody_was_called",
        "sought_no_neighbour",
    ]
    # Whoever was called and stood down was called.
    stood_down = [call("a", "stood_down")]
    assert codes(calls=stood_down, has_ended=True)[0] == "sought_called_and_stood_down"
    calls = [call("a", "donated"), call("b", "no_answer")]
    assert codes(calls=calls, neighbours=("lhasa",), has_ended=True) == [
        "sought_called_and_donated",
        "sought_others_did_not_come",
        "sought_neighbours",
        "sought_no_offer",
    ]


def test_a_neighbour_is_who_names_the_other() -> None:
    stations = {
        station.station_id: station
        for station in (
            make_station("own", policy={"neighbours": ["named"]}),
            make_station("named"),
            make_station("names-us", policy={"neighbours": ["own"]}),
            make_station("stranger"),
        )
    }
    assert list_neighbours("own", stations) == ["named", "names-us"]
    assert list_neighbours("stranger", stations) == []
    assert list_neighbours("nobody", stations) == []


def test_f11_nothing_is_sought_where_nothing_is_missing() -> None:
    wants = list_wants(RED, [{"line_no": 1, "uncovered": 0}], StationPolicy(), PACKAGED)
    assert list_sought(RED, wants, BloodSources(), eta_s=0, now=AT, rules=PACKAGED.donors) == []


def test_f56_one_person_under_two_numbers_is_one_who_may_be_called() -> None:
    two = [
        replace(make_record(name, group="A+"), contact_key=f"contact {name}", person_key="same")
        for name in ("d-1", "d-2")
    ]
    first = describe(reserve=two)[0]
    assert (first["code"], first["params"]["donors"]) == ("sought_not_called", 1)
    # Who said no under one number is not left under the other.
    assert codes(calls=[call("d-1", "declined")], reserve=two)[:2] == [
        "sought_calls_came_to_nothing",
        "sought_nobody_left",
    ]
