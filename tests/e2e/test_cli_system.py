"""The whole system as `xuelian up` runs it, used through the command line like a stranger would."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest

from deploy.local.local_system import LocalSystem
from models.envelope import Envelope
from models.events.requests import RequestOpened
from models.facilities import Hospital, Station
from models.groups import BloodGroup
from models.topics import TopicName
from streams.kafka.producer import KafkaPublisher
from streams.settings import Settings
from tests.support.commands import Ran, xuelian
from tests.support.services import new_state_folder
from tests.support.world import DINGRI, PEOPLES, SHIGATSE, build_request

pytestmark = pytest.mark.e2e


class System:
    """A running system, its command line, and its gateway for what has no command."""

    def __init__(self, system: LocalSystem) -> None:
        self.local = system
        self.env = {**system.env, "XUELIAN_API_KEY": system.create_key("dispatcher")}

    async def xuelian(self, *words: object) -> Ran:
        return await xuelian(*words, env=self.env)

    def register(self, *facilities: Station | Hospital) -> None:
        headers = {"Authorization": f"Bearer {self.env['XUELIAN_API_KEY']}"}
        for facility in facilities:
            if isinstance(facility, Station):
                place = f"stations/{facility.station_id}"
            else:
                place = f"hospitals/{facility.hospital_id}"
            url = f"{self.local.endpoints.gateway_url}/v1/{place}"
            answer = httpx.put(
                url, json=facility.model_dump(mode="json"), headers=headers, trust_env=False
            )
            answer.raise_for_status()
        # A worker looks for unknown names at most once a second; it may have looked just before.
        time.sleep(1.1)


def _report(step: str) -> None:
    sys.stderr.write(f"{step}\n")


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    settings = Settings(state_dir=new_state_folder(), gateway_port=0, log_level="warning")
    with LocalSystem(settings, report=_report) as local:
        running = System(local)
        running.register(SHIGATSE, PEOPLES, DINGRI)
        yield running


async def test_stock_is_imported_and_a_request_decided(system: System, tmp_path: Path) -> None:
    file = tmp_path / "stock.csv"
    collected = datetime.now(UTC) - timedelta(days=2)
    rows = [
        f"W1-{number},D1-{number},red_cells,A+,200,{collected.isoformat()},"
        f"{(collected + timedelta(days=30)).isoformat()},yes,"
        f"quality,{collected.isoformat()}"
        for number in range(3)
    ]
    head = "unit_id,donation_id,component,group,volume_ml,collected_at,expires_at,released,"
    head += "released_by,released_at"
    file.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    assert (await system.xuelian("stock", "import", "shigatse", file, "--yes")).exit_code == 0
    await wait_for_units(system, 3)

    asked = await system.xuelian(
        "request", "new", "--hospital", DINGRI.hospital_id, "--group", "A+",
        "-n", "red_cells=2", "--within", "24", "--wait", "20", "--json",
    )  # fmt: skip

    assert asked.exit_code == 0, asked.stderr
    answer = asked.document
    assert answer["status"] == "reserved"
    assert len(answer["decision"]["lines"][0]["reserved"]) == 2
    shown = await system.xuelian("request", "show", answer["request_id"])
    assert "已全部预留" in shown.stdout
    assert "W1-" in shown.stdout
    cancelled = await system.xuelian(
        "request", "cancel", answer["request_id"], "--reason", "已转院", "--json"
    )
    assert cancelled.document["status"] == "cancelled"


async def wait_for_units(system: System, wanted: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        ran = await system.xuelian("stock", "show", "shigatse", "--json")
        units = sum(row["units"] for row in ran.document["stock"] if row["status"] == "available")
        if units == wanted:
            return
        assert time.monotonic() < deadline, f"{units} units on the shelf, not {wanted}"
        await asyncio.sleep(0.05)


async def test_a_quarantined_record_is_replayed_and_then_decided(system: System) -> None:
    hospital = PEOPLES.but(hospital_id="lhatse-county")
    request = build_request(hospital=hospital, group="O-", now=datetime.now(UTC))
    await publish(system, RequestOpened(request=request), source=f"hospital/{hospital.hospital_id}")
    letter = await wait_for_letter(system)
    assert letter["code"] == "hospital_unknown"
    await asyncio.to_thread(system.register, hospital)
    replayed = await system.xuelian("dlq", "replay", letter["dead_letter_id"], "--yes")
    assert replayed.exit_code == 0, replayed.stderr
    deadline = time.monotonic() + 20
    while (
        shown := await system.xuelian("request", "show", request.request_id, "--json")
    ).document.get("status") not in {"open", "reserved"}:
        assert time.monotonic() < deadline, shown.stdout
        await asyncio.sleep(0.1)


async def publish(system: System, event: RequestOpened, *, source: str) -> None:
    """As a hospital does that writes to Kafka by itself."""
    publisher = KafkaPublisher(bootstrap=system.local.endpoints.kafka_bootstrap)
    try:
        envelope = Envelope(
            id=f"e2e-{event.subject}",
            type=event.TYPE,
            source=source,
            subject=event.subject,
            time=datetime.now(UTC),
            key=event.key,
            data=event.to_body(),
        )
        await publisher.publish(TopicName.REQUESTS, [envelope])
    finally:
        await publisher.stop()


async def wait_for_letter(system: System) -> dict[str, str]:
    deadline = time.monotonic() + 20
    while True:
        ran = await system.xuelian("dlq", "list", "--json")
        letters: list[dict[str, str]] = ran.document["dead_letters"]
        if letters:
            return letters[0]
        assert time.monotonic() < deadline, "nothing was quarantined"
        await asyncio.sleep(0.1)


async def test_the_feed_is_followed_as_json_lines(system: System) -> None:
    ran = await system.xuelian("events", "tail", "--after", "0-0", "-n", "1", "--json")
    assert ran.exit_code == 0, ran.stderr
    (line,) = ran.stdout.splitlines()
    event = json.loads(line)
    assert event["type"].startswith("blood.")
    assert event["position"]
    assert event["data"]


async def test_doctor_finds_nothing_wrong(system: System) -> None:
    ran = await system.xuelian("doctor", "--json")
    wrong = [check for check in ran.document["checks"] if not check["ok"]]
    assert (ran.exit_code, wrong) == (0, [])


async def test_a_killed_worker_is_dead_until_it_is_started_again(system: System) -> None:
    local = system.local
    local.kill("urgent")
    assert local.children["urgent"].exit_code == -signal.SIGKILL
    accepted = await system.xuelian(
        "request", "new", "--hospital", PEOPLES.hospital_id, "--group", BloodGroup.O_NEG,
        "-n", "red_cells=1", "--wait", "0", "--json",
    )  # fmt: skip
    assert accepted.document["status"] == "accepted"
    shown = (await system.xuelian("status", "--json")).document["unread"]
    assert shown["known"] is True
    assert [(topic["topic"], topic["reader"]) for topic in shown["topics"] if topic["records"]] == [
        ("blood.requests.v1", "xuelian-urgent")
    ]
    checks = (await system.xuelian("doctor", "--json")).document["checks"]
    (unread,) = [check for check in checks if "unread" in check["name"]]
    assert "blood.requests.v1 1" in unread["detail"]
    await asyncio.to_thread(local.restart, "urgent")
    deadline = time.monotonic() + 20
    request_id = accepted.document["request_id"]
    while True:
        shown = await system.xuelian("request", "show", request_id, "--json")
        if shown.document["status"] != "accepted":
            return
        assert time.monotonic() < deadline, "kept in the log and never decided"
        await asyncio.sleep(0.1)


def test_up_restarts_what_crashes_and_stops_everything(system: System) -> None:
    """On the servers of the running system, with a database of its own."""
    dsn = system.local.endpoints.postgres_dsn.rpartition("/")[0] + "/of_up"
    folder = new_state_folder()
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("XUELIAN_")},
        "XUELIAN_KAFKA_BOOTSTRAP": system.local.endpoints.kafka_bootstrap,
        "XUELIAN_POSTGRES_DSN": dsn,
        "XUELIAN_STATE_DIR": str(folder),
        "XUELIAN_GATEWAY_PORT": "0",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "cli.main", "up", "--json"],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as up:
        assert up.stdout is not None
        assert up.stderr is not None
        document = read_document(up.stdout)
        assert document["first_key"].startswith("xl_")
        gateway = document["gateway_url"]
        pid = find_listener(int(gateway.rpartition(":")[2]))
        os.kill(pid, signal.SIGKILL)
        told = next(line for line in up.stderr if "gateway 退出" in line)
        assert "signal 9" in told
        wait_answer(f"{gateway}/readyz")
        up.send_signal(signal.SIGTERM)
        assert up.wait(40) == 0
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{gateway}/healthz", trust_env=False)


def read_document(stream: Iterator[str]) -> dict[str, str]:
    """One JSON document, indented: it ends with a line that is a brace."""
    lines = []
    for line in stream:
        lines.append(line)
        if line == "}\n":
            break
    document: dict[str, str] = json.loads("".join(lines))
    return document


def find_listener(port: int) -> int:
    found = [
        connection.pid
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1:] == (port,)
    ]
    assert found[0] is not None
    return int(found[0])


def wait_answer(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, url
        time.sleep(0.1)
