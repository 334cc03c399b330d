"""What the urgent path takes for granted, and what happens where it was not so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime

import asyncpg
import pytest

from deploy.local.embedded_services import Endpoints
from models.errors import ContractError, TransientError
from models.events.requests import RequestAmended
from models.requests import Amendment
from models.rules.rulebook import PACKAGED, Rulebook
from streams.ports import Begin, Claim, Received, UnitOfWork
from streams.store.database import Database
from streams.store.optimistic_unit_of_work import PgBeginOptimistically
from streams.store.unit_of_work import PgBegin
from tests.support.engine import Engine, build_engine
from tests.support.world import build_record, build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

READER = "xuelian-urgent"


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


class _Log:
    """Writes down what the driver sends."""

    def __init__(self, statements: list[str]) -> None:
        self._statements = statements

    def __call__(self, record: asyncpg.connection.LoggedQuery) -> None:
        self._statements.append(record.query)


async def count(engine: Engine, table: str) -> int:
    row = await engine.one(f"SELECT count(*) AS n FROM {table}")  # noqa: S608 - our own name
    return int(row["n"])


def records(*numbers: int) -> list[Received]:
    return [opened(build_request(request_id=f"r-{at}"), event_id=f"e-{at}") for at in numbers]


async def test_a_decision_is_one_transaction_of_one_statement(engine: Engine) -> None:
    await engine.feed(counted([build_unit("A+")]))
    statements: list[str] = []
    log = _Log(statements)
    async with engine.database.connection() as connection:
        connection.add_query_logger(log)
    await engine.feed(opened(build_request(group="A+", quantity=1)))
    async with engine.database.connection() as connection:
        connection.remove_query_logger(log)
    told = [statement.split()[0:2] for statement in statements]
    assert told == [["SELECT", "u.unit_id,"], ["SELECT", "settle($1::text,"]]
    assert await count(engine, "promises") == 1
    assert await count(engine, "inbox") == 2


async def test_a_record_taken_in_before_undoes_the_whole_statement(engine: Engine) -> None:
    begin = PgBeginOptimistically(engine.database, PACKAGED)
    await engine.feed(*records(1))
    before = await count(engine, "outbox")
    with pytest.raises(TransientError, match="postgres_contended"):
        await take_in(begin, records(1, 2), at=engine.clock.now())
    assert await count(engine, "inbox") == 1
    assert await count(engine, "outbox") == before


async def take_in(begin: Begin, taken: Sequence[Received], *, at: datetime) -> None:
    async with begin() as work:
        claims = await work.inbox.claim(taken, reader=READER, now=at)
        assert list(claims) == [Claim.FRESH] * len(taken)


async def test_a_mixed_batch_is_decided_as_if_nothing_was_taken_for_granted(
    engine: Engine,
) -> None:
    await engine.feed(counted(build_unit("A+") for _ in range(9)))
    first, second, third = (build_request(request_id=f"r-{at}", group="A+") for at in (1, 2, 3))
    amendment = Amendment(
        request_id="r-2",
        hospital_id=second.hospital_id,
        station_id=second.station_id,
        priority="routine",
    )
    amended = build_record(
        RequestAmended(amendment=amendment), source=f"hospital/{second.hospital_id}"
    )
    await engine.feed(opened(first, event_id="e-1"))
    await engine.feed(
        opened(first, event_id="e-1"),
        opened(second, event_id="e-2"),
        amended,
        opened(third.but(hospital_id="nobody"), event_id="e-3"),
        opened(third, event_id="e-4"),
        opened(third, event_id="e-4"),
    )
    rows = await engine.fetch("SELECT request_id, version FROM requests ORDER BY request_id")
    assert [tuple(row) for row in rows] == [("r-1", 1), ("r-2", 2), ("r-3", 1)]
    assert await engine.dead_letter_codes() == ["hospital_unknown"]


@pytest.mark.parametrize("begin_with", [PgBegin, PgBeginOptimistically])
async def test_what_was_noted_for_the_commit_happens_only_then(
    engine: Engine, begin_with: Callable[[Database, Rulebook], Begin]
) -> None:
    begin = begin_with(engine.database, PACKAGED)
    noted: list[str] = []
    async with begin() as work:
        work.on_commit(lambda: noted.append("done"))
        with pytest.raises(ContractError):
            await note_in_vain(work, noted)
        assert not noted
    assert noted == ["done"]
    with pytest.raises(TransientError):
        await fail_after_noting(begin, noted)
    assert noted == ["done"]


async def note_in_vain(work: UnitOfWork, noted: list[str]) -> None:
    async with work.savepoint():
        work.on_commit(lambda: noted.append("undone"))
        raise ContractError("event_not_for_topic", type="x")


async def fail_after_noting(begin: Begin, noted: list[str]) -> None:
    async with begin() as work:
        work.on_commit(lambda: noted.append("failed"))
        raise TransientError("postgres_away")


async def test_records_that_nothing_is_decided_on_are_taken_in(engine: Engine) -> None:
    async with PgBeginOptimistically(engine.database, PACKAGED)() as work:
        await work.inbox.claim(records(1, 1), reader=READER, now=engine.clock.now())
    assert await count(engine, "inbox") == 1
