"""A station's own rules on real PostgreSQL: they decide, and what is kept says that they did."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from deploy.local.embedded_services import Endpoints
from models.rules.rulebook import PACKAGED
from tests.support.engine import Engine, build_engine
from tests.support.rules import Changes, accept
from tests.support.world import build_request, build_unit, counted, opened

pytestmark = pytest.mark.integration

STRICT: Changes = {
    "unknown.o_negative_cap": {"o_negative_units": 2},
    "red_cells.abo": {"A": ["A"]},
    "shelf_life.red_cells": {"use_within_h": 28 * 24},
}


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[Engine]:
    async with build_engine(endpoints.postgres_dsn) as built:
        yield built


async def decide(engine: Engine, **request: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    made = build_request(**request)
    await engine.feed(opened(made))
    row = await engine.one(
        "SELECT body FROM outbox WHERE subject = $1 ORDER BY sequence DESC LIMIT 1", made.request_id
    )
    found: dict[str, Any] = orjson.loads(row["body"])["decision"]
    return found


def groups(decision: dict[str, Any]) -> list[str]:
    return [unit["group"] for line in decision["lines"] for unit in line["reserved"]]


async def test_the_stations_cap_and_groups_decide_and_are_cited(engine: Engine) -> None:
    await engine.feed(counted([build_unit(group) for group in ("O-",) * 8]))
    rules = accept(STRICT)
    strict = await engine.under(rules)
    unknown = await decide(strict, group=None, quantity=4)
    known = await decide(strict, group="A+", quantity=2)
    assert groups(unknown) == ["O-", "O-"]
    assert groups(known) == []
    assert unknown["rules_version"] == known["rules_version"] == rules.version
    cited = {unit["reason"]["rule"] for line in unknown["lines"] for unit in line["reserved"]}
    assert cited == {f"unknown.group@{rules.version}"}
    rows = await engine.fetch("SELECT reason ->> 'rule' AS rule FROM promises")
    assert {row["rule"] for row in rows} == cited

    await engine.feed(counted([build_unit("O+"), build_unit("O+")]))
    free = await decide(engine, group="A+", quantity=2)
    assert groups(free) == ["O+", "O+"]
    assert free["rules_version"] == PACKAGED.version


async def test_a_unit_that_is_too_old_for_the_station_is_counted_and_not_given(
    engine: Engine,
) -> None:
    strict = await engine.under(accept(STRICT))
    await strict.feed(counted([build_unit("A+", collected_ago_h=30 * 24, expires_in_h=72)]))
    assert await engine.dead_letter_codes() == []
    refused = await decide(strict, group="A+", quantity=1)
    assert groups(refused) == []
    assert "expires_before_arrival" in {
        reason["code"] for reason in refused["lines"][0]["refusals"]
    }
    assert groups(await decide(engine, group="A+", quantity=1)) == ["A+"]
