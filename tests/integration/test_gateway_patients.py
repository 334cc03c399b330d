"""Patients over HTTP: remembered from one request to the next, asked about, and corrected."""

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

HOSPITAL = "shigatse-people"
PERSON = {"person": "Dr Tashi", "reason": "two new samples agree"}


@pytest_asyncio.fixture(scope="module")
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway, running_engine(gateway):
        for group in ("A+", "B+", "O+"):
            await add_stock(gateway.database, station_id="shigatse", units=20, group=group)
        yield gateway


def _headers() -> dict[str, str]:
    return {"Idempotency-Key": unique("k"), "Prefer": "wait=10"}


async def ask(world: RunningGateway, reference: str, **patient: object) -> dict[str, Any]:
    body = request_body(patient={"reference": reference, **patient})
    answer = await world.client("hospital").post("/v1/requests", json=body, headers=_headers())
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def change(world: RunningGateway, reference: str, **changes: object) -> int:
    path = f"/v1/hospitals/{HOSPITAL}/patients/{reference}"
    answer = await world.client("hospital").patch(path, json=changes, headers=_headers())
    return answer.status_code


def list_groups(told: dict[str, Any]) -> list[str]:
    return [unit["group"] for line in told["decision"]["lines"] for unit in line["reserved"]]


def list_reasons(told: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in told["decision"]["reasons"]]


def list_issue(told: dict[str, Any]) -> list[str]:
    return [reason["code"] for line in told["decision"]["lines"] for reason in line["issue"]]


async def test_c37_a_second_group_is_a_question_and_group_o_meanwhile(
    world: RunningGateway,
) -> None:
    reference = unique("P")
    first = await ask(world, reference, group="A+")
    second = await ask(world, reference.upper(), group="B+")
    assert (list_groups(first), list_groups(second)) == (["A+"] * 2, ["O+"] * 2)
    assert "patient_groups_differ" in list_reasons(second)
    client = world.client("hospital")
    record = (await client.get(f"/v1/hospitals/{HOSPITAL}/patients/{reference}")).json()
    assert record["known"]["disputed_groups"] == ["A+", "B+"]
    assert [told["group"] for told in record["groups"]] == ["A+", "B+"]
    assert await change(world, reference, correction={"group": "A+", **PERSON}) == 200
    third = await ask(world, reference, group="A+")
    assert list_groups(third) == ["A+"] * 2
    record = (await client.get(f"/v1/hospitals/{HOSPITAL}/patients/{reference}")).json()
    assert record["corrections"][0]["correction"]["person"] == "Dr Tashi"


async def test_c32_electronic_issue_looks_at_the_history(world: RunningGateway) -> None:
    plain, known = unique("P"), unique("P")
    typed = {"group": "A+", "group_basis": "two_samples"}
    first = await ask(world, plain, **typed)
    await ask(world, known, group="O+", antibodies=["E"])
    assert await change(world, known, correction={"withdrawn_antibodies": ["E"], **PERSON}) == 200
    second = await ask(world, known, **typed)
    assert list_issue(first) == ["issue_electronic"]
    assert list_issue(second) == ["crossmatch_history_differs"]
    (told,) = second["decision"]["lines"][0]["issue"]
    assert "不可电子配发" in told["zh"], "each is told in both languages"


async def test_c38_a_forgotten_antibody_still_counts(world: RunningGateway) -> None:
    reference = unique("P")
    await ask(world, reference, group="A+", antibodies=["E"])
    again = await ask(world, reference, group="A+")
    assert list_groups(again) == []
    assert "antibodies_remembered" in list_reasons(again)


async def test_c36_antibodies_survive_typing(world: RunningGateway) -> None:
    """Amended to A+, of which untyped bags lie there; then a later sample shows no antibody."""
    told = await ask(world, unique("P"), group="A-", antibodies=["D", "E"])
    path = f"/v1/requests/{told['request_id']}"
    client = world.client("hospital")
    changes: list[dict[str, Any]] = [{"group": "A+"}, {"antibodies": []}]
    for patient in changes:
        answer = await client.patch(path, json={"patient": patient}, headers=_headers())
        assert (answer.status_code, list_groups(answer.json())) == (200, [])
        request = (await client.get(path)).json()["request"]
        assert request["patient"]["antibodies"] == ["D", "E"]


async def test_a_correction_without_a_person_is_refused_by_name(world: RunningGateway) -> None:
    path = f"/v1/hospitals/{HOSPITAL}/patients/P1"
    answer = await world.client("hospital").patch(
        path, json={"correction": {"group": "A+", "reason": "x"}}, headers=_headers()
    )
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["correction.person"]


async def test_a_patient_is_shown_to_their_own_hospital_alone(world: RunningGateway) -> None:
    reference = unique("P")
    await ask(world, reference, group="A+")
    path = f"/v1/hospitals/{HOSPITAL}/patients/{reference}"
    assert (await world.client("dispatcher").get(path)).status_code == 200
    assert (await world.client("other_hospital").get(path)).status_code == 403
    assert (await world.client("station").get(path)).status_code == 403
    unknown = await world.client("hospital").get(path + "x")
    assert unknown.json()["code"] == "patient_unknown"


async def test_a_change_of_a_record_is_in_the_audit(world: RunningGateway) -> None:
    reference = unique("P")
    await ask(world, reference, group="A+")
    assert await change(world, reference, patient={"antibodies": ["E"]}) == 200
    rows = await world.database.fetch(
        "SELECT to_state, why FROM audit WHERE subject_kind = 'patient' AND subject = $1 "
        "ORDER BY sequence",
        f"{HOSPITAL}/{reference.lower()}",
    )
    assert [tuple(row) for row in rows] == [
        ("changed known typed_at groups", "opened"),
        ("changed known", "told"),
    ]
