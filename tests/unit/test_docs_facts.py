"""What the documents state as fact is held against the code that makes it one."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args, get_origin

import pytest
from fastapi.routing import APIRoute

import gateway.http.routes
from demo.scenario import read_scenario
from deploy.local import log_files, supervisor
from gateway import auth, vitals
from gateway.files import count_files
from gateway.files.columns import WORDS
from gateway.files.sheets import HEAD_WITHIN
from gateway.http import calls, middleware
from gateway.intake import acceptance
from models import possible_times, requests
from models.access import KeyScope
from models.components import Component
from models.doses import find_ordering_unit
from models.envelope import Envelope
from models.events import decode_event
from models.events.requests import RequestOpened
from models.events.stock import PART_UNITS
from models.rules.rulebook import PACKAGED
from models.topics import BY_NAME, MAX_MESSAGE_BYTES, TOPICS, TopicName
from streams.agents.app import SESSION_TIMEOUT_S
from streams.agents.worker import STUCK_S
from streams.kafka.topic_admin import plan_topics
from streams.matching import shelf_reads
from streams.ports import SHARDS
from streams.relay.timer_runner import LOOK_EVERY_S
from streams.services import (
    audit_seals,
    decision_timers,
    request_decisions,
    request_rematching,
    stock_daily_record,
    timer_firing,
)
from streams.settings import Settings
from streams.store.inbox import PUBLISHED_BODY_BYTES
from tests.support.routes import list_scopes

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
DAY_MS = 86_400_000
ML = {component: find_ordering_unit(component).ml for component in Component}
"""Millilitres of an ordering unit."""


def read(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def rows_of(text: str, *, head: str) -> list[list[str]]:
    """The rows of the table whose first column is headed so."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(f"| {head} |"):
            next(lines)
            break
    else:
        pytest.fail(f"no table is headed {head}")
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def say_allowed(name: str) -> str:
    field = Settings.model_fields[name]
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(field.annotation))
    bounds = {
        key: getattr(item, key)
        for item in field.metadata
        for key in ("ge", "le")
        if hasattr(item, key)
    }
    if {"ge", "le"} <= bounds.keys():
        return f"{bounds['ge']}–{bounds['le']}"
    if "ge" in bounds:
        return f"{bounds['ge']} or more"
    return next(
        (f"`{item.pattern}`" for item in field.metadata if getattr(item, "pattern", "")), "–"
    )


def test_the_settings_table_is_the_settings() -> None:
    rows = rows_of(read("operations.md"), head="variable")
    expected = [
        [
            f"`XUELIAN_{name.upper()}`",
            "–" if field.default_factory or field.default in {None, ""} else f"`{field.default}`",
            say_allowed(name),
            field.description or "–",
        ]
        for name, field in Settings.model_fields.items()
    ]
    assert [[*row[:3], row[4]] for row in rows] == expected
    assert all(re.search(r"[\u4e00-\u9fff]", row[3]) for row in rows)


def test_no_document_names_a_setting_that_is_none() -> None:
    real = {f"XUELIAN_{name.upper()}" for name in Settings.model_fields}
    for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]:
        named = set(re.findall(r"XUELIAN_[A-Z_]+", path.read_text(encoding="utf-8")))
        assert named <= real, f"{path.name}: {named - real}"


def test_the_topics_table_is_the_registry() -> None:
    assert rows_of(read("operations.md"), head="topic") == [
        [
            f"`{topic.name}`",
            topic.owner,
            topic.key,
            ", ".join(f"`{reader}`" for reader in topic.readers) or "whoever subscribes",
        ]
        for topic in TOPICS
    ]


def test_partitions_and_retention_are_as_told() -> None:
    told = " ".join(read("operations.md").split())
    assert "Six partitions each" in told
    assert {topic.partitions for topic in TOPICS} == {6}
    assert "Records are kept for 7 days, dead letters for 90." in told
    kept = {plan.name: int(plan.config["retention.ms"]) for plan in plan_topics(replication=1)}
    assert {ms for name, ms in kept.items() if name.endswith(".dlq")} == {90 * DAY_MS}
    assert "Seals of the audit are kept for 90 days too." in told
    assert kept.pop(TopicName.AUDIT) == 90 * DAY_MS
    assert {ms for name, ms in kept.items() if not name.endswith(".dlq")} == {7 * DAY_MS}


@pytest.mark.parametrize(
    ("document", "sentence", "value", "told"),
    [
        ("operations.md", "A body over 300,000 bytes", PUBLISHED_BODY_BYTES, 300_000),
        ("operations.md", "stay good for 15 minutes", auth.STALE_S, 900),
        ("operations.md", "gateways refuse it within a minute", auth.FRESH_S, 60),
        ("operations.md", "`Retry-After` within 3 seconds", acceptance.PUBLISH_LIMIT_S, 3),
        ("operations.md", "session timeout (8 seconds)", SESSION_TIMEOUT_S, 8),
        ("operations.md", "ended five times within five minutes", supervisor.MAX_ENDS, 5),
        ("operations.md", "ended five times within five minutes", supervisor.WINDOW_S, 300),
        ("operations.md", "put off by 5 minutes", timer_firing.PUT_OFF.total_seconds(), 300),
        ("operations.md", "for more than 15 seconds is not ready", STUCK_S, 15),
        ("operations.md", "measures every 15 seconds", vitals.EVERY_S, 15),
        (
            "operations.md",
            "`blood.audit.v1` every minute",
            audit_seals.SEAL_EVERY.total_seconds(),
            60,
        ),
        ("operations.md", "8 MB each at most", log_files.LOG_LIMIT_BYTES / 2**20, 8),
        ("api.md", "at most 1,000,000 bytes", MAX_MESSAGE_BYTES, 1_000_000),
        ("api.md", "60 days ahead at most", possible_times.MOST_AHEAD_D, 60),
        ("api.md", "(30 s at most)", calls.MAX_WAIT_S, 30),
        ("api.md", "(looked at every 15 s at most)", request_decisions.WAYS_EVERY_S, 15),
        ("api.md", "events are kept for 7 days", timer_firing.OUTBOX_KEPT.days, 7),
        ("api.md", "within 72 h after the event", PACKAGED.disasters.first_reports.early_h, 72),
        ("api.md", "ends by itself after 12 h", PACKAGED.disasters.exercise.ends_after_h, 12),
        ("labels.md", "(30 s at most)", calls.MAX_WAIT_S, 30),
        ("demo.md", "compressed 1,000 times", read_scenario("dingri").timeline.speed, 1000),
        (
            "decisions/0002-postgresql-truth-at-least-once.md",
            "Rows older than 30 days",
            timer_firing.INBOX_KEPT.days,
            30,
        ),
        (
            "decisions/0003-outbox.md",
            "published more than 7 days ago",
            timer_firing.OUTBOX_KEPT.days,
            7,
        ),
        ("decisions/0006-timers-are-rows.md", "at least every 250 ms", LOOK_EVERY_S, 0.25),
        (
            "decisions/0006-timers-are-rows.md",
            "put off by five minutes",
            timer_firing.PUT_OFF.total_seconds(),
            300,
        ),
        (
            "decisions/0017-who-waits-is-served.md",
            "A sweep every 20 s",
            timer_firing.SWEEP_EVERY.total_seconds(),
            20,
        ),
        (
            "decisions/0017-who-waits-is-served.md",
            "a grid of a quarter of a second",
            request_rematching.REMATCH_EVERY_MS,
            250,
        ),
        (
            "decisions/0018-answers-say-what-is.md",
            "every 15 s at most",
            request_decisions.WAYS_EVERY_S,
            15,
        ),
        ("decisions/0003-outbox.md", "one of 8 shards", SHARDS, 8),
        (
            "decisions/0004-optimistic-choice-of-units.md",
            "plus 4 spare units",
            shelf_reads.SPARE_UNITS,
            4,
        ),
        (
            "decisions/0010-requests-end.md",
            "one hour after its needed-by time",
            decision_timers.REQUEST_GRACE_S,
            3600,
        ),
        ("imports.md", "48 MB at most", middleware.MAX_FILE_BYTES, 48_000_000),
        ("imports.md", "first part (500 units)", PART_UNITS, 500),
        ("imports.md", "within the first ten rows", HEAD_WITHIN, 10),
        ("imports.md", "the 200 ml of whole blood", ML[Component.RED_CELLS], 200),
        ("imports.md", "of plasma as 100 ml", ML[Component.FROZEN_PLASMA], 100),
        ("imports.md", "cryoprecipitate as 25 ml", ML[Component.CRYOPRECIPITATE], 25),
        ("api.md", "1 U of plasma is 100 ml", ML[Component.FROZEN_PLASMA], 100),
        ("api.md", "1 U of cryoprecipitate is some 25 ml", ML[Component.CRYOPRECIPITATE], 25),
        ("imports.md", "the 250 ml", WORDS.doses.therapeutic.ml, 250),
        ("imports.md", "over 250,000 bytes", count_files.APART_BYTES, 250_000),
        ("figures.md", "at 08:00 Beijing time", stock_daily_record.RECORD_AT.hour, 8),
        (
            "figures.md",
            "burn rate × 3 days",
            PACKAGED.figures.safe_stock.least_days_of_supply,
            3,
        ),
        (
            "figures.md",
            "at least 1 unit is expected",
            PACKAGED.figures.safe_stock_expected.least_units,
            1,
        ),
        ("figures.md", "in the last 7 days", PACKAGED.shortages.burn.window_d, 7),
    ],
)
def test_a_figure_is_that_of_the_code(
    document: str, sentence: str, value: float, told: float
) -> None:
    assert sentence in " ".join(read(document).split())
    assert value == told


def test_the_columns_of_a_register_are_those_that_are_read() -> None:
    section = read("imports.md").split("## 献血者名册")[1]
    told: set[str] = set()
    for names, headings, notes in rows_of(section, head="列 · column"):
        here = set(re.findall(r"`(\w+)`", f"{names} {notes}")) & WORDS.donors.headings.keys()
        known = {heading for name in here for heading in WORDS.donors.headings[name]}
        assert set(headings.split("、")) <= known, names
        told |= here
    assert told == WORDS.donors.headings.keys() - {"station_id"}


def test_f81_the_calls_are_the_routes_with_the_scopes_that_may_make_them() -> None:
    told = {row[0].strip("`"): row[1] for row in rows_of(read("api.md"), head="call")}
    assert told == dict(list_routes())


def list_routes() -> Iterator[tuple[str, str]]:
    """Yield each call with its scopes as the document writes them."""
    for found in pkgutil.iter_modules(gateway.http.routes.__path__):
        module = importlib.import_module(f"gateway.http.routes.{found.name}")
        for route in module.router.routes:
            assert isinstance(route, APIRoute)
            scopes = list_scopes(route)
            every = "any key" if route.path.startswith("/v1/") else "no key"
            told = every if scopes == frozenset(KeyScope) else ", ".join(sorted(scopes))
            yield from ((f"{method} {route.path}", told) for method in route.methods or ())


def blocks_of(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", read("api.md"), flags=re.DOTALL | re.MULTILINE)


def test_the_http_example_is_a_request() -> None:
    body = json.loads(blocks_of("json")[0])
    ids = {"request_id": "r", "hospital_id": "dingri-county", "station_id": "shigatse"}
    request = requests.UrgentRequest.model_validate({**body, **ids})
    assert request.lines[0].attributes.leukoreduced


def test_the_kafka_example_is_an_event_of_its_topic() -> None:
    headers = [line.split(": ", 1) for line in blocks_of("text")[0].splitlines()]
    body = blocks_of("json")[1].encode()
    envelope = Envelope.from_record(
        key=b"shigatse", value=body, headers=[(name, text.encode()) for name, text in headers]
    )
    event = decode_event(envelope.type, envelope.data)
    assert isinstance(event, RequestOpened)
    assert (event.key, event.subject) == (envelope.key, envelope.subject)
    assert envelope.source == f"hospital/{event.request.hospital_id}"
    assert event.TYPE in BY_NAME[TopicName.REQUESTS].event_types
