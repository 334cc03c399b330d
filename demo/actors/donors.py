"""The notifier and the donors it calls, who answer, arrive, donate, or fail to do so.

Reads the call-outs from Kafka as a notifier would. The donors' answers are drawn from the
scenario's rates; whom the system calls, when it stops and how many millilitres are donated follows
from the system's own decisions.

Concurrency: one task follows the call-outs, one more runs per donor called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from random import Random

from demo.actor_context import DrillStage
from demo.actors.stations import StationStaff
from demo.day_record import Given
from demo.http_clients import EVERY_CODE, list_event_ids
from demo.kafka_clients import TopicFollower
from demo.random_draws import draw
from demo.scenario_schema import Answers
from models.components import Component
from models.donors import CallOut, CallOutStatus, Donor
from models.envelope import Envelope
from models.events import decode_event
from models.events.donors import CallOutAnswered, CallOutClosed, CallOutIssued
from models.topics import TopicName

_UNANSWERED_AFTER_S = 3600
"""Simulated seconds after which an unanswered call is recorded as `no_answer`."""


_NOT_YET = {CallOutStatus.CALLED, CallOutStatus.ACCEPTED}
_LOOK_EVERY_REAL_S = 0.2


class _ArrivalDesk:
    """The list of called donors at one station, read once for all donors who wait beside it.

    Concurrency: one task reads while anybody waits.
    """

    def __init__(self, stage: DrillStage, station_id: str, people: asyncio.TaskGroup) -> None:
        self._door = stage.door("station", station_id)
        self._path = f"/v1/stations/{station_id}/call-outs?limit=1000"
        self._people = people
        self._waiting: dict[str, asyncio.Future[bool]] = {}
        self._reader: asyncio.Task[None] | None = None

    async def is_expected(self, call_out_id: str) -> bool:
        """Wait until the list shows the arrival, or that the call has ended before it.

        The list may lag behind the answers that were sent. The end of the day ends the wait.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[call_out_id] = future
        if self._reader is None or self._reader.done():
            self._reader = self._people.create_task(self._read())
        return await future

    async def _read(self) -> None:
        while self._waiting:
            answer = await self._door.call("GET", self._path)
            for row in answer.body["call_outs"]:
                status = CallOutStatus(row["status"])
                if status not in _NOT_YET and row["call_out_id"] in self._waiting:
                    future = self._waiting.pop(row["call_out_id"])
                    future.set_result(status is CallOutStatus.ARRIVED)
            await asyncio.sleep(_LOOK_EVERY_REAL_S)


class Notifier:
    """Calls donors and ends calls as the system's events say.

    Args:
        stage: Shared by all actors.
        staff: Station id to the staff who have its donations tested.
        people: Tasks of the donors called; owned by the caller.
    """

    def __init__(
        self, stage: DrillStage, staff: Mapping[str, StationStaff], people: asyncio.TaskGroup
    ) -> None:
        self._stage = stage
        self._staff = staff
        self._people = people
        self._tail = TopicFollower(bootstrap=stage.kafka_bootstrap, client_id="demo-notifier")
        self._closed: dict[str, asyncio.Event] = {}
        self._desks = {station_id: _ArrivalDesk(stage, station_id, people) for station_id in staff}

    async def ready(self) -> None:
        await self._tail.connected.wait()

    async def run(self) -> None:
        """Follow the call-outs until cancelled."""
        async for _, envelope in self._tail.follow([TopicName.CALLOUTS]):
            self._hear(envelope)

    def _hear(self, envelope: Envelope) -> None:
        match decode_event(envelope.type, envelope.data):
            case CallOutIssued(calls=calls):
                for call in calls:
                    self._closed[call.call_out_id] = asyncio.Event()
                    self._people.create_task(self._live(call))
            case CallOutClosed(call_out_ids=call_out_ids):
                for call_out_id in call_out_ids:
                    if call_out_id in self._closed:
                        self._closed[call_out_id].set()
            case _:
                pass

    async def _live(self, call: CallOut) -> None:
        """Play a called donor, from the call to the laboratory's result."""
        self._stage.busy += 1
        try:
            await self._answer(call)
        finally:
            self._stage.busy -= 1

    async def _answer(self, call: CallOut) -> None:
        donor = self._stage.donors[call.donor_id].donor
        answers = self._stage.scenario.donors.answers["staff" if donor.staff else "on_call"]
        chance = draw(self._stage.scenario.seed, "answer", call.donor_id, call.wave)
        delay_s = chance.randint(answers.answer_min_s, answers.answer_max_s)
        fate = chance.random()
        if fate >= answers.accepts + answers.declines:
            if not await self._is_stood_down(call, _UNANSWERED_AFTER_S):
                await self._answer_call(call, "no_answer")
            return
        if await self._is_stood_down(call, delay_s):
            return
        if fate >= answers.accepts:
            await self._answer_call(call, "declined", reason="不便（合成）· not now (synthetic)")
            return
        await self._come(call, donor, answers, chance)

    async def _come(self, call: CallOut, donor: Donor, answers: Answers, chance: Random) -> None:
        road_s = chance.randint(answers.arrive_min_s, answers.arrive_max_s)
        comes, is_fit = chance.random() < answers.comes, chance.random() < answers.fit
        arrives_at = self._stage.clock.now() + timedelta(seconds=road_s)
        await self._answer_call(call, "accepted", eta_s=road_s)
        left_s = (arrives_at - self._stage.clock.now()).total_seconds()
        if await self._is_stood_down(call, left_s) or not comes:
            return
        await self._answer_call(call, "arrived")
        # Each donor who has arrived is seen by the doctor, even if the call is ended meanwhile.
        await self._stage.sleep(self._stage.scenario.donors.collection.donation_s)
        if not await self._desks[call.station_id].is_expected(call.call_out_id):
            # The station's list expects the donor no longer, who goes home.
            return
        if not is_fit:
            await self._answer_call(
                call, "deferred", reason="血红蛋白偏低（合成）· low Hb (synthetic)"
            )
            return
        await self._give(call, donor, volume_ml=chance.choice(answers.volume_ml), chance=chance)

    async def _give(self, call: CallOut, donor: Donor, *, volume_ml: int, chance: Random) -> None:
        stage, plan = self._stage, self._stage.scenario.donors.collection
        now = stage.clock.now()
        donation_id = f"CN54-D-{call.call_out_id[:13]}".upper()
        unit_id = f"{donation_id}-RC"
        donation = {
            "unit_id": unit_id,
            "donation_id": donation_id,
            "component": Component.RED_CELLS.value,
            "group": donor.group.value,
            "volume_ml": volume_ml,
            "collected_at": now.isoformat(),
            "expires_at": (now + timedelta(days=plan.shelf_life_d)).isoformat(),
        }
        is_clear = chance.random() >= plan.fails_tests
        if not await self._answer_call(call, "donated", donation=donation):
            return
        stage.board.donated[unit_id] = Given(
            station_id=donor.station_id, staff=donor.staff, volume_ml=volume_ml
        )
        await stage.sleep(plan.tests_s)
        if not is_clear:
            stage.board.failed_tests += 1
        await self._staff[donor.station_id].test(donation_id, donor.group, is_clear=is_clear)

    async def _is_stood_down(self, call: CallOut, seconds: float) -> bool:
        """Wait so many simulated seconds; return True if the call was ended meanwhile."""
        closed = self._closed[call.call_out_id]
        try:
            await asyncio.wait_for(closed.wait(), seconds / self._stage.clock.speed)
        except TimeoutError:
            return closed.is_set()
        return True

    async def _answer_call(self, call: CallOut, answer: str, **fields: object) -> bool:
        """Send an answer to the station; return whether it was accepted."""
        stage = self._stage
        body = {
            "donor_id": call.donor_id,
            "answer": answer,
            "answered_at": stage.clock.now().isoformat(),
            **fields,
        }
        told = await stage.door("station", call.station_id).call(
            "POST",
            f"/v1/call-outs/{call.call_out_id}/answers",
            body=body,
            idempotency_key=f"{call.call_out_id}-{answer}",
            refusals=EVERY_CODE,
        )
        event = CallOutAnswered.model_validate(
            {**body, "call_out_id": call.call_out_id, "station_id": call.station_id}
        )
        for event_id in list_event_ids(told):
            stage.sent.note(
                event_id=event_id,
                source=f"station/{call.station_id}",
                event_type=event.TYPE,
                subject=call.call_out_id,
                accepted=told.is_accepted,
                body=event.model_dump(mode="json", exclude_none=True),
            )
        if told.is_accepted:
            stage.board.see_answer(call.call_out_id, call.station_id, answer)
        return told.is_accepted
