"""Who waits, who comes first, what becomes free: as hospitals ask over HTTP, by number."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from streams.services import promise_progress
from tests.support.clinic import (
    Clinic,
    Clinics,
    bags,
    given,
    keyed,
    missing,
    reasons,
    refusals,
    running_clinics,
)

pytestmark = pytest.mark.integration

DYING, ROUTINE = "life_threatening", "routine"


@pytest_asyncio.fixture(scope="module")
async def clinics(endpoints: Endpoints) -> AsyncIterator[Clinics]:
    async with running_clinics(endpoints) as running:
        yield running


@pytest_asyncio.fixture
async def clinic(clinics: Clinics) -> Clinic:
    return await clinics.open()


async def test_c69_one_of_ten_is_partly_fulfilled_and_nine_are_owed(clinic: Clinic) -> None:
    """Nine units of red cells and a dose of platelets, each by its name, in the list too."""
    await clinic.lay("A+")
    lines = [("red_cells", 10), ("fresh_frozen_plasma", 2), ("platelets", 1)]
    await clinic.lay("A+", "A+", component="fresh_frozen_plasma")
    ten = await clinic.ask(
        lines=[
            {"line_no": at, "component": component, "quantity": quantity}
            for at, (component, quantity) in enumerate(lines, 1)
        ],
        group="A+",
    )
    await clinic.scan(ten, "picked", "issued", "departed")
    await clinic.pass_time(hours=5)
    assert (await clinic.see(ten))["status"] == "partly_refused"
    await clinic.scan(ten, "received")
    seen = await clinic.see(ten)
    assert seen["status"] == "partly_fulfilled"
    owed = [
        reason for reason in seen["decision"]["reasons"] if reason["code"] == "units_still_owed"
    ]
    assert [reason["zh"].partition("，")[0] for reason in owed] == [
        "red_cells（悬浮红细胞） 还欠 9 U",
        "platelets（血小板） 还欠 1 dose（治疗量）",
    ]
    (row,) = (await clinic.hospital.get("/v1/requests")).json()["requests"]
    assert (row["status"], [line["missing"] for line in row["lines"]]) == (
        "partly_fulfilled",
        [9, 0, 1],
    )
    assert missing(seen) == [9, 0, 1]


async def test_what_an_ended_request_never_got_is_told(clinic: Clinic) -> None:
    """Nobody waits for it any more, and nobody is told that it was covered."""
    await clinic.lay("A+")
    given_up = await clinic.ask(quantity=3, group="A+")
    assert missing(await clinic.see(given_up)) == [2]
    await clinic.cancel(given_up)
    await clinic.register_hospital(cannot_use=["platelets"])
    await clinic.services.directory.refresh()
    refused = await clinic.ask("platelets", 2, group="A+")
    late = await clinic.ask(quantity=3, need_h=1, group="B+")
    await clinic.pass_time(hours=2.1)
    ended = [await clinic.see(asked) for asked in (given_up, refused, late)]
    assert [(seen["status"], missing(seen)) for seen in ended] == [
        ("cancelled", [3]),
        ("refused", [2]),
        ("expired", [3]),
    ]
    rows = (await clinic.hospital.get("/v1/requests")).json()["requests"]
    listed = {row["request_id"]: [line["missing"] for line in row["lines"]] for row in rows}
    assert [listed[seen["request_id"]] for seen in ended] == [[3], [2], [3]]


async def test_a_line_that_was_taken_out_is_not_told_as_asked_for(clinic: Clinic) -> None:
    lines = [
        {"line_no": 1, "component": "red_cells", "quantity": 2},
        {"line_no": 2, "component": "platelets", "quantity": 1},
    ]
    told = await clinic.ask(lines=lines, group="A+")
    await clinic.amend(told, lines=lines[:1])
    assert [line["line_no"] for line in (await clinic.see(told))["lines"]] == [1]
    (row,) = (await clinic.hospital.get("/v1/requests")).json()["requests"]
    assert [line["line_no"] for line in row["lines"]] == [1]


async def test_c70_freed_blood_goes_to_who_waits(clinic: Clinic) -> None:
    await clinic.lay("A+", "A+")
    has = await clinic.ask(quantity=2, group="A+")
    waits = await clinic.ask(quantity=2, need_h=6, group="A+")
    assert waits["status"] == "open"
    await clinic.cancel(has)
    await clinic.pass_time(seconds=1)
    seen = await clinic.see(waits)
    assert (seen["status"], set(bags(seen))) == ("reserved", set(bags(has)))


async def test_c70_what_typing_gives_back_goes_to_who_waits(clinic: Clinic) -> None:
    await clinic.lay("O+", "A+")
    stranger = await clinic.ask(sex="male", age_years=40)
    waits = await clinic.ask(group="O+")
    assert (given(stranger), waits["status"]) == (["O+"], "open")
    typed = await clinic.amend(stranger, patient={"group": "A+"})
    assert given(typed) == ["A+"]
    await clinic.pass_time(seconds=1)
    assert given(await clinic.see(waits)) == ["O+"]


async def test_c72_who_is_in_danger_takes_what_is_not_picked(clinic: Clinic) -> None:
    await clinic.lay("O-", "O-")
    routine = await clinic.ask(quantity=2, need_h=72, priority=ROUTINE, group="O-")
    dying = await clinic.ask(quantity=2, need_h=2, priority=DYING, group="O-")
    assert set(bags(dying)) == set(bags(routine))
    seen = await clinic.see(routine)
    assert seen["status"] == "open"
    assert "taken_for_life_threatening" in reasons(seen)


async def test_c74_the_last_o_is_there_for_who_comes_in_danger(clinic: Clinic) -> None:
    await clinic.lay("O+", "O+")
    late = await clinic.ask(quantity=2, need_h=17, priority=ROUTINE, group="B+")
    assert late["status"] == "open"
    given_from = refusals(late)["kept_for_emergencies"]["params"]["given_from"]
    assert given_from == (clinic.now + timedelta(hours=17 - 0.5 - 6)).isoformat()
    await clinic.pass_time(hours=3)
    assert given(await clinic.ask(quantity=2, priority=DYING)) == ["O+", "O+"]


async def test_c74_who_can_wait_gets_the_last_o_in_time(clinic: Clinic) -> None:
    await clinic.lay("O+", "O+")
    late = await clinic.ask(quantity=2, need_h=17, priority=ROUTINE, group="B+")
    await clinic.pass_time(hours=17 - 0.5 - 6 + 0.01)
    assert given(await clinic.see(late)) == ["O+", "O+"]


async def test_c76_the_plain_bag_comes_first(clinic: Clinic) -> None:
    special = clinic.bag("A+", left=2, antigen_negative=["E"])
    plain = clinic.bag("A+", left=20)
    await clinic.count(special, plain)
    assert bags(await clinic.ask(need_h=1, group="A+")) == [plain["unit_id"]]
    anti_e = await clinic.ask(need_h=2, group="A+", antibodies=["E"])
    assert bags(anti_e) == [special["unit_id"]]


async def test_c77_who_has_a_choice_makes_room_for_who_has_none(clinic: Clinic) -> None:
    ab = await clinic.ask(quantity=2, need_h=1, group="AB+")
    a = await clinic.ask(quantity=2, need_h=2, group="A+")
    await clinic.lay("A+", "A+", "B+", "B+")
    await clinic.pass_time(seconds=1)
    assert given(await clinic.see(ab)) == ["B+", "B+"]
    assert given(await clinic.see(a)) == ["A+", "A+"]


async def test_c78_all_who_wait_are_looked_at_past_any_page(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promise_progress, "REMATCH_LIMIT", 3)
    for _ in range(4):
        await clinic.ask(priority=DYING, group="O-", antibodies=["K"])
    a = await clinic.ask(need_h=4, group="A+")
    await clinic.lay("A+")
    await clinic.pass_time(seconds=1)
    assert given(await clinic.see(a)) == ["A+"]


async def test_c80_a_lapsed_hold_puts_the_request_back_and_the_hospital_is_told(
    clinic: Clinic,
) -> None:
    await clinic.lay("A+")
    has = await clinic.ask(need_h=3, group="A+")
    await clinic.pass_time(hours=4.1)
    seen = await clinic.see(has)
    assert seen["status"] == "open"
    assert "预留到期" in reasons(seen)["hold_lapsed"]["zh"]
    await clinic.pass_time(seconds=1)
    seen = await clinic.see(has)
    assert (seen["status"], given(seen)) == ("reserved", ["A+"])


async def test_c81_a_bag_that_may_have_left_is_asked_for(clinic: Clinic) -> None:
    await clinic.lay("A+")
    has = await clinic.ask(need_h=1, group="A+")
    await clinic.pass_time(hours=3)
    await clinic.pass_time(seconds=1)
    seen = await clinic.see(has)
    overdue = await clinic.station.get("/v1/overdue", params={"mark": "may_have_left"})
    assert [row["request_id"] for row in overdue.json()["overdue"]] == [has["request_id"]]
    assert "may_have_left" in reasons(seen)
    await clinic.cancel(seen)
    sure = clinic.bag("A+", left=20)
    await clinic.count(sure)
    assert bags(await clinic.ask(group="A+")) == [sure["unit_id"]]


async def test_c90_whoever_gets_nothing_is_told_what_would_serve(clinic: Clinic) -> None:
    await clinic.lay("A+", "B+")
    told = await clinic.ask(priority=DYING)
    assert given(told) == []
    sample = refusals(told)["typing_would_open"]
    assert sample["params"] == {"groups": "A+ B+", "units": 2}
    assert "送检定型" in sample["zh"]
    typed = await clinic.amend(told, patient={"group": "B+"})
    assert given(typed) == ["B+"], "what was told holds"


async def test_a_quantity_that_was_asked_back_is_confirmed_by_its_call(clinic: Clinic) -> None:
    await clinic.lay(*["A+"] * 60, left=20)
    told = await clinic.ask(quantity=30, group="A+")
    assert (len(given(told)), told["status"]) == (20, "open")
    assert told["waiting_for"]["code"] == "confirmation"
    (line,) = told["decision"]["lines"]
    assert (line["unconfirmed"], line["asked_back"][0]["code"]) == (10, "quantity_large")
    assert "xuelian request confirm" in line["asked_back"][0]["zh"]
    path = f"/v1/requests/{told['request_id']}/confirm"

    async def post(**body: object) -> httpx.Response:
        headers = keyed() | {"Prefer": "wait=10"}
        return await clinic.hospital.post(path, json=body, headers=headers)

    assert (await post()).status_code == 400
    assert (await post(quantity_confirmed_by="")).status_code == 400
    assert (await post(quantity_confirmed_by="Dr Tashi", lines=[])).status_code == 400
    answer = await post(quantity_confirmed_by="Dr Tashi")
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "reserved"
    assert answer.json()["decision"]["reasons"][0]["params"] == {"by": "Dr Tashi"}
    seen = await clinic.see(told)
    assert seen["request"]["quantity_confirmed_by"] == "Dr Tashi"
