"""The evening before: registers facilities, reserves and stock through the gateway.

Uses the calls that stations use themselves. Returns when every shelf shows the stock count.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from demo.actor_context import DrillStage
from demo.http_clients import HttpAnswer, list_event_ids
from models.errors import TransientError
from models.events.stock import Attestation, CountedUnit, StockCounted

_PATIENCE_S = 30.0
_LOOK_EVERY_S = 0.1
_RELEASED_BY = "质管科（合成）· quality control (synthetic)"
"""The name under which the release of the stock of the evening before is attested."""


async def register(stage: DrillStage) -> None:
    """Register everything of the scenario.

    Raises:
        TransientError: The shelves did not show the stock count in time.
    """
    await _register_facilities(stage)
    stations = [station.station_id for station in stage.scenario.stations]
    await asyncio.gather(
        *(_register_donors(stage, station_id) for station_id in stations),
        *(_count_stock(stage, station_id) for station_id in stations),
    )
    async with asyncio.TaskGroup() as group:
        for station_id in stations:
            group.create_task(_wait_counted(stage, station_id))


async def _register_facilities(stage: DrillStage) -> None:
    door = stage.door("dispatcher")
    for station in stage.scenario.stations:
        await door.call(
            "PUT", f"/v1/stations/{station.station_id}", body=station.model_dump(mode="json")
        )
    for hospital in stage.scenario.hospitals:
        path = f"/v1/hospitals/{hospital.hospital.hospital_id}"
        await door.call("PUT", path, body=hospital.hospital.model_dump(mode="json"))
    routes = [
        {"from_id": from_id, "to_id": to_id, "eta_s": eta_s}
        for (from_id, to_id), eta_s in stage.scenario.routes.items()
    ]
    await door.call("PUT", "/v1/routes", body={"routes": routes})


async def _register_donors(stage: DrillStage, station_id: str) -> None:
    rows = [
        donor.donor.model_dump(mode="json", exclude_none=True)
        for donor in stage.donors.values()
        if donor.donor.station_id == station_id
    ]
    path = f"/v1/stations/{station_id}/donors"
    await stage.door("station", station_id).call("POST", path, body={"donors": rows})


def list_shelf(stage: DrillStage, station_id: str) -> list[CountedUnit]:
    """List the scenario's units of one station."""
    return [counted for counted in stage.stock if counted.unit.station_id == station_id]


async def _count_stock(stage: DrillStage, station_id: str) -> None:
    counted = list_shelf(stage, station_id)
    counted_at = stage.scenario.at(-stage.scenario.stock.counted_before_h)
    rows = [
        {**counted_unit.unit.model_dump(mode="json"), "released": counted_unit.released}
        for counted_unit in counted
    ]
    answer = await stage.door("station", station_id).call(
        "POST",
        f"/v1/stations/{station_id}/stock",
        body={
            "counted_at": counted_at.isoformat(),
            "units": rows,
            "released_by": _RELEASED_BY,
            "released_at": counted_at.isoformat(),
        },
        idempotency_key=f"{station_id}-evening-count",
    )
    _note_count(stage, answer, station_id, counted)


def _note_count(
    stage: DrillStage, answer: HttpAnswer, station_id: str, counted: list[CountedUnit]
) -> None:
    event = StockCounted(
        station_id=station_id,
        counted_at=stage.scenario.at(-stage.scenario.stock.counted_before_h),
        units=tuple(counted),
        attestation=Attestation(
            released_by=_RELEASED_BY,
            released_at=stage.scenario.at(-stage.scenario.stock.counted_before_h),
        ),
    )
    for event_id in list_event_ids(answer):
        stage.sent.note(
            event_id=event_id,
            source=f"station/{station_id}",
            event_type=event.TYPE,
            subject=station_id,
            accepted=answer.is_accepted,
            body=event.model_dump(mode="json", exclude_none=True),
        )


async def _wait_counted(stage: DrillStage, station_id: str) -> None:
    wanted = len(list_shelf(stage, station_id))
    looks = round(_PATIENCE_S / _LOOK_EVERY_S)
    for _ in range(looks):
        if await _count_shown(stage, station_id) >= wanted:
            return
        await asyncio.sleep(_LOOK_EVERY_S)
    raise TransientError("demo_stock_not_counted", station_id=station_id)


async def _count_shown(stage: DrillStage, station_id: str) -> int:
    answer = await stage.door("station", station_id).call("GET", f"/v1/stations/{station_id}/stock")
    shown: Counter[str] = Counter()
    for row in answer.body.get("stock", ()):
        shown[row["status"]] += row["bags"]
    return shown.total()
