"""Whose blood, whose word: a station speaks only of donations that it collected or holds."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from deploy.local.embedded_services import Endpoints
from models.events.donations import DonationRecalled
from models.laboratory import LabOutcome, LabTest
from tests.support.laboratory import build_result, from_laboratory, list_clear
from tests.support.life import LifeEngine, build_life_engine
from tests.support.world import NOW, build_record, build_unit, counted

pytestmark = pytest.mark.integration


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[LifeEngine]:
    async with build_life_engine(endpoints.postgres_dsn) as built:
        yield built


def recall(donation_id: str, *, source: str) -> DonationRecalled:
    return DonationRecalled(
        station_id="lhasa",
        donation_id=donation_id,
        recall_id=f"recall-{source}",
        reason="told by another",
        recalled_at=NOW,
        recalled_by="somebody",
    )


async def test_f34_the_laboratory_of_another_station_releases_nothing(engine: LifeEngine) -> None:
    unit = build_unit("B+")
    await engine.feed(counted([unit], released=False))
    told = from_laboratory(unit.donation_id, list_clear("B+"), station_id="lhasa")
    await engine.feed(*told)

    assert await engine.state(unit.unit_id) == "quarantined"
    assert set(await engine.dead_letter_codes()) == {"donation_of_other_station"}


async def test_f34_results_told_before_the_bag_is_known_release_it_for_nobody_else(
    engine: LifeEngine,
) -> None:
    unit = build_unit("B+")
    await engine.feed(*from_laboratory(unit.donation_id, list_clear("B+"), station_id="lhasa"))
    await engine.feed(counted([unit], released=False))

    assert await engine.state(unit.unit_id) == "quarantined"


async def test_f34_what_speaks_against_a_release_counts_whoever_said_it(engine: LifeEngine) -> None:
    unit = build_unit("B+")
    found = build_result(LabTest.NAT, outcome=LabOutcome.REACTIVE)
    await engine.feed(*from_laboratory(unit.donation_id, [found], station_id="lhasa"))
    await engine.feed(counted([unit]))

    assert (await engine.dead_letter_codes())[-1] == "results_forbid_release"


@pytest.mark.parametrize("invented_first", [False, True])
async def test_f34_a_bag_that_is_invented_gives_no_say_over_another(
    engine: LifeEngine, *, invented_first: bool
) -> None:
    unit = build_unit("B+")
    invented = build_unit("B+", station_id="lhasa").but(donation_id=unit.donation_id)
    counts = [
        counted([unit], released=False),
        counted([invented], station_id="lhasa", released=False),
    ]
    await engine.feed(*(reversed(counts) if invented_first else counts))
    clear = list_clear("B+")
    await engine.feed(*from_laboratory(unit.donation_id, clear, station_id="lhasa"))

    assert await engine.state(unit.unit_id) == "quarantined"
    # Its own word clears its own bag: whoever invents one answers for it.
    assert await engine.state(invented.unit_id) == "available"
    assert await engine.dead_letter_codes() == []


async def test_f34_a_finding_is_corrected_by_its_own_station_alone(engine: LifeEngine) -> None:
    unit = build_unit("B+")
    invented = build_unit("B+", station_id="lhasa").but(donation_id=unit.donation_id)
    await engine.feed(
        counted([unit], released=False), counted([invented], station_id="lhasa", released=False)
    )
    found = build_result(LabTest.NAT, outcome=LabOutcome.REACTIVE)
    others = list_clear("B+", without=[LabTest.NAT])
    await engine.feed(*from_laboratory(unit.donation_id, [found, *others]))
    clean = build_result(LabTest.NAT, supersedes=found.result_id, note="says another station")
    await engine.feed(*from_laboratory(unit.donation_id, [clean], station_id="lhasa"))

    assert await engine.state(unit.unit_id) == "quarantined"
    assert await engine.dead_letter_codes() == ["corrected_result_unknown"]


async def test_f34_the_own_laboratory_releases(engine: LifeEngine) -> None:
    unit = build_unit("B+")
    await engine.feed(counted([unit], released=False))
    await engine.feed(*from_laboratory(unit.donation_id, list_clear("B+")))

    assert await engine.state(unit.unit_id) == "available"


async def test_f35_another_station_recalls_nothing(engine: LifeEngine) -> None:
    unit = build_unit("B+")
    await engine.feed(counted([unit]))
    event = recall(unit.donation_id, source="station")
    await engine.feed(build_record(event, source="station/lhasa"))

    assert await engine.state(unit.unit_id) == "available"
    assert await engine.dead_letter_codes() == ["donation_of_other_station"]


async def test_f35_a_dispatcher_may_recall_for_all(engine: LifeEngine) -> None:
    unit = build_unit("B+")
    await engine.feed(counted([unit]))
    event = recall(unit.donation_id, source="dispatcher")
    await engine.feed(build_record(event, source="dispatcher/key-1"))

    assert await engine.state(unit.unit_id) == "recalled"
