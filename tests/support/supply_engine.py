"""The whole engine with its supply side, on a real database, fed by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson

from models.components import Component
from models.donors import Answer, Donor
from models.events.alerts import AlertReceived
from models.events.donors import CallOutAnswered
from models.events.requests import RequestCancelled
from models.events.shortages import OfferMade
from models.facilities import Station
from models.groups import BloodGroup
from models.requests import Cancellation, Priority
from models.shortages import Offer
from streams.ports import Received
from streams.store.donors import PgDonors
from tests.support.engine import Engine, build_engine
from tests.support.supply import make_alert, make_donor
from tests.support.world import NOW, build_record, build_request, opened

HOLD_S = 3600


class SupplyEngine(Engine):
    """Adds what tests of the supply side say and look at."""

    async def put_donors(self, donors: Iterable[Donor], *, station_id: str = "shigatse") -> None:
        register = PgDonors(self.database, self.clock)
        await register.put(
            list(donors), station_id=station_id, by="test", actor=f"station/{station_id}"
        )
        await self._fire_kind("donors_changed")

    async def put_reserve(self, count: int, **changes: object) -> None:
        donors = [make_donor(f"d-{at:02}", **changes) for at in range(count)]
        await self.put_donors(donors)

    async def put_station(self, station: Station) -> None:
        await self.services.directory.put_station(station)
        await self.services.directory.refresh()

    async def alert(self, *, revision: int = 1, injured: int = 340, **changes: object) -> None:
        source = str(changes.pop("told_by", "feed/test"))
        alert = make_alert(revision=revision, injured=injured, **changes)
        await self.feed(build_record(AlertReceived(alert=alert), source=source))

    async def answer(self, answer: Answer, *call_out_ids: str, **fields: object) -> None:
        """The same answer of several donors, as one batch."""
        records = []
        for call_out_id in call_out_ids:
            call = await self.one(
                "SELECT donor_id, station_id FROM call_outs WHERE call_out_id = $1", call_out_id
            )
            event = CallOutAnswered.model_validate(
                {
                    "call_out_id": call_out_id,
                    **dict(call),
                    "answer": answer,
                    "answered_at": self.clock.now(),
                    **fields,
                }
            )
            records.append(build_record(event, source="notifier/test"))
        await self.feed(*records)

    async def ask(
        self,
        *,
        group: str | None = "A+",
        quantity: int = 2,
        priority: Priority = Priority.URGENT,
        component: Component = Component.RED_CELLS,
    ) -> str:
        """A request that is decided, and what follows from that; its id."""
        request = build_request(
            group=group,
            quantity=quantity,
            priority=priority,
            component=component,
            now=self.clock.now(),
        )
        await self.feed(opened(request))
        await self.assess()
        return request.request_id

    async def cancel(self, request_id: str) -> None:
        """The hospital cancels its request."""
        cancellation = Cancellation(
            request_id=request_id,
            hospital_id="shigatse-people",
            station_id="shigatse",
            reason="patient moved",
        )
        event = RequestCancelled(cancellation=cancellation)
        await self.feed(build_record(event, source="hospital/shigatse-people"))

    async def assess(self) -> int:
        """Fire at once the assessments that decisions have set for the next second; their number.

        Nothing else fires, and the clock stands.
        """
        return await self._fire_kind("shortage_assessment", like="%@%")

    async def _fire_kind(self, kind: str, *, like: str = "%") -> int:
        """Fire at once what is set of one kind for the next second; nothing else fires."""
        rows = await self.fetch(
            "UPDATE timers SET due_at = '2000-01-01T00:00:00Z' WHERE kind = $1 "
            "AND subject LIKE $2 AND due_at <= $3 RETURNING 1",
            kind,
            like,
            self.clock.now() + timedelta(seconds=1),
        )
        for _ in rows:
            await self.services.timers.fire_one()
        return len(rows)

    async def offer(
        self, shortage_id: str, *, quantity: int, group: str = "A+", **changes: object
    ) -> Offer:
        offer = build_offer(shortage_id, quantity=quantity, group=group, **changes)
        await self.feed(offered(offer))
        return offer

    async def events(self, event_type: str) -> list[dict[str, Any]]:
        rows = await self.fetch(
            "SELECT body FROM outbox WHERE event_type = $1 ORDER BY row_id", event_type
        )
        return [orjson.loads(row["body"]) for row in rows]

    async def calls(self, *statuses: str) -> list[str]:
        rows = await self.fetch(
            "SELECT call_out_id FROM call_outs WHERE status = ANY($1::text[]) "
            "ORDER BY wave, call_out_id",
            list(statuses),
        )
        return [row["call_out_id"] for row in rows]


def build_offer(shortage_id: str, *, quantity: int, group: str, **changes: object) -> Offer:
    fields: dict[str, object] = {
        "offer_id": f"offer-{BloodGroup(group).name}-{quantity}",
        "shortage_id": shortage_id,
        "from_station_id": "lhasa",
        "to_station_id": "shigatse",
        "component": Component.RED_CELLS,
        "group": BloodGroup(group),
        "quantity": quantity,
        "valid_until": NOW.replace(hour=23),
    }
    return Offer.model_validate({**fields, **changes})


def offered(offer: Offer, *, source: str | None = None) -> Received:
    return build_record(OfferMade(offer=offer), source=source or f"station/{offer.from_station_id}")


@asynccontextmanager
async def build_supply_engine(dsn: str) -> AsyncIterator[SupplyEngine]:
    async with build_engine(dsn) as engine:
        yield SupplyEngine(database=engine.database, clock=engine.clock, services=engine.services)
