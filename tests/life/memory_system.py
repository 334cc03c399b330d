"""The services in memory as a driven system."""

from __future__ import annotations

from datetime import date, datetime

from models.directory import Directory
from models.donors import CallOut, CallOutStatus, Donor
from models.groups import BloodGroup
from models.patients import Sex
from models.requests import TERMINAL_REQUEST_STATUSES
from models.shortages import Shortage
from streams.matching.donor_eligibility import DonorRecord
from streams.matching.donor_waves import CallState
from streams.ports import Received
from streams.ports.call_outs import ReserveCall
from tests.life.driven_system import SeenUnit, SystemState
from tests.life.engine import MemoryEngine
from tests.life.facilities import build_directory
from tests.life.model_objects import SeenPromise
from tests.support.memory_store.rows import PromiseRow


def build_donor(call: CallOut, group: BloodGroup) -> Donor:
    """Return the called donor: a new person, registered with the group of the donation."""
    return Donor(
        donor_id=call.donor_id,
        station_id=call.station_id,
        name=call.donor_id,
        contact=f"+86 000 {call.donor_id}",
        group=group,
        sex=Sex.FEMALE,
        born_on=date(1990, 5, 1),
        weight_kg=60,
        consented_at=call.called_at,
    )


class MemorySystem:
    """Implements `driven.System`."""

    def __init__(self) -> None:
        self.engine = MemoryEngine(build_directory())

    async def feed(self, record: Received, now: datetime) -> None:
        await self.engine.feed(record, now)

    async def fire_due(self, now: datetime) -> None:
        await self.engine.fire_due(now)

    async def await_donor(self, call: CallOut, group: BloodGroup) -> None:
        record = DonorRecord(donor=build_donor(call, group), on_live_call=True)
        arrived = CallState(record=record, status=CallOutStatus.ARRIVED, called_at=call.called_at)
        self.engine.state.calls[call.call_out_id] = ReserveCall(
            call_out=call, state=arrived, unit_status=None
        )

    async def declare(self, shortage: Shortage) -> None:
        self.engine.state.shortages[shortage.shortage_id] = shortage

    async def put_directory(self, directory: Directory) -> None:
        self.engine.directories.directory = directory

    async def look(self) -> SystemState:
        state = self.engine.state
        held: dict[str, list[str]] = {
            request_id: []
            for request_id, row in state.requests.items()
            if row.status not in TERMINAL_REQUEST_STATUSES
        }
        promises = []
        for row in state.promises.values():
            request_id = row.live.request_id
            if row.live.status in {"held", "issued"}:
                promises.append(self._to_promise(row))
            if row.live.status == "held" and request_id in held:
                held[request_id].append(row.unit_id)
        units = {
            unit_id: SeenUnit(
                state=str(row.status),
                station_id=row.unit.station_id,
                epoch=row.epoch,
                may_have_left=row.doubted_at is not None,
            )
            for unit_id, row in state.units.items()
        }
        return SystemState(units=units, promises=promises, held=held)

    def _to_promise(self, row: PromiseRow) -> SeenPromise:
        transfer_id = row.live.transfer_id
        transfer = self.engine.state.transfers[transfer_id] if transfer_id else None
        return SeenPromise(
            promise_id=row.live.promise_id,
            unit_id=row.unit_id,
            request_id=row.live.request_id,
            to_station_id=transfer.to_station_id if transfer else None,
            status=row.live.status,
        )
