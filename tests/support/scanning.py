"""Bags on the shelf, their barcodes, and scans through the gateway."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx

from gateway.labels.barcode_values import Moment, ProductCode
from models.groups import BloodGroup
from tests.support.gateway import RunningGateway, request_body
from tests.support.kafka import unique
from tests.support.label_writing import make_donation, make_group, make_moment, render
from tests.support.labels import SHANGHAI
from tests.support.world import NOW

EXPIRES_AT = datetime(2025, 2, 5, 23, 59, tzinfo=SHANGHAI)
PRODUCT = "EX001V00"


def scans_of(place: str) -> str:
    """The path of a station's or hospital's scans, such as of `stations/shigatse`."""
    return f"/v1/{place}/scans"


def unit_id(number: int) -> str:
    return f"G123425{number:06d}-{PRODUCT}"


def barcodes(number: int, *, group: str = "A+", expires_at: datetime = EXPIRES_AT) -> list[str]:
    return [
        render(make_donation(f"G123425{number:06d}")),
        render(ProductCode(PRODUCT)),
        render(make_group(BloodGroup(group))),
        render(make_moment(Moment.EXPIRY, expires_at, SHANGHAI)),
    ]


async def add_bag(
    world: RunningGateway, number: int, *, group: str = "A+", station: str = "shigatse"
) -> None:
    """Put a released bag on the shelf."""
    await world.database.fetch(
        "INSERT INTO units (unit_id, donation_id, station_id, component, blood_group, volume_ml, "
        "collected_at, expires_at, status, source, released_at, attested_by) VALUES ($1, $2, "
        "$7, 'red_cells', $3, 200, $4, $5, 'available', 'stock', $6, 'test')",
        unit_id(number),
        f"G123425{number:06d}",
        group,
        NOW - timedelta(days=2),
        EXPIRES_AT + timedelta(seconds=59),
        NOW,
        station,
    )


async def reserve(world: RunningGateway, *, units: int, group: str, role: str = "hospital") -> str:
    """Let a hospital ask, and the engine promise it what is on the shelf; the request's id."""
    body = request_body(
        patient={"group": group},
        lines=[
            {
                "line_no": 1,
                "component": "red_cells",
                "quantity": units,
                "attributes": {"identical_group_only": True},
            }
        ],
    )
    headers = {"Idempotency-Key": unique("k"), "Prefer": "wait=10"}
    answer = await world.client(role).post("/v1/requests", json=body, headers=headers)
    assert answer.json()["status"] == "reserved", answer.text
    request_id: str = answer.json()["request_id"]
    return request_id


async def scan(
    world: RunningGateway,
    action: str,
    lines: list[str],
    *,
    role: str = "station",
    place: str = "stations/shigatse",
    key: str | None = None,
    wait_s: int = 0,
    **fields: Any,  # noqa: ANN401 - any field of the call
) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    if wait_s:
        headers["Prefer"] = f"wait={wait_s}"
    body = {"action": action, "barcodes": lines, **fields}
    return await world.client(role).post(scans_of(place), json=body, headers=headers)


async def wait_for_status(world: RunningGateway, number: int, status: str) -> None:
    """Look until the engine has moved the unit."""
    async with asyncio.timeout(15):
        while await find_status(world, number) != status:
            await asyncio.sleep(0.02)


async def find_status(world: RunningGateway, number: int) -> str:
    (row,) = await world.database.fetch(
        "SELECT status FROM units WHERE unit_id = $1", unit_id(number)
    )
    return str(row["status"])
