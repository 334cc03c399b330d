"""Session-wide services: one real Kafka and one real PostgreSQL for the tests that ask for them.

Only fixtures live here; builders are in `tests/support`. A test that takes a server away must put
it back, or build its own with `tests.support.services.build_services`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.local.embedded_services import EmbeddedServices, Endpoints
from tests.support.services import build_services


@pytest.fixture(scope="session")
def services() -> Iterator[EmbeddedServices]:
    """One broker and one database, up; gone after the session, and also when it is killed."""
    running = build_services()
    try:
        running.up()
        yield running
    finally:
        running.destroy()


@pytest.fixture(scope="session")
def endpoints(services: EmbeddedServices) -> Endpoints:
    """Where the session's services are."""
    return services.get_endpoints()
