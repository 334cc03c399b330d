"""Several transactions want the same unit: one gets it, the others decide again."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from deploy.embedded.services import Endpoints
from models.errors import TransientError
from tests.support.engine import Engine, build_engine
from tests.support.world import build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

RIVALS = 4


async def test_rivals_for_one_unit_end_in_one_promise(endpoints: Endpoints) -> None:
    outcomes: Counter[str] = Counter()
    async with build_engine(endpoints.postgres_dsn) as engine:
        for _ in range(15):
            await engine.feed(counted([build_unit("AB+")]))
            async with asyncio.TaskGroup() as group:
                for _ in range(RIVALS):
                    group.create_task(_ask(engine, outcomes))
        live = await engine.one("SELECT count(*) AS n FROM promises WHERE status = 'held'")
        assert live["n"] == 15
    assert outcomes["again"], "no race happened, so nothing was shown"
    assert outcomes["decided"] == 15 * RIVALS


async def _ask(engine: Engine, outcomes: Counter[str]) -> None:
    """Ask as the edge does: what is contended is decided again."""
    record = opened(build_request(group="AB+", quantity=1))
    while True:
        try:
            await engine.feed(record)
        except TransientError:
            outcomes["again"] += 1
        else:
            outcomes["decided"] += 1
            return
