"""A look-back: a donor of the day before reports an illness, and the station recalls the donation.

Takes a unit that was transfused, recalls its donation, and asks the gateway what became of every
unit and which patients received blood of it. The answer is kept on the board; `results` judges it.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

from demo.actor_context import DrillStage
from demo.day_record import LookBack
from demo.http_clients import list_event_ids
from models.events.donations import DonationRecalled

_AFTER_H = 5.0
"""By then the first patients mostly have received blood, also in a shortened day."""
_LOOK_AGAIN_S = 600.0
"""Simulated seconds; on an overloaded machine the first transfusion comes later."""

_LOOKS = 100
_LOOK_EVERY_REAL_S = 0.1
_REASON = "献血者次日发热（合成）· donor fell ill the next day (synthetic)"


async def run_look_back(stage: DrillStage) -> None:
    """Recall the donation of the first unit, in order of unit id, that was transfused by then."""
    await stage.sleep_until(stage.scenario.at(_AFTER_H))
    known = {counted.unit.unit_id: counted.unit for counted in stage.stock}
    while not (used := sorted(known.keys() & stage.board.transfused)):
        if stage.curtain.is_set():
            return
        await stage.sleep(_LOOK_AGAIN_S)
    stage.busy += 1
    try:
        unit = known[used[0]]
        # A unit that came from a neighbouring station belongs to the receiving station now.
        station_id = stage.board.shared.get(unit.unit_id, ("", unit.station_id))[1]
        recalled_at = await _recall(stage, station_id, unit.donation_id)
        await _look(stage, station_id, unit.donation_id, recalled_at)
    finally:
        stage.busy -= 1


async def _recall(stage: DrillStage, station_id: str, donation_id: str) -> datetime:
    recalled_at = stage.clock.now()
    body = {
        "recall_id": f"recall-{donation_id}",
        "reason": _REASON,
        "recalled_by": "quality control (synthetic)",
        "recalled_at": recalled_at.isoformat(),
    }
    answer = await stage.door("station", station_id).call(
        "POST",
        f"/v1/stations/{station_id}/donations/{donation_id}/recall",
        body=body,
        idempotency_key=f"{donation_id}-recall",
    )
    event = DonationRecalled.model_validate(
        {**body, "station_id": station_id, "donation_id": donation_id}
    )
    for event_id in list_event_ids(answer):
        stage.sent.note(
            event_id=event_id,
            source=f"station/{station_id}",
            event_type=event.TYPE,
            subject=donation_id,
            accepted=answer.is_accepted,
            body=event.model_dump(mode="json", exclude_none=True),
        )
    zh, en = stage.scenario.get_names(station_id)
    stage.board.note(
        recalled_at,
        "request",
        f"{zh}召回献血 {donation_id}",
        f"{en} recalls donation {donation_id}",
    )
    return recalled_at


async def _look(
    stage: DrillStage, station_id: str, donation_id: str, recalled_at: datetime
) -> None:
    """Ask until the gateway knows the recall, and keep its answer."""
    for _ in range(_LOOKS):
        answer = await stage.door("station", station_id).call("GET", f"/v1/donations/{donation_id}")
        if answer.body["recalls"]:
            stage.board.look_back = LookBack(
                donation_id=donation_id,
                recalled_at=recalled_at,
                units={unit["unit_id"]: unit["status"] for unit in answer.body["units"]},
                requests=tuple(recipient["request_id"] for recipient in answer.body["recipients"]),
            )
            return
        await asyncio.sleep(_LOOK_EVERY_REAL_S)
