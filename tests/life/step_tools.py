"""The tools of every step: the chance, the clock, the model, and the sending of events."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import TypeVar

from models.components import Component
from models.envelope import Envelope
from models.events import EventData
from models.groups import BloodGroup
from models.topics import find_topic_of
from models.units import Unit, UnitTraits
from streams.ports import Received
from tests.life.driven_system import System
from tests.life.facilities import BEGIN, BETWEEN_STATIONS_S, ETA_S, GROUPS, STATION_ID
from tests.life.model import Model
from tests.life.model_objects import ModelBag

T = TypeVar("T")

ANTIGENS = ("K",)
"""What some units are tested for and lack, and some patients have antibodies against."""

_SHARE_SIBLINGS = 0.3
_SHARE_TYPED = 0.4
_VOLUMES_ML = (400, 200, 300)
_WHOLE_ML = (400, 300)
"""What is made of it, two bags of 150 ml, must fit."""


class Hand:
    """Draws, makes identifiers and sends events; one instance per sequence.

    Args:
        system: The driven system.
        chance: Source of everything that is drawn.
        name: Prefix of the identifiers.

    Attributes:
        now: The simulated clock; only waiting moves it.
    """

    def __init__(self, system: System, *, chance: Random, name: str) -> None:
        self.system = system
        self.chance = chance
        self.now: datetime = BEGIN
        self.model = Model(
            home=STATION_ID,
            eta=timedelta(seconds=ETA_S),
            between_stations=timedelta(seconds=BETWEEN_STATIONS_S),
        )
        self._name = name
        self._numbers = 0
        self._offset = 0

    def next(self, kind: str) -> str:
        """Return an identifier that was not used before."""
        self._numbers += 1
        return f"{self._name}-{kind}{self._numbers}".upper()

    def own(self, name: str) -> str:
        """Return a name that no other sequence on the same system has."""
        return f"{self._name}-{name}"

    def pick(self, things: Sequence[T]) -> T | None:
        """Return a random element; None if there is none."""
        return self.chance.choice(things) if things else None

    def happens(self, share: float) -> bool:
        return self.chance.random() < share

    async def send(self, event: EventData, source: str = f"station/{STATION_ID}") -> None:
        """Send an event to the system, as its topic's next record."""
        self._offset += 1
        topic = find_topic_of(event.TYPE)
        body = event.to_body()
        envelope = Envelope(
            id=self.next("e"),
            type=event.TYPE,
            source=source,
            subject=event.subject,
            time=self.now,
            key=event.key,
            data=body,
        )
        record = Received(
            topic=topic.name if topic else "",
            partition=0,
            offset=self._offset,
            envelope=envelope,
            event=event,
            digest=hashlib.sha256(body).hexdigest(),
        )
        await self.system.feed(record, self.now)

    def make_unit(
        self, component: Component, *, station_id: str = STATION_ID, may_be_typed: bool = False
    ) -> Unit:
        """Return a new unit, sometimes of a donation that is known already."""
        known = [bag for bag in self.model.bags.values() if bag.component == component]
        sibling = self.pick(known) if self.happens(_SHARE_SIBLINGS) else None
        hours = self.chance.choice((1, 6, 6, 48, 400, 400))
        volumes_ml = _WHOLE_ML if component is Component.WHOLE_BLOOD else _VOLUMES_ML
        volume_ml = volumes_ml[len(self.model.bags) % len(volumes_ml)]
        lacks = ANTIGENS if may_be_typed and self.happens(_SHARE_TYPED) else ()
        return Unit(
            unit_id=self.next("u"),
            donation_id=sibling.donation_id if sibling else self.next("d"),
            station_id=station_id,
            component=component,
            group=BloodGroup(sibling.group if sibling else self.chance.choice(GROUPS)),
            volume_ml=volume_ml,
            collected_at=(sibling.collected_at if sibling else self.now - timedelta(hours=1)),
            expires_at=self.now + timedelta(hours=hours),
            traits=UnitTraits(antigen_negative=lacks),
        )

    def believe(self, unit: Unit, state: str) -> None:
        """Add a unit to the model that the system must have now."""
        self.model.bags[unit.unit_id] = to_bag(unit, state)


def to_bag(unit: Unit, state: str, *, attested: bool = False) -> ModelBag:
    """Return the model's bag for a unit, at the unit's station."""
    return ModelBag(
        unit_id=unit.unit_id,
        donation_id=unit.donation_id,
        group=unit.group,
        component=unit.component,
        volume_ml=unit.volume_ml,
        lacks=frozenset(unit.traits.antigen_negative),
        state=state,
        place=unit.station_id,
        collected_at=unit.collected_at,
        expires_at=unit.expires_at,
        released=attested,
        attested=attested,
    )
