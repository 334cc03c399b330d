"""The staff of each station: they pick and send reserved units, and have donations tested.

They learn of their work from the event stream and ask the gateway what to pick, so that they pick
no unit that was given back meanwhile. The driver notes a hospital's receipt under the supplying
station's key.

Concurrency: one task per request or transfer that is served, one per unit on the road.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from demo.actor_context import DrillStage
from demo.actors.laboratory import send_results
from demo.feed import follow_events
from demo.http_clients import HttpAnswer, find_code, list_event_ids
from demo.random_draws import draw
from models.decisions import Decision
from models.events.requests import RequestDecided
from models.events.shortages import TransferAgreed
from models.events.stock import StockChanged
from models.shortages import Transfer

_PICK_MIN_S = 240
_PICK_MAX_S = 900
_HANG_MIN_S = 900
_HANG_MAX_S = 3600
"""Simulated seconds from the hand-over at the hospital to the scan at the bed; an estimate."""
_MORNING_H = -0.25
"""The results of the night's tests arrive a quarter of an hour before the earthquake."""

_AT_BED = timedelta(hours=1)
"""A ward does not begin to transfuse a unit that would expire during the transfusion."""
_LOOKS = 100
_LOOK_EVERY_S = 0.1
"""Real seconds between two questions whether the engine has recorded the issue of the units."""

_WAY_OUT = ("picked", "issued", "departed")

_STAYS = frozenset({"unit_not_cleared"})
"""Refusals that keep a unit on the shelf: the safety kernel no longer clears it."""

_GONE = frozenset({"unit_state_forbids", "epoch_stale"})
"""Refusals of a unit that was given back, and perhaps promised again, after a look at the list."""

Promised = Mapping[str, Any]
"""A promise as the gateway returns it."""

Ask = Callable[[], Awaitable[list[Promised]]]

Picked = tuple[str, int]
"""Unit id and the epoch (fencing token) of its promise."""


class StationStaff:
    """The staff of one station.

    Args:
        stage: Shared by all actors.
        station_id: Where they work.
        roads: Tasks of units on the road and in the laboratory; owned by the caller.
    """

    def __init__(self, stage: DrillStage, station_id: str, roads: asyncio.TaskGroup) -> None:
        self._stage = stage
        self._station_id = station_id
        self._roads = roads
        self._door = stage.door("station", station_id)
        self._picked: set[Picked] = set()
        self.connected = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled."""
        async for seen in follow_events(
            self._door,
            topics=("blood.decisions.v1", "blood.transfers.v1"),
            connected=self.connected,
        ):
            match seen.event:
                case RequestDecided(decision=decision) if any(
                    line.reserved for line in decision.lines
                ):
                    self._roads.create_task(self._serve(decision))
                case TransferAgreed(transfer=transfer) if (
                    transfer.from_station_id == self._station_id
                ):
                    self._roads.create_task(self._send(transfer))
                case _:
                    pass

    async def release_night_tests(self) -> None:
        """Send the test results of the units that the count found in quarantine."""
        await self._stage.sleep_until(self._stage.scenario.at(_MORNING_H))
        for counted in self._stage.stock:
            if counted.unit.station_id == self._station_id and not counted.released:
                unit = counted.unit
                await self.test(unit.donation_id, unit.group, is_clear=True)

    async def test(self, donation_id: str, group: str, *, is_clear: bool) -> None:
        """Have a donation tested; the system releases or discards its units by the results."""
        await send_results(self._stage, self._station_id, donation_id, group, is_clear=is_clear)

    async def change(
        self, unit_id: str, change: str, *, station_id: str = "", **fields: object
    ) -> HttpAnswer:
        """Report a change of a unit to the gateway, and note it in the sent log."""
        stage, at_station = self._stage, station_id or self._station_id
        door = stage.door("station", at_station)
        happened_at = stage.clock.now().isoformat()
        body = {"unit_id": unit_id, "change": change, "happened_at": happened_at, **fields}
        answer = await door.call(
            "POST",
            f"/v1/stations/{at_station}/stock/changes",
            body=body,
            idempotency_key=f"{unit_id}-{change}-{fields.get('epoch', 0)}",
            refusals=_STAYS | _GONE if change in _WAY_OUT else (),
        )
        event = StockChanged.model_validate({**body, "station_id": at_station})
        for event_id in list_event_ids(answer):
            stage.sent.note(
                event_id=event_id,
                source=f"station/{at_station}",
                event_type=event.TYPE,
                subject=unit_id,
                accepted=answer.is_accepted,
                body=event.model_dump(mode="json", exclude_none=True),
            )
        return answer

    async def _serve(self, decision: Decision) -> None:
        stage = self._stage
        stage.busy += 1
        try:
            chance = draw(stage.scenario.seed, "pick", decision.decision_id)
            await stage.sleep(chance.randint(_PICK_MIN_S, _PICK_MAX_S))
            ask = partial(self._list_promises, decision.request_id)
            units = await self._issue(ask)
            if not units:
                return
            await stage.sleep(decision.eta_s or 0)
            promises = await self._await_left(ask, units)
            for promise in promises:
                await self.change(promise["unit_id"], "received", epoch=promise["epoch"])
                stage.board.received[promise["unit_id"]] = decision.hospital_id
            await stage.sleep(chance.randint(_HANG_MIN_S, _HANG_MAX_S))
            for promise in promises:
                await end_at_bed(stage, decision.hospital_id, promise)
        finally:
            stage.busy -= 1

    async def _send(self, transfer: Transfer) -> None:
        stage = self._stage
        stage.busy += 1
        try:
            chance = draw(stage.scenario.seed, "pick", transfer.transfer_id)
            await stage.sleep(chance.randint(_PICK_MIN_S, _PICK_MAX_S))
            ask = partial(self._list_lent, transfer.transfer_id)
            units = await self._issue(ask)
            if not units:
                return
            await stage.sleep(transfer.eta_s)
            for promise in await self._await_left(ask, units):
                unit_id = promise["unit_id"]
                await self.change(
                    unit_id, "received", station_id=transfer.to_station_id, epoch=promise["epoch"]
                )
                stage.board.shared[unit_id] = (transfer.from_station_id, transfer.to_station_id)
                stage.board.arrived[unit_id] = stage.clock.now()
        finally:
            stage.busy -= 1

    async def _list_promises(self, request_id: str) -> list[Promised]:
        answer = await self._door.call("GET", f"/v1/requests/{request_id}")
        return [entry["promise"] for entry in answer.body["timeline"] if entry["kind"] == "promise"]

    async def _list_lent(self, transfer_id: str) -> list[Promised]:
        answer = await self._door.call("GET", "/v1/transfers?limit=500")
        return [
            unit
            for transfer in answer.body["transfers"]
            if transfer["transfer_id"] == transfer_id
            for unit in transfer["units"]
        ]

    async def _await_left(self, ask: Ask, units: list[Picked]) -> list[Promised]:
        """Return the promises whose units left the station; a unit refused at its issue stays."""
        promises: list[Promised] = []
        for _ in range(_LOOKS):
            promises = [promise for promise in await ask() if _name(promise) in units]
            if all(promise["status"] != "held" for promise in promises):
                break
            await asyncio.sleep(_LOOK_EVERY_S)
        return [promise for promise in promises if promise["status"] == "issued"]

    async def _issue(self, ask: Ask) -> list[Picked]:
        """Issue held units that no other task has picked: two decisions may start two tasks."""
        mine = [pick for pick in await _list_live(ask, "held") if pick not in self._picked]
        self._picked.update(mine)
        for unit_id, epoch in mine:
            for step in _WAY_OUT:
                answer = await self.change(unit_id, step, epoch=epoch)
                code = find_code(answer)
                if code in _GONE and (unit_id, epoch) in await _list_live(ask):
                    self._stage.refused.note(f"{step} {unit_id}", answer)
                if code in _STAYS | _GONE:
                    break
        return mine


async def _list_live(ask: Ask, *statuses: str) -> list[Picked]:
    """List the units that are promised, held or issued, or only those of the named statuses."""
    wanted = statuses or ("held", "issued")
    return [_name(promise) for promise in await ask() if promise["status"] in wanted]


def _name(promise: Promised) -> Picked:
    return promise["unit_id"], promise["epoch"]


async def end_at_bed(stage: DrillStage, hospital_id: str, promise: Promised) -> None:
    """Scan the unit at the bed under the hospital's own key: transfused or, if stale, discarded."""
    unit_id, epoch = _name(promise)
    now = stage.clock.now()
    is_fresh = datetime.fromisoformat(promise["expires_at"]) - now > _AT_BED
    change = "transfused" if is_fresh else "discarded"
    body: dict[str, Any] = {
        "unit_id": unit_id,
        "change": change,
        "happened_at": now.isoformat(),
        "done_by": "ward (synthetic)",
    }
    body |= {"epoch": epoch} if is_fresh else {"reason": "效期已过 · expired at the ward"}
    answer = await stage.door("hospital", hospital_id).call(
        "POST",
        f"/v1/hospitals/{hospital_id}/stock/changes",
        body=body,
        idempotency_key=f"{unit_id}-{change}-{epoch}",
    )
    station_id = stage.scenario.get_hospital(hospital_id).hospital.station_id
    event = StockChanged.model_validate({**body, "station_id": station_id})
    if is_fresh:
        stage.board.transfused.add(unit_id)
    for event_id in list_event_ids(answer):
        stage.sent.note(
            event_id=event_id,
            source=f"hospital/{hospital_id}",
            event_type=event.TYPE,
            subject=unit_id,
            accepted=answer.is_accepted,
            body=event.model_dump(mode="json", exclude_none=True),
        )
