"""Who waits is served when blood becomes free, in whatever way it does, and by nobody's order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.errors import ContractError
from models.events.requests import RequestAmended, RequestCancelled
from models.events.stock import StockChange, StockChanged
from models.groups import BloodGroup
from models.patients import Patient, Sex
from models.requests import Amendment, Cancellation, Priority, RequestLine, UrgentRequest
from models.rules.rulebook import PACKAGED
from models.units import Unit
from streams.ports import Timer, TimerKind
from streams.services import promise_progress, request_decisions
from streams.services.timer_firing import PUT_OFF
from streams.services.unit_expiry import UNIT_EXPIRY_EVERY
from tests.support.engine import Engine, build_engine
from tests.support.world import NOW, build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

DYING = Priority.LIFE_THREATENING
ROUTINE = Priority.ROUTINE
SOURCE = "hospital/shigatse-people"
USE_S = PACKAGED.safety.use.red_cells_min * 60
LONG_HOLD_S = USE_S + 3600

# A bag that outlives its transfusion expires while it is held only if it is held for longer.
held_long = pytest.mark.parametrize("hold_s", [LONG_HOLD_S])


@pytest.fixture
def hold_s() -> int:
    return 3600


@pytest.fixture
async def engine(endpoints: Endpoints, hold_s: int) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn, hold_s=hold_s) as built:
        yield built


def cancel(request: UrgentRequest) -> RequestCancelled:
    return RequestCancelled(
        cancellation=Cancellation(
            request_id=request.request_id,
            hospital_id=request.hospital_id,
            station_id=request.station_id,
            reason="transferred",
        )
    )


def amend(request: UrgentRequest, **changes: object) -> RequestAmended:
    return RequestAmended(
        amendment=Amendment.model_validate(
            {
                "request_id": request.request_id,
                "hospital_id": request.hospital_id,
                "station_id": request.station_id,
                **changes,
            }
        )
    )


async def pass_time(engine: Engine, seconds: float = 1) -> None:
    engine.clock.move(seconds=seconds)
    await engine.fire_timers()


async def two_who_compete(
    engine: Engine, units: list[Unit], *, first: UrgentRequest, second: UrgentRequest
) -> None:
    await engine.feed(counted(units))
    await pass_time(engine)
    await engine.feed(opened(first))
    await engine.feed(opened(second))
    assert await engine.status_of(second.request_id) == "open"


async def test_f01_cancelled_blood_goes_to_who_waits(engine: Engine) -> None:
    first = build_request(group="A+", quantity=4, priority=ROUTINE)
    second = build_request(group="A+", quantity=2)
    units = [build_unit("A+") for _ in range(4)]
    await two_who_compete(engine, units, first=first, second=second)

    await engine.feed(build_record(cancel(first), source=SOURCE))
    await pass_time(engine)

    assert await engine.status_of(second.request_id) == "reserved"


async def test_f02_amended_blood_goes_to_who_waits(engine: Engine) -> None:
    first = build_request(group="A+", quantity=6, priority=ROUTINE)
    second = build_request(group="A+", quantity=2)
    units = [build_unit("A+") for _ in range(6)]
    await two_who_compete(engine, units, first=first, second=second)

    line = RequestLine(line_no=1, component=Component.RED_CELLS, quantity=1)
    await engine.feed(build_record(amend(first, lines=[line]), source=SOURCE))
    await pass_time(engine)

    assert await engine.status_of(second.request_id) == "reserved"


async def test_f01_a_typing_frees_universal_blood_for_who_waits(engine: Engine) -> None:
    """An unknown patient turns out to be A+: the O- that was held for her is somebody else's."""
    stranger = Patient(sex=Sex.FEMALE, age_years=30)
    first = build_request(patient=stranger, quantity=2, priority=DYING)
    second = build_request(group="O-", quantity=2, priority=DYING)
    units = [build_unit("O-") for _ in range(2)]
    await two_who_compete(engine, units, first=first, second=second)
    await engine.feed(counted([build_unit("A+") for _ in range(2)]))

    typed = Patient(group=BloodGroup.A_POS, sex=Sex.FEMALE, age_years=30)
    await engine.feed(build_record(amend(first, patient=typed), source=SOURCE))
    await pass_time(engine)

    assert await engine.status_of(first.request_id) == "reserved"
    assert await engine.status_of(second.request_id) == "reserved"


async def test_f13_a_way_out_that_comes_later_is_told_once(engine: Engine) -> None:
    patient = Patient(group=BloodGroup.A_NEG, sex=Sex.FEMALE, age_years=25)
    request = build_request(patient=patient, quantity=2, priority=Priority.URGENT)
    await engine.feed(counted([build_unit("A-")]))
    await engine.feed(opened(request))
    query = "SELECT body -> 'lines' -> 0 -> 'refusals' AS told FROM decisions ORDER BY version"
    (first,) = await engine.fetch(query)
    assert "consent_would_open" not in [reason["code"] for reason in first["told"]]

    await engine.feed(counted([build_unit("A+")]))
    await pass_time(engine)
    *_, last = await engine.fetch(query)
    assert "consent_would_open" in [reason["code"] for reason in last["told"]]
    assert await engine.status_of(request.request_id) == "open"

    await engine.feed(counted([build_unit("A+")]))
    await pass_time(engine)
    assert len(await engine.fetch(query)) == 2


async def list_told(engine: Engine, request: UrgentRequest) -> list[set[str]]:
    """The ways out that each decision on a request tells, by code."""
    rows = await engine.fetch(
        "SELECT body -> 'lines' -> 0 -> 'refusals' AS told FROM decisions "
        "WHERE request_id = $1 ORDER BY version",
        request.request_id,
    )
    return [
        {reason["code"] for reason in row["told"] or () if reason["code"].endswith("_would_open")}
        for row in rows
    ]


async def sweep(engine: Engine) -> None:
    """Look at who waits as the sweep does when nothing else happened."""
    await engine.fetch("DELETE FROM timers WHERE kind IN ('rematch', 'waiting_sweep')")
    await engine.fetch(
        "INSERT INTO timers (timer_id, kind, subject, due_at) "
        "VALUES ('waiting_sweep:all', 'waiting_sweep', 'all', $1)",
        engine.clock.now(),
    )
    await engine.fire_timers()
    await pass_time(engine)


async def test_f13_a_way_out_that_is_gone_is_taken_back_once(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_decisions, "WAYS_EVERY_S", 0)
    patient = Patient(group=BloodGroup.A_NEG, sex=Sex.FEMALE, age_years=25)
    request = build_request(patient=patient, quantity=2, priority=Priority.URGENT, needed_in_h=9)
    await engine.feed(counted([build_unit("A+")]))
    await engine.feed(opened(request))
    # Whoever is A+ takes the last red cells of the station.
    await engine.feed(opened(build_request(group="A+", quantity=1, needed_in_h=9)))
    assert await list_told(engine, request) == [{"consent_would_open"}]

    await sweep(engine)
    assert await list_told(engine, request) == [{"consent_would_open"}, set()]
    assert (await last_decision(engine, request))["waiting_for"] == "donors_and_neighbours"

    await sweep(engine)
    assert len(await list_told(engine, request)) == 2


async def test_f13_a_way_out_by_another_component_alone_is_told_and_taken_back(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_decisions, "WAYS_EVERY_S", 0)
    request = build_request(group="A+", quantity=1, priority=DYING, needed_in_h=9)
    await engine.feed(opened(request))
    assert await list_told(engine, request) == [set()]

    washed = Component.WASHED_RED_CELLS
    await engine.feed(
        counted([build_unit("A+", component=washed, expires_in_h=15, collected_ago_h=6)])
    )
    await pass_time(engine)
    assert await list_told(engine, request) == [set(), {"component_would_open"}]

    await engine.feed(opened(build_request(group="A+", component=washed, quantity=1)))
    await sweep(engine)
    assert await list_told(engine, request) == [set(), {"component_would_open"}, set()]


async def test_f01_a_lapsed_hold_goes_to_who_waits(engine: Engine) -> None:
    """Of two who may have it, the more urgent; the other waits again (C80)."""
    first = build_request(group="A+", quantity=1, priority=ROUTINE, needed_in_h=1)
    second = build_request(group="A+", quantity=1, needed_in_h=9)
    await two_who_compete(engine, [build_unit("A+")], first=first, second=second)

    await pass_time(engine, 7300)
    await pass_time(engine)

    assert await engine.status_of(second.request_id) == "reserved"
    assert await engine.status_of(first.request_id) == "open"


async def test_f01_all_who_wait_are_looked_at_however_many(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that the free blood cannot serve stand before the one whom it can."""
    monkeypatch.setattr(promise_progress, "REMATCH_LIMIT", 3)
    before = [build_request(group="O-", quantity=1, priority=DYING) for _ in range(7)]
    last = build_request(group="A+", quantity=1, priority=ROUTINE)
    await engine.feed(*[opened(request) for request in (*before, last)])

    await engine.feed(counted([build_unit("A+")]))
    await pass_time(engine)

    assert await engine.status_of(last.request_id) == "reserved"


async def test_f01_a_sweep_finds_who_waits_when_nothing_else_happens(engine: Engine) -> None:
    request = build_request(group="A+", quantity=1, priority=DYING)
    await engine.feed(opened(request))
    await engine.feed(counted([build_unit("A+")]))
    # As if whatever freed the blood had set no timer.
    await engine.fetch("DELETE FROM timers")
    await engine.fetch(
        "INSERT INTO timers (timer_id, kind, subject, due_at) "
        "VALUES ('waiting_sweep:all', 'waiting_sweep', 'all', $1)",
        engine.clock.now(),
    )

    await engine.fire_timers()
    await pass_time(engine)

    assert await engine.status_of(request.request_id) == "reserved"
    row = await engine.one("SELECT due_at FROM timers WHERE kind = 'waiting_sweep'")
    assert NOW < row["due_at"] <= NOW + timedelta(seconds=60)


async def test_f01_a_rematch_that_helps_nobody_writes_nothing(engine: Engine) -> None:
    request = build_request(group="O-", quantity=1)
    await engine.feed(opened(request))
    await engine.feed(counted([build_unit("A+")]))
    await pass_time(engine)
    await pass_time(engine, 60)

    row = await engine.one("SELECT version FROM requests WHERE request_id = $1", request.request_id)
    assert row["version"] == 1


async def test_f06_no_bag_is_promised_for_a_day_on_which_it_will_have_expired(
    engine: Engine,
) -> None:
    platelets = build_unit("A+", component=Component.PLATELETS, expires_in_h=60, collected_ago_h=24)
    red_cells = build_unit("A+", expires_in_h=600)
    await engine.feed(counted([platelets, red_cells]))
    later = build_request(group="A+", component=Component.PLATELETS, quantity=1, needed_in_h=24 * 6)
    far = build_request(group="A+", quantity=1, needed_in_h=24 * 40)
    soon = build_request(group="A+", quantity=1, needed_in_h=2)

    await engine.feed(opened(later), opened(far))
    await engine.feed(opened(soon))

    assert await engine.status_of(later.request_id) == "open"
    assert await engine.status_of(far.request_id) == "open"
    assert await engine.status_of(soon.request_id) == "reserved"
    rows = await engine.fetch(
        "SELECT body -> 'lines' -> 0 -> 'refusals' -> 0 ->> 'code' AS code "
        "FROM decisions WHERE request_id = ANY($1)",
        [later.request_id, far.request_id],
    )
    assert [row["code"] for row in rows] == ["expires_before_needed"] * 2


@held_long
async def test_f06_nothing_is_held_for_longer_than_it_can_be_given(engine: Engine) -> None:
    await engine.services.directory.put_routes({("shigatse", "shigatse-people"): 20})
    await engine.services.directory.refresh()
    unit = build_unit("A+", expires_in_h=6.5)
    await engine.feed(counted([unit]))
    await engine.feed(opened(build_request(group="A+", quantity=1, needed_in_h=2)))

    row = await engine.one("SELECT hold_until FROM promises")
    assert row["hold_until"] == unit.expires_at - timedelta(seconds=USE_S + 20)


async def test_f05_a_routine_order_uses_up_no_rhd_negative_blood(engine: Engine) -> None:
    shelf = [build_unit("O+"), build_unit("O+"), build_unit("O-"), build_unit("O-")]
    dying_soon = build_unit("O-", expires_in_h=70)
    await engine.feed(counted([*shelf, dying_soon]))
    routine = build_request(group="O+", quantity=10, priority=ROUTINE)
    await engine.feed(opened(routine))
    rows = await engine.fetch("SELECT unit_id, blood_group FROM promises ORDER BY blood_group")
    assert [row["blood_group"] for row in rows] == ["O+", "O+", "O-"]
    assert rows[-1]["unit_id"] == dying_soon.unit_id
    row = await engine.one(
        "SELECT body -> 'lines' -> 0 -> 'refusals' AS refusals FROM decisions "
        "WHERE request_id = $1",
        routine.request_id,
    )
    assert row["refusals"][0]["code"] == "kept_for_rhd_negative"

    urgent = build_request(group="O+", quantity=2)
    await engine.feed(opened(urgent))
    assert await engine.status_of(urgent.request_id) == "open"
    dying = build_request(group="O+", quantity=2, priority=DYING)
    await engine.feed(opened(dying))
    assert await engine.status_of(dying.request_id) == "reserved"


async def test_f15_a_needed_by_time_just_past_is_served_and_marked_late(engine: Engine) -> None:
    await engine.feed(counted([build_unit("A+")]))
    request = build_request(group="A+", quantity=1, priority=DYING, needed_in_h=-0.01)
    await engine.feed(opened(request))
    assert await engine.status_of(request.request_id) == "reserved"
    row = await engine.one("SELECT body -> 'reasons' -> 0 ->> 'code' AS code FROM decisions")
    assert row["code"] == "arrives_late"


async def scan(engine: Engine, unit_id: str, *changes: StockChange, **fields: Any) -> None:  # noqa: ANN401 - any field
    row = await engine.one("SELECT epoch FROM units WHERE unit_id = $1", unit_id)
    for change in changes:
        event = StockChanged(
            station_id="shigatse",
            unit_id=unit_id,
            change=change,
            epoch=row["epoch"],
            happened_at=engine.clock.now(),
            done_by="tester",
            **fields,
        )
        source = SOURCE if change is StockChange.RECEIVED else "station/shigatse"
        await engine.feed(build_record(event, source=source))
    assert await engine.dead_letter_codes() == []


async def last_decision(engine: Engine, request: UrgentRequest) -> dict[str, Any]:
    row = await engine.one(
        "SELECT body FROM decisions WHERE request_id = $1 ORDER BY version DESC LIMIT 1",
        request.request_id,
    )
    return dict(row["body"])


async def live_units(engine: Engine) -> set[str]:
    rows = await engine.fetch("SELECT unit_id FROM promises WHERE status IN ('held', 'issued')")
    return {row["unit_id"] for row in rows}


@held_long
async def test_a_bag_that_expires_ends_alone_and_is_replaced(engine: Engine) -> None:
    await engine.services.directory.put_routes({("shigatse", "shigatse-people"): 20})
    await engine.services.directory.refresh()
    short = build_unit("A+", expires_in_h=(USE_S + 75) / 3600)
    longer, spare = build_unit("A+", expires_in_h=48), build_unit("A+", expires_in_h=72)
    await engine.feed(counted([short, longer, spare]))
    request = build_request(group="A+", quantity=2, priority=DYING, needed_in_h=20 / 3600)
    await engine.feed(opened(request))
    rows = await engine.fetch("SELECT unit_id, hold_until FROM promises ORDER BY hold_until")
    told = await last_decision(engine, request)
    assert rows[0]["hold_until"] == short.expires_at - timedelta(seconds=USE_S + 20)
    assert rows[1]["hold_until"] == datetime.fromisoformat(told["hold_until"])
    assert rows[1]["hold_until"] == NOW + timedelta(seconds=20 + LONG_HOLD_S)
    await engine.fetch(
        "INSERT INTO timers VALUES ('unit_expiry:all', 'unit_expiry', 'all', $1)", NOW
    )

    await pass_time(engine, USE_S + 75)
    assert await engine.status_of(request.request_id) == "reserved"
    await pass_time(engine, 60)

    assert await engine.status_of(request.request_id) == "reserved"
    assert await live_units(engine) == {longer.unit_id, spare.unit_id}
    (reason,) = (await last_decision(engine, request))["reasons"][:1]
    assert (reason["code"], reason["params"]) == ("unit_lost_expired", {"unit_id": short.unit_id})


@held_long
async def test_c63_a_bag_that_could_not_be_given_in_time_is_replaced(engine: Engine) -> None:
    await engine.services.directory.put_routes({("shigatse", "shigatse-people"): 20})
    await engine.services.directory.refresh()
    short = build_unit("A+", expires_in_h=(USE_S + 75) / 3600)
    longer, spare = build_unit("A+", expires_in_h=48), build_unit("A+", expires_in_h=72)
    await engine.feed(counted([short, longer, spare]))
    request = build_request(group="A+", quantity=2, priority=DYING, needed_in_h=20 / 3600)
    await engine.feed(opened(request))
    await scan(engine, short.unit_id, StockChange.PICKED)
    await engine.fetch(
        "INSERT INTO timers VALUES ('unit_expiry:all', 'unit_expiry', 'all', $1)", NOW
    )

    await pass_time(engine, 55)
    assert await live_units(engine) == {short.unit_id, longer.unit_id}, "it may just leave"
    await pass_time(engine, 60)

    assert await engine.status_of(request.request_id) == "reserved"
    assert await live_units(engine) == {longer.unit_id, spare.unit_id}
    (reason,) = (await last_decision(engine, request))["reasons"][:1]
    assert (reason["code"], reason["params"]) == ("unit_too_late", {"unit_id": short.unit_id})


@held_long
async def test_the_expiry_of_an_issued_bag_gives_no_other_back(engine: Engine) -> None:
    await engine.services.directory.put_routes({("shigatse", "shigatse-people"): 20})
    await engine.services.directory.refresh()
    short = build_unit("A+", expires_in_h=(USE_S + 75) / 3600)
    longer, spare = build_unit("A+", expires_in_h=48), build_unit("A+", expires_in_h=72)
    await engine.feed(counted([short, longer, spare]))
    request = build_request(group="A+", quantity=2, priority=DYING, needed_in_h=20 / 3600)
    await engine.feed(opened(request))
    await scan(engine, short.unit_id, StockChange.PICKED, StockChange.ISSUED)

    await pass_time(engine, USE_S + 75)
    await pass_time(engine, 60)

    assert await engine.status_of(request.request_id) == "reserved"
    assert await live_units(engine) == {short.unit_id, longer.unit_id}


async def test_a_timer_whose_firing_is_a_fault_keeps_no_other_from_its_turn(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Timer(kind=TimerKind.REQUEST_EXPIRY, subject="r-none", due_at=NOW)

    async def fail(*_: object) -> None:
        raise ContractError("value_unstorable", detail="planted")

    monkeypatch.setitem(engine.services.timers._fires, broken.kind, fail)
    await engine.fetch(
        "INSERT INTO timers VALUES ($1, 'request_expiry', 'r-none', $2), "
        "('unit_expiry:all', 'unit_expiry', 'all', $3)",
        broken.timer_id,
        NOW,
        NOW + timedelta(seconds=1),
    )
    engine.clock.move(seconds=10)
    with pytest.raises(ContractError) as found:
        await engine.fire_timers()
    assert broken.timer_id in found.value.__notes__[0]

    assert await engine.fire_timers() == 1
    rows = await engine.fetch("SELECT due_at FROM timers WHERE subject = 'r-none'")
    assert [row["due_at"] for row in rows] == [NOW + timedelta(seconds=10) + PUT_OFF]


async def test_a_timer_of_a_request_that_cannot_be_read_keeps_no_other_from_its_turn(
    engine: Engine,
) -> None:
    request = build_request(group="A+", quantity=1, priority=DYING)
    await engine.feed(counted([build_unit("A+")]))
    await engine.feed(opened(request))
    await engine.fetch("DELETE FROM timers WHERE kind <> 'hold_lapse'")
    await engine.fetch(
        "INSERT INTO timers VALUES ('unit_expiry:all', 'unit_expiry', 'all', $1)",
        NOW + timedelta(days=1),
    )
    await engine.fetch("UPDATE requests SET body = body - 'lines'")
    engine.clock.move(days=2)
    with pytest.raises(ValidationError) as found:
        await engine.fire_timers()
    assert f"hold_lapse:{request.request_id}" in found.value.__notes__[0]

    # The sweep has its turn; it looks at the holds of each request by a timer of their own.
    with pytest.raises(ValidationError) as found:
        await engine.fire_timers()
    assert f"hold_past:{request.request_id}" in found.value.__notes__[0]
    rows = await engine.fetch("SELECT due_at FROM timers WHERE kind = 'unit_expiry'")
    assert [row["due_at"] for row in rows] == [engine.clock.now() + UNIT_EXPIRY_EVERY]
    assert await engine.fire_timers() == 0
    rows = await engine.fetch("SELECT due_at FROM timers WHERE kind = 'hold_lapse'")
    assert [row["due_at"] for row in rows] == [engine.clock.now() + PUT_OFF]


async def test_an_issued_bag_sets_no_hold(engine: Engine) -> None:
    unit = build_unit("A+")
    await engine.feed(counted([unit]))
    request = build_request(group="A+", quantity=2, priority=DYING)
    await engine.feed(opened(request))
    await scan(engine, unit.unit_id, StockChange.PICKED, StockChange.ISSUED)

    await engine.feed(build_record(amend(request, note="bed 4"), source=SOURCE))

    assert "hold_until" not in await last_decision(engine, request)


async def ask_and_send(engine: Engine, *, asked: int, sent: int, received: int) -> UrgentRequest:
    """A request of so many A+ that are free, of which some have left and some arrived."""
    units = [build_unit("A+", expires_in_h=48 + at) for at in range(sent)]
    await engine.feed(counted(units))
    request = build_request(group="A+", quantity=asked, priority=DYING)
    await engine.feed(opened(request))
    for at, unit in enumerate(units):
        await scan(engine, unit.unit_id, StockChange.PICKED, StockChange.ISSUED)
        if at < received:
            await scan(engine, unit.unit_id, StockChange.DEPARTED, StockChange.RECEIVED)
    return request


@pytest.mark.parametrize(
    ("received", "changes", "status", "waiting_for"),
    [
        (2, {"quantity": 2}, "fulfilled", ""),
        (2, {"quantity": 1}, "fulfilled", ""),
        (0, {"quantity": 1}, "reserved", "delivery"),
        (1, {"quantity": 2}, "reserved", "delivery"),
        (0, {"quantity": 3}, "open", "donors_and_neighbours"),
    ],
)
async def test_an_amended_request_stands_where_its_units_are(
    engine: Engine, received: int, changes: dict[str, int], status: str, waiting_for: str
) -> None:
    request = await ask_and_send(engine, asked=3, sent=2, received=received)

    line = RequestLine(line_no=1, component=Component.RED_CELLS, **changes)
    await engine.feed(build_record(amend(request, lines=[line]), source=SOURCE))

    row = await engine.one("SELECT status, waiting_for FROM requests")
    assert tuple(row) == (status, waiting_for)


async def test_a_note_amended_after_the_issue_waits_for_delivery(engine: Engine) -> None:
    request = await ask_and_send(engine, asked=2, sent=2, received=0)

    await engine.feed(build_record(amend(request, note="bed 4"), source=SOURCE))

    told = await last_decision(engine, request)
    assert (told["outcome"], told["waiting_for"]) == ("reserved", "delivery")
    assert "eta_s" not in told


async def test_a_cancelled_request_tells_of_the_bag_on_its_way(engine: Engine) -> None:
    request = await ask_and_send(engine, asked=3, sent=2, received=1)
    await engine.feed(counted([build_unit("A+")]))
    await pass_time(engine)

    await engine.feed(build_record(cancel(request), source=SOURCE))

    told = await last_decision(engine, request)
    assert told["outcome"] == "cancelled"
    assert [(reason["code"], reason["params"]) for reason in told["reasons"]] == [
        ("cancelled_by_hospital", {"reason": "transferred", "units_given_back": 1}),
        ("units_still_on_the_way", {"units": 1}),
        ("units_received_before", {"units": 1}),
    ]


@pytest.mark.parametrize("change", [StockChange.DISCARDED, StockChange.RETURNED])
async def test_a_lost_bag_is_told(engine: Engine, change: StockChange) -> None:
    request = await ask_and_send(engine, asked=1, sent=1, received=0)
    row = await engine.one("SELECT unit_id FROM units")
    out = {"out_of_control_s": 600} if change is StockChange.RETURNED else {}

    await scan(engine, row["unit_id"], change, **out)

    (reason,) = (await last_decision(engine, request))["reasons"]
    assert reason["code"] == f"unit_lost_{change}"
    assert reason["params"] == {"unit_id": row["unit_id"]}


async def test_a_hold_that_lapses_while_blood_still_helps_is_decided_again(
    endpoints: Endpoints,
) -> None:
    async with build_engine(endpoints.postgres_dsn, hold_s=60) as engine:
        await engine.feed(counted([build_unit("A+"), build_unit("A+")]))
        request = build_request(group="A+", quantity=2, priority=DYING, needed_in_h=1)
        await engine.feed(opened(request))

        units = sorted(await live_units(engine))
        await pass_time(engine, 3660)
        assert await engine.status_of(request.request_id) == "open"
        told = await last_decision(engine, request)
        assert told["reasons"][0] == {
            "code": "hold_lapsed",
            "params": {"units_given_back": 2},
            "rule": "",
        }
        assert [
            (reason["code"], reason["params"]["unit_id"]) for reason in told["reasons"][1:3]
        ] == [("unit_given_back", unit_id) for unit_id in units]
        await pass_time(engine)
        assert await engine.status_of(request.request_id) == "reserved"
        assert len(await live_units(engine)) == 2

        # When nobody has come for it for hours, it ends.
        for _ in range(330):
            await pass_time(engine, 60)
        assert await engine.status_of(request.request_id) == "expired"
        assert await live_units(engine) == set()
