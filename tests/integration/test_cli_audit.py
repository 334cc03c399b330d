"""`xuelian audit` on real Kafka and PostgreSQL: whole, broken, rewritten against its seal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.embedded_services import Endpoints
from models.rules.rulebook import PACKAGED
from models.topics import TopicName
from streams.kafka.producer import KafkaPublisher
from streams.kafka.topic_admin import apply_topics
from streams.ports import SHARDS, Context, Timer, TimerKind, Transition
from streams.services.audit_seals import fire_seal
from streams.store.database import Database
from streams.store.outbox import PgOutbox
from streams.store.unit_of_work import PgBegin
from tests.support.audit_breaches import BREACHES, DISARM
from tests.support.commands import Ran, xuelian
from tests.support.database import fresh_dsn
from tests.support.kafka import unique
from tests.support.world import NOW, FixedClock

pytestmark = pytest.mark.integration


@dataclass
class Vault:
    """A database with one chain of its own, its seals on the log, and the command line."""

    database: Database
    bootstrap: str
    env: dict[str, str]
    station: str

    async def xuelian(self, *words: object, **env: str) -> Ran:
        return await xuelian(*words, env={**self.env, **env})

    async def record(self, rows: int) -> None:
        async with PgBegin(self.database, PACKAGED)() as work:
            work.enter(Context(now=NOW, cause="e-1", actor=f"station/{self.station}"))
            for number in range(rows):
                work.record(
                    Transition(
                        subject_kind="unit",
                        subject=f"u-{number}",
                        station_id=self.station,
                        from_state="",
                        to_state="available",
                        why="counted",
                    )
                )

    async def seal(self) -> None:
        """Seal as the timer does, and publish as the relay does."""
        async with PgBegin(self.database, PACKAGED)() as work:
            timer = Timer(kind=TimerKind.AUDIT_SEAL, subject="all", due_at=NOW)
            work.enter(Context(now=NOW, cause=timer.timer_id, actor="timer"))
            await fire_seal(work, timer)
        publisher = KafkaPublisher(bootstrap=self.bootstrap, client_id="test-audit")
        await publisher.start()
        try:
            outbox = PgOutbox(self.database, FixedClock())
            async with outbox.claim(range(SHARDS), limit=1000) as rows:
                assert {row.topic for row in rows} == {TopicName.AUDIT}
                await publisher.publish(TopicName.AUDIT, [row.envelope for row in rows])
        finally:
            await publisher.stop()

    async def plant(self, name: str) -> None:
        (planted,) = [breach for breach in BREACHES if breach.name == name]
        for statement in (DISARM, *planted.statements):
            await self.database.fetch(statement.replace("shigatse", self.station))


@pytest.fixture
async def vault(endpoints: Endpoints, tmp_path: Path) -> AsyncIterator[Vault]:
    """Nine rows that are sealed, and a tenth that is not."""
    await apply_topics(endpoints.kafka_bootstrap, 1)
    async with fresh_dsn(endpoints.postgres_dsn) as dsn:
        database = await Database.open(dsn, size=2, name="test-audit")
        try:
            env = {
                "XUELIAN_KAFKA_BOOTSTRAP": endpoints.kafka_bootstrap,
                "XUELIAN_POSTGRES_DSN": dsn,
                "XUELIAN_STATE_DIR": str(tmp_path),
            }
            built = Vault(database, endpoints.kafka_bootstrap, env, unique("vault"))
            await built.record(9)
            await built.seal()
            await built.record(1)
            yield built
        finally:
            await database.close()


async def test_a_whole_audit_holds(vault: Vault) -> None:
    ran = await vault.xuelian("audit", "verify", "--station", vault.station, "--json")
    assert ran.exit_code == 0, ran.stderr
    assert ran.document == {
        "holds": True, "rows": 10, "chains": 1, "seals": 1, "unsealed": 1, "breached": 0,
        "breaches": [],
    }  # fmt: skip
    told = await vault.xuelian("audit", "verify", "--station", vault.station)
    assert "审计完整" in told.stdout
    since = await vault.xuelian(
        "audit", "verify", "--station", vault.station, "--since", "6", "--json"
    )
    assert since.document["rows"] == 5


async def test_a_changed_field_is_told_with_its_place(vault: Vault) -> None:
    await vault.plant("to_state changed")
    ran = await vault.xuelian("audit", "verify", "--station", vault.station, "--json")
    assert ran.exit_code == 1
    (breach,) = ran.document["breaches"]
    assert (breach["kind"], breach["chain"], breach["sequence"]) == ("changed", vault.station, 5)
    told = await vault.xuelian("audit", "verify", "--station", vault.station)
    assert told.exit_code == 1
    assert "内容被改" in told.stdout
    assert vault.station in told.stdout


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("the tail rewritten with all its hashes and the head", "seal_differs"),
        ("the tail cut off and the head with it", "sealed_missing"),
        ("the whole chain and its head gone", "sealed_missing"),
    ],
)
async def test_only_the_seal_on_kafka_knows_better(vault: Vault, name: str, kind: str) -> None:
    await vault.plant(name)
    alone = await vault.xuelian("audit", "verify", "--offline", "--json")
    assert (alone.exit_code, alone.document["seals"]) == (0, 0)
    ran = await vault.xuelian("audit", "verify", "--station", vault.station, "--json")
    assert ran.exit_code == 1
    (breach,) = ran.document["breaches"]
    assert (breach["kind"], breach["sequence"]) == (kind, 9)


async def test_an_older_seal_still_convicts_after_a_newer_one(vault: Vault) -> None:
    """Whoever rewrites a chain has it sealed by the system itself a minute later."""
    await vault.plant("the tail rewritten with all its hashes and the head")
    await vault.seal()
    ran = await vault.xuelian("audit", "verify", "--station", vault.station, "--json")
    assert ran.exit_code == 1
    assert ran.document["seals"] == 2
    assert [(breach["kind"], breach["sequence"]) for breach in ran.document["breaches"]] == [
        ("seal_differs", 9)
    ]


async def test_the_history_of_one_thing(vault: Vault) -> None:
    ran = await vault.xuelian("audit", "show", "--subject", "u-0", "--json")
    assert ran.exit_code == 0
    rows = ran.document["audit"]
    assert [(row["sequence"], row["actor"]) for row in rows] == [
        (1, f"station/{vault.station}"),
        (10, f"station/{vault.station}"),
    ]
    told = await vault.xuelian("audit", "show", "--subject", "u-0")
    assert f"{vault.station}/10" in told.stdout
    nothing = await vault.xuelian("audit", "show", "--subject", "nobody")
    assert "没有记录" in nothing.stdout


async def test_without_kafka_nothing_is_taken_for_whole(vault: Vault) -> None:
    ran = await vault.xuelian("audit", "verify", XUELIAN_KAFKA_BOOTSTRAP="127.0.0.1:1")
    assert ran.exit_code == 3
