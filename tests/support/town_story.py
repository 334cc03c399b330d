"""A town in memory whose story a test tells: counts, requests, scans, and time that passes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random

from models.components import Component
from models.decisions import Decision
from models.emergency_release import EmergencyRelease
from models.events.donations import DonationRecalled
from models.events.hand_work import BagGiven, BagTakenBack, HoldEnded, HoldPlaced
from models.events.requests import (
    PatientChanged,
    RequestAmended,
    RequestCancelled,
    RequestDecided,
    RequestOpened,
)
from models.events.stock import (
    UNDER_PROMISE,
    Attestation,
    CountedUnit,
    StockChange,
    StockChanged,
    StockCounted,
)
from models.groups import BloodGroup
from models.patient_records import PatientChange
from models.patients import Patient
from models.requests import (
    Amendment,
    Cancellation,
    HardAttributes,
    Priority,
    RequestLine,
    UrgentRequest,
)
from models.units import Unit, UnitTraits
from tests.life.facilities import HOSPITAL_ID, STATION_ID
from tests.life.memory_system import MemorySystem
from tests.life.step_tools import Hand
from tests.support.world import one_unit_ml

DISPATCHER = "dispatcher/night-desk"
BY, WHY = "Tsering", "the freshest cells for a child"


class Story:
    """Drives the real services over the store in memory."""

    def __init__(self) -> None:
        self.system = MemorySystem()
        self.hand = Hand(self.system, chance=Random(1), name="x")
        self._made = 0

    async def count(
        self,
        *groups: str,
        component: Component = Component.RED_CELLS,
        left_h: float = 400,
        station_id: str = STATION_ID,
        volume_ml: int | None = None,
        **traits: object,
    ) -> list[str]:
        """Count released bags that were not known, one a group, all of the same traits."""
        units = []
        for group in groups:
            self._made += 1
            unit = Unit(
                unit_id=f"U{self._made}",
                donation_id=f"D{self._made}",
                station_id=station_id,
                component=component,
                group=BloodGroup(group),
                volume_ml=volume_ml or one_unit_ml(component),
                collected_at=self.hand.now - timedelta(hours=1),
                expires_at=self.hand.now + timedelta(hours=left_h),
                traits=UnitTraits.model_validate(traits),
            )
            units.append(CountedUnit(unit=unit))
        await self.count_again(units, station_id=station_id)
        return [counted.unit.unit_id for counted in units]

    async def count_again(self, units: list[CountedUnit], *, station_id: str = STATION_ID) -> None:
        who = Attestation(released_by="q", released_at=self.hand.now - timedelta(minutes=30))
        counted = StockCounted(
            station_id=station_id,
            counted_at=self.hand.now,
            units=tuple(units),
            attestation=who,
        )
        await self.hand.send(counted, f"station/{station_id}")
        await self.go(0.01)

    async def ask(
        self,
        name: str,
        quantity: int = 1,
        priority: str = Priority.URGENT,
        need_h: float = 6.0,
        *,
        component: Component = Component.RED_CELLS,
        attributes: Mapping[str, object] | None = None,
        release: Mapping[str, object] | None = None,
        **patient: object,
    ) -> None:
        """Ask for bags of one component, needed in so many hours."""
        wanted = HardAttributes.model_validate(attributes or {})
        line = RequestLine(line_no=1, component=component, quantity=quantity, attributes=wanted)
        request = UrgentRequest(
            request_id=name,
            hospital_id=HOSPITAL_ID,
            station_id=STATION_ID,
            patient=Patient.model_validate(patient),
            priority=Priority(priority),
            needed_by=self.hand.now + timedelta(hours=need_h),
            lines=(line,),
            emergency_release=EmergencyRelease.model_validate(release) if release else None,
        )
        await self.hand.send(RequestOpened(request=request), f"hospital/{HOSPITAL_ID}")

    async def cancel(self, name: str) -> None:
        cancellation = Cancellation(
            request_id=name, hospital_id=HOSPITAL_ID, station_id=STATION_ID, reason="x"
        )
        await self.hand.send(RequestCancelled(cancellation=cancellation), f"hospital/{HOSPITAL_ID}")

    async def amend(self, name: str, **changes: object) -> None:
        amendment = Amendment.model_validate(
            {
                "request_id": name,
                "hospital_id": HOSPITAL_ID,
                "station_id": STATION_ID,
                **changes,
            }
        )
        await self.hand.send(RequestAmended(amendment=amendment), f"hospital/{HOSPITAL_ID}")

    async def give(
        self,
        name: str,
        unit_id: str,
        *,
        instead_of: str | None = None,
        line_no: int = 1,
        source: str = DISPATCHER,
    ) -> None:
        """A dispatcher gives a bag to a request."""
        given = BagGiven(
            request_id=name,
            hospital_id=HOSPITAL_ID,
            station_id=STATION_ID,
            line_no=line_no,
            unit_id=unit_id,
            instead_of=instead_of,
            by=BY,
            reason=WHY,
        )
        await self.hand.send(given, source)

    async def take_back(self, name: str, unit_id: str) -> None:
        """A dispatcher takes a bag back from a request."""
        taken = BagTakenBack(
            request_id=name,
            hospital_id=HOSPITAL_ID,
            station_id=STATION_ID,
            unit_id=unit_id,
            by=BY,
            reason=WHY,
        )
        await self.hand.send(taken, DISPATCHER)

    async def hold(
        self, unit_id: str, *, until: datetime | None = None, source: str = DISPATCHER
    ) -> None:
        """A dispatcher holds a bag of the town's station."""
        held = HoldPlaced(station_id=STATION_ID, unit_id=unit_id, until=until, by=BY, reason=WHY)
        await self.hand.send(held, source)

    async def end_hold(self, unit_id: str, *, source: str = DISPATCHER) -> None:
        ended = HoldEnded(station_id=STATION_ID, unit_id=unit_id, by=BY, reason=WHY)
        await self.hand.send(ended, source)

    def refused(self) -> list[str]:
        """The codes of what was refused since this was asked last."""
        codes = [error.code for error in self.system.engine.refused]
        self.system.engine.refused.clear()
        return codes

    async def change_patient(self, reference: str, **changes: object) -> None:
        """Tell something of a patient beside any request."""
        whose = {"reference": reference, "hospital_id": HOSPITAL_ID, "station_id": STATION_ID}
        change = PatientChange.model_validate({**whose, **changes})
        await self.hand.send(PatientChanged(change=change), f"hospital/{HOSPITAL_ID}")

    async def scan(self, unit_id: str, change: StockChange, *, out_s: int | None = None) -> None:
        row = self.system.engine.state.units[unit_id]
        scanned = StockChanged(
            station_id=row.unit.station_id,
            unit_id=unit_id,
            change=change,
            happened_at=self.hand.now,
            epoch=row.epoch if change in UNDER_PROMISE else None,
            out_of_control_s=out_s,
        )
        await self.hand.send(scanned, f"station/{row.unit.station_id}")
        assert not self.system.engine.refused, self.system.engine.refused

    async def recall(self, unit_id: str) -> None:
        unit = self.system.engine.state.units[unit_id].unit
        recalled = DonationRecalled(
            station_id=unit.station_id,
            donation_id=unit.donation_id,
            recall_id=f"recall-{unit_id}",
            reason="x",
            recalled_at=self.hand.now,
            recalled_by="q",
        )
        await self.hand.send(recalled, f"station/{unit.station_id}")

    async def go(self, hours: float) -> None:
        self.hand.now += timedelta(hours=hours)
        await self.system.fire_due(self.hand.now)

    def status(self, name: str) -> str:
        return str(self.system.engine.state.requests[name].status)

    def state(self, unit_id: str) -> str:
        return str(self.system.engine.state.units[unit_id].status)

    def held(self, name: str) -> list[str]:
        """The units that are promised to a request and have not left."""
        return sorted(
            row.unit_id
            for row in self.system.engine.state.promises.values()
            if row.live.request_id == name and row.live.status == "held"
        )

    def groups_held(self, name: str) -> list[str]:
        """The groups of those units."""
        units = self.system.engine.state.units
        return sorted(units[unit_id].unit.group.value for unit_id in self.held(name))

    def request(self, name: str) -> UrgentRequest:
        """Return a request as it reads now."""
        return self.system.engine.state.requests[name].request

    def decisions(self, name: str) -> list[Decision]:
        return [
            event.decision
            for event in self.system.engine.events
            if isinstance(event, RequestDecided) and event.decision.request_id == name
        ]

    def owed(self, name: str) -> float:
        """Return how much a request is told to be owed; 0 if it is told nothing."""
        told = self.decisions(name)[-1].reasons
        return sum(
            float(reason.params["owed"]) for reason in told if reason.code == "units_still_owed"
        )

    def reasons(self, name: str) -> list[str]:
        """The codes of the reasons of the newest decision on a request."""
        return [reason.code for reason in self.decisions(name)[-1].reasons]
