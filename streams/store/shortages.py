"""Shortages, offers and transfers of one transaction."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from models.base import derive_id
from models.clearance import Cleared, UnitFacts
from models.components import Component
from models.decisions import Reason
from models.doses import content_of, round_down, round_up
from models.errors import InvariantViolation, TransientError
from models.groups import BloodGroup
from models.requests import UrgentRequest
from models.shortages import Offer, OfferStatus, Shortage, Transfer
from streams.matching.units_on_the_way import Coming
from streams.ports.clearances import ensure_cleared_for_transfer
from streams.ports.shortages import PromisedSince, StockCount, UncoveredLine
from streams.ports.unit_of_work import Transition
from streams.store.audit import RecordTransition
from streams.store.locks import PgLocks
from streams.store.query_files import load_queries

if TYPE_CHECKING:
    from streams.store.database import Connection

_QUERIES = load_queries("shortages")

_COUNTED = (
    "available",
    "promised",
    "promised_recently",
    "promised_in_surge",
    "promised_in_disaster",
)


class PgExchange:
    """Implements `ports.shortages.ExchangeStore`."""

    def __init__(self, connection: Connection, record: RecordTransition, locks: PgLocks) -> None:
        self._connection = connection
        self._record = record
        self._locks = locks

    async def count_cells(
        self, station_id: str, *, since: PromisedSince, now: datetime
    ) -> list[StockCount]:
        rows = _QUERIES.count_cells(
            self._connection,
            station_id=station_id,
            since=since.window,
            recent=since.recent,
            surge=since.surge,
            disaster=since.disaster,
            now=now,
        )
        held: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        async for row in rows:
            holds = content_of(Component(row["component"]), row["volume_ml"])
            found = held[row["component"], row["blood_group"]]
            for name in _COUNTED:
                found[name] += row[name] * holds
        return [
            StockCount(
                component=Component(component),
                group=BloodGroup(group),
                available=round_down(found["available"]),
                promised=round_up(found["promised"]),
                promised_recently=round_up(found["promised_recently"]),
                promised_in_surge=round_up(found["promised_in_surge"]),
                promised_in_disaster=round_up(found["promised_in_disaster"]),
            )
            for (component, group), found in held.items()
        ]

    async def list_uncovered(self, station_id: str) -> list[UncoveredLine]:
        rows = _QUERIES.list_uncovered(self._connection, station_id=station_id)
        return [
            UncoveredLine.of(
                UrgentRequest.of_row(row["body"]), line_no=row["line_no"], lacks=row["uncovered"]
            )
            async for row in rows
        ]

    async def lock_open_shortages(self, station_id: str) -> list[Shortage]:
        rows = _QUERIES.lock_open_shortages(self._connection, station_id=station_id)
        return [Shortage.model_validate(row["body"]) async for row in rows]

    async def count_shortages(self, station_id: str) -> Mapping[tuple[Component, BloodGroup], int]:
        rows = _QUERIES.count_shortages(self._connection, station_id=station_id)
        return {
            (Component(row["component"]), BloodGroup(row["blood_group"])): row["shortages"]
            async for row in rows
        }

    async def find_shortage(self, shortage_id: str) -> Shortage | None:
        row = await _QUERIES.find_shortage(self._connection, shortage_id=shortage_id)
        return None if row is None else Shortage.model_validate(row["body"])

    async def write_shortage(self, shortage: Shortage) -> None:
        await _QUERIES.write_shortage(
            self._connection,
            shortage_id=shortage.shortage_id,
            station_id=shortage.station_id,
            component=shortage.component,
            blood_group=shortage.group,
            level=shortage.level,
            status=shortage.status,
            units_missing=shortage.units_missing,
            donor_groups=list(shortage.donor_groups),
            version=shortage.version,
            body=shortage.model_dump(mode="json"),
            now=shortage.assessed_at,
        )

    async def list_in_transit(self, shortage_id: str) -> list[Coming]:
        rows = _QUERIES.list_in_transit(self._connection, shortage_id=shortage_id)
        return [
            Coming(
                unit=UnitFacts.of_row(row),
                arrives_at=row["agreed_at"] + timedelta(seconds=row["eta_s"]),
            )
            async for row in rows
        ]

    async def is_offer_known(self, offer_id: str) -> bool:
        return await _QUERIES.find_offer(self._connection, offer_id=offer_id) is not None

    async def write_offer(
        self, offer: Offer, *, status: OfferStatus, reasons: Sequence[Reason], now: datetime
    ) -> None:
        told = [reason.model_dump(mode="json") for reason in reasons]
        await _QUERIES.write_offer(
            self._connection,
            offer_id=offer.offer_id,
            shortage_id=offer.shortage_id,
            from_station_id=offer.from_station_id,
            to_station_id=offer.to_station_id,
            status=status,
            body={**offer.model_dump(mode="json"), "reasons": told},
            now=now,
        )

    async def promise_to_transfer(
        self,
        transfer: Transfer,
        cleared: Sequence[Cleared],
        *,
        reason: Reason,
        hold_until: datetime,
    ) -> None:
        ensure_cleared_for_transfer(transfer, cleared)
        units = [clearance.unit for clearance in cleared]
        payload = [
            {
                "promise_id": derive_id("promise", unit.unit_id, unit.epoch + 1),
                "unit_id": unit.unit_id,
                "component": unit.component,
                "blood_group": unit.group,
                "epoch": unit.epoch + 1,
            }
            for unit in units
        ]
        reserved: int = await _QUERIES.promise_to_transfer(
            self._connection,
            payload=payload,
            transfer_id=transfer.transfer_id,
            from_station_id=transfer.from_station_id,
            rule=reason.rule.partition("@")[0],
            reason=reason.model_dump(mode="json"),
            hold_until=hold_until,
            now=transfer.agreed_at,
        )
        if reserved != len(units):
            raise TransientError("postgres_contended", detail="unit")
        for unit in units:
            self._record(
                Transition(
                    subject_kind="unit",
                    subject=unit.unit_id,
                    station_id=transfer.from_station_id,
                    from_state="available",
                    to_state="reserved",
                    why=transfer.transfer_id,
                )
            )

    async def get_transfer(self, transfer_id: str) -> Transfer:
        transfer = await self.find_transfer(transfer_id)
        if transfer is None:
            raise InvariantViolation("transfer_missing", transfer_id=transfer_id)
        return transfer

    async def find_transfer(self, transfer_id: str) -> Transfer | None:
        ends = await _QUERIES.find_transfer_ends(self._connection, transfer_id=transfer_id)
        if ends is None:
            return None
        self._locks.ensure(ends.values())
        row = await _QUERIES.lock_transfer(self._connection, transfer_id=transfer_id)
        return Transfer.model_validate({**row["body"], "status": row["status"]})

    async def write_transfer(self, transfer: Transfer, *, now: datetime) -> None:
        await _QUERIES.write_transfer(
            self._connection,
            transfer_id=transfer.transfer_id,
            offer_id=transfer.offer_id,
            from_station_id=transfer.from_station_id,
            to_station_id=transfer.to_station_id,
            status=transfer.status,
            eta_s=transfer.eta_s,
            body=transfer.model_dump(mode="json"),
            agreed_at=transfer.agreed_at,
            now=now,
        )

    async def count_promises(self, transfer_id: str) -> Mapping[str, int]:
        rows = _QUERIES.count_promises(self._connection, transfer_id=transfer_id)
        return {row["status"]: row["units"] async for row in rows}
