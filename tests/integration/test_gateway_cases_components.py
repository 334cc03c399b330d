"""Plasma, platelets, cryoprecipitate, packs: what is given of which, over HTTP, by their number."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from tests.support.clinic import (
    Clinic,
    Clinics,
    Told,
    bags,
    given,
    keyed,
    refusals,
    running_clinics,
)

pytestmark = pytest.mark.integration

FFP, PLATELETS, CRYO = "fresh_frozen_plasma", "platelets", "cryoprecipitate"
FROZEN = {"age": 20, "left": 90}
MAN: Told = {"sex": "male", "age_years": 40}


@pytest_asyncio.fixture(scope="module")
async def clinics(endpoints: Endpoints) -> AsyncIterator[Clinics]:
    async with running_clinics(endpoints) as running:
        yield running


@pytest_asyncio.fixture
async def clinic(clinics: Clinics) -> Clinic:
    return await clinics.open()


async def test_c11_c61_cryoprecipitate_of_any_group_for_an_adult(clinic: Clinic) -> None:
    await clinic.lay(*["B+"] * 10, component=CRYO, **FROZEN)
    told = await clinic.ask(CRYO, 10, group="A+", priority="life_threatening")
    assert given(told) == ["B+"] * 10


async def test_c11_the_identical_group_comes_first(clinic: Clinic) -> None:
    await clinic.lay("O+", "AB+", "B+", "A+", component=CRYO, **FROZEN)
    told = await clinic.ask(CRYO, 4, group="A+", **MAN)
    assert given(told) == ["A+", "B+", "AB+", "O+"]


@pytest.mark.parametrize("patient", [{}, {"group": "AB+"}])
async def test_c12_c62_low_titre_a_plasma_where_ab_is_out(clinic: Clinic, patient: Told) -> None:
    await clinic.lay("A+", component=FFP, **FROZEN)
    asked: Told = {"priority": "life_threatening", **patient}
    waits = await clinic.ask(FFP, **asked)
    assert given(waits) == [], "nobody said that its titre is low"
    await clinic.cancel(waits)
    await clinic.lay("A+", component=FFP, low_titre=True, **FROZEN)
    assert given(await clinic.ask(FFP, **asked)) == ["A+"]
    await clinic.lay("A+", component=FFP, low_titre=True, **FROZEN)
    await clinic.lay("AB-", component=FFP, **FROZEN)
    assert given(await clinic.ask(FFP, **asked)) == ["AB-"]


@pytest.mark.parametrize(
    ("patient", "order"),
    [
        ({"group": "A+"}, ["A+", "B+", "O+", "AB+"]),
        ({"group": "B+"}, ["B+", "A+", "O+", "AB+"]),
        ({"group": "AB+"}, ["AB+", "A+", "B+", "O+"]),
        ({}, ["A+", "O+", "AB+", "B+"]),
    ],
)
async def test_c13_c14_c15_platelets_come_in_the_order_of_the_table(
    clinic: Clinic, patient: Told, order: list[str]
) -> None:
    await clinic.lay("O+", "AB+", "B+", "A+", component=PLATELETS, low_titre=True)
    assert given(await clinic.ask(PLATELETS, 4, **MAN, **patient)) == order


async def test_c14_of_o_and_a_an_ab_patient_gets_a(clinic: Clinic) -> None:
    o = clinic.bag("O+", PLATELETS, left=3, low_titre=True)
    a = clinic.bag("A+", PLATELETS, left=2, low_titre=True)
    await clinic.count(o, a)
    told = await clinic.ask(PLATELETS, group="AB+", priority="life_threatening")
    assert given(told) == ["A+"]


async def test_c24_one_bag_is_no_dose_of_a_pack(clinic: Clinic) -> None:
    pack = {"name": "6:6:1", "units": {"red_cells": 6, FFP: 6, CRYO: 10}}
    await clinic.register_hospital(pack=pack)
    await clinic.lay("A+", component=CRYO, **FROZEN)
    told = await clinic.ask(lines=[], packs=1, group="A+", priority="life_threatening")
    (cryo,) = [line for line in told["decision"]["lines"] if line["component"] == CRYO]
    assert (cryo["requested"], cryo["reserved"], cryo["uncovered"]) == (10, [], 10)
    assert refusals(told)["part_of_no_use"]["params"] == {"there": 1, "least": 6, "missing": 5}


async def test_c25_a_concentrate_is_a_tenth_of_a_dose(clinic: Clinic) -> None:
    concentrate = "platelet_concentrate"
    await clinic.lay("A+", component=concentrate, volume_ml=25)
    assert given(await clinic.ask(PLATELETS, group="A+")) == []
    told = await clinic.ask(concentrate, 10, group="A+")
    (line,) = told["decision"]["lines"]
    assert (line["covered_hundredths"], line["uncovered"]) == (100, 9)


@pytest.mark.parametrize(("ml", "count"), [(200, 4), (300, 3), (400, 2)])
async def test_c26_a_pack_is_a_ratio_of_doses_whatever_the_bags(
    clinic: Clinic, ml: int, count: int
) -> None:
    await clinic.lay(*["A+"] * 4, volume_ml=ml)
    await clinic.lay(*["A+"] * 4, component=FFP, volume_ml=200, **FROZEN)
    told = await clinic.ask(lines=[], packs=1, group="A+", priority="life_threatening")
    lines = {line["component"]: line for line in told["decision"]["lines"]}
    assert {name: line["requested"] for name, line in lines.items()} == {
        "red_cells": 4,
        FFP: 4,
        PLATELETS: 1,
    }
    assert len(lines["red_cells"]["reserved"]) == count
    assert len(lines[FFP]["reserved"]) == 2


async def test_c51_before_engraftment_each_class_has_its_own_group(clinic: Clinic) -> None:
    await clinic.lay("A+", "O+")
    await clinic.lay("O+", "AB+", component=FFP, **FROZEN)
    await clinic.lay("O+", "AB+", "A+", component=PLATELETS)
    transplant = {"donor_group": "A+", "recipient_group": "O+", "phase": "before_engraftment"}
    for group in ("O+", "A+", None):
        told = await clinic.ask(
            lines=[
                {"line_no": at, "component": component, "quantity": 1}
                for at, component in enumerate(("red_cells", FFP, PLATELETS), 1)
            ],
            group=group,
            transplant=transplant,
        )
        assert given(told) == ["O+", "AB+", "A+"], group
        await clinic.cancel(told)


@pytest.mark.parametrize("group", ["A-", "O+"])
async def test_c08_c59_frozen_red_cells_go_to_no_hospital(clinic: Clinic, group: str) -> None:
    """The station takes the glycerol out of them, and what comes of it is issued."""
    frozen = [clinic.bag(group, "frozen_red_cells", age=400, left=900) for _ in range(2)]
    await clinic.count(*frozen)
    asked: Told = {"group": group, "priority": "life_threatening", **MAN}
    told = await clinic.ask("frozen_red_cells", 2, **asked)
    assert (told["status"], given(told)) == ("refused", [])
    assert "去甘油" in refusals(told)["not_deglycerolised"]["zh"]
    made = {"unit_id": f"{frozen[0]['unit_id']}-DG", "component": "deglycerolised_red_cells"}
    split = await clinic.station.post(
        f"/v1/stations/{clinic.name}/donations/{frozen[0]['donation_id']}/split",
        json={
            "unit_id": frozen[0]["unit_id"],
            "split_at": clinic.after(),
            "components": [{**made, "volume_ml": 200}],
        },
        headers=keyed(),
    )
    assert split.status_code == 200, split.text
    told = await clinic.ask("deglycerolised_red_cells", **asked)
    assert bags(told) == [made["unit_id"]]


async def test_c79_a_part_that_helps_nobody_is_not_held(clinic: Clinic) -> None:
    await clinic.lay(*["A+"] * 4, component=CRYO, **FROZEN)
    told = await clinic.ask(CRYO, 10, group="A+")
    assert (given(told), told["decision"]["lines"][0]["uncovered"]) == ([], 10)
    part = refusals(told)["part_of_no_use"]
    assert part["params"] == {"there": 4, "least": 6, "missing": 2}
    await clinic.lay(*["A+"] * 2, component=CRYO, **FROZEN)
    await clinic.pass_time(seconds=1)
    assert given(await clinic.see(told)) == ["A+"] * 6
