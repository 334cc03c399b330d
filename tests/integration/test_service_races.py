"""Several transactions want the same unit: one gets it, the others decide again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from deploy.local.embedded_services import Endpoints
from models.errors import TransientError
from models.rules.rulebook import PACKAGED, Rulebook
from models.topics import AppName
from streams.ports import BatchHandler, Begin
from streams.services.hand_giving import HandGiving
from streams.services.record_intake import Intake
from streams.services.request_decisions import RequestDecisions
from streams.services.requests import RequestService
from streams.services.unit_clearance import UnitClearances
from streams.store.database import Database
from streams.store.optimistic_unit_of_work import PgBeginOptimistically
from streams.store.unit_of_work import PgBegin
from tests.support.engine import build_engine
from tests.support.sharing import build_sharing
from tests.support.world import build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

RIVALS = 4


@pytest.mark.parametrize("begin_with", [PgBegin, PgBeginOptimistically])
async def test_rivals_for_one_unit_end_in_one_promise(
    endpoints: Endpoints, begin_with: Callable[[Database, Rulebook], Begin]
) -> None:
    outcomes: Counter[str] = Counter()
    async with build_engine(endpoints.postgres_dsn) as engine:
        directory = engine.services.directory
        decisions = RequestDecisions(directories=directory, sharing=build_sharing(), hold_s=3600)
        clearing = UnitClearances(directories=directory)
        handle = Intake(
            begin=begin_with(engine.database, PACKAGED),
            clock=engine.clock,
            reader=AppName.URGENT,
            decide=RequestService(
                directories=directory,
                decisions=decisions,
                hand=HandGiving(decisions=decisions, clearing=clearing),
            ).decide,
        )
        for _ in range(15):
            await engine.feed(counted([build_unit("AB+")]))
            async with asyncio.TaskGroup() as group:
                for _ in range(RIVALS):
                    group.create_task(_ask(handle, outcomes))
        live = await engine.one("SELECT count(*) AS n FROM promises WHERE status = 'held'")
        assert live["n"] == 15
    assert outcomes["again"], "no race happened, so nothing was shown"
    assert outcomes["decided"] == 15 * RIVALS


async def _ask(handle: BatchHandler, outcomes: Counter[str]) -> None:
    """Ask as the edge does: what is contended is decided again."""
    record = opened(build_request(group="AB+", quantity=1))
    while True:
        try:
            await handle([record])
        except TransientError:
            outcomes["again"] += 1
        else:
            outcomes["decided"] += 1
            return
