"""Act on what is told of a patient beside a request, and look again at the requests it concerns."""

from __future__ import annotations

from dataclasses import replace

from models.decisions import Reason
from models.patient_memory import apply_change, explain_recalled, recall
from models.patient_records import PatientChange, PatientRecord
from models.requests import UrgentRequest
from models.unit_states import PICKABLE_STATES
from streams.ports import Timer, UnitOfWork
from streams.ports.requests import Grounds, PatientWrite, RequestState
from streams.services.hand_giving import HandGiving
from streams.services.repeated_orders import RepeatedOrders
from streams.services.request_decisions import RequestDecisions
from streams.services.request_patients import compare, plan_looks, read_subject
from streams.services.unit_moves import give_back_held


class PatientChanges:
    """Changes records of patients, and decides their open requests again.

    Args:
        decisions: Matching and writing, shared with everything that decides requests again.
        hand: Knows what stays given by hand.
    """

    def __init__(self, *, decisions: RequestDecisions, hand: HandGiving) -> None:
        self._decisions = decisions
        self._hand = hand
        self._repeats = RepeatedOrders(decisions=decisions)

    async def change(self, work: UnitOfWork, change: PatientChange) -> None:
        """Write what was told of a patient; their open requests are looked at soon after."""
        before = await work.requests.find_patient(change.hospital_id, change.reference)
        blank = PatientRecord(hospital_id=change.hospital_id, reference=change.reference)
        after = apply_change(before or blank, change, now=work.context.now)
        written = compare(before, after)
        if not written.changes:
            return
        why = "corrected" if change.correction else "told"
        await work.requests.write_patient(
            written, station_id=change.station_id, why=why, now=work.context.now
        )
        plan_looks(work, written)

    async def look_again(self, work: UnitOfWork, timer: Timer) -> None:
        """Decide each open request of a patient again that reads otherwise by their record."""
        hospital_id, reference = read_subject(timer)
        request_ids = await work.requests.list_of_patient(hospital_id, reference)
        states = await work.requests.lock_requests(request_ids)
        record = await work.requests.find_patient(hospital_id, reference)
        if record is None:
            return
        await self._decisions.ensure_directory()
        alike = [
            states[request_id]
            for request_id in sorted(states)
            if not await self._follow(work, states[request_id], record)
        ]
        await self._repeats.look_at(work, alike)

    async def _follow(self, work: UnitOfWork, state: RequestState, record: PatientRecord) -> bool:
        """Decide a request again that reads otherwise by now; return whether it does."""
        request = recall(record, state.request, opened_at=state.opened_at)
        if _reads_alike(request, state.request):
            return False
        # Units still at the station are given back and chosen again, so that nothing stays
        # promised that the patient must not have.
        earlier = await work.stock.list_given_by_hand(request.request_id)
        left, _ = await give_back_held(
            work, replace(state, request=request), states=PICKABLE_STATES
        )
        hand, changed = await self._hand.keep(work, earlier, request)
        told = explain_recalled(state.request, request, record)
        await self._decisions.decide_again(
            work,
            left,
            Grounds(
                why="patient_changed",
                news=(Reason(code="patient_changed"), *told, *changed),
                patient=PatientWrite(record=record),
                hand=hand,
            ),
        )
        return True


def _reads_alike(request: UrgentRequest, before: UrgentRequest) -> bool:
    """Return whether the same blood is chosen; one more result of the group changes none."""
    results = before.patient.concordant_results
    return request.but(patient=request.patient.but(concordant_results=results)) == before
