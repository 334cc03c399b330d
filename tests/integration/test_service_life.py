"""A unit from the vein to the patient, and back, on a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.events.requests import RequestCancelled
from models.events.stock import StockChange
from models.laboratory import LabOutcome, LabTest
from models.requests import Cancellation
from models.units import UnitTraits
from tests.support.laboratory import build_result, from_laboratory, list_clear
from tests.support.life import LifeEngine, build_life_engine
from tests.support.world import NOW, build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

C = StockChange
PEOPLES = "hospital/shigatse-people"


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[LifeEngine]:
    async with build_life_engine(endpoints.postgres_dsn) as built:
        yield built


@pytest.fixture
async def called(engine: LifeEngine) -> LifeEngine:
    """With donors on call."""
    await engine.put_reserve(40, staff=True)
    await engine.alert()
    return engine


async def test_from_the_vein_to_the_patient(called: LifeEngine) -> None:
    engine = called
    request_id = await engine.ask(group="O+", quantity=1)
    donation_id = await engine.collect("WB-1")
    assert await engine.state("WB-1") == "collected"
    assert not await engine.split(
        "WB-1",
        {"RC-1": (Component.RED_CELLS, 200), "FP-1": (Component.FRESH_FROZEN_PLASMA, 150)},
    )
    assert await engine.states() == {
        "WB-1": "split",
        "RC-1": "quarantined",
        "FP-1": "quarantined",
    }
    child = await engine.one("SELECT * FROM units WHERE unit_id = 'RC-1'")
    assert (child["donation_id"], child["parent_id"]) == (donation_id, "WB-1")
    assert child["collected_at"] == NOW
    assert child["expires_at"] == NOW + timedelta(days=35)
    await engine.clear(donation_id)
    assert await engine.state("RC-1") == "available"
    await engine.fire_timers_of("rematch")
    await engine.scan_all("RC-1", C.PICKED, C.ISSUED, C.DEPARTED)
    await engine.scan_all("RC-1", C.RECEIVED, C.TRANSFUSED, source=PEOPLES)
    assert await engine.status_of(request_id) == "fulfilled"
    assert await engine.trail("RC-1") == [
        ("", "quarantined"),
        ("quarantined", "available"),
        ("available", "reserved"),
        ("reserved", "picked"),
        ("picked", "issued"),
        ("issued", "in_transit"),
        ("in_transit", "received"),
        ("received", "transfused"),
    ]
    scans = await engine.fetch("SELECT change, actor, facility_id, done_by FROM unit_scans")
    assert [tuple(row) for row in scans][-1] == (
        "transfused",
        "hospital",
        "shigatse-people",
        "tester",
    )


async def test_results_may_come_before_the_unit(engine: LifeEngine) -> None:
    unit = build_unit("B+")
    await engine.clear(unit.donation_id, "B+")
    await engine.feed(counted([unit], released=False))
    assert await engine.state(unit.unit_id) == "available"
    row = await engine.one("SELECT released_at, attested_by FROM units")
    assert (row["released_at"], row["attested_by"]) == (NOW, None)


async def test_an_attestation_is_kept_and_audited(engine: LifeEngine) -> None:
    unit = build_unit("B+")
    await engine.feed(counted([unit]))
    row = await engine.one("SELECT released_at, attested_by FROM units")
    assert (row["released_at"], row["attested_by"]) == (unit.collected_at, "quality")
    why = await engine.one("SELECT why FROM audit WHERE subject = $1", unit.unit_id)
    assert why["why"].startswith("counted: released by quality at 2025-01-0")


async def test_no_count_goes_around_what_we_know_of_a_donation(engine: LifeEngine) -> None:
    reactive = build_result(LabTest.HBSAG, outcome=LabOutcome.REACTIVE)
    found, held, recalled = (build_unit("O+", unit_id=name) for name in ("f", "H", "R"))
    await engine.feed(*from_laboratory(found.donation_id, [reactive]))
    await engine.feed(counted([held], released=False))
    await engine.feed(counted([recalled]))
    await engine.recall(recalled.donation_id)
    others = [unit.but(unit_id=f"{unit.unit_id}-2") for unit in (found, held, recalled)]
    for other in others:
        await engine.feed(counted([other]))
    await engine.feed(counted([others[2].but(unit_id="R-3")], released=False))
    assert await engine.dead_letter_codes() == [
        "results_forbid_release",
        "donation_in_quarantine",
        "donation_recalled",
        "donation_recalled",
    ]
    assert await engine.states() == {"H": "quarantined", "R": "recalled"}
    # Counting it once more as released does not release what we hold in quarantine.
    await engine.feed(counted([held]))
    assert await engine.state("H") == "quarantined"


async def test_repeatedly_reactive_is_discarded_and_contradicting_waits(
    engine: LifeEngine,
) -> None:
    units = [build_unit("O+", unit_id=name) for name in ("TWICE", "TORN")]
    await engine.feed(counted(units, released=False))
    reactive = {"outcome": LabOutcome.REACTIVE}
    twice = [build_result(LabTest.NAT, **reactive) for _ in range(2)]
    torn = [*list_clear("O+"), build_result(LabTest.NAT, **reactive)]
    await engine.feed(*from_laboratory("D-TWICE", twice))
    await engine.feed(*from_laboratory("D-TORN", torn[:3] + torn[-1:] + torn[3:-1]))
    assert await engine.states() == {"TWICE": "discarded", "TORN": "quarantined"}
    correction = build_result(
        LabTest.NAT, supersedes=torn[-1].result_id, note="other donation's tube"
    )
    await engine.feed(*from_laboratory("D-TORN", [correction]))
    assert await engine.state("TORN") == "available"
    rows = await engine.fetch("SELECT 1 FROM test_results WHERE donation_id = 'D-TORN'")
    assert len(rows) == 9


async def test_results_are_added_never_replaced(engine: LifeEngine) -> None:
    first = build_result(LabTest.NAT)
    again = first.but(outcome=LabOutcome.REACTIVE)
    fix = build_result(LabTest.NAT, supersedes=first.result_id, note="x")
    other = build_result(LabTest.NAT, supersedes=first.result_id, note="y")
    elsewhere = build_result(LabTest.ALT, supersedes=first.result_id, note="z")
    await engine.feed(*from_laboratory("D-1", [first, again, fix, other, elsewhere]))
    assert await engine.dead_letter_codes() == [
        "result_id_reused",
        "result_corrected_before",
        "corrected_result_unknown",
    ]


@pytest.mark.parametrize(
    ("components", "code"),
    [
        (
            {"a": (Component.RED_CELLS, 300), "b": (Component.PLATELETS, 101)},
            "split_volume_exceeds",
        ),
        ({"a": (Component.WHOLE_BLOOD, 300)}, "component_not_of_whole_blood"),
        ({"KNOWN": (Component.RED_CELLS, 200)}, "unit_id_reused"),
    ],
)
async def test_a_split_that_cannot_be_changes_nothing(
    called: LifeEngine, components: dict[str, tuple[Component, int]], code: str
) -> None:
    await called.feed(counted([build_unit("O+", unit_id="KNOWN")]))
    await called.collect("WB-1")
    assert await called.split("WB-1", components) == [code]
    assert await called.states() == {"WB-1": "collected", "KNOWN": "available"}


async def test_only_whole_blood_is_split_and_only_once(called: LifeEngine) -> None:
    await called.collect("WB-1")
    assert not await called.split("WB-1", {"a": (Component.RED_CELLS, 200)})
    assert await called.split("WB-1", {"b": (Component.RED_CELLS, 200)}) == ["unit_state_forbids"]
    assert await called.split("a", {"c": (Component.RED_CELLS, 100)}) == ["not_whole_blood"]


DEGLYCEROLISED = Component.DEGLYCEROLISED_RED_CELLS


async def test_c59_a_frozen_bag_is_deglycerolised_by_its_station(engine: LifeEngine) -> None:
    frozen = build_unit(
        "A-", unit_id="FR-1", component=Component.FROZEN_RED_CELLS, collected_ago_h=9_000
    )
    await engine.feed(counted([frozen]))
    request = build_request(group="A-", quantity=1, component=Component.FROZEN_RED_CELLS)
    await engine.feed(opened(request))
    assert await engine.status_of(request.request_id) == "refused"
    assert await engine.split("FR-1", {"RC-1": (Component.RED_CELLS, 200)}) == [
        "component_not_of_frozen"
    ]
    assert not await engine.split("FR-1", {"DG-1": (DEGLYCEROLISED, 220)})
    assert await engine.states() == {"FR-1": "split", "DG-1": "available"}
    made = await engine.one("SELECT * FROM units WHERE unit_id = 'DG-1'")
    assert (made["parent_id"], made["attested_by"]) == ("FR-1", "quality")
    assert made["expires_at"] == made["usable_until"] == NOW + timedelta(hours=24)
    asked = build_request(group="A-", quantity=1, component=DEGLYCEROLISED)
    await engine.feed(opened(asked))
    assert await engine.status_of(asked.request_id) == "reserved"


async def test_what_is_made_of_a_frozen_bag_is_released_by_the_results_of_its_donation(
    engine: LifeEngine,
) -> None:
    frozen = build_unit("A-", unit_id="FR-1", component=Component.FROZEN_RED_CELLS)
    await engine.clear(frozen.donation_id, "A-")
    await engine.feed(counted([frozen], released=False))
    assert await engine.state("FR-1") == "available"
    assert not await engine.split("FR-1", {"DG-1": (DEGLYCEROLISED, 220)})
    assert await engine.trail("DG-1") == [("", "quarantined"), ("quarantined", "available")]


async def test_c07_plasma_that_was_thawed_30_h_ago_is_not_given(engine: LifeEngine) -> None:
    bag = build_unit("A+", unit_id="FFP", component=Component.FRESH_FROZEN_PLASMA)
    bag = bag.but(collected_at=NOW - timedelta(days=9), expires_at=NOW + timedelta(days=300))
    await engine.feed(counted([bag]))
    request = build_request(group="A+", quantity=1, component=Component.FRESH_FROZEN_PLASMA)
    await engine.feed(opened(request))
    await engine.scan_all("FFP", C.PICKED, C.ISSUED)
    early = NOW - timedelta(days=20)
    assert await engine.scan("FFP", C.RECEIVED, source=PEOPLES, thawed_at=early) == ["not_thawed"]
    await engine.scan_all("FFP", C.RECEIVED, source=PEOPLES, thawed_at=NOW)
    row = await engine.one("SELECT * FROM units WHERE unit_id = 'FFP'")
    assert row["usable_until"] == NOW + timedelta(hours=24)
    engine.clock.move(hours=30)
    assert await engine.scan("FFP", C.TRANSFUSED, source=PEOPLES) == ["unit_expired"]
    # Told only now, or told otherwise: the first hour stands.
    late = engine.clock.now() - timedelta(hours=1)
    assert await engine.scan("FFP", C.TRANSFUSED, source=PEOPLES, thawed_at=late) == [
        "unit_expired"
    ]


async def test_whole_blood_on_the_shelf_is_not_split(engine: LifeEngine) -> None:
    await engine.feed(counted([build_unit("O+", unit_id="WB", component=Component.WHOLE_BLOOD)]))
    assert await engine.split("WB", {"RC": (Component.RED_CELLS, 100)}) == ["unit_state_forbids"]


async def test_an_end_that_its_making_sets_ends_a_bag_on_the_shelf(engine: LifeEngine) -> None:
    bag = build_unit("A+", unit_id="IR", collected_ago_h=13 * 24, expires_in_h=20 * 24)
    bag = bag.but(traits=UnitTraits(irradiated=True))
    await engine.feed(counted([bag]))
    row = await engine.one("SELECT * FROM units WHERE unit_id = 'IR'")
    assert row["usable_until"] == bag.collected_at + timedelta(days=14) < row["expires_at"]
    engine.clock.move(days=2)
    await engine.fetch(
        "INSERT INTO timers VALUES ('unit_expiry:all', 'unit_expiry', 'all', $1)", NOW
    )
    await engine.fire_timers_of("unit_expiry")
    assert await engine.state("IR") == "expired"


async def test_the_reserve_counts_a_split_donation_once_more_until_it_is_released(
    called: LifeEngine,
) -> None:
    donation_id = await called.collect("WB-1")
    await called.split("WB-1", {"RC-1": (Component.RED_CELLS, 200)})
    async with called.work() as work:
        (call,) = [
            call
            for call in await work.reserve.list_calls("shigatse", since=NOW)
            if call.status == "donated"
        ]
        assert call.unit_status == "quarantined"
    await called.clear(donation_id)
    async with called.work() as work:
        (call,) = [
            call
            for call in await work.reserve.list_calls("shigatse", since=NOW)
            if call.status == "donated"
        ]
        assert call.unit_status == "available"


async def test_a_split_donation_is_lost_when_all_its_components_are(called: LifeEngine) -> None:
    await called.collect("WB-1")
    components = {"RC-1": (Component.RED_CELLS, 200), "PL-1": (Component.FROZEN_PLASMA, 100)}
    await called.split("WB-1", components)
    for unit_id, status in (("RC-1", "quarantined"), ("PL-1", "discarded")):
        assert await called.scan(unit_id, C.DISCARDED, reason="leaking") == []
        async with called.work() as work:
            calls = await work.reserve.list_calls("shigatse", since=NOW)
        assert [call.unit_status for call in calls if call.status == "donated"] == [status]


async def test_a_wrong_label_that_ended_disputes_no_donor(called: LifeEngine) -> None:
    """The bag was split and its components discarded: nothing waits to be settled any more."""
    await called.collect("WB-1", group="A-")
    await called.split("WB-1", {"RC-1": (Component.RED_CELLS, 200)})
    query = "SELECT count(*) AS disputed FROM known_otherwise('shigatse') WHERE group_disputed"
    assert (await called.one(query))["disputed"] == 1
    assert await called.scan("RC-1", C.DISCARDED, reason="wrong label") == []
    assert (await called.one(query))["disputed"] == 0


async def test_red_cells_come_back_within_thirty_minutes_and_not_after(
    engine: LifeEngine,
) -> None:
    for unit_id, out_s in (("SOON", 1800), ("LATE", 1801)):
        await engine.promised(unit_id)
        await engine.scan_all(unit_id, C.ISSUED)
        # Refused at the door: the hospital never received it.
        await engine.scan_all(unit_id, C.RETURNED, source=PEOPLES, out_of_control_s=out_s)
        promise = await engine.one("SELECT status FROM promises WHERE unit_id = $1", unit_id)
        assert promise["status"] == "lost"
    assert await engine.scan("SOON", C.RESTOCKED) == []
    assert await engine.scan("LATE", C.RESTOCKED) == ["out_of_control_too_long"]
    assert await engine.states() == {"SOON": "available", "LATE": "returned"}
    await engine.scan_all("LATE", C.DISCARDED)


async def test_time_out_of_control_adds_up(engine: LifeEngine) -> None:
    await engine.promised("U")
    await engine.scan_all("U", C.ISSUED)
    await engine.scan_all("U", C.RETURNED, out_of_control_s=1000)
    await engine.scan_all("U", C.RESTOCKED)
    await engine.fire_timers_of("rematch")
    await engine.scan_all("U", C.ISSUED)
    await engine.scan_all("U", C.RETURNED, out_of_control_s=1000)
    assert await engine.scan("U", C.RESTOCKED) == ["out_of_control_too_long"]


async def test_what_a_hospital_received_never_goes_back(engine: LifeEngine) -> None:
    await engine.promised("U")
    await engine.scan_all("U", C.ISSUED, C.RECEIVED)
    await engine.scan_all("U", C.RETURNED, source=PEOPLES, out_of_control_s=0)
    promise = await engine.one("SELECT status FROM promises WHERE unit_id = 'U'")
    assert promise["status"] == "released"
    assert await engine.scan("U", C.RESTOCKED) == ["return_handed_over"]
    await engine.scan_all("U", C.DISCARDED)


async def test_what_never_arrived_is_replaced_for_its_patient(engine: LifeEngine) -> None:
    request_id = await engine.promised("FIRST")
    await engine.feed(counted([build_unit("O+", unit_id="SECOND")]))
    await engine.scan_all("FIRST", C.PICKED, C.ISSUED, C.DEPARTED, C.RETURNED)
    promises = await engine.fetch("SELECT unit_id, status FROM promises ORDER BY unit_id")
    assert [tuple(row) for row in promises] == [("FIRST", "lost"), ("SECOND", "held")]
    assert await engine.status_of(request_id) == "reserved"


async def test_plasma_never_goes_back(engine: LifeEngine) -> None:
    plasma = build_unit("AB+", unit_id="FP", component=Component.FRESH_FROZEN_PLASMA)
    await engine.feed(counted([plasma]))
    await engine.ask(group="AB+", quantity=1, component=Component.FRESH_FROZEN_PLASMA)
    await engine.scan_all("FP", C.ISSUED)
    await engine.scan_all("FP", C.RETURNED, out_of_control_s=0)
    assert await engine.scan("FP", C.RESTOCKED) == ["return_not_allowed"]


async def test_a_hospital_speaks_of_its_own_patients_and_its_own_steps(
    engine: LifeEngine,
) -> None:
    await engine.promised("U")
    other = "hospital/dingri-county"
    assert await engine.scan("U", C.PICKED, source=PEOPLES) == ["unit_actor_forbids"]
    await engine.scan_all("U", C.ISSUED)
    assert await engine.scan("U", C.RECEIVED, source=other) == ["unit_of_other_hospital"]
    await engine.scan_all("U", C.RECEIVED, source=PEOPLES)
    assert await engine.scan("U", C.TRANSFUSED, source=other) == ["unit_of_other_hospital"]
    assert await engine.scan("U", C.TRANSFUSED, source=PEOPLES, epoch=7) == ["epoch_stale"]
    assert await engine.scan("U", C.TRANSFUSED, source="station/lhasa") == ["source_differs"]
    assert await engine.state("U") == "received"


async def test_nothing_expired_is_picked_issued_or_transfused(engine: LifeEngine) -> None:
    for name in ("A", "B", "C"):
        await engine.promised(name)
    await engine.scan_all("B", C.PICKED)
    await engine.scan_all("C", C.ISSUED, C.RECEIVED)
    engine.clock.move(hours=240)
    # The kernel is asked before a unit leaves; what is at the hospital already is only held fresh.
    assert await engine.scan("A", C.PICKED) == ["unit_not_cleared"]
    assert await engine.scan("B", C.ISSUED) == ["unit_not_cleared"]
    assert await engine.scan("C", C.TRANSFUSED) == ["unit_expired"]
    refused = await engine.fetch(
        "SELECT params ->> 'codes' AS codes FROM dead_letters WHERE code = 'unit_not_cleared'"
    )
    assert [row["codes"] for row in refused] == ["expired expires_before_arrival"] * 2
    await engine.fetch(
        "INSERT INTO timers VALUES ('unit_expiry:all', 'unit_expiry', 'all', $1)", NOW
    )
    await engine.fire_timers_of("unit_expiry")
    assert await engine.states() == {"A": "expired", "B": "expired", "C": "received"}


async def test_a_cancelled_request_gives_back_what_was_picked(engine: LifeEngine) -> None:
    request_id = await engine.promised("U")
    await engine.scan_all("U", C.PICKED)
    cancelled = RequestCancelled(
        cancellation=Cancellation(
            request_id=request_id,
            hospital_id="shigatse-people",
            station_id="shigatse",
            reason="x",
        )
    )
    await engine.feed(build_record(cancelled, source=PEOPLES))
    assert await engine.state("U") == "available"
    assert (await engine.trail("U"))[-1] == ("picked", "available")
    assert await engine.scan("U", C.ISSUED, epoch=1) == ["unit_state_forbids"]


async def test_a_hold_that_lapses_leaves_what_is_packed(engine: LifeEngine) -> None:
    await engine.feed(counted([build_unit("O+", unit_id=name) for name in ("A", "B")]))
    request_id = await engine.ask(group="O+", quantity=2)
    await engine.scan_all("A", C.PICKED)
    # Long after the need: the request does not go back to those who wait.
    engine.clock.move(hours=9)
    await engine.fire_timers_of("hold_lapse")
    assert await engine.states() == {"A": "picked", "B": "available"}
    row = await engine.one("SELECT status, waiting_for FROM requests")
    # One of two: that is not "reserved", nor "fulfilled" when it has come.
    assert tuple(row) == ("partly_refused", "picking")
    told = await engine.one("SELECT body -> 'reasons' AS reasons FROM decisions WHERE version = 2")
    assert [(reason["code"], reason["params"]) for reason in told["reasons"]] == [
        ("hold_lapsed", {"units_given_back": 1}),
        ("unit_given_back", {"unit_id": "B"}),
        (
            "units_still_owed",
            {"line_no": 1, "component": "red_cells", "owed": 1, "counted": "U"},
        ),
    ]
    await engine.scan_all("A", C.ISSUED, C.RECEIVED)
    assert await engine.status_of(request_id) == "partly_fulfilled"


async def test_a_hold_that_lapses_while_it_is_needed_leaves_what_is_packed(
    engine: LifeEngine,
) -> None:
    await engine.feed(counted([build_unit("O+", unit_id=name) for name in ("A", "B")]))
    request_id = await engine.ask(group="O+", quantity=2)
    await engine.scan_all("A", C.PICKED)
    engine.clock.move(hours=6)
    await engine.fire_timers()
    assert await engine.states() == {"A": "picked", "B": "available"}
    assert await engine.status_of(request_id) == "open"
    told = await engine.one("SELECT body -> 'reasons' AS reasons FROM decisions WHERE version = 2")
    assert [(reason["code"], reason["params"]) for reason in told["reasons"]][:2] == [
        ("hold_lapsed", {"units_given_back": 1}),
        ("unit_given_back", {"unit_id": "B"}),
    ]
    engine.clock.move(seconds=1)
    await engine.fire_timers()
    assert await engine.states() == {"A": "picked", "B": "reserved"}
    assert await engine.status_of(request_id) == "reserved"
