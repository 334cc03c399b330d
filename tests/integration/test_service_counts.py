"""Counts against real PostgreSQL: what they take in, what they leave open, and how it is closed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from models.components import Component
from models.events import decode_event
from models.events.donations import RecallNotified
from models.events.stock import (
    Attestation,
    CountedAs,
    CountedUnit,
    CountPart,
    DifferencesClosed,
    Resolution,
    StockCounted,
)
from models.groups import BloodGroup
from models.laboratory import LabOutcome, LabTest
from models.unit_states import EXPIRING_STATES
from models.units import Unit, UnitStatus, UnitTraits
from streams.ports import Received
from tests.support.engine import Engine, build_engine
from tests.support.laboratory import build_result, from_laboratory, list_clear
from tests.support.world import NOW, build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration


RELEASED_AT = NOW - timedelta(hours=1)


@pytest_asyncio.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


def part_of(
    units: Sequence[Unit | CountedUnit],
    *,
    count_id: str,
    part_no: int = 1,
    parts: int = 1,
    total: int | None = None,
    full: bool = True,
    station_id: str = "shigatse",
    event_id: str | None = None,
) -> Received:
    event = StockCounted(
        station_id=station_id,
        counted_at=NOW,
        units=tuple(
            unit if isinstance(unit, CountedUnit) else CountedUnit(unit=unit) for unit in units
        ),
        attestation=Attestation(released_by="quality", released_at=RELEASED_AT),
        part=CountPart(
            count_id=count_id,
            part_no=part_no,
            parts=parts,
            units=total or len(units),
            full=full,
        ),
    )
    return build_record(event, source=f"station/{station_id}", event_id=event_id)


def closed(
    count_id: str, unit_ids: Sequence[str], resolution: Resolution, *, station_id: str = "shigatse"
) -> Received:
    event = DifferencesClosed(
        station_id=station_id,
        count_id=count_id,
        unit_ids=tuple(unit_ids),
        resolution=resolution,
        closed_at=NOW,
        reason="looked",
    )
    return build_record(event, source=f"station/{station_id}")


async def differences(engine: Engine) -> dict[str, tuple[str, list[str]]]:
    rows = await engine.fetch(
        "SELECT unit_id, kind, fields FROM reconciliation_differences WHERE closed_at IS NULL"
    )
    return {row["unit_id"]: (row["kind"], list(row["fields"])) for row in rows}


async def units(engine: Engine) -> dict[str, str]:
    rows = await engine.fetch("SELECT unit_id, status FROM units")
    return {row["unit_id"]: row["status"] for row in rows}


async def outcomes(engine: Engine, count_id: str) -> list[dict[str, int]]:
    rows = await engine.fetch(
        "SELECT outcomes FROM reconciliation_parts WHERE count_id = $1 ORDER BY part_no", count_id
    )
    return [row["outcomes"] for row in rows]


async def test_a_count_takes_in_and_a_second_one_confirms(engine: Engine) -> None:
    shelf = [build_unit("A+", unit_id=f"U{n}") for n in range(3)]
    quarantined = CountedUnit(unit=build_unit("B+", unit_id="Q"), released=False)
    await engine.feed(part_of([*shelf, quarantined], count_id="c1"))
    assert await units(engine) == {
        "U0": "available", "U1": "available", "U2": "available", "Q": "quarantined",
    }  # fmt: skip
    assert await outcomes(engine, "c1") == [{"new": 3, "new_quarantined": 1}]
    before = await engine.fetch("SELECT * FROM audit ORDER BY audit_id")
    assert [(row["from_state"], row["to_state"], row["why"]) for row in before] == [
        *[("", "available", f"counted: released by quality at {RELEASED_AT.isoformat()}")] * 3,
        ("", "quarantined", "counted"),
    ]

    await engine.feed(part_of([*shelf, quarantined], count_id="c2"))

    assert await outcomes(engine, "c2") == [{"confirmed": 4}]
    assert await engine.fetch("SELECT * FROM audit ORDER BY audit_id") == before
    assert not await differences(engine)
    assert not await engine.dead_letter_codes()


async def test_what_contradicts_our_record_changes_nothing_and_stays_open(engine: Engine) -> None:
    mine = {name: build_unit("A+", unit_id=name) for name in ("GROUP", "EXPIRY", "KEPT", "GONE")}
    waiting = CountedUnit(unit=build_unit("A+", unit_id="WAITING"), released=False)
    await engine.feed(part_of([*mine.values(), waiting], count_id="c1"))
    await engine.feed(
        counted([build_unit("A+", unit_id="THEIRS", station_id="lhasa")], station_id="lhasa")
    )
    before = await engine.fetch("SELECT * FROM units ORDER BY unit_id")

    await engine.feed(
        part_of(
            [
                mine["GROUP"].but(group=BloodGroup.O_NEG, traits=UnitTraits(irradiated=True)),
                mine["EXPIRY"].but(expires_at=mine["EXPIRY"].expires_at - timedelta(days=1)),
                mine["KEPT"].but(expires_at=mine["KEPT"].expires_at + timedelta(seconds=30)),
                CountedUnit(unit=mine["GONE"], counted_as=CountedAs.DISCARDED),
                CountedUnit(unit=waiting.unit, released=True),
                CountedUnit(unit=build_unit("B-", unit_id="NEVER"), counted_as=CountedAs.ISSUED),
                build_unit("A+", unit_id="THEIRS"),
                build_unit("A+", unit_id="FRESH"),
            ],
            count_id="c2",
            full=False,
        )
    )

    assert await differences(engine) == {
        "GROUP": ("differs", ["group", "traits"]),
        "EXPIRY": ("differs", ["expires_at"]),
        "GONE": ("status", []),
        "WAITING": ("status", []),
        "THEIRS": ("moved", []),
    }
    (counts,) = await outcomes(engine, "c2")
    assert counts == {"differs": 2, "status": 2, "moved": 1, "confirmed": 1, "gone": 1, "new": 1}
    after = await engine.fetch("SELECT * FROM units WHERE unit_id <> 'FRESH' ORDER BY unit_id")
    assert after == before
    assert (await units(engine))["WAITING"] == "quarantined", "a count releases nothing"


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("donation_id", {"donation_id": "OTHER"}),
        ("component", {"component": Component.WHOLE_BLOOD}),
        ("group", {"group": BloodGroup.O_NEG}),
        ("volume_ml", {"volume_ml": 201}),
        ("collected_at", {"collected_at": NOW - timedelta(days=4)}),
        ("expires_at", {"expires_at": NOW + timedelta(hours=240, seconds=61)}),
        ("traits", {"traits": UnitTraits(antigen_negative=("Mur",))}),
    ],
)
async def test_each_field_of_a_label_is_compared(
    engine: Engine, field: str, change: dict[str, object]
) -> None:
    unit = build_unit("A+", unit_id="U", traits=UnitTraits(irradiated=True))
    await engine.feed(part_of([unit], count_id="c1"))
    await engine.feed(part_of([unit.but(**change)], count_id="c2"))
    assert await differences(engine) == {"U": ("differs", [field])}
    row = await engine.one("SELECT recorded, counted FROM reconciliation_differences")
    assert row["recorded"][field] != row["counted"][field]


async def test_missing_is_found_once_all_parts_are_there(engine: Engine) -> None:
    shelf = [build_unit("A+", unit_id=f"U{n}") for n in range(6)]
    await engine.feed(part_of(shelf, count_id="c1"))
    parts = [
        part_of(shelf[:2], count_id="c2", part_no=1, parts=2, total=4),
        part_of(shelf[2:4], count_id="c2", part_no=2, parts=2, total=4),
    ]
    await engine.feed(parts[1])
    assert not await differences(engine)
    await engine.feed(parts[0], parts[1])
    assert await differences(engine) == {"U4": ("missing", []), "U5": ("missing", [])}
    assert set((await units(engine)).values()) == {"available"}, "nothing is discarded silently"
    (row,) = await engine.fetch("SELECT taken_at FROM reconciliations WHERE count_id = 'c2'")
    assert row["taken_at"] == NOW
    again = part_of(shelf[:2], count_id="c2", part_no=1, parts=2, total=4, event_id="again")
    await engine.feed(again)
    assert len(await differences(engine)) == 2
    await engine.feed(part_of(shelf[:5], count_id="c3"))
    assert await differences(engine) == {"U5": ("missing", [])}, "a later count has the last word"


async def test_what_changed_after_the_count_is_not_held_against_it(engine: Engine) -> None:
    await engine.feed(part_of([build_unit("A+", unit_id="OLD")], count_id="c1"))
    engine.clock.move(minutes=5)
    await engine.feed(
        counted([build_unit("A+", unit_id="CAME-LATER")]),
    )
    await engine.feed(part_of([build_unit("A+", unit_id="OLD")], count_id="c2"))
    assert not await differences(engine), "it arrived after the count was taken"


async def test_a_missing_unit_that_is_reserved_is_discarded_and_the_request_decided_again(
    engine: Engine,
) -> None:
    await engine.feed(part_of([build_unit("A+", unit_id="HELD")], count_id="c1"))
    request = build_request(group="A+", quantity=1)
    await engine.feed(opened(request))
    assert await engine.status_of(request.request_id) == "reserved"
    await engine.feed(part_of([build_unit("O+", unit_id="OTHER")], count_id="c2"))
    assert await differences(engine) == {"HELD": ("missing", [])}

    await engine.feed(closed("c2", ["HELD"], Resolution.DISCARDED))

    assert (await units(engine))["HELD"] == "discarded"
    assert not await differences(engine)
    promise = await engine.one("SELECT status FROM promises WHERE unit_id = 'HELD'")
    assert promise["status"] == "lost"
    other = await engine.one("SELECT status FROM units WHERE unit_id = 'OTHER'")
    assert other["status"] == "reserved", "the patient gets the next unit"


async def test_how_differences_are_closed(engine: Engine) -> None:
    shelf = [build_unit("A+", unit_id=name) for name in ("ISSUED", "FOUND", "STAYS")]
    await engine.feed(part_of([*shelf], count_id="c1"))
    await engine.feed(
        counted([build_unit("A+", unit_id="THEIRS", station_id="lhasa")], station_id="lhasa")
    )
    await engine.feed(part_of([build_unit("A+", unit_id="THEIRS"), shelf[2]], count_id="c2"))
    await engine.feed(closed("c2", ["ISSUED"], Resolution.ISSUED))
    await engine.feed(closed("c2", ["FOUND"], Resolution.RECORD_STANDS))
    await engine.feed(closed("c2", ["THEIRS"], Resolution.MOVED_HERE))
    assert await units(engine) == {
        "ISSUED": "discarded", "FOUND": "available", "STAYS": "available", "THEIRS": "available",
    }  # fmt: skip
    moved = await engine.one("SELECT station_id FROM units WHERE unit_id = 'THEIRS'")
    assert moved["station_id"] == "shigatse"
    assert not await differences(engine)
    trail = await engine.fetch(
        "SELECT subject, station_id, from_state, to_state, why FROM audit "
        "WHERE why LIKE '%looked%' ORDER BY audit_id"
    )
    assert [tuple(row) for row in trail] == [
        ("ISSUED", "shigatse", "available", "discarded", "issued_outside: looked"),
        ("THEIRS", "lhasa", "available", "available", "moved_here: looked"),
        ("THEIRS", "shigatse", "available", "available", "moved_here: looked"),
    ], "both stations' chains tell where it went"
    how = await engine.fetch(
        "SELECT unit_id, resolution FROM reconciliation_differences WHERE closed_at IS NOT NULL "
        "ORDER BY unit_id"
    )
    assert [tuple(row) for row in how] == [
        ("FOUND", "record_stands"), ("ISSUED", "issued_outside"), ("THEIRS", "moved_here"),
    ]  # fmt: skip


async def test_a_difference_is_closed_whole_or_not_at_all(engine: Engine) -> None:
    shelf = [build_unit("A+", unit_id=name) for name in ("A", "B")]
    await engine.feed(part_of(shelf, count_id="c1"))
    await engine.feed(part_of([build_unit("A+", unit_id="C")], count_id="c2"))
    await engine.feed(closed("c2", ["A", "C"], Resolution.DISCARDED))
    await engine.feed(closed("c2", ["A"], Resolution.MOVED_HERE))
    assert await engine.dead_letter_codes() == ["difference_not_open", "resolution_forbidden"]
    assert set((await units(engine)).values()) == {"available"}
    assert len(await differences(engine)) == 2


async def test_an_id_of_another_count_is_refused(engine: Engine) -> None:
    await engine.feed(part_of([build_unit("A+", unit_id="A")], count_id="c1", parts=2, total=2))
    await engine.feed(part_of([build_unit("A+", unit_id="B")], count_id="c1", part_no=2, parts=3))
    assert await engine.dead_letter_codes() == ["count_differs"]
    assert set(await units(engine)) == {"A"}


async def test_quarantined_units_cannot_be_said_to_be_issued(engine: Engine) -> None:
    unit = build_unit("A+", unit_id="Q", component=Component.WHOLE_BLOOD)
    await engine.feed(part_of([CountedUnit(unit=unit, released=False)], count_id="c1"))
    await engine.feed(part_of([build_unit("A+", unit_id="X")], count_id="c2"))
    await engine.feed(closed("c2", ["Q"], Resolution.ISSUED))
    assert await engine.dead_letter_codes() == ["resolution_forbidden"]
    assert (await units(engine))["Q"] == "quarantined"


async def test_sql_and_python_name_the_same_shelf(engine: Engine) -> None:
    rows = await engine.fetch("SELECT s, is_on_shelf(s) AS lies FROM unnest($1::text[]) AS s", [
        status.value for status in UnitStatus
    ])  # fmt: skip
    assert {row["s"] for row in rows if row["lies"]} == EXPIRING_STATES


@pytest.mark.parametrize("status", sorted(set(UnitStatus) - EXPIRING_STATES))
async def test_what_cannot_lie_on_a_shelf_and_is_counted_there_is_told(
    engine: Engine, status: UnitStatus
) -> None:
    unit = build_unit("A+", unit_id="U")
    await engine.feed(part_of([unit], count_id="c1"))
    await engine.fetch("ALTER TABLE units DISABLE TRIGGER units_life_update")
    await engine.fetch("UPDATE units SET status = $1", status.value)
    before = await engine.fetch("SELECT * FROM units")
    for count_id, said in (("c2", CountedAs.ON_SHELF), ("c3", CountedAs.RETURNED)):
        await engine.feed(part_of([CountedUnit(unit=unit, counted_as=said)], count_id=count_id))
        assert await differences(engine) == {"U": ("status", [])}
    assert await engine.fetch("SELECT * FROM units") == before
    await engine.feed(
        part_of([CountedUnit(unit=unit, counted_as=CountedAs.DISCARDED)], count_id="c4")
    )
    assert not await differences(engine), "both say that it is not on the shelf"


@pytest.mark.parametrize(
    ("status", "said", "outcome", "becomes"),
    [
        ("collected", CountedAs.COLLECTED, "confirmed", "collected"),
        ("collected", CountedAs.ON_SHELF, "confirmed", "quarantined"),
        ("quarantined", CountedAs.COLLECTED, "confirmed", "quarantined"),
        ("returned", CountedAs.RETURNED, "confirmed", "returned"),
        ("available", CountedAs.RETURNED, "status", "available"),
        ("available", CountedAs.COLLECTED, "status", "available"),
    ],
)
async def test_units_that_wait_for_a_decision_are_counted_as_what_they_are(
    engine: Engine, status: str, said: CountedAs, outcome: str, becomes: str
) -> None:
    unit = build_unit("A+", unit_id="U")
    await engine.feed(part_of([unit], count_id="c1"))
    await engine.fetch("ALTER TABLE units DISABLE TRIGGER units_life_update")
    await engine.fetch("UPDATE units SET status = $1", status)
    await engine.fetch("ALTER TABLE units ENABLE TRIGGER units_life_update")
    again = CountedUnit(unit=unit, released=False, counted_as=said)
    await engine.feed(part_of([again], count_id="c2"))
    assert await outcomes(engine, "c2") == [{outcome: 1}]
    assert await units(engine) == {"U": becomes}


async def test_an_unknown_unit_that_came_back_is_not_taken_in(engine: Engine) -> None:
    back = CountedUnit(unit=build_unit("A+", unit_id="BACK"), counted_as=CountedAs.RETURNED)
    await engine.feed(part_of([back, build_unit("A+", unit_id="GOOD")], count_id="c1"))
    assert await engine.dead_letter_codes() == ["returned_unit_unknown"]
    assert not await units(engine), "a part is taken in whole or not at all"


async def test_what_was_given_out_by_hand_is_named_when_its_donation_is_recalled(
    engine: Engine,
) -> None:
    bag, other = build_unit("A+", unit_id="BAG"), build_unit("A+", unit_id="OTHER")
    await engine.feed(part_of([bag], count_id="c1"))
    await engine.feed(part_of([other], count_id="c2"))
    await engine.feed(closed("c2", ["BAG"], Resolution.ISSUED))
    assert await units(engine) == {"BAG": "discarded", "OTHER": "available"}
    scan = await engine.one("SELECT change, facility_id FROM unit_scans WHERE unit_id = 'BAG'")
    assert tuple(scan) == ("discarded", "shigatse")

    # The laboratory finds something: nobody may think that the bag was thrown away.
    found = build_result(LabTest.NAT, outcome=LabOutcome.REACTIVE)
    await engine.feed(*from_laboratory(bag.donation_id, [found]))
    assert not await engine.dead_letter_codes()
    row = await engine.one(
        "SELECT body FROM outbox WHERE event_type = 'blood.recall.notified.v1' ORDER BY sequence"
    )
    notice = decode_event(RecallNotified.TYPE, bytes(row["body"]))
    assert isinstance(notice, RecallNotified)
    assert (notice.holder_id, notice.units, notice.transfused) == ("shigatse", (), ())
    (named,) = notice.given_out
    assert (named.unit_id, named.was, named.issued_outside) == ("BAG", "discarded", "looked")
    placed = await engine.one("SELECT unit_id, is_frozen FROM recalled_units")
    assert tuple(placed) == ("BAG", False)


async def test_what_was_thrown_away_is_not_named_when_its_donation_is_recalled(
    engine: Engine,
) -> None:
    bag = build_unit("A+", unit_id="BAG")
    await engine.feed(part_of([bag], count_id="c1"))
    await engine.feed(part_of([build_unit("A+", unit_id="OTHER")], count_id="c2"))
    await engine.feed(closed("c2", ["BAG"], Resolution.DISCARDED))
    found = build_result(LabTest.NAT, outcome=LabOutcome.REACTIVE)
    await engine.feed(*from_laboratory(bag.donation_id, [found]))
    assert not await engine.fetch("SELECT 1 FROM recalls")


async def test_a_unit_that_moved_is_where_its_results_release_it(engine: Engine) -> None:
    theirs = build_unit("A+", unit_id="THEIRS", station_id="lhasa")
    await engine.feed(counted([theirs], station_id="lhasa", released=False))
    here = CountedUnit(unit=theirs.but(station_id="shigatse"), released=False)
    await engine.feed(part_of([here], count_id="c1"))
    await engine.feed(closed("c1", ["THEIRS"], Resolution.MOVED_HERE))
    await engine.feed(*from_laboratory(theirs.donation_id, list_clear("A+"), station_id="lhasa"))
    assert not await engine.dead_letter_codes()
    unit = await engine.one("SELECT station_id, status FROM units")
    assert tuple(unit) == ("shigatse", "available")
