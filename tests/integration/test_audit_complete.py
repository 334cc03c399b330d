"""Whatever changes, the audit tells it in the same transaction: held against a witness."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.local.embedded_services import Endpoints
from streams.ports import TimerKind
from tests.support.audit_story import live_a_day, set_witness
from tests.support.supply_engine import SupplyEngine, build_supply_engine
from tests.support.world import DINGRI, build_request, opened

pytestmark = pytest.mark.integration

KINDS = {
    "units": "unit",
    "requests": "request",
    "activations": "activation",
    "shortages": "shortage",
    "call_outs": "call_out",
    "transfers": "transfer",
}
"""Table to the subject of its audit rows, where the states are columns of the table."""

STATE = {"shortages": "level"}
DONOR_FIELDS = ("called", "accepted", "last_whole_blood_on")

Told = Counter[tuple[str, str, str, str, str]]
"""Transaction, kind, subject, from, to."""


@pytest.fixture
async def engine(endpoints: Endpoints) -> AsyncIterator[SupplyEngine]:
    async with build_supply_engine(endpoints.postgres_dsn) as built:
        await set_witness(built)
        await live_a_day(built)
        yield built


async def read_witness(engine: SupplyEngine) -> list[dict[str, Any]]:
    rows = await engine.fetch("SELECT tx, kind, subject, was, became FROM witnessed ORDER BY nth")
    return [dict(row) for row in rows]


def list_states(row: dict[str, Any]) -> tuple[str, str]:
    name = STATE.get(row["kind"], "status")
    return (row["was"] or {}).get(name, ""), (row["became"] or {}).get(name, "")


async def read_audit(engine: SupplyEngine) -> Told:
    rows = await engine.fetch(
        "SELECT xmin::text AS tx, subject_kind, subject, from_state, to_state FROM audit"
    )
    return Counter(tuple(row.values()) for row in rows)


async def test_the_day_changes_everything_there_is(engine: SupplyEngine) -> None:
    """What the next test holds the audit against must hold every kind of change."""
    seen = defaultdict(set)
    for row in await read_witness(engine):
        seen[row["kind"]].add(list_states(row))
    assert {
        ("", "available"), ("", "quarantined"), ("quarantined", "available"),
        ("available", "reserved"), ("reserved", "available"), ("reserved", "issued"),
        ("issued", "received"), ("issued", "available"), ("reserved", "discarded"),
        ("available", "expired"),
    } <= seen["units"]  # fmt: skip
    assert {("", "reserved"), ("reserved", "cancelled"), ("reserved", "reserved")} <= seen[
        "requests"
    ]
    assert {("", "open"), ("open", "open"), ("open", "stood_down")} <= seen["activations"]
    assert {("", "called"), ("accepted", "no_show"), ("arrived", "donated")} <= seen["call_outs"]
    assert {("", "agreed"), ("agreed", "in_transit"), ("in_transit", "completed")} <= seen[
        "transfers"
    ]


async def test_every_change_is_in_the_audit_of_its_own_transaction(engine: SupplyEngine) -> None:
    audit = await read_audit(engine)
    changes: Told = Counter()
    for row in await read_witness(engine):
        if row["kind"] in KINDS:
            changes[row["tx"], KINDS[row["kind"]], row["subject"], *list_states(row)] += 1
    assert sum(changes.values()) > 80
    missing = [change for change, times in changes.items() if audit[change] < times]
    assert not missing


async def test_the_audit_tells_no_change_that_did_not_happen(engine: SupplyEngine) -> None:
    changes = Counter(
        (row["tx"], KINDS[row["kind"]], row["subject"], *list_states(row))
        for row in await read_witness(engine)
        if row["kind"] in KINDS
    )
    told = await read_audit(engine)
    extra = [
        change
        for change, times in told.items()
        if change[1] in KINDS.values() and changes[change] < times
    ]
    assert not extra


async def test_what_is_known_of_a_donor_is_told_by_name_and_never_by_value(
    engine: SupplyEngine,
) -> None:
    audit = await read_audit(engine)
    fields = 0
    for row in await read_witness(engine):
        if row["kind"] != "donors":
            continue
        place = (row["tx"], "donor", row["subject"])
        if row["was"] is None:
            assert audit[(*place, "", "registered")], row
            continue
        for name in DONOR_FIELDS:
            was, became = row["was"][name], row["became"][name]
            if was != became:
                fields += 1
                before = "none" if was is None else was
                assert audit[(*place, f"{name}={before}", f"{name}={became}")], row
        if row["was"]["body"].get("contact") != row["became"]["body"].get("contact"):
            fields += 1
            assert audit[(*place, "registered", "changed contact")], row
    assert fields > 10
    kept = json.dumps([dict(row) for row in await engine.fetch("SELECT * FROM audit")], default=str)
    assert "changed contact" in kept
    assert "test:2" not in kept


async def test_who_did_it_is_the_sender_or_the_timer(engine: SupplyEngine) -> None:
    rows = await engine.fetch("SELECT subject_kind, why, caused_by, actor FROM audit")
    by_event = await engine.fetch("SELECT event_id, source FROM inbox")
    sources = {row["event_id"]: row["source"] for row in by_event}
    assert rows
    for row in rows:
        if row["caused_by"] in sources:
            assert row["actor"] == sources[row["caused_by"]], dict(row)
        elif row["caused_by"] == "test":  # the key that imported the register
            assert row["actor"] == "station/shigatse"
        else:
            assert row["caused_by"].partition(":")[0] in set(TimerKind)
            assert row["actor"] == "timer", dict(row)
    assert {row["actor"] for row in rows} == {
        "hospital/shigatse-people", "station/shigatse", "station/lhasa", "notifier/test",
        "feed/test", "timer",
    }  # fmt: skip


async def test_of_two_senders_with_one_event_id_each_is_named(endpoints: Endpoints) -> None:
    """An id is unique per source only; two hospitals may use the same one in the same batch."""
    async with build_supply_engine(endpoints.postgres_dsn) as engine:
        first = opened(build_request(request_id="r-a"), event_id="1")
        second = opened(build_request(request_id="r-b", hospital=DINGRI), event_id="1")
        await engine.feed(first, second)
        rows = await engine.fetch("SELECT subject, actor FROM audit ORDER BY subject")
        assert [tuple(row) for row in rows] == [
            ("r-a", "hospital/shigatse-people"),
            ("r-b", "hospital/dingri-county"),
        ]
