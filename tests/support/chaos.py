"""A driver that sends to the real system, keeps a sent log, and asks the independent checker."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from checker.report import Report
from checker.run import check
from models.components import Component
from models.envelope import Envelope
from models.errors import TransientError
from models.events.requests import RequestOpened
from models.groups import BloodGroup
from models.patients import Patient
from models.requests import Priority, RequestLine, UrgentRequest
from models.rules.rulebook import PACKAGED
from models.topics import TopicName
from streams.kafka.producer import KafkaPublisher
from streams.store.database import Database
from streams.store.directory import PgDirectory
from tests.support.world import DINGRI, LHASA, PEOPLES, SHIGATSE

_GROUPS = tuple(BloodGroup)
_UNIT_COLUMNS = (
    "unit_id", "donation_id", "station_id", "component", "blood_group", "volume_ml", "collected_at",
    "expires_at", "traits", "status", "source", "released_at",
    "attested_by",
)  # fmt: skip


class SentLog:
    """One JSON line per message, in the checker's format; written as it is sent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def note(self, envelope: Envelope, *, accepted: bool | None) -> None:
        row = {
            "event_id": envelope.id,
            "source": envelope.source,
            "type": envelope.type,
            "key": envelope.key,
            "subject": envelope.subject,
            "sent_at": envelope.time.isoformat(),
            "accepted": accepted,
            "body": json.loads(envelope.data),
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


async def lay_out(dsn: str, *, units: int) -> None:
    """Write two stations, two hospitals and so many units of each group at each station."""
    database = await Database.open(dsn, size=2, name="chaos")
    now = datetime.now(UTC)
    try:
        directory = PgDirectory(database, PACKAGED)
        for station in (SHIGATSE, LHASA):
            await directory.put_station(station)
        for hospital in (PEOPLES, DINGRI, LHASA_HOSPITAL):
            await directory.put_hospital(hospital)
    finally:
        await database.close()
    rows = [
        (
            f"{station.station_id}-{at}-{number}".upper(),
            f"D-{station.station_id}-{at}-{number}".upper(),
            station.station_id, Component.RED_CELLS.value, group.value, 200,
            now - timedelta(days=2), now + timedelta(days=10, seconds=number), "{}", "available",
            "stock", now - timedelta(days=1), "chaos",
        )
        for station in (SHIGATSE, LHASA)
        for at, group in enumerate(_GROUPS)
        for number in range(units)
    ]  # fmt: skip
    connection = await asyncpg.connect(dsn)
    try:
        await connection.copy_records_to_table("units", columns=_UNIT_COLUMNS, records=rows)
        await connection.execute("ANALYZE units")
    finally:
        await connection.close()


LHASA_HOSPITAL = PEOPLES.but(
    hospital_id="lhasa-people", station_id="lhasa", name_en="Lhasa People's Hospital"
)


def build_envelopes(total: int, *, prefix: str, quantity: int = 1) -> list[Envelope]:
    """Build requests of both stations, all groups and all priorities, round and round."""
    now = datetime.now(UTC)
    envelopes = []
    for number in range(total):
        hospital = (PEOPLES, LHASA_HOSPITAL)[number % 2]
        request = UrgentRequest(
            request_id=f"{prefix}-{number}",
            hospital_id=hospital.hospital_id,
            station_id=hospital.station_id,
            patient=Patient(group=_GROUPS[number % len(_GROUPS)]),
            priority=list(Priority)[number % 3],
            needed_by=now + timedelta(hours=6),
            lines=(RequestLine(line_no=1, component=Component.RED_CELLS, quantity=quantity),),
        )
        event = RequestOpened(request=request)
        envelopes.append(
            Envelope(
                id=f"e-{prefix}-{number}",
                type=event.TYPE,
                source=f"hospital/{hospital.hospital_id}",
                subject=request.request_id,
                time=now,
                key=hospital.station_id,
                data=event.to_body(),
            )
        )
    return envelopes


async def send_all(
    bootstrap: str,
    envelopes: Sequence[Envelope],
    sent: SentLog,
    *,
    rate_hz: float,
    chunk: int = 20,
) -> None:
    """Send at a rate, every tenth twice; a chunk that Kafka does not confirm is sent again."""
    publisher = KafkaPublisher(bootstrap=bootstrap, timeout_s=3, client_id="chaos")
    await publisher.start()
    try:
        for start in range(0, len(envelopes), chunk):
            some = envelopes[start : start + chunk]
            repeats = [envelope for at, envelope in enumerate(some) if at % 10 == 0]
            await _send_until_confirmed(publisher, [*some, *repeats])
            for envelope in some:
                sent.note(envelope, accepted=True)
            await asyncio.sleep(chunk / rate_hz)
    finally:
        await publisher.stop()


async def _send_until_confirmed(publisher: KafkaPublisher, some: Sequence[Envelope]) -> None:
    while True:
        try:
            await publisher.publish(TopicName.REQUESTS, some)
        except TransientError:
            await asyncio.sleep(0.2)
        else:
            return


async def wait_until_taken(dsn: str, total: int, *, limit_s: float) -> int:
    """Wait until so many requests are decided and the outbox is empty; return what was reached."""
    connection = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(limit_s):
            while True:
                row = await connection.fetchrow(
                    "SELECT (SELECT count(*) FROM requests) AS taken,"
                    " (SELECT count(*) FROM outbox WHERE published_at IS NULL) AS waiting"
                )
                assert row is not None
                if row["taken"] >= total and not row["waiting"]:
                    return int(row["taken"])
                await asyncio.sleep(0.2)
    finally:
        await connection.close()


async def judge(bootstrap: str, dsn: str, sent: SentLog) -> Report:
    return await check(
        kafka_bootstrap=bootstrap, postgres_dsn=dsn, sent=sent.path, as_of=datetime.now(UTC)
    )


def failures(report: Report) -> list[str]:
    """Say what does not hold, for an assertion that explains itself."""
    return [
        f"{check.name}={check.value} {list(check.examples)[:3]}"
        for check in report.checks
        if not check.holds
    ]
