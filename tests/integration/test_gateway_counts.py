"""Counts over HTTP, into real Kafka, the engine and PostgreSQL: preview, import, reconcile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from gateway.files.sheets import open_workbook
from models.errors import TransientError
from models.laboratory import LabOutcome, LabTest
from tests.support.gateway import RunningGateway, request_body, running_engine, running_gateway
from tests.support.kafka import read_all, unique
from tests.support.laboratory import build_result

pytestmark = pytest.mark.integration

STOCK = "/v1/stations/shigatse/stock"
COUNTS = "/v1/stations/shigatse/reconciliations"
HEAD = "血袋号,献血码,品种,血型,规格,采血日期,失效日期,状态"
CSV = {"Content-Type": "text/csv"}
AT = "2025-01-07T01:00:00Z"
WORD = {"released_by": "质管科", "released_at": "2025-01-06T18:00:00+08:00"}
"""Who released what the files call released."""


@pytest_asyncio.fixture
async def world(endpoints: Endpoints) -> AsyncIterator[RunningGateway]:
    async with running_gateway(endpoints) as gateway:
        yield gateway


@pytest_asyncio.fixture
async def engine(world: RunningGateway) -> AsyncIterator[RunningGateway]:
    async with running_engine(world):
        yield world


def bag(number: int, *, group: str = "A+", status: str = "在库", prefix: str = "W") -> str:
    return f"{prefix}{number},D{number},悬浮红细胞,{group},1U,2025-01-02,2025-02-05,{status}"


def file_of(*bags: str) -> bytes:
    return "\n".join([HEAD, *bags]).encode("gb18030")


def query(**params: Any) -> dict[str, Any]:  # noqa: ANN401 - query parameters
    found = {"counted_at": AT, **WORD, **params}
    return {name: value for name, value in found.items() if value is not None}


async def preview(client: httpx.AsyncClient, content: bytes, **params: Any) -> dict[str, Any]:  # noqa: ANN401 - query parameters
    answer = await client.post(
        f"{STOCK}/preview", content=content, headers=CSV, params=query(**params)
    )
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def send(client: httpx.AsyncClient, content: bytes, **params: Any) -> httpx.Response:  # noqa: ANN401 - the same
    return await client.post(STOCK, content=content, headers=CSV, params=query(**params))


async def wait_taken(client: httpx.AsyncClient, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    async with asyncio.timeout(20):
        while True:
            found = await client.get(f"{COUNTS}/{answer.json()['count_id']}")
            if found.status_code == 200 and found.json()["count"]["taken_at"]:
                told: dict[str, Any] = found.json()
                return told
            await asyncio.sleep(0.05)


async def snapshot(world: RunningGateway) -> list[list[Any]]:
    queries = (
        "SELECT * FROM units ORDER BY unit_id",
        "SELECT * FROM audit ORDER BY audit_id",
        "SELECT * FROM reconciliations ORDER BY count_id",
        "SELECT * FROM reconciliation_differences ORDER BY count_id, unit_id",
    )
    return [[tuple(row) for row in await world.database.fetch(query)] for query in queries]


async def test_a_preview_changes_nothing_and_a_broken_file_neither(world: RunningGateway) -> None:
    client = world.client("station")
    before = await snapshot(world), len(await read_all(world.bootstrap, "blood.stock.v1"))
    good, broken = file_of(bag(1), bag(2)), file_of(bag(1), bag(2), bag(3, group="Q"))
    told = await preview(client, good)
    assert (told["outcomes"], told["applicable"]) == ({"new": 2}, True)
    told = await preview(client, broken)
    assert (told["applicable"], told["digest"], told["errors_in_all"]) == (False, None, 1)
    assert told["outcomes"] == {"new": 2}
    assert told["errors"][0]["field"] == "第 4 行 血型“Q”"
    assert "不是血型" in told["errors"][0]["what_to_do"]
    refused = await send(client, broken)
    assert (refused.status_code, refused.json()["code"]) == (400, "rows_invalid")
    after = await snapshot(world), len(await read_all(world.bootstrap, "blood.stock.v1"))
    assert after == before


async def test_the_same_file_twice_changes_nothing_and_says_so(engine: RunningGateway) -> None:
    client = engine.client("station")
    content = file_of(*(bag(n) for n in range(1201)))
    told = await preview(client, content)
    sent = await send(client, content, preview=told["digest"])
    taken = await wait_taken(client, sent)
    assert (taken["count"]["parts_taken"], taken["count"]["outcomes"]) == (3, {"new": 1201})
    before = await snapshot(engine)
    again = await send(client, content)
    assert (again.status_code, again.json()["status"]) == (200, "unchanged")
    assert again.json()["count_id"] == sent.json()["count_id"]
    later = await preview(client, content, counted_at="2025-01-07T01:20:00Z")
    assert (later["outcomes"], later["changes_nothing"]) == ({"confirmed": 1201}, True)
    quiet = await send(client, content, counted_at="2025-01-07T01:20:00Z", preview=later["digest"])
    assert (quiet.status_code, quiet.json()["status"]) == (200, "unchanged")
    assert await snapshot(engine) == before


async def test_a_count_under_a_stale_preview_is_refused(engine: RunningGateway) -> None:
    client = engine.client("station")
    content = file_of(bag(1), bag(2))
    told = await preview(client, content)
    other = await send(client, file_of(bag(1)), preview=told["digest"])
    assert (other.status_code, other.json()["code"]) == (409, "preview_file_changed")
    nonsense = await send(client, content, preview="nonsense")
    assert nonsense.json()["code"] == "preview_file_changed"
    await wait_taken(client, await send(client, file_of(bag(1))))
    stale = await send(client, content, preview=told["digest"])
    assert (stale.status_code, stale.json()["code"]) == (409, "preview_stock_changed")
    assert "confirmed 0 → 1, new 2 → 1" in stale.json()["detail"]
    fresh = await preview(client, content)
    await wait_taken(client, await send(client, content, preview=fresh["digest"]))


async def test_a_count_that_broke_off_goes_on_when_it_is_sent_again(
    world: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = world.client("station")
    content = file_of(*(bag(n) for n in range(6 * 500)))
    # Two of its six parts at once; each is some 270 kB long.
    monkeypatch.setattr("gateway.intake.acceptance.SENT_AT_ONCE_BYTES", 670_000)
    publish, calls = world.gateway.submissions._publish, 0

    async def broken(submissions: Any) -> None:  # noqa: ANN401 - passed on as it is
        nonlocal calls
        calls += 1
        if calls == 3:
            raise TransientError("kafka_away")
        await publish(submissions)

    monkeypatch.setattr(world.gateway.submissions, "_publish", broken)
    async with running_engine(world):
        first = await send(client, content, full=True)
        assert (first.status_code, first.json()["code"]) == (503, "kafka_away")
        async with asyncio.timeout(20):
            while (await _count_units(world)) < 2000:
                await asyncio.sleep(0.05)
        (row,) = await world.database.fetch("SELECT taken_at FROM reconciliations")
        assert row["taken_at"] is None, "nothing is called missing before all parts are there"
        taken = await wait_taken(client, await send(client, content, full=True))
    assert taken["count"]["outcomes"] == {"new": 3000}
    assert taken["count"]["open_differences"] == {}
    assert await _count_units(world) == 3000
    assert not await world.database.fetch("SELECT 1 FROM dead_letters")


async def _count_units(world: RunningGateway) -> int:
    (row,) = await world.database.fetch("SELECT count(*) AS units FROM units")
    units: int = row["units"]
    return units


async def test_good_rows_go_alone_only_when_it_is_said(engine: RunningGateway) -> None:
    client = engine.client("station")
    content = file_of(bag(1), bag(2, group="Q"))
    told = await preview(client, content, partial=True)
    assert (told["applicable"], told["refused_rows"]) == (True, 1)
    sent = await send(client, content, partial=True, preview=told["digest"])
    assert (sent.json()["refused_rows"], sent.json()["units"]) == (1, 1)
    assert sent.json()["errors"][0]["field"] == "第 3 行 血型“Q”"
    await wait_taken(client, sent)
    assert await _count_units(engine) == 1
    both = await send(client, content, partial=True, full=True)
    assert (both.status_code, both.json()["code"]) == (400, "count_partial_and_full")


NO_WORD = {"released_by": None, "released_at": None}


async def test_a_released_row_that_names_nobody_is_told_before_anything_is_sent(
    world: RunningGateway,
) -> None:
    client = world.client("station")
    content = file_of(bag(1), bag(2, status="待检"), bag(3))
    before = await read_all(world.bootstrap, "blood.stock.v1")
    told = await preview(client, content, **NO_WORD)
    assert (told["applicable"], told["attestation"]) == (False, None)
    assert [error["field"] for error in told["errors"]] == ["第 2、4 行 放行人"]
    assert told["errors_in_all"] == 2
    assert "--released-by" in told["errors"][0]["what_to_do"]
    refused = await send(client, content, **NO_WORD)
    assert (refused.status_code, refused.json()["code"]) == (400, "rows_invalid")
    for word, code in (
        ({"released_at": "2025-01-01T00:00:00Z"}, "第 2、4 行 采血日期“2025-01-02”"),
        ({"released_at": "2025-01-07T01:30:01Z"}, "第 2、4 行 放行时间"),
    ):
        wrong = await preview(client, content, **word)
        assert (wrong["errors"][0]["field"], wrong["errors_in_all"]) == (code, 2)
    half = await send(client, content, released_at=None)
    assert (half.status_code, half.json()["code"]) == (400, "fields_invalid")
    assert half.json()["errors"][0]["field"] == "released_at"
    assert await read_all(world.bootstrap, "blood.stock.v1") == before


async def test_whose_word_it_was_is_kept_and_makes_the_count(engine: RunningGateway) -> None:
    client = engine.client("station")
    head = f"{HEAD},放行人,放行时间"
    content = "\n".join([head, f"{bag(1)},,", f"{bag(2)},张敏,2025-01-05 09:00"]).encode()
    told = await preview(client, content)
    assert told["attestation"] == {"released_by": "质管科", "released_at": "2025-01-06T10:00:00Z"}
    other = await send(client, content, released_by="李华", preview=told["digest"])
    assert (other.status_code, other.json()["code"]) == (409, "preview_file_changed")
    sent = await send(client, content, preview=told["digest"])
    await wait_taken(client, sent)
    rows = await engine.database.fetch(
        "SELECT attested_by, released_at::text AS at FROM units ORDER BY unit_id"
    )
    assert [tuple(row) for row in rows] == [
        ("质管科", "2025-01-06 10:00:00+00"), ("张敏", "2025-01-05 01:00:00+00"),
    ]  # fmt: skip
    again = await send(client, content, released_by="李华")
    assert again.json()["count_id"] != sent.json()["count_id"]


async def test_a_json_count_says_itself_who_released(engine: RunningGateway) -> None:
    client = engine.client("station")
    unit = {
        "unit_id": "J1", "donation_id": "DJ1", "component": "red_cells", "group": "A+",
        "volume_ml": 200, "collected_at": "2025-01-02T01:00:00Z",
        "expires_at": "2025-02-05T16:00:00Z", "released": True,
    }  # fmt: skip
    body: dict[str, Any] = {"counted_at": AT, "units": [unit]}
    nobody = await client.post(STOCK, json=body)
    assert nobody.json()["errors"][0]["field"] == "row 1, released_by"
    half = await client.post(STOCK, json={**body, "released_by": "质管科"})
    assert half.json()["errors"][0]["field"] == "released_at"
    strange = await client.post(STOCK, json={**body, **WORD, "released_at": "yesterday"})
    assert strange.json()["errors"][0]["field"] == "released_at"
    await wait_taken(client, await client.post(STOCK, json={**body, **WORD}))
    (row,) = await engine.database.fetch("SELECT attested_by, status FROM units")
    assert tuple(row) == ("质管科", "available")


async def make_known(engine: RunningGateway) -> None:
    """A donation in quarantine, one with a reactive result, and one that was recalled."""
    client = engine.client("station")
    held = file_of(bag(1, status="待检", prefix="K"), bag(3, prefix="K"))
    await wait_taken(client, await send(client, held))
    path = "/v1/stations/shigatse/donations"
    result = build_result(LabTest.NAT, outcome=LabOutcome.REACTIVE).model_dump(
        mode="json", exclude_none=True
    )
    told = await client.post(f"{path}/D2/results", json={"results": [result]})
    assert told.status_code == 202, told.text
    body = {"reason": "post-donation information", "recalled_by": "quality"}
    told = await client.post(f"{path}/D3/recall", json=body)
    assert told.status_code == 202, told.text
    async with asyncio.timeout(20):
        while not await engine.database.fetch("SELECT 1 FROM recalls"):
            await asyncio.sleep(0.05)


async def test_what_is_known_of_a_donation_is_told_in_the_preview(engine: RunningGateway) -> None:
    client = engine.client("station")
    await make_known(engine)
    content = file_of(
        bag(1),
        bag(2),
        bag(3),
        bag(4),
        bag(5),
        bag(5, status="待检", prefix="X"),
        bag(6, status="退回"),
    )
    before = await snapshot(engine)
    told = await preview(client, content)
    assert [(error["field"], error["rule"].partition(" · ")[0]) for error in told["errors"]] == [
        ("第 2 行 献血码", "献血 D1 在本系统隔离中，血袋 W1 不能按已放行入库"),
        (
            "第 3 行 献血码",
            "血袋 W2 声明已放行，但献血 D2 的检验结果不允许：nat（核酸） 有反应，待复检",
        ),
        ("第 4 行 献血码", "献血 D3 已召回，血袋 W3 不能入库"),
        ("第 6 行 献血码", "献血 D5 在本系统隔离中，血袋 W5 不能按已放行入库"),
        (
            "第 8 行 状态",
            (
                "退回的血袋 W6 不在本系统记录里，无法查验它离开冷链多久："
                "先由血站决定报废还是重新入库，再盘点"
            ),
        ),
    ]
    assert "nat is reactive" in told["errors"][1]["what_to_do"]
    assert told["outcomes"] == {"new": 1, "new_quarantined": 1, "refused": 5}
    assert (told["applicable"], told["refused_rows"]) == (False, 5)
    refused = await send(client, content)
    assert (refused.status_code, refused.json()["code"]) == (422, "units_refused")
    assert [error["field"] for error in refused.json()["errors"]] == [
        error["field"] for error in told["errors"]
    ]
    assert await snapshot(engine) == before

    partly = await preview(client, content, partial=True)
    assert partly["applicable"]
    sent = await send(client, content, partial=True, preview=partly["digest"])
    assert (sent.json()["units"], sent.json()["refused_rows"]) == (2, 5)
    taken = await wait_taken(client, sent)
    assert taken["count"]["outcomes"] == {"new": 1, "new_quarantined": 1}
    again = await send(client, content, partial=True)
    assert (again.status_code, again.json()["status"]) == (200, "unchanged")
    rows = await engine.database.fetch("SELECT unit_id, status FROM units WHERE unit_id ~ '^[WX]'")
    assert {tuple(row) for row in rows} == {("W4", "available"), ("X5", "quarantined")}
    assert not await engine.database.fetch("SELECT 1 FROM dead_letters")


async def test_what_became_known_after_the_preview_stops_the_count(engine: RunningGateway) -> None:
    client = engine.client("station")
    content = file_of(bag(3), bag(4))
    told = await preview(client, content)
    assert told["outcomes"] == {"new": 2}
    await make_known(engine)
    stale = await send(client, content, preview=told["digest"])
    assert (stale.status_code, stale.json()["code"]) == (422, "units_refused")
    alone = await send(client, file_of(bag(3)), partial=True)
    assert (alone.status_code, alone.json()["code"]) == (422, "units_refused")


async def test_a_full_count_is_reconciled_and_its_alarms_come_first(
    engine: RunningGateway,
) -> None:
    client, hospital = engine.client("station"), engine.client("hospital")
    shelf = [bag(n) for n in range(4)]
    await wait_taken(client, await send(client, file_of(*shelf)))
    asked = await hospital.post(
        "/v1/requests",
        json=request_body(),
        headers={"Idempotency-Key": unique("k"), "Prefer": "wait=10"},
    )
    assert asked.json()["status"] == "reserved", asked.text
    request_id = asked.json()["request_id"]
    kept = {
        row["unit_id"] for line in asked.json()["decision"]["lines"] for row in line["reserved"]
    }
    gone = min(kept)
    recount = file_of(
        *(row for row in shelf if not row.startswith(f"{gone},") and row != shelf[3]),
        shelf[3].replace("A+", "O-"),
    )
    later = {"counted_at": "2025-01-07T01:30:00Z", "full": True}
    told = await preview(client, recount, **later)
    assert told["outcomes"] == {"confirmed": 2, "differs": 1, "missing": 1}
    assert told["missing_reserved"] == 1
    assert told["differences"][0]["request_id"] == request_id
    taken = await wait_taken(client, await send(client, recount, **later, preview=told["digest"]))
    assert [alarm["code"] for alarm in taken["alarms"]] == ["missing_reserved", "identity_differs"]
    assert request_id in taken["alarms"][0]["zh"]
    assert [row["unit_id"] for row in taken["differences"]] == [gone, "W3"]
    stock = (await client.get(STOCK)).json()
    assert stock["open_differences"] == {"open": 2, "missing_reserved": 1, "identity_differs": 1}

    path = f"{COUNTS}/{taken['count']['count_id']}/close"
    body = {"unit_ids": [gone], "resolution": "discarded", "reason": "破袋"}
    strange = await client.post(path, json={**body, "unit_ids": ["W1"]})
    assert (strange.status_code, strange.json()["code"]) == (409, "difference_not_open")
    none = await client.post(path, json={**body, "unit_ids": [], "kind": "moved"})
    assert none.json()["code"] == "no_differences"
    unknown = await client.post(f"{COUNTS}/c-none/close", json=body)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "count_unknown")
    assert (await client.post(path, json=body)).status_code == 202
    stands = {"kind": "differs", "resolution": "record_stands", "reason": "标签已核对"}
    assert (await client.post(path, json=stands)).status_code == 202
    async with asyncio.timeout(20):
        while (await client.get(STOCK)).json()["open_differences"]["open"]:
            await asyncio.sleep(0.05)
    (row,) = await engine.database.fetch("SELECT status FROM units WHERE unit_id = $1", gone)
    assert row["status"] == "discarded"
    closed = await client.get(f"{COUNTS}/{taken['count']['count_id']}", params={"closed": True})
    assert {row["resolution"] for row in closed.json()["differences"]} == {
        "discarded", "record_stands",
    }  # fmt: skip
    assert closed.json()["alarms"] == []


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
async def test_what_is_exported_imports_as_it_is(engine: RunningGateway, kind: str) -> None:
    client = engine.client("station")
    bags = [bag(1), bag(2, status="待检"), bag(3, group="O-").replace("悬浮", "去白细胞")]
    await wait_taken(client, await send(client, file_of(*bags)))
    exported = await client.get(f"{STOCK}/export", params={"format": kind})
    assert exported.headers["content-disposition"].endswith(f'.{kind}"')
    told = await client.post(
        f"{STOCK}/preview",
        content=exported.content,
        headers={"Content-Type": exported.headers["content-type"]},
        params={"full": True},
    )
    assert told.json()["outcomes"] == {"confirmed": 3}
    assert told.json()["changes_nothing"]
    if kind == "xlsx":
        assert [sheet.name for sheet in open_workbook(exported.content)] == ["库存"]


async def test_what_cannot_be_read_is_refused_with_the_reason(world: RunningGateway) -> None:
    client = world.client("station")
    content = file_of(bag(1))
    xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    for headers, params, raw, status, code in (
        ({"Content-Type": "image/png"}, {}, b"x", 415, "media_type_unknown"),
        ({"Content-Type": xlsx}, {}, b"x", 400, "workbook_unreadable"),
        (CSV, {"zone": "east"}, content, 400, "zone_invalid"),
        (CSV, {"counted_at": "2025-01-08T00:00:00Z"}, content, 400, "count_in_future"),
        ({"Content-Type": "text/csv; charset=utf-8"}, {}, content, 400, "charset_unknown"),
    ):
        refused = await client.post(STOCK, content=raw, headers=headers, params=params)
        assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_days_of_supply_per_place(engine: RunningGateway) -> None:
    client = engine.client("station")
    await wait_taken(client, await send(client, file_of(*(bag(n) for n in range(12)))))
    places = {
        (entry["component"], entry["group"]): entry
        for entry in (await client.get(STOCK)).json()["supply"]
    }
    place = places["red_cells", "A+"]
    # 12 units a day, 28.72 % of people are A, 99.5 % of them RhD positive.
    assert place["burn_per_d"] == pytest.approx(12 * 0.2872 * 0.995, abs=1e-3)
    assert place["days_of_supply"] == pytest.approx(12 / (12 * 0.2872 * 0.995), abs=0.01)
    assert (place["available"], place["level"]) == (12, "orange")
    assert places["red_cells", "O+"]["level"] == "red"
    assert places["red_cells", "AB-"]["level"] == "green", "hardly one is expected to be used"
