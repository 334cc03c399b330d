"""The port to the reserve, in memory, as far as the driven services use it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime

from models.donors import CallOutStatus
from streams.ports.call_outs import ReserveCall
from tests.support.memory_store.rows import State


class MemoryReserve:
    """Implements the part of `ports.call_outs.ReserveStore` that is needed here."""

    def __init__(self, state: State) -> None:
        self._state = state

    async def list_stopped(self, station_id: str) -> frozenset[str]:
        """Return none: no cause is driven."""
        del station_id
        return frozenset()

    async def find_call(self, call_out_id: str) -> ReserveCall | None:
        return self._state.calls.get(call_out_id)

    async def set_calls(
        self,
        call_out_ids: Collection[str],
        *,
        to: CallOutStatus,
        answered_at: datetime | None = None,
        ended_at: datetime | None = None,
        unit_id: str | None = None,
    ) -> None:
        del answered_at, ended_at, unit_id
        for call_out_id in call_out_ids:
            call = self._state.calls[call_out_id]
            self._state.calls[call_out_id] = replace(call, state=replace(call.state, status=to))

    async def set_whole_blood_day(self, donor_id: str, day: date) -> None:
        """Do nothing: each donor gives once."""

    async def set_platelets_day(self, donor_id: str, day: date) -> None:
        """Do nothing: each donor gives once."""
