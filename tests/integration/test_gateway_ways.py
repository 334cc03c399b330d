"""How long the way of a call is from its route to Kafka, measured while it runs.

A *stay* is a module of `gateway/` or `streams/` in which code is executed for the call, after its
route's handler is entered and before Kafka's producer is, in the order of first entry. `models/` is
the vocabulary of all and no stay.

A *return* is a call back into a stay that stands earlier on the way: a function of B calls one of
A, and A was entered before B. Each pair of functions counts once.

The *ground* is no stay: what a call of any route goes through before its handler is entered
(the middleware, the key and its look-up in PostgreSQL, what a route is given). It is measured too,
as what the calls of several other routes have in common.

A room of parsers (`gateway/files/`, `gateway/labels/`) is one stay if it is closed: it is entered
by one module, its door, and nothing in it calls out of it. Otherwise each of its modules is a stay.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from gateway.http.middleware import DepartedClients
from gateway.http.routes import alerts, call_outs, counts, facilities, figures, requests, scans
from models.access import KeyScope
from streams.kafka.producer import KafkaPublisher
from tests.support.gateway import RunningGateway, request_body, running_engine, running_gateway
from tests.support.kafka import unique
from tests.support.labels import read_example
from tests.support.scanning import add_bag, barcodes, reserve, scan
from tests.support.ways import ROOT, Way, follow
from tests.support.world import NOW

pytestmark = pytest.mark.integration

MOST_STAYS = 9
MOST_RETURNS = 3
MOST_GROUND = 12

STOCK = "/v1/stations/shigatse/stock"
QUERY = {
    "counted_at": "2025-01-07T01:00:00Z",
    "released_by": "质管科",
    "released_at": "2025-01-06T18:00:00+08:00",
}
COUNT = (
    "血袋号,献血码,品种,血型,规格,采血日期,失效日期,状况说明\n"
    "{0}1,D{0}1,悬浮红细胞,A+,1U,2025-01-02,2025-02-05,在库\n"
    "{0}2,D{0}2,悬浮红细胞,A+,1U,2025-01-02,2025-02-05,待检\n"
)
COLUMNS = 'station_id = "shigatse"\n[units.headings]\n"状况说明" = "status"\n'
OTHER_ROUTES: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("/v1/stations", facilities.list_stations),
    ("/v1/figures", figures.get_figures),
    ("/v1/stations/shigatse/call-outs", call_outs.list_call_outs),
)


@dataclass(frozen=True)
class World:
    gateway: RunningGateway
    ground: frozenset[str]

    def follow(self, handler: Callable[..., Any]) -> AbstractContextManager[Way]:
        return follow(handler, KafkaPublisher.publish, ground=self.ground)

    async def count(self, prefix: str, *, path: str = STOCK, **query: str) -> httpx.Response:
        return await self.gateway.client("station").post(
            path,
            content=COUNT.format(prefix).encode("gb18030"),
            headers={"Content-Type": "text/csv"},
            params={**QUERY, **query},
        )


@pytest_asyncio.fixture(scope="module")
async def world(
    endpoints: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    labels, columns = tmp_path_factory.mktemp("labels"), tmp_path_factory.mktemp("columns")
    (labels / "shigatse.toml").write_text(read_example(), encoding="utf-8")
    (columns / "shigatse.toml").write_text(COLUMNS, encoding="utf-8")
    async with (
        running_gateway(endpoints, labels_dir=labels, columns_dir=columns) as gateway,
        running_engine(gateway),
    ):
        yield World(gateway, await measure_ground(gateway))


async def measure_ground(gateway: RunningGateway) -> frozenset[str]:
    """Return what the calls of other routes all go through before their handlers are entered.

    Each call has a key of its own, which is looked up in PostgreSQL.
    """
    grounds = []
    for path, handler in OTHER_ROUTES:
        key = await gateway.key_store.create(
            scope=KeyScope.DISPATCHER, facility_id=None, label="ground"
        )
        with follow(DepartedClients.__call__, handler) as way:
            answer = await gateway.client(key=key.text).get(path)
        assert answer.status_code == 200, answer.text
        assert way.is_over
        grounds.append(frozenset(way.modules))
    return frozenset.intersection(*grounds)


def ensure_short(way: Way, what: str, *, beside: Collection[str] = ()) -> None:
    """Fail if the way is long, or is not the one that the page of the architecture tells.

    Args:
        way: As it was followed.
        what: Whose row of the table of ways it is.
        beside: Stays that the page leaves out, because not every such call comes to them.
    """
    assert way.is_over, "it did not come to Kafka"
    stays, returns = way.list_stays(), way.list_returns()
    told = "\n".join([*stays, f"{len(returns)} returns:", *map(str, returns)])
    assert len(stays) <= MOST_STAYS, told
    assert len(returns) <= MOST_RETURNS, told
    assert list_told(what) == [stay for stay in stays if stay not in beside], told


def list_told(what: str) -> list[str]:
    """List the modules from the caller to the log in a row of the table of ways."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"^\| {what} \|([^|]+)\|", text, flags=re.MULTILINE)
    return re.findall(r"`([\w/]+\.py)`", row)


async def test_the_ground_is_what_every_call_stands_on(world: World) -> None:
    """Neither empty nor so wide that a stay could hide in it."""
    assert {"gateway/http/middleware.py", "gateway/auth.py"} <= world.ground
    rooms = ("gateway/http/", "gateway/auth", "gateway/metrics", "streams/store/", "streams/clock")
    assert [module for module in world.ground if not module.startswith(rooms)] == []
    assert [module for module in world.ground if module.startswith("gateway/http/routes/")] == []
    assert len(world.ground) <= MOST_GROUND, sorted(world.ground)


async def test_the_way_of_a_count(world: World) -> None:
    with world.follow(counts.import_count) as way:
        answer = await world.count("w")
    assert answer.status_code == 202, answer.text
    ensure_short(way, "count")


async def test_the_way_of_a_count_that_was_previewed(world: World) -> None:
    """Its file was read for the preview, and is not read again."""
    told = (await world.count("v", path=f"{STOCK}/preview")).json()
    with world.follow(counts.import_count) as way:
        answer = await world.count("v", preview=told["digest"])
    assert answer.status_code == 202, answer.text
    ensure_short(way, "count")


@pytest.mark.parametrize(("first", "is_keyed"), [(1, False), (3, True)])
async def test_the_way_of_a_batch_of_scans(world: World, first: int, *, is_keyed: bool) -> None:
    numbers = (first, first + 1)
    for number in numbers:
        await add_bag(world.gateway, number)
    request_id = await reserve(world.gateway, units=2, group="A+")
    key = unique("k") if is_keyed else None
    lines = [line for number in numbers for line in barcodes(number)]
    with world.follow(scans.scan_bags) as way:
        answer = await scan(
            world.gateway,
            "issue",
            lines,
            request_id=request_id,
            key=key,
            scanned_at="2025-01-07T01:00:00Z",
        )
    assert answer.status_code == 202, answer.text
    assert answer.json()["accepted"] == 2
    # A repeat under a key is looked for in the record.
    ensure_short(way, "scan", beside={"streams/store/read_models/pages.py"} if is_keyed else ())


async def test_the_way_of_a_request(world: World) -> None:
    with world.follow(requests.open_request) as way:
        answer = await world.gateway.client("hospital").post(
            "/v1/requests", json=request_body(), headers={"Idempotency-Key": unique("k")}
        )
    assert answer.status_code == 202, answer.text
    ensure_short(way, "request")


async def test_the_way_of_an_alert(world: World) -> None:
    alert = {
        "alert_id": unique("ev"),
        "event_key": unique("ev"),
        "revision": 1,
        "source": "example feed",
        "sent_at": NOW.isoformat(),
        "occurred_at": NOW.isoformat(),
        "location": {"lat": 28.6, "lon": 87.4},
        "casualties": {"injured": 900},
    }
    with world.follow(alerts.send_alert) as way:
        answer = await world.gateway.client("disaster").post("/v1/alerts", json=alert)
    assert answer.status_code == 202, answer.text
    ensure_short(way, "alert")


async def test_the_way_of_a_donors_answer(world: World) -> None:
    await world.gateway.database.fetch(
        "INSERT INTO donors (donor_id, station_id, blood_group, body, called) "
        "VALUES ('d-1', 'shigatse', 'A+', '{}', 1)"
    )
    await world.gateway.database.fetch(
        "INSERT INTO call_outs (call_out_id, donor_id, station_id, cause_id, wave, status, "
        "called_at) VALUES ('c-1', 'd-1', 'shigatse', 'act-1', 1, 'called', $1)",
        NOW,
    )
    with world.follow(call_outs.answer_call_out) as way:
        answer = await world.gateway.client("station").post(
            "/v1/call-outs/c-1/answers", json={"answer": "accepted", "eta_s": 600}
        )
    assert answer.status_code == 202, answer.text
    ensure_short(way, "donor's answer")
