"""One recall finds a donation's units wherever they are, and tells whoever has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.errors import TransientError
from models.events.stock import StockChange
from models.laboratory import LabOutcome, LabTest
from models.units import Unit
from tests.support.laboratory import build_result, from_laboratory, list_clear
from tests.support.life import LifeEngine, build_life_engine
from tests.support.world import build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

C = StockChange
DONATION = "d-look-back"
PEOPLES = "hospital/shigatse-people"


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[LifeEngine]:
    async with build_life_engine(endpoints.postgres_dsn) as built:
        yield built


def of_donation(unit_id: str, group: str = "O+", **changes: object) -> Unit:
    return build_unit(group, unit_id=unit_id).but(donation_id=DONATION, **changes)


async def promised(engine: LifeEngine, unit_id: str) -> str:
    """One more unit of the donation, reserved for a request of its own; the request's id."""
    await engine.feed(counted([of_donation(unit_id)]))
    request = build_request(group="O+", quantity=1)
    await engine.feed(opened(request))
    assert await engine.state(unit_id) == "reserved"
    return request.request_id


async def scatter(engine: LifeEngine) -> dict[str, str]:
    """Units of one donation in every place there is; unit id to its request."""
    steps: dict[str, tuple[StockChange, ...]] = {
        "RESERVED": (),
        "PICKED": (C.PICKED,),
        "ISSUED": (C.ISSUED,),
        "MOVING": (C.ISSUED, C.DEPARTED),
        "RECEIVED": (C.ISSUED, C.RECEIVED),
        "TRANSFUSED": (C.ISSUED, C.RECEIVED, C.TRANSFUSED),
        "RETURNED": (C.ISSUED, C.RECEIVED, C.RETURNED),
        "DISCARDED": (C.DISCARDED,),
    }
    requests = {}
    for unit_id, changes in steps.items():
        requests[unit_id] = await promised(engine, unit_id)
        await engine.scan_all(unit_id, *changes)
        if unit_id == "DISCARDED":
            # Its request waits on; nothing else may serve it by accident.
            await engine.fetch(
                "UPDATE requests SET status = 'cancelled', waiting_for = '' WHERE request_id = $1",
                requests[unit_id],
            )
    await engine.feed(counted([of_donation("FREE")]))
    return requests


async def test_every_unit_is_frozen_wherever_it_is(engine: LifeEngine) -> None:
    requests = await scatter(engine)
    await engine.recall(DONATION)
    assert await engine.states() == {
        **dict.fromkeys(
            ["FREE", "RESERVED", "PICKED", "ISSUED", "MOVING", "RECEIVED", "RETURNED"], "recalled"
        ),
        "TRANSFUSED": "transfused",
        "DISCARDED": "discarded",
    }
    live = await engine.fetch("SELECT 1 FROM promises WHERE status IN ('held', 'issued')")
    assert live == []
    for unit_id in ("RESERVED", "PICKED", "ISSUED", "MOVING"):
        assert await engine.status_of(requests[unit_id]) == "open", unit_id
    for unit_id in ("RECEIVED", "TRANSFUSED"):
        assert await engine.status_of(requests[unit_id]) == "fulfilled"
    notices = {
        notice["holder_id"]: notice for notice in await engine.events("blood.recall.notified.v1")
    }
    assert set(notices) == {"shigatse", "shigatse-people"}
    station, hospital = notices["shigatse"], notices["shigatse-people"]
    assert {unit["unit_id"] for unit in station["units"]} == {
        "FREE", "RESERVED", "PICKED", "RETURNED",
    }  # fmt: skip
    assert all("request_id" not in unit for unit in station["units"])
    assert {unit["unit_id"]: unit["was"] for unit in hospital["units"]} == {
        "ISSUED": "issued",
        "MOVING": "in_transit",
        "RECEIVED": "received",
    }
    (looked_back,) = hospital["transfused"]
    assert looked_back["request_id"] == requests["TRANSFUSED"]
    rows = await engine.fetch(
        "SELECT station_id, hospital_id FROM outbox WHERE event_type = 'blood.recall.notified.v1' "
        "ORDER BY hospital_id"
    )
    assert [tuple(row) for row in rows] == [
        ("shigatse", "shigatse-people"),
        ("shigatse", None),
    ]


async def test_its_requests_are_served_again_from_other_blood(engine: LifeEngine) -> None:
    request_id = await promised(engine, "BAD")
    await engine.scan_all("BAD", C.PICKED, C.ISSUED)
    await engine.feed(counted([build_unit("O+", unit_id="GOOD")]))
    await engine.recall(DONATION)
    promises = await engine.fetch("SELECT unit_id, status FROM promises ORDER BY unit_id")
    assert [tuple(row) for row in promises] == [("BAD", "lost"), ("GOOD", "held")]
    assert await engine.status_of(request_id) == "reserved"


async def test_what_an_open_request_has_received_is_replaced_too(engine: LifeEngine) -> None:
    await engine.feed(counted([of_donation("BAD"), build_unit("O+", unit_id="OTHER")]))
    request_id = await engine.ask(group="O+", quantity=2)
    await engine.scan_all("BAD", C.ISSUED, C.RECEIVED)
    await engine.feed(counted([build_unit("O+", unit_id="GOOD")]))
    await engine.recall(DONATION)
    held = await engine.fetch("SELECT unit_id FROM promises WHERE status = 'held' ORDER BY 1")
    assert [row["unit_id"] for row in held] == ["GOOD", "OTHER"]
    assert await engine.status_of(request_id) == "reserved"


async def test_it_reaches_a_neighbour_and_what_is_on_its_way_there(engine: LifeEngine) -> None:
    shigatse = await engine.one("SELECT 1 FROM stations WHERE station_id = 'shigatse'")
    assert shigatse
    await engine.ask(group="A+", quantity=4)
    (declared, *_) = [
        event["shortage"]
        for event in await engine.events("blood.shortage.declared.v1")
        if event["shortage"]["group"] == "A+"
    ]
    there = [
        of_donation(name, "A+", station_id="lhasa", expires_at=at)
        for name, at in (
            ("ARRIVED", build_unit(expires_in_h=100).expires_at),
            ("MOVING", build_unit(expires_in_h=101).expires_at),
            ("KEPT", build_unit(expires_in_h=102).expires_at),
        )
    ]
    spare = [build_unit("A+", station_id="lhasa", expires_in_h=400) for _ in range(200)]
    await engine.feed(counted([*there, *spare], station_id="lhasa"))
    await engine.offer(declared["shortage_id"], quantity=2)
    for unit_id in ("ARRIVED", "MOVING"):
        await engine.scan_all(unit_id, C.ISSUED, station_id="lhasa")
    await engine.scan_all("ARRIVED", C.RECEIVED, station_id="shigatse")
    await engine.recall(DONATION)
    states = await engine.states()
    assert {states[name] for name in ("ARRIVED", "MOVING", "KEPT")} == {"recalled"}
    notices = await engine.events("blood.recall.notified.v1")
    assert {
        notice["holder_id"]: sorted(unit["unit_id"] for unit in notice["units"])
        for notice in notices
    } == {"lhasa": ["KEPT"], "shigatse": ["ARRIVED", "MOVING"]}


async def test_a_late_finding_recalls_by_itself(engine: LifeEngine) -> None:
    unit = build_unit("O+", unit_id="U")
    await engine.feed(counted([unit], released=False))
    await engine.clear(unit.donation_id)
    assert await engine.state("U") == "available"
    late = build_result(LabTest.HBSAG, outcome=LabOutcome.REACTIVE)
    await engine.feed(*from_laboratory(unit.donation_id, [late]))
    assert await engine.state("U") == "recalled"
    (notice,) = await engine.events("blood.recall.notified.v1")
    assert notice["reason"] == "test_result"
    assert "hbsag" not in str(notice)


async def test_a_result_taken_back_after_the_release_recalls(engine: LifeEngine) -> None:
    """Untested is no better than reactive: the run was void, so the unit was never tested."""
    unit = build_unit("O+", unit_id="U")
    await engine.feed(counted([unit], released=False))
    results = list_clear("O+")
    await engine.feed(*from_laboratory(unit.donation_id, results))
    void = build_result(
        results[0].test,
        outcome=LabOutcome.INVALID,
        supersedes=results[0].result_id,
        note="controls out of range",
    )
    await engine.feed(*from_laboratory(unit.donation_id, [void]))
    assert await engine.state("U") == "recalled"


async def test_attested_stock_is_recalled_by_a_finding_not_by_what_we_did_not_test(
    engine: LifeEngine,
) -> None:
    unit = build_unit("O+", unit_id="U")
    await engine.feed(counted([unit]))
    await engine.feed(*from_laboratory(unit.donation_id, [build_result(LabTest.NAT)]))
    assert await engine.state("U") == "available"
    wrong = build_result(LabTest.GROUPING, group="B+")
    await engine.feed(*from_laboratory(unit.donation_id, [wrong]))
    assert await engine.state("U") == "recalled"


async def test_components_are_found_by_the_donation(engine: LifeEngine) -> None:
    await engine.put_reserve(40, staff=True)
    await engine.alert()
    donation_id = await engine.collect("WB")
    await engine.split(
        "WB", {"RC": (Component.RED_CELLS, 200), "FP": (Component.FRESH_FROZEN_PLASMA, 150)}
    )
    await engine.clear(donation_id)
    await engine.recall(donation_id)
    assert await engine.states() == {"WB": "split", "RC": "recalled", "FP": "recalled"}
    kept = await engine.fetch("SELECT unit_id, was, is_frozen FROM recalled_units ORDER BY 1")
    assert [tuple(row) for row in kept] == [
        ("FP", "available", True),
        ("RC", "available", True),
    ]


async def test_nothing_moves_after_a_recall_but_to_be_destroyed(engine: LifeEngine) -> None:
    await promised(engine, "U")
    await engine.scan_all("U", C.ISSUED, C.RECEIVED)
    await engine.recall(DONATION)
    for change in C:
        if change is not C.DISCARDED:
            assert await engine.scan("U", change) == ["unit_state_forbids"], change
    await engine.scan_all("U", C.DISCARDED)


async def test_a_recall_of_nothing_and_a_recall_twice(engine: LifeEngine) -> None:
    await engine.recall("d-nowhere")
    await engine.feed(counted([of_donation("U")]))
    await engine.recall(DONATION)
    await engine.recall(DONATION)
    await engine.recall(DONATION, recall_id="recall-2")
    assert await engine.dead_letter_codes() == ["donation_unknown", "recall_id_reused"]
    assert len(await engine.events("blood.recall.notified.v1")) == 1


async def test_a_recall_and_requests_at_once_end_with_nothing_promised(
    engine: LifeEngine,
) -> None:
    """The urgent worker reserves while the supply worker recalls; either may be first."""
    for round_ in range(12):
        bad = of_donation(f"bad-{round_}").but(donation_id=f"BAD-D-{round_}")
        await engine.feed(counted([bad]))

        async def ask() -> None:
            record = opened(build_request(group="O+", quantity=1))
            while True:
                try:
                    await engine.feed(record)
                except TransientError:
                    continue
                return

        async def recall(donation_id: str = bad.donation_id, number: int = round_) -> None:
            await engine.recall(donation_id, recall_id=f"race-{number}")

        await asyncio.gather(ask(), recall(), ask())
        assert await engine.state(bad.unit_id) == "recalled"
    live = await engine.fetch(
        "SELECT 1 FROM promises INNER JOIN units USING (unit_id) "
        "WHERE promises.status IN ('held', 'issued')"
    )
    assert live == []
    assert await engine.fetch("SELECT 1 FROM promises WHERE status = 'lost'"), "no race happened"
