"""`xuelian stock` and `xuelian figures` as a station uses them, on a real gateway and engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.local.embedded_services import Endpoints
from tests.support.commands import Ran, xuelian
from tests.support.gateway import RunningGateway, running_engine, running_gateway

pytestmark = pytest.mark.integration

HEAD = "血袋号,献血码,品种,血型,规格,采血日期,失效日期,状态"
WORD = ("--released-by", "质管科", "--released-at", "2025-01-06T18:00:00+08:00")
AT = ("--counted-at", "2025-01-07T01:00:00Z", *WORD)
LATER = ("--counted-at", "2025-01-07T01:30:00Z", *WORD)


def bag(number: int, *, group: str = "A+") -> str:
    return f"W{number},D{number},悬浮红细胞,{group},1U,2025-01-02,2025-02-05,在库"


@dataclass
class Desk:
    world: RunningGateway
    folder: Path

    async def run(self, *words: object) -> Ran:
        env = {
            "XUELIAN_GATEWAY_URL": self.world.url,
            "XUELIAN_API_KEY": self.world.keys["station"],
        }
        return await xuelian(*words, env=env)

    def write(self, name: str, *bags: str) -> Path:
        path = self.folder / name
        path.write_bytes("\n".join([HEAD, *bags]).encode("gb18030"))
        return path


@pytest_asyncio.fixture
async def desk(endpoints: Endpoints, tmp_path: Path) -> AsyncIterator[Desk]:
    async with running_gateway(endpoints) as world, running_engine(world):
        yield Desk(world, tmp_path)


async def test_from_a_preview_to_a_closed_difference(desk: Desk) -> None:
    file = desk.write("库存.csv", *(bag(n) for n in range(3)))
    seen = await desk.run("stock", "import", "shigatse", file, "--preview", *AT)
    assert seen.exit_code == 0, seen.stderr
    assert "3 新入库，可用 · new, available" in seen.stdout
    assert "质管科" in seen.stdout
    nobody = await desk.run("stock", "import", "shigatse", file, "--preview", *AT[:2])
    assert (nobody.exit_code, "第 2–4 行 放行人" in nobody.stdout) == (1, True)
    asked = await desk.run("stock", "import", "shigatse", file, *AT)
    assert asked.exit_code == 1
    assert "--yes" in asked.stderr, "a pipe cannot say yes"
    done = await desk.run("stock", "import", "shigatse", file, "--yes", "--json", *AT)
    assert done.exit_code == 0, done.stderr
    assert (done.document["status"], done.document["count"]["outcomes"]) == ("imported", {"new": 3})
    assert "部分" in done.stderr, "progress goes beside the document"
    again = await desk.run("stock", "import", "shigatse", file, "--yes", *AT)
    assert "没有改变" in again.stdout

    recount = desk.write("recount.csv", bag(0), bag(1, group="O-"))
    full = await desk.run("stock", "import", "shigatse", recount, "--full", "--yes", *LATER)
    assert full.exit_code == 0, full.stderr
    assert "未盘到 · missing" in full.stdout
    assert "先停用，核对标签" in full.stdout, "the alarm about another group"
    listed = await desk.run("stock", "reconcile", "list", "shigatse", "--json")
    count = listed.document["counts"][0]
    assert count["open_differences"] == {"missing": 1, "differs": 1}
    assert count["count_id"] in (await desk.run("stock", "reconcile", "list", "shigatse")).stdout
    shown = await desk.run(
        "stock", "reconcile", "show", "shigatse", count["count_id"], "--kind", "missing"
    )
    assert "W2" in shown.stdout
    assert "W1" not in shown.stdout
    closed = await desk.run(
        "stock", "reconcile", "close", "shigatse", count["count_id"], "W2",
        "--as", "discarded", "--reason", "破袋",
    )  # fmt: skip
    assert closed.exit_code == 0, closed.stderr
    async with asyncio.timeout(20):
        while True:
            stock = await desk.run("stock", "show", "shigatse", "--json")
            if stock.document["open_differences"]["open"] == 1:
                break
    shelf = {(row["status"], row["group"]): row["units"] for row in stock.document["stock"]}
    assert shelf == {("available", "A+"): 2}
    seen = await desk.run("stock", "show", "shigatse")
    assert "可供天数" in seen.stdout
    assert "标签与记录不同 · label differs from the record: 1" in seen.stdout
    unsaid = await desk.run(
        "stock", "reconcile", "close", "shigatse", count["count_id"],
        "--as", "discarded", "--reason", "x",
    )  # fmt: skip
    assert unsaid.exit_code == 2


async def test_a_broken_file_is_told_by_row_and_column_and_changes_nothing(desk: Desk) -> None:
    file = desk.write("bad.csv", bag(0), bag(1, group="Q"))
    ran = await desk.run("stock", "import", "shigatse", file, "--yes", *AT)
    assert ran.exit_code == 1
    assert "第 3 行 血型“Q”：不是血型" in ran.stdout
    assert "没有导入任何一行" in ran.stdout
    assert not await desk.world.database.fetch("SELECT 1 FROM units")
    partly = await desk.run("stock", "import", "shigatse", file, "--yes", "--partial", *AT)
    assert partly.exit_code == 0, partly.stderr
    assert len(await desk.world.database.fetch("SELECT 1 FROM units")) == 1
    strange = file.rename(file.with_suffix(".pdf"))
    refused = await desk.run("stock", "import", "shigatse", strange, "--yes", *AT)
    assert (refused.exit_code, "bad.pdf" in refused.stderr) == (1, True)


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
async def test_an_export_imports_without_a_change(desk: Desk, suffix: str) -> None:
    file = desk.write("库存.csv", bag(0), bag(1, group="O-"))
    assert (await desk.run("stock", "import", "shigatse", file, "--yes", *AT)).exit_code == 0
    exported = desk.folder / f"export.{suffix}"
    assert (await desk.run("stock", "export", "shigatse", exported)).exit_code == 0
    back = await desk.run("stock", "import", "shigatse", exported, "--json", *LATER)
    assert (back.exit_code, back.document["status"]) == (0, "unchanged")
    other = await desk.run("stock", "export", "shigatse", desk.folder / "export.pdf")
    assert other.exit_code == 2


async def test_figures_are_shown_with_their_rules(desk: Desk) -> None:
    ran = await desk.run("figures", "--station", "shigatse")
    assert ran.exit_code == 0, ran.stderr
    assert "安全库存率 · safe-stock rate" in ran.stdout
    assert "least_days_of_supply = 3.0" in ran.stdout
    assert "docs/figures.md" in ran.stdout
