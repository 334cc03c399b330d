"""A station and a hospital of the driven lives, told what to do step by step, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random

from models.components import Component
from models.decisions import Decision
from models.emergency_release import EmergencyRelease
from models.events import EventData
from models.events.requests import (
    PatientChanged,
    RequestAmended,
    RequestCancelled,
    RequestDecided,
    RequestOpened,
)
from models.events.stock import Attestation, CountedUnit, StockCounted
from models.groups import BloodGroup
from models.patient_records import PatientChange
from models.patients import Patient
from models.requests import (
    Amendment,
    Cancellation,
    HardAttributes,
    Priority,
    RequestLine,
    RequestStatus,
    UrgentRequest,
)
from models.units import Unit, UnitTraits
from tests.life.hand import Hand
from tests.life.system import MemorySystem
from tests.life.town import HOSPITAL_ID, STATION_ID

_SOURCE = f"hospital/{HOSPITAL_ID}"
_IDS = {"hospital_id": HOSPITAL_ID, "station_id": STATION_ID}


class MemoryTown:
    """The real services over the store in memory, with a clock that only `wait` moves."""

    def __init__(self) -> None:
        self.system = MemorySystem()
        self._hand = Hand(self.system, chance=Random(1), name="t")
        self._made = 0

    async def count(
        self,
        *groups: str,
        component: Component = Component.RED_CELLS,
        lives_h: float = 400,
        **traits: object,
    ) -> list[str]:
        """Count one released bag of each group, and return the bags."""
        bags = []
        for group in groups:
            self._made += 1
            bags.append(
                Unit(
                    unit_id=f"U{self._made}",
                    donation_id=f"D{self._made}",
                    station_id=STATION_ID,
                    component=component,
                    group=BloodGroup(group),
                    volume_ml=200,
                    collected_at=self._hand.now - timedelta(hours=1),
                    expires_at=self._hand.now + timedelta(hours=lives_h),
                    traits=UnitTraits.model_validate(traits),
                )
            )
        released_at = self._hand.now - timedelta(minutes=30)
        counted = StockCounted(
            station_id=STATION_ID,
            counted_at=self._hand.now,
            units=tuple(CountedUnit(unit=bag) for bag in bags),
            attestation=Attestation(released_by="q", released_at=released_at),
        )
        await self._hand.send(counted)
        await self.wait(0.01)
        return [bag.unit_id for bag in bags]

    async def ask(
        self,
        request_id: str,
        quantity: int = 1,
        *,
        component: Component = Component.RED_CELLS,
        priority: str = "urgent",
        need_h: float = 6.0,
        attributes: Mapping[str, object] | None = None,
        emergency_release: Mapping[str, object] | None = None,
        **patient: object,
    ) -> None:
        """Ask for bags of one component, needed in so many hours."""
        wanted = HardAttributes.model_validate(attributes or {})
        line = RequestLine(line_no=1, component=component, quantity=quantity, attributes=wanted)
        request = UrgentRequest(
            request_id=request_id,
            patient=Patient.model_validate(patient),
            priority=Priority(priority),
            needed_by=self._hand.now + timedelta(hours=need_h),
            lines=(line,),
            emergency_release=EmergencyRelease.model_validate(emergency_release)
            if emergency_release
            else None,
            **_IDS,
        )
        await self.tell(RequestOpened(request=request))

    async def amend(self, request_id: str, **changes: object) -> None:
        """Amend a request by what a body of the interface would state."""
        stated = {"request_id": request_id, **_IDS, **changes}
        await self.tell(RequestAmended(amendment=Amendment.model_validate(stated)))

    async def cancel(self, request_id: str) -> None:
        cancellation = Cancellation(request_id=request_id, reason="x", **_IDS)
        await self.tell(RequestCancelled(cancellation=cancellation))

    async def change_patient(self, reference: str, **changes: object) -> None:
        """Tell something of a patient beside any request."""
        stated = {"reference": reference, **_IDS, **changes}
        await self.tell(PatientChanged(change=PatientChange.model_validate(stated)))

    async def tell(self, event: EventData) -> None:
        await self._hand.send(event, _SOURCE)

    async def wait(self, hours: float) -> None:
        """Let time pass, and do what is due by then."""
        self._hand.now += timedelta(hours=hours)
        await self.system.fire_due(self._hand.now)

    @property
    def refused(self) -> list[str]:
        """The codes with which the last record was refused."""
        return [error.code for error in self.system.engine.refused]

    def status(self, request_id: str) -> RequestStatus:
        return self.system.engine.state.requests[request_id].status

    def request(self, request_id: str) -> UrgentRequest:
        """Return a request as it reads now."""
        return self.system.engine.state.requests[request_id].request

    def held(self, request_id: str) -> list[str]:
        """List the groups of the bags that a request holds."""
        state = self.system.engine.state
        return sorted(
            state.units[row.unit_id].unit.group.value
            for row in state.promises.values()
            if row.live.request_id == request_id and row.live.status == "held"
        )

    def told(self, request_id: str) -> list[str]:
        """List the codes of the reasons of the last decision on a request."""
        return [reason.code for reason in self.decision(request_id).reasons]

    def decision(self, request_id: str) -> Decision:
        """Return the last decision on a request."""
        return [
            event.decision
            for event in self.system.engine.events
            if isinstance(event, RequestDecided) and event.decision.request_id == request_id
        ][-1]
