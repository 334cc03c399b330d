"""The checker against real servers: a sound world passes, each planted fault is seen by its check.

Kafka is one of our own: the topics carry their real names and are replaced from test to test.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from checker import Report, check
from deploy.local.embedded_services import Endpoints
from models.units import UnitStatus
from tests.support.faults import FAULTS, SAFETY, Plant
from tests.support.faults_life import INTO, OUT_OF
from tests.support.seeding import (
    Placed,
    Seed,
    create_tables,
    minutes,
    write_records,
    write_rows,
)
from tests.support.seeding_story import build_world
from tests.support.services import build_services

pytestmark = pytest.mark.integration


@dataclass(slots=True, kw_only=True)
class Bench:
    """Where worlds are written: a schema each, and the log only when it is another one.

    A schema, not a database: what it writes is small, so the server stops in a moment afterwards.
    """

    endpoints: Endpoints
    worlds: int = 0
    on_log: list[Placed] = field(default_factory=list)

    async def write(self, seed: Seed) -> str:
        """Write the world; return the address of its tables."""
        self.worlds += 1
        dsn = f"{self.endpoints.postgres_dsn}?search_path=checker_{self.worlds}"
        await create_tables(dsn, f"checker_{self.worlds}")
        await write_rows(dsn, seed)
        if seed.records != self.on_log:
            await write_records(self.endpoints.kafka_bootstrap, seed)
            self.on_log = seed.records
        return dsn

    async def judge(self, seed: Seed, sent: Path) -> Report:
        return await check(
            kafka_bootstrap=self.endpoints.kafka_bootstrap,
            postgres_dsn=await self.write(seed),
            sent=seed.write_sent(sent),
            as_of=minutes(90),
        )


@pytest.fixture(scope="module")
def own_endpoints() -> Iterator[Endpoints]:
    running = build_services()
    try:
        yield running.up()
    finally:
        running.destroy()


@pytest.fixture(scope="module")
async def bench(own_endpoints: Endpoints) -> Bench:
    connection = await asyncpg.connect(own_endpoints.postgres_dsn)
    try:
        # These worlds are read once and thrown away; nobody waits for the disk to keep them.
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
    return Bench(endpoints=own_endpoints)


def test_every_check_has_a_fault() -> None:
    told_only = {"kafka_duplicates"}
    named = {
        "requests_lost", "events_lost", "requests_without_state", "decisions_missing",
        "decisions_unknown", "promised_twice", "promise_mismatch", "over_promised",
        "under_promised", "incompatible",
        "expired_before_arrival", "quarantined_promised", "ineligible_calls", "donors_called_twice",
        "contacts_called_twice", "rare_donors_called",
        "out_of_order", "sequence_gaps", "ids_reused", "outbox_left", "outbox_unpublished",
        "moved_against_life", "issued_unreleased", "released_against_results", "used_after_recall",
        "missed_by_recall", "bound_otherwise", "used_expired", "restocked_warm", "made_of_nothing",
        "restocked_from_hospital",
        "audit_broken", "audit_rewritten", "waiting_beside_blood", "waited_beside_blood",
        "danger_beside_promised", "wrongly_deferred", "left_deferred",
        "given_by_nobody", "hand_work_undone",
        "held_by_nobody", "promised_while_held", "called_while_stopped",
        "danger_asked_back", "given_unasked",
    }  # fmt: skip
    assert {name for name, _, _ in FAULTS} == named - told_only


def test_every_state_has_a_breach_on_either_side() -> None:
    """A new state is not in the program before the checker finds what is wrong with it."""
    assert set(INTO) == set(UnitStatus) == set(OUT_OF)


async def test_a_sound_world_passes(bench: Bench, tmp_path: Path) -> None:
    seed = build_world()
    report = await bench.judge(seed, tmp_path / "sent.jsonl")

    assert report.holds, report.to_json()
    assert report.get("kafka_duplicates").value == 1
    assert report.read["records"] == len(seed.records)
    assert report.read["promises"] == len(seed.rows["promises"])


@pytest.mark.parametrize(
    ("name", "plant"),
    [pytest.param(name, plant, id=f"{name}: {what}") for name, what, plant in FAULTS],
)
async def test_a_planted_fault_is_seen(
    name: str, plant: Plant, bench: Bench, tmp_path: Path
) -> None:
    seed = build_world()
    seed.drops.append(SAFETY)
    plant(seed)

    report = await bench.judge(seed, tmp_path / "sent.jsonl")

    assert [failed.name for failed in report.list_failed()] == [name], report.to_json()
    assert report.get(name).examples


async def test_the_command_says_it_in_its_exit_code(bench: Bench, tmp_path: Path) -> None:
    sound, broken = build_world(), build_world()
    broken.sent.append(broken.sent[0] | {"event_id": "e-lost", "subject": "r-lost"})
    dsn = await bench.write(sound)

    codes = {}
    for name, seed in (("sound", sound), ("broken", broken)):
        codes[name] = await _run_command(
            *("--kafka", bench.endpoints.kafka_bootstrap),
            *("--postgres", dsn, "--as-of", minutes(90).isoformat()),
            *("--sent", str(seed.write_sent(tmp_path / f"{name}.jsonl"))),
            *("--json", str(tmp_path / name / "report.json")),
        )
    unreadable = await _run_command(
        *("--kafka", bench.endpoints.kafka_bootstrap),
        *("--postgres", dsn.replace("checker_", "nowhere_")),
    )

    assert codes["sound"][0] == 0, codes["sound"]
    assert codes["broken"][0] == 1, codes["broken"]
    assert "r-lost" in codes["broken"][1]
    told = json.loads((tmp_path / "broken" / "report.json").read_text(encoding="utf-8"))
    assert [check["name"] for check in told["checks"] if not check["holds"]] == ["requests_lost"]
    assert unreadable[0] == 2


async def _run_command(*arguments: str) -> tuple[int | None, str]:
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "checker", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=Path(__file__).parents[2],
    )
    told, _ = await running.communicate()
    return running.returncode, told.decode()
