"""What a station's file is understood to say: over HTTP and at the terminal, and remembered."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import xlsxwriter

from deploy.local.embedded_services import Endpoints
from tests.support.commands import Ran, xuelian
from tests.support.gateway import RunningGateway, running_engine, running_gateway

pytestmark = pytest.mark.integration

STOCK = "/v1/stations/shigatse/stock"
DONORS = "/v1/stations/shigatse/donors"
HEAD = "血袋号,献血码,品种,血型,规格,采血日期,失效日期,状态"
CSV = {"Content-Type": "text/csv"}
XLSX = {"Content-Type": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}
QUERY = {
    "counted_at": "2025-01-07T01:00:00Z",
    "released_by": "质管科",
    "released_at": "2025-01-06T18:00:00+08:00",
}


@dataclass
class World:
    gateway: RunningGateway
    columns: Path

    @property
    def client(self) -> httpx.AsyncClient:
        return self.gateway.client("station")

    async def preview(self, *rows: str, head: str = HEAD, **query: Any) -> httpx.Response:  # noqa: ANN401 - query parameters
        content = "\n".join([head, *rows]).encode()
        params = {**QUERY, **query}
        return await self.client.post(
            f"{STOCK}/preview", content=content, headers=CSV, params=params
        )

    async def send(self, content: bytes, headers: dict[str, str], **query: Any) -> httpx.Response:  # noqa: ANN401 - the same
        return await self.client.post(
            STOCK, content=content, headers=headers, params={**QUERY, **query}
        )

    async def run(self, *words: object) -> Ran:
        env = {
            "XUELIAN_GATEWAY_URL": self.gateway.url,
            "XUELIAN_API_KEY": self.gateway.keys["station"],
            "XUELIAN_COLUMNS_DIR": str(self.columns),
        }
        return await xuelian(*words, env=env)


@pytest_asyncio.fixture
async def world(endpoints: Endpoints, tmp_path: Path) -> AsyncIterator[World]:
    columns = tmp_path / "columns"
    async with (
        running_gateway(endpoints, columns_dir=columns) as gateway,
        running_engine(gateway),
    ):
        yield World(gateway, columns)


def bag(
    number: int, *, product: str = "悬浮红细胞", group: str = "A+", status: str = "在库"
) -> str:
    return f"w{number},d{number},{product},{group},1U,2025-01-02,2025-02-05,{status}"


async def test_f36_a_preview_shows_what_each_name_was_read_as(world: World) -> None:
    rows = [bag(1), bag(2, product="去白细胞悬浮红细胞"), bag(3, product="去白细胞悬浮红细胞")]
    told = (await world.preview(*rows)).json()
    expected = [
        {"name": "悬浮红细胞", "component": "red_cells", "treatments": [], "units": 1},
        {
            "name": "去白细胞悬浮红细胞",
            "component": "red_cells",
            "treatments": ["leukoreduced"],
            "units": 2,
        },
    ]
    assert told["products"] == expected
    autologous = [*rows, bag(4, product="自体悬浮红细胞"), bag(5, product="自体悬浮红细胞")]
    refused = (await world.preview(*autologous)).json()
    assert (refused["applicable"], refused["products"]) == (False, expected)
    (error,) = refused["errors"]
    assert error["field"] == "第 5–6 行 品种“自体悬浮红细胞”"
    assert (error["code"], error["rows"], error["column"]) == (
        "product_autologous", [[5, 6]], "component",
    )  # fmt: skip
    assert error["what_to_do"].startswith("自体血只给本人")
    content = "\n".join([HEAD, *autologous]).encode()
    sent = await world.send(content, CSV, partial=True)
    assert sent.status_code == 202, sent.text
    assert sent.json()["products"] == expected
    await until(world, 3)


async def until(world: World, units: int) -> None:
    async with asyncio.timeout(20):
        while len(await world.gateway.database.fetch("SELECT 1 FROM units")) < units:
            await asyncio.sleep(0.05)


async def test_f37_a_merged_status_holds_both_bags_back(world: World) -> None:
    raw = io.BytesIO()
    book = xlsxwriter.Workbook(raw, {"in_memory": True})
    sheet = book.add_worksheet()
    for number, row in enumerate([HEAD, bag(1, status=""), bag(2, status="")]):
        sheet.write_row(number, 0, row.split(","))
    sheet.merge_range("H2:H3", "待检")
    book.close()
    sent = await world.send(raw.getvalue(), XLSX)
    assert sent.status_code == 202, sent.text
    await until(world, 2)
    rows = await world.gateway.database.fetch("SELECT status FROM units")
    assert [row["status"] for row in rows] == ["quarantined", "quarantined"]


async def test_f37_nothing_said_is_refused_on_every_way_in(world: World) -> None:
    told = (await world.preview(bag(1), bag(2, status=""))).json()
    assert (told["applicable"], told["errors"][0]["code"]) == (False, "status_missing")
    unit = {
        "unit_id": "j1", "donation_id": "dj1", "component": "red_cells", "group": "A+",
        "volume_ml": 200, "collected_at": "2025-01-02T01:00:00Z",
        "expires_at": "2025-02-05T16:00:00Z",
    }  # fmt: skip
    word = {name: QUERY[name] for name in ("released_by", "released_at")}
    refused = await world.client.post(STOCK, json={"units": [unit], **word})
    assert (refused.status_code, refused.json()["code"]) == (400, "rows_invalid")
    assert refused.json()["errors"][0]["code"] == "status_missing"
    strange = {**unit, "status": "在途", "released": True}
    refused = await world.client.post(STOCK, json={"units": [strange], **word})
    assert refused.json()["errors"][0]["code"] == "status_unknown"


async def test_f43_a_heading_is_mapped_by_the_call_and_remembered_for_the_station(
    world: World,
) -> None:
    head = HEAD.replace("献血码", "血源号") + ",检验结果"
    rows = [f"{bag(1)},合格"]
    asked = (await world.preview(*rows, head=head)).json()
    assert asked["errors"][0]["what_to_do"].startswith(
        "没有找到献血码（donation_id）；表里有不认识的“血源号”，是它吗？"
    )
    assert asked["errors"][1]["code"] == "column_tells_use"
    mapping = {"map": "血源号=donation_id", "ignore": "检验结果"}
    told = (await world.preview(*rows, head=head, **mapping)).json()
    assert told["applicable"]
    doubted = (await world.preview(f"{bag(1)},待检", head=head, **mapping)).json()
    assert (doubted["applicable"], doubted["errors"][0]["code"]) == (False, "passed_over_speaks")
    content = "\n".join([head, *rows]).encode()
    other = await world.send(content, CSV, preview=told["digest"])
    assert (other.status_code, other.json()["code"]) == (409, "preview_file_changed")
    wrong = await world.preview(*rows, head=head, map="血源号=donation")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "map_column_unknown")
    guarded = await world.preview(*rows, head=head, ignore=["状态"])
    assert guarded.json()["code"] == "column_not_ignorable"

    world.columns.mkdir()
    file = world.columns / "shigatse.toml"
    file.write_text(
        'station_id = "shigatse"\n[units]\nignore = ["检验结果"]\n'
        '[units.headings]\n"血源号" = "donation_id"\n',
        encoding="utf-8",
    )
    told = (await world.preview(*rows, head=head)).json()
    assert told["applicable"]
    file.write_text('station_id = "shigatse"\n[products]\n"自体" = "全血"\n', encoding="utf-8")
    broken = await world.preview(*rows, head=head)
    assert (broken.status_code, broken.json()["code"]) == (422, "columns_invalid")
    assert "自体" in broken.json()["detail"]


async def test_f43_the_terminal_maps_ignores_and_remembers(world: World, tmp_path: Path) -> None:
    head = HEAD.replace("献血码", "血源号") + ",检验结果"
    file = tmp_path / "库存.csv"
    file.write_bytes("\n".join([head, f"{bag(1)},合格", f"{bag(2)},合格"]).encode("gb18030"))
    words = [
        "stock", "import", "shigatse", file, "--preview", "--counted-at", QUERY["counted_at"],
        "--released-by", "质管科", "--released-at", QUERY["released_at"],
    ]  # fmt: skip
    asked = await world.run(*words)
    assert asked.exit_code == 1
    assert "第 1 行 献血码：没有找到献血码" in asked.stdout
    given = ["--map", "血源号=donation_id", "--ignore", "检验结果", "--remember"]
    kept = await world.run(*words, *given)
    assert kept.exit_code == 0, kept.stderr
    assert "悬浮红细胞" in kept.stdout
    assert "red_cells" in kept.stdout
    assert "shigatse.toml" in kept.stdout
    again = await world.run(*words)
    assert again.exit_code == 0, again.stdout
    shown = await world.run("columns", "show", "shigatse")
    assert "血源号" in shown.stdout
    checked = await world.run("columns", "check", world.columns / "shigatse.toml")
    assert (checked.exit_code, "血源号 → donation_id" in checked.stdout) == (0, True)
    more = await world.run("columns", "remember", "shigatse", "--donors", "--map", "卡号=donor_id")
    assert more.exit_code == 0, more.stderr
    document = (await world.run("columns", "show", "shigatse", "--json")).document
    assert document["own"]["units"]["headings"] == {"血源号": "donation_id"}
    assert document["own"]["donors"]["headings"] == {"卡号": "donor_id"}
    assert (world.columns / "shigatse.toml.bak").exists()
    wrong = await world.run("columns", "remember", "shigatse", "--map", "血型=donation_id")
    assert wrong.exit_code == 1
    bad = await world.run("columns", "check", file)
    assert bad.exit_code == 4


async def test_f77_the_register_is_told_as_a_count_is(world: World) -> None:
    head = "卡号,姓名,电话,血型,性别,出生日期,体重"
    rows = [f"n{n},扎西,+86 {n},A型,male,1990-01-01,70" for n in range(30)]
    content = "\n".join(["名册, 2025", head, *rows]).encode()
    asked = await world.client.post(DONORS, content=content, headers=CSV)
    assert (asked.status_code, asked.json()["code"]) == (400, "rows_invalid")
    assert "--map 卡号=donor_id" in asked.json()["errors"][0]["what_to_do"]
    told = await world.client.post(
        DONORS, content=content, headers=CSV, params={"map": "卡号=donor_id"}
    )
    (error,) = told.json()["errors"]
    assert error["field"] == "第 3–32 行 血型“A型”"
    assert error["what_to_do"].startswith("缺 RhD")
    good = content.replace("A型".encode(), b"A+")
    done = await world.client.post(
        DONORS, content=good, headers=CSV, params={"map": "卡号=donor_id"}
    )
    assert (done.status_code, done.json()["imported"]) == (200, 30)
