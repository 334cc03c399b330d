"""Find requests for the same patient: open requests, and earlier requests of the same batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.requests import UrgentRequest
from streams.ports import UnitOfWork


async def list_same_patient(
    work: UnitOfWork, requests: Sequence[UrgentRequest]
) -> Mapping[str, tuple[str, ...]]:
    """Map each request to the open requests for its patient and component, the oldest first.

    Earlier requests of the batch count too: a second click is decided with the first.
    """
    referring = [request for request in requests if request.patient.reference]
    if not referring:
        return {}
    found = await work.requests.list_same_patient(referring)
    return {
        request.request_id: (
            *found.get(request.request_id, ()),
            *(
                earlier.request_id
                for earlier in referring[:at]
                if _is_same_patient(earlier, request)
            ),
        )
        for at, request in enumerate(referring)
    }


def _is_same_patient(one: UrgentRequest, other: UrgentRequest) -> bool:
    return (
        one.hospital_id == other.hospital_id
        and (one.patient.reference or "").lower() == (other.patient.reference or "").lower()
        and not {line.component for line in one.lines}.isdisjoint(
            line.component for line in other.lines
        )
    )
