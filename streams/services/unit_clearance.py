"""Ask the safety kernel again before a promised unit leaves, since the facts may have changed.

Between reservation and issue a unit may expire or be recalled, a request may be amended, a hospital
may lose its thawing bath. The unit is judged as the caller locked it.
"""

from __future__ import annotations

from models.clearance import (
    Cleared,
    ForPatient,
    ForStation,
    Purpose,
    Refused,
    Route,
    Step,
    UnitFacts,
)
from models.decisions import Reason
from models.errors import DomainRefusal, InvariantViolation, TransientError
from models.requests import RequestLine, UrgentRequest
from models.safety import clear
from models.texts import join_texts, render
from streams.matching.kernel_routes import to_hospital, to_station
from streams.ports import DirectorySource, UnitOfWork
from streams.ports.requests import RequestState
from streams.ports.stock import LivePromise, UnitState
from streams.services.request_patients import read_with_record
from streams.services.request_sent_units import ensure_fit
from streams.services.station_lookup import get_own_station


class UnitClearances:
    """Clears promised units for the step that they are about to take.

    Args:
        directories: Hospitals, stations, journeys.
    """

    def __init__(self, *, directories: DirectorySource) -> None:
        self._directories = directories

    async def clear_promised(self, work: UnitOfWork, state: UnitState, *, step: Step) -> Cleared:
        """Clear a locked unit for the request or transfer it is promised to, as that stands now.

        Raises:
            DomainRefusal: It may not go; with every reason.
            InvariantViolation: It is under no promise.
        """
        promise = state.promise
        if promise is None:
            raise InvariantViolation("unit_without_promise", unit_id=state.unit_id)
        if promise.transfer_id is not None:
            purpose, route = await self._to_station(work, state, promise.transfer_id)
        else:
            purpose, route = await self._to_patient(work, state, promise)
        answer = clear(
            state,
            purpose=purpose,
            step=step,
            route=route,
            now=work.context.now,
            rules=work.rules,
        )
        if isinstance(answer, Refused):
            raise _refuse(state.unit_id, answer.reasons)
        return answer

    async def judge_for_line(
        self, work: UnitOfWork, unit: UnitFacts, request: UrgentRequest, line: RequestLine
    ) -> Cleared | Refused:
        """Ask whether a unit may be reserved for a line of a locked request, as it stands now."""
        purpose, route = await self._to_line(work, request, line, capped_own=0)
        return clear(
            unit,
            purpose=purpose,
            step=Step.RESERVE,
            route=route,
            now=work.context.now,
            rules=work.rules,
        )

    async def ensure_fit(
        self,
        work: UnitOfWork,
        state: UnitState,
        promise: LivePromise,
        *,
        locked: RequestState | None,
    ) -> None:
        """Let a unit that was sent be transfused to its patient, by all that is known of them now.

        A unit on its way to a station has no patient: its state does not allow the scan.

        Args:
            work: The transaction.
            state: The unit as it is locked.
            promise: Under which it was sent.
            locked: The request, if the caller has locked and read it.

        Raises:
            DomainRefusal: `unit_unfit`, with every reason.
        """
        if promise.request_id is None:
            return
        if locked is None:
            states = await work.requests.lock_requests([promise.request_id])
            locked = states[promise.request_id]
        request = await read_with_record(work, locked)
        station = await get_own_station(self._directories, request.station_id)
        ensure_fit(work, state, promise, request, policy=station.policy)

    async def _to_station(
        self, work: UnitOfWork, state: UnitState, transfer_id: str
    ) -> tuple[Purpose, Route]:
        transfer = await work.exchange.get_transfer(transfer_id)
        purpose = ForStation(
            to_station_id=transfer.to_station_id,
            station_id=transfer.from_station_id,
            # The transfer was agreed for this very unit.
            component=state.component,
            groups=(state.group,),
        )
        return purpose, to_station(transfer.eta_s, now=work.context.now)

    async def _to_patient(
        self, work: UnitOfWork, state: UnitState, promise: LivePromise
    ) -> tuple[Purpose, Route]:
        if promise.request_id is None:
            raise InvariantViolation("promise_without_cause", promise_id=promise.promise_id)
        locked = await work.requests.lock_requests([promise.request_id])
        request = await read_with_record(work, locked[promise.request_id])
        line = next((line for line in request.lines if line.line_no == promise.line_no), None)
        if line is None:
            raise _refuse(state.unit_id, (Reason(code="line_gone"),))
        return await self._to_line(work, request, line, capped_own=promise.capped)

    async def _to_line(
        self, work: UnitOfWork, request: UrgentRequest, line: RequestLine, *, capped_own: int
    ) -> tuple[Purpose, Route]:
        station = await get_own_station(self._directories, request.station_id)
        # A unit that leaves now is judged by what is confirmed now.
        directory = await self._directories.ensure_current()
        hospital = directory.hospitals.get(request.hospital_id)
        if hospital is None:
            raise TransientError("directory_stale", station_id=request.station_id)
        capped = 0
        if request.patient.group is None:
            capped = await work.requests.count_capped(
                request.request_id,
                hospital_id=request.hospital_id,
                patient_reference=request.patient.reference,
            )
        # The unit itself is among those counted.
        purpose = ForPatient.of_line(
            request, line, policy=station.policy, capped_units=capped - capped_own
        )
        journey = directory.get_journey(request.station_id, request.hospital_id)
        return purpose, to_hospital(hospital, journey, now=work.context.now)


def _refuse(unit_id: str, reasons: tuple[Reason, ...]) -> DomainRefusal:
    return DomainRefusal(
        "unit_not_cleared",
        unit_id=unit_id,
        codes=" ".join(reason.code for reason in reasons),
        reasons=str(join_texts(render(reason.code, reason.params) for reason in reasons)),
    )
