"""Headers, problems, rendering and views: values in, values out."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from starlette.requests import Request

from gateway.feed_views import view_of
from gateway.http import problems
from gateway.http.calls import HttpCall
from gateway.http.request_changes import _warn
from gateway.intake.accepted_requests import Accepted, AcceptedRequest
from gateway.intake.waiting_calls import FOLLOWED, Wakes
from gateway.reason_texts import explain, explain_decision
from models.access import KeyScope, Principal
from models.envelope import Envelope
from models.errors import (
    ConfigurationError,
    ContractError,
    DomainRefusal,
    InvariantViolation,
    TransientError,
    XuelianError,
)
from models.events.requests import RequestAmended
from models.requests import Amendment
from models.rules.rulebook import PACKAGED
from models.texts import list_texts
from tests.support.world import NOW, FixedClock


def call(**headers: str) -> HttpCall:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return HttpCall(Request({"type": "http", "headers": raw}), clock=FixedClock())


@pytest.mark.parametrize(
    ("prefer", "wait_s"),
    [("wait=2", 2), ('Wait="5"', 5), ("respond-async, wait=30", 30), ("handling=strict", 0)],
)
def test_prefer(prefer: str, wait_s: int) -> None:
    assert call(prefer=prefer).get_wait_s() == wait_s


def test_idempotency_key() -> None:
    assert call().find_idempotency_key() is None
    assert call(idempotency_key="a.b:c-1").find_idempotency_key() == "a.b:c-1"
    with pytest.raises(ContractError):
        call(idempotency_key="a\tb").find_idempotency_key()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ContractError("record_key_missing"), 400),
        (DomainRefusal("offer_to_self"), 422),
        (DomainRefusal("request_ended"), 409),
        (TransientError("postgres_away"), 503),
        (ConfigurationError("clock_invalid"), 500),
        (InvariantViolation("constraint_broken"), 500),
    ],
)
def test_every_family_has_a_status(error: XuelianError, status: int) -> None:
    assert problems.status_of(error) == status


def test_the_table_is_total() -> None:
    assert set(problems.STATUS_OF_FAMILY) == set(XuelianError.__subclasses__())
    assert set(problems.STATUS_OF_CODE) <= set(list_texts())
    statuses = {*problems.STATUS_OF_FAMILY.values(), *problems.STATUS_OF_CODE.values()}
    assert statuses <= set(problems.TITLES)


def test_nothing_of_the_inside_is_told() -> None:
    error = TransientError("postgres_away", detail="ConnectionRefusedError 10.0.0.7:5432")
    answer = problems.to_response(error)
    assert b"10.0.0.7" not in answer.body
    assert answer.headers["retry-after"] == "2"


def test_reasons_counted_over_units_say_how_many() -> None:
    told = explain("expires_before_arrival", {"units": 3})
    assert told["zh"] == "送达前过期（3 袋）"
    assert told["en"] == "expires before it would arrive (3 bags)"
    assert explain("from_a_newer_peer")["zh"] == "from_a_newer_peer"


def test_a_decision_is_explained_throughout() -> None:
    reason = {"code": "identical_group", "params": {"rank": 0}, "rule": "abo@1"}
    decision = {
        "outcome": "reserved",
        "waiting_for": "picking",
        "reasons": [{"code": "arrives_late", "params": {"late_s": 60}}],
        "lines": [{"reserved": [{"unit_id": "u", "reason": reason}], "refusals": [reason]}],
    }
    told = explain_decision(decision)
    assert told["reasons"][0]["zh"] == "预计晚到 1 分"
    assert told["lines"][0]["reserved"][0]["reason"]["rule"] == "abo@1"
    assert told["lines"][0]["refusals"][0]["en"] == "identical group"
    assert told["waiting_for"]["code"] == "picking"
    assert explain_decision({"outcome": "refused"})["waiting_for"] is None


def envelope(cause: str, *, hospital_id: str = "h1") -> Envelope:
    return Envelope(
        id="e",
        type="blood.request.decided.v1",
        source="xuelian",
        subject="r",
        time=NOW,
        key="s",
        data=orjson.dumps({"decision": {"hospital_id": hospital_id}}),
        causationid=cause,
    )


async def test_waiters_hear_their_own_decision() -> None:
    wakes = Wakes()
    with wakes.expect(["e1", "e2"]) as (first, other), wakes.expect(["e1"]) as (second,):
        wakes.announce("blood.shortages.v1", envelope("e1"))
        assert not first.done()
        wakes.announce("blood.decisions.v1", envelope("e1"))
        wakes.announce("blood.decisions.v1", envelope("e1"))  # published twice
        assert first.done()
        assert second.done()
        assert not other.done()
        first.result()
        second.result()
    assert not wakes._waiters


async def test_sleepers_are_woken_by_what_may_concern_them() -> None:
    wakes = Wakes()
    hospital = Principal(key_id="k", scope=KeyScope.HOSPITAL, facility_id="h1")
    view = view_of(hospital, topics=None)
    with wakes.sleep(view.may_concern) as woken:
        wakes.announce("blood.decisions.v1", envelope("e", hospital_id="h2"))
        wakes.announce("blood.shortages.v1", envelope("e"))
        assert not woken.is_set()
        wakes.announce("blood.decisions.v1", envelope("e"))
        assert woken.is_set()
    wakes.close()
    assert wakes.closed


def test_views_of_every_scope() -> None:
    for scope in KeyScope:
        own = "f" if scope.has_facility else None
        view = view_of(Principal(key_id="k", scope=scope, facility_id=own), topics=None)
        assert view.wanted.topics
        assert set(view.wanted.topics) <= set(FOLLOWED)
        if not scope.has_facility:
            assert view.wanted.open_topics == view.wanted.topics
    neighbour = Principal(key_id="k", scope=KeyScope.NEIGHBOUR, facility_id="f")
    with pytest.raises(DomainRefusal, match="scope_not_allowed"):
        view_of(neighbour, topics=["blood.decisions.v1"])


def test_accepted_requests_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("gateway.intake.accepted_requests.MAX_KEPT", 2)
    accepted = Accepted(monotonic=lambda: now[0])
    for number in range(3):
        accepted.add(AcceptedRequest(request_id=f"r{number}", hospital_id="h", station_id="s"))
    assert accepted.find("r0") is None
    assert accepted.find("r2") is not None
    now[0] = 901
    assert accepted.find("r2") is None


async def test_a_wait_that_is_cut_leaves_nothing() -> None:
    wakes = Wakes()

    async def wait() -> None:
        with wakes.expect(["e"]) as (future,):
            await future

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
    assert not wakes._waiters


@pytest.mark.parametrize(
    ("stated", "is_told"),
    [
        ({"patient": {"antibodies": ["Vel"]}}, True),
        ({"patient": {"antibodies": ["E"]}}, False),
        ({"lines": [{"line_no": 1, "component": "red_cells", "quantity": 1,
                     "attributes": {"antigen_negative": ["Vel"]}}]}, True),
        ({"note": "theatre 2"}, False),
    ],
)  # fmt: skip
def test_an_amendment_names_an_antigen_that_is_not_usually_typed(
    stated: dict[str, object], *, is_told: bool
) -> None:
    ids = {"request_id": "r-1", "hospital_id": "dingri-county", "station_id": "shigatse"}
    event = RequestAmended(amendment=Amendment.model_validate({**ids, **stated}))
    told = _warn(event, PACKAGED.antigens).get("warnings", [])
    assert [warning["code"] for warning in told] == ["antigen_unusual"] * is_told
