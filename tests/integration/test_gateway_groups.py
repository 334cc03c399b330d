"""Which groups go to whom, as a hospital asks over HTTP: real Kafka, PostgreSQL and engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from tests.support.gateway import (
    RunningGateway,
    add_stock,
    request_body,
    running_engine,
    running_gateway,
)
from tests.support.kafka import unique

pytestmark = pytest.mark.integration

Told = dict[str, Any]


@pytest_asyncio.fixture
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    """A gateway with an engine and an empty shelf."""
    async with running_gateway(endpoints) as gateway, running_engine(gateway):
        yield gateway


async def ask(world: RunningGateway, *, patient: Told, quantity: int = 1, **changes: Any) -> Told:  # noqa: ANN401 - any field
    component = changes.pop("component", "red_cells")
    lines = [{"line_no": 1, "component": component, "quantity": quantity}]
    answer = await world.client("hospital").post(
        "/v1/requests",
        json=request_body(patient=patient, lines=lines, **changes),
        headers={"Idempotency-Key": unique("k"), "Prefer": "wait=10"},
    )
    assert answer.status_code == 201, answer.text
    told: Told = answer.json()
    return told


async def amend(world: RunningGateway, request_id: str, patient: Told) -> Told:
    answer = await world.client("hospital").patch(
        f"/v1/requests/{request_id}",
        json={"patient": patient},
        headers={"Idempotency-Key": unique("c"), "Prefer": "wait=10"},
    )
    assert answer.status_code == 200, answer.text
    told: Told = answer.json()
    return told


def given(told: Told) -> list[str]:
    (line,) = told["decision"]["lines"]
    return [unit["group"] for unit in line["reserved"]]


def reasons(told: Told) -> list[str]:
    return [reason["code"] for reason in told["decision"]["reasons"]]


async def test_c40_typing_a_bleeding_man_takes_nothing_away(world: RunningGateway) -> None:
    await add_stock(world.database, station_id="shigatse", units=4, group="O+")
    man = {"sex": "male", "age_years": 70}
    told = await ask(world, patient=man, quantity=4, priority="life_threatening")
    assert given(told) == ["O+"] * 4
    typed = await amend(world, told["request_id"], {"group": "O-"})
    assert given(typed) == ["O+"] * 4
    (consent,) = [
        reason for reason in typed["decision"]["reasons"] if reason["code"] == "consent_afterwards"
    ]
    assert "同意书事后补签" in consent["zh"]


async def test_c42_an_untyped_boy_gets_o_positive(world: RunningGateway) -> None:
    await add_stock(world.database, station_id="shigatse", units=2, group="O+")
    boy = {"sex": "male", "age_years": 17}
    assert given(await ask(world, patient=boy, quantity=2)) == ["O+", "O+"]


async def test_c51_a_transplanted_patient_is_told_of_and_promised_by_class(
    world: RunningGateway,
) -> None:
    for group in ("A+", "O+"):
        await add_stock(world.database, station_id="shigatse", units=2, group=group)
    transplant = {
        "donor_group": "A+",
        "recipient_group": "O+",
        "phase": "before_engraftment",
    }
    told = await ask(world, patient={"group": "A+", "transplant": transplant}, quantity=3)
    assert given(told) == ["O+", "O+"]
    row = await world.database.fetch(
        "SELECT patient_group, patient_plasma_group, patient_platelet_group, "
        "patient_whole_blood_group FROM requests WHERE request_id = $1",
        told["request_id"],
    )
    assert [tuple(record) for record in row] == [("O+", "A+", "A+", "unknown")]
    # Once engrafted, the donor's red cells are right.
    engrafted = {**transplant, "phase": "after_engraftment"}
    assert given(await amend(world, told["request_id"], {"transplant": engrafted})) == [
        "A+",
        "A+",
        "O+",
    ]


async def test_c50_a_bombay_patient_is_given_no_group_o(world: RunningGateway) -> None:
    await add_stock(world.database, station_id="shigatse", units=2, group="O+")
    told = await ask(world, patient={"group": "O+", "rare_group": "bombay"})
    assert given(told) == []
    assert "rare_blood_needed" in reasons(told)
    await world.database.fetch(
        'UPDATE units SET traits = \'{"antigen_negative": ["H"]}\' WHERE unit_id = '
        "(SELECT min(unit_id) FROM units)"
    )
    assert given(await ask(world, patient={"group": "O+", "rare_group": "bombay"})) == ["O+"]


async def test_c33_a_bag_counted_as_c_positive_is_kept_from_a_woman(world: RunningGateway) -> None:
    await add_stock(world.database, station_id="shigatse", units=1, group="O-")
    await world.database.fetch("UPDATE units SET traits = '{\"c_positive\": true}'")
    woman = {"group": "O-", "sex": "female", "age_years": 25}
    told = await ask(world, patient=woman)
    assert given(told) == []
    (line,) = told["decision"]["lines"]
    assert "del_not_excluded" in [reason["code"] for reason in line["refusals"]]
    assert given(await ask(world, patient={**woman, "sex": "male"})) == ["O-"]


async def test_a_rare_group_that_nobody_knows_is_refused_with_the_field(
    world: RunningGateway,
) -> None:
    answer = await world.client("hospital").post(
        "/v1/requests",
        json=request_body(patient={"group": "O+", "rare_group": "oh"}),
        headers={"Idempotency-Key": unique("k")},
    )
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["patient.rare_group"]
