"""What became of an event is found by its id, however many refusals the table keeps."""

from __future__ import annotations

import pytest

from deploy.local.embedded_services import Endpoints
from streams.store.query_files import load_queries
from streams.store.read_models.pages import EventName, PgPages
from tests.support.database import fresh_database
from tests.support.world import FixedClock

pytestmark = pytest.mark.integration

KEPT = 5_000
READER, SOURCE = "xuelian-supply", "station/shigatse"


async def test_a_fate_is_found_without_reading_every_refusal(endpoints: Endpoints) -> None:
    async with fresh_database(endpoints.postgres_dsn) as database:
        await database.fetch(
            "INSERT INTO dead_letters (dead_letter_id, topic, partition, log_offset, reader, "
            "headers, code, params, quarantined_at) SELECT 'd-' || n, 'blood.stock.v1', 0, n, $1, "
            "jsonb_build_array(jsonb_build_array('ce_id', 'e-' || n), "
            "jsonb_build_array('ce_source', $2::text)), 'unit_not_cleared', "
            "jsonb_build_object('n', n), now() FROM generate_series(1, $3::int) AS n",
            READER,
            SOURCE,
            KEPT,
        )
        await database.fetch(
            "INSERT INTO inbox (source, event_id, reader, digest, topic, partition, log_offset, "
            "taken_at) SELECT $2, 'e-' || n, $1, '', 'blood.stock.v1', 0, n, now() "
            "FROM generate_series(1, $3::int + 1) AS n",
            READER,
            SOURCE,
            KEPT,
        )
        await database.fetch("ANALYZE dead_letters, inbox")
        numbers = (1, 77, KEPT, KEPT + 1)
        names = [
            EventName(reader=READER, source=SOURCE, event_id=f"e-{n}", request_id=f"e-{n}")
            for n in numbers
        ]
        fates = await PgPages(database, FixedClock()).list_fates(names)
        told = [(fates[name].code, fates[name].params) for name in names]
        refused = [("unit_not_cleared", {"n": n}) for n in numbers[:-1]]
        assert told == [*refused, (None, None)]
        plan = await database.fetch(
            "EXPLAIN " + load_queries("pages").list_fates.sql,
            *([READER], [SOURCE], ["e-77"], ["e-77"]),
        )
        assert any("dead_letters_headers_ix" in row[0] for row in plan), plan
