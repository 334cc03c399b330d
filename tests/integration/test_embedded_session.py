"""The session fixture that other tests build on: up, healthy, and gone when the run is killed."""

from __future__ import annotations

import os

import asyncpg
import pytest

from deploy.local.embedded_services import EmbeddedServices, Endpoints

pytestmark = pytest.mark.integration


async def test_the_session_services_are_healthy_and_owned_by_this_run(
    services: EmbeddedServices, endpoints: Endpoints
) -> None:
    statuses = services.status()
    assert [part.name for part in statuses] == ["postgres", "kafka-1"]
    assert all(part.healthy for part in statuses)
    assert all(str(os.getpid()) in part.detail for part in statuses)
    link = await asyncpg.connect(endpoints.postgres_dsn)
    try:
        assert await link.fetchval("SELECT current_database()") == "xuelian"
    finally:
        await link.close()
