"""The engine with what tests of a unit's life say and look at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from models.components import Component
from models.donors import Answer
from models.events.donations import DonationRecalled, DonationSplit
from models.events.stock import UNDER_PROMISE, StockChange, StockChanged
from models.rules.rulebook import PACKAGED
from streams.ports import UnitOfWork
from streams.store.unit_of_work import PgBegin
from tests.support.laboratory import from_laboratory, list_clear
from tests.support.supply_engine import SupplyEngine, build_supply_engine
from tests.support.world import build_record, build_request, build_unit, counted, opened


class LifeEngine(SupplyEngine):
    """Units by their ids; the station is Shigatse unless told otherwise."""

    async def scan(
        self,
        unit_id: str,
        change: StockChange,
        *,
        station_id: str = "shigatse",
        source: str | None = None,
        **fields: object,
    ) -> list[str]:
        """Scan a unit under the epoch it has; the codes of what was refused by it."""
        before = len(await self.dead_letter_codes())
        row = await self.one("SELECT epoch FROM units WHERE unit_id = upper($1)", unit_id)
        if change in UNDER_PROMISE:
            fields = {"epoch": row["epoch"] or 1, **fields}
        if change is StockChange.RETURNED:
            fields = {"out_of_control_s": 600, **fields}
        event = StockChanged.model_validate(
            {
                "station_id": station_id,
                "unit_id": unit_id,
                "change": change,
                "happened_at": self.clock.now(),
                "done_by": "tester",
                **fields,
            }
        )
        await self.feed(build_record(event, source=source or f"station/{station_id}"))
        return list((await self.dead_letter_codes())[before:])

    async def scan_all(self, unit_id: str, *changes: StockChange, **fields: Any) -> None:  # noqa: ANN401 - any field
        """Scan one after the other; none may be refused."""
        for change in changes:
            assert await self.scan(unit_id, change, **fields) == [], change

    async def collect(self, unit_id: str, *, group: str = "O+", volume_ml: int = 400) -> str:
        """A donor on call gives whole blood; the donation id. Needs an activation with calls."""
        call, *_ = await self.calls("called")
        await self.answer(Answer.ACCEPTED, call)
        await self.answer(Answer.ARRIVED, call)
        unit = build_unit(
            group, unit_id=unit_id, component=Component.WHOLE_BLOOD, collected_ago_h=0
        ).but(volume_ml=volume_ml)
        donation = unit.model_dump(exclude={"station_id", "traits"})
        await self.answer(Answer.DONATED, call, donation=donation)
        return unit.donation_id

    async def split(self, unit_id: str, components: dict[str, tuple[Component, int]]) -> list[str]:
        """Split a bag into `unit id -> component, volume`; the codes of what was refused by it."""
        before = len(await self.dead_letter_codes())
        row = await self.one("SELECT donation_id FROM units WHERE unit_id = upper($1)", unit_id)
        event = DonationSplit.model_validate(
            {
                "station_id": "shigatse",
                "donation_id": row["donation_id"],
                "unit_id": unit_id,
                "split_at": self.clock.now(),
                "components": [
                    {"unit_id": child, "component": component, "volume_ml": volume_ml}
                    for child, (component, volume_ml) in components.items()
                ],
            }
        )
        await self.feed(build_record(event, source="station/shigatse"))
        return list((await self.dead_letter_codes())[before:])

    async def clear(self, donation_id: str, group: str = "O+") -> None:
        """The laboratory tells every needed result, clear."""
        await self.feed(*from_laboratory(donation_id, list_clear(group)))

    async def recall(self, donation_id: str, *, recall_id: str = "recall-1") -> None:
        event = DonationRecalled(
            station_id="shigatse",
            donation_id=donation_id,
            recall_id=recall_id,
            reason="post-donation information",
            recalled_at=self.clock.now(),
            recalled_by="quality",
        )
        await self.feed(build_record(event, source="station/shigatse"))

    async def promised(self, unit_id: str, *, group: str = "O+") -> str:
        """A released unit that is reserved for a request of its own; the request's id."""
        await self.feed(counted([build_unit(group, unit_id=unit_id)]))
        request = build_request(group=group, quantity=1)
        await self.feed(opened(request))
        assert await self.state(unit_id) == "reserved"
        return request.request_id

    @asynccontextmanager
    async def work(self) -> AsyncIterator[UnitOfWork]:
        async with PgBegin(self.database, PACKAGED)() as work:
            yield work

    async def state(self, unit_id: str) -> str:
        row = await self.one("SELECT status FROM units WHERE unit_id = upper($1)", unit_id)
        return str(row["status"])

    async def states(self) -> dict[str, str]:
        rows = await self.fetch("SELECT unit_id, status FROM units ORDER BY unit_id")
        return {row["unit_id"]: row["status"] for row in rows}

    async def trail(self, unit_id: str) -> list[tuple[str, str]]:
        rows = await self.fetch(
            "SELECT from_state, to_state FROM audit WHERE subject = upper($1) ORDER BY audit_id",
            unit_id,
        )
        return [tuple(row) for row in rows]


@asynccontextmanager
async def build_life_engine(dsn: str) -> AsyncIterator[LifeEngine]:
    async with build_supply_engine(dsn) as built:
        yield LifeEngine(database=built.database, clock=built.clock, services=built.services)
