"""The neighbouring stations: each reads the shortages on Kafka and offers what it can spare.

Each has its own Kafka consumer, as a separate station would. It keeps enough days of supply for its
own patients; while patients of another station wait urgently, its director on duty confirms that it
goes below that. How far is the system's own rule (`offer.floor_bends`). The system decides what it
takes of an offer, and the station's staff send it.

Concurrency: per station one task follows the shortages and one task makes the offers.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from demo.actor_context import DrillStage
from demo.http_clients import EVERY_CODE, list_event_ids
from demo.kafka_clients import TopicFollower
from demo.random_draws import draw
from demo.serving_options import count_kept
from models.envelope import Envelope
from models.events import decode_event
from models.events.shortages import OfferMade, ShortageChanged, ShortageCleared, ShortageDeclared
from models.facilities import Station
from models.groups import BloodGroup
from models.requests import Priority
from models.shortages import Offer, Shortage, ShortageLevel, ShortageStatus
from models.topics import TopicName

_FIRST_LOOK_S = 900
_LOOK_EVERY_S = 1200
_VALID_FOR_H = 6
_DIRECTOR = "值班主任（合成）· director on duty (synthetic)"

Shelf = dict[tuple[str, str], int]


class Neighbour:
    """A station as its neighbours see it.

    Args:
        stage: Shared by all actors.
        station: The station that offers its blood.
    """

    def __init__(self, stage: DrillStage, station: Station) -> None:
        self._stage = stage
        self._station = station
        self._door = stage.door("neighbour", station.station_id)
        self._tail = TopicFollower(
            bootstrap=stage.kafka_bootstrap, client_id=f"demo-neighbour-{station.station_id}"
        )
        self._open: dict[str, Shortage] = {}
        self._answered: dict[str, int] = {}

    async def ready(self) -> None:
        await self._tail.connected.wait()

    async def listen(self) -> None:
        """Follow the shortages until cancelled."""
        async for _, envelope in self._tail.follow([TopicName.SHORTAGES]):
            self._hear(envelope)

    def _hear(self, envelope: Envelope) -> None:
        match decode_event(envelope.type, envelope.data):
            case ShortageDeclared(shortage=shortage) | ShortageChanged(shortage=shortage):
                if shortage.station_id in self._station.policy.neighbours:
                    self._open[shortage.shortage_id] = shortage
            case ShortageCleared(shortage=shortage):
                self._open.pop(shortage.shortage_id, None)
            case _:
                pass

    async def offer(self) -> None:
        """Answer the shortages of others at intervals until the day is over."""
        chance = draw(self._stage.scenario.seed, "neighbour", self._station.station_id)
        await self._stage.sleep_until(self._stage.scenario.at(0))
        pause_s = _FIRST_LOOK_S + chance.randint(0, _FIRST_LOOK_S)
        while await self._stage.sleep_or_curtain(pause_s):
            await self._look()
            pause_s = _LOOK_EVERY_S

    async def _look(self) -> None:
        pressing = [shortage for shortage in self._open.values() if self._is_pressing(shortage)]
        if not pressing:
            return
        shelf = await self._read_shelf()
        for shortage in sorted(
            pressing, key=lambda shortage: (-shortage.level.severity, -shortage.uncovered_units)
        ):
            self._answered[shortage.shortage_id] = shortage.version
            await self._answer(shortage, shelf)

    def _is_pressing(self, shortage: Shortage) -> bool:
        """Return whether a shortage is open, orange or worse, and was not answered in this version.

        A yellow shortage does not justify the journey over the mountains.
        """
        is_bad = shortage.level.severity >= ShortageLevel.ORANGE.severity
        is_new = self._answered.get(shortage.shortage_id, 0) < shortage.version
        return (
            shortage.status is ShortageStatus.OPEN
            and is_new
            and is_bad
            and shortage.units_missing > 0
        )

    async def _read_shelf(self) -> Shelf:
        answer = await self._door.call("GET", f"/v1/stations/{self._station.station_id}/stock")
        return {
            (row["component"], row["group"]): int(row["units"])
            for row in answer.body["stock"]
            if row["status"] == "available"
        }

    async def _answer(self, shortage: Shortage, shelf: Shelf) -> None:
        missing, waited_for = shortage.units_missing, shortage.urgent_units
        for group in shortage.donor_groups:
            place = (shortage.component.value, group.value)
            have = shelf.get(place, 0)
            spare = max(0, have - self._count_kept(shortage, group, Priority.ROUTINE))
            bent = max(0, have - self._count_kept(shortage, group, _find_pressing(shortage)))
            quantity = min(missing, max(spare, min(waited_for, bent)))
            if quantity <= 0:
                continue
            missing -= quantity
            waited_for = max(0, waited_for - quantity)
            shelf[place] -= quantity
            await self._post(shortage, group, quantity, below_floor=quantity > spare)

    def _count_kept(self, shortage: Shortage, group: BloodGroup, priority: Priority) -> int:
        return count_kept(
            self._stage.scenario, self._station, shortage.component, group, priority=priority
        )

    async def _post(
        self, shortage: Shortage, group: BloodGroup, quantity: int, *, below_floor: bool
    ) -> None:
        stage = self._stage
        named = f"{shortage.shortage_id[:18]}-{shortage.version}"
        key = f"{self._station.station_id[:8]}-{named}-{group.name}"
        valid_until = stage.clock.now() + timedelta(hours=_VALID_FOR_H)
        body: dict[str, object] = {
            "shortage_id": shortage.shortage_id,
            "to_station_id": shortage.station_id,
            "component": shortage.component.value,
            "group": group.value,
            "quantity": quantity,
            "valid_until": valid_until.isoformat(),
        }
        if below_floor:
            body |= {"below_floor": True, "confirmed_by": _DIRECTOR}
        # The shortage may have ended since it was read: then the gateway may refuse the offer.
        answer = await self._door.call(
            "POST", "/v1/offers", body=body, idempotency_key=key, refusals=EVERY_CODE
        )
        for event_id in list_event_ids(answer):
            stage.board.offers += 1
            offer = Offer.model_validate(
                {**body, "offer_id": event_id, "from_station_id": self._station.station_id}
            )
            stage.sent.note(
                event_id=event_id,
                source=f"station/{self._station.station_id}",
                event_type=OfferMade.TYPE,
                subject=shortage.shortage_id,
                accepted=True,
                body={"offer": offer.model_dump(mode="json")},
            )


def _find_pressing(shortage: Shortage) -> Priority:
    """Return how urgent the most urgent patient is for whom the director may go below the floor."""
    if shortage.endangered_units:
        return Priority.LIFE_THREATENING
    return Priority.URGENT if shortage.urgent_units else Priority.ROUTINE


async def run_neighbours(neighbours: list[Neighbour]) -> None:
    """Let every neighbour listen and offer until cancelled."""
    async with asyncio.TaskGroup() as group:
        for neighbour in neighbours:
            group.create_task(neighbour.listen())
            group.create_task(neighbour.offer())
