"""The hospitals: each sends its requests when its patients arrive, over HTTP or straight to Kafka.

Measures from the sending of a request until the hospital has its decision, in real milliseconds.
Some messages are sent twice, as happens on real networks; some requests are amended or cancelled.
A ward whose answer says that blood lies ready which will not last until its needed-by time takes it
at once.

Concurrency: one task per request.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from demo.actor_context import DrillStage
from demo.casualties import PlannedRequest
from demo.day_record import Latency
from demo.http_clients import DemoClient, HttpAnswer
from demo.kafka_clients import TopicFollower
from demo.random_draws import draw
from models.base import derive_id
from models.envelope import Envelope
from models.events.requests import RequestAmended, RequestCancelled, RequestOpened
from models.groups import BloodGroup
from models.patients import GroupBasis
from models.requests import Amendment, Cancellation, UrgentRequest
from models.topics import TopicName

_READS_MIN_S, _READS_MAX_S = 300, 900
"""Simulated seconds until a ward has read its answer and spoken to its physician; an estimate."""

_SOONER = "time_would_open"

_WAIT_S = 20
"""How long a hospital waits in its call, in real seconds; a running system answers far sooner."""


class DecisionWatch:
    """A hospital's own consumer of decisions on the requests that it sent to Kafka.

    Concurrency: one following task sets futures that the requesting tasks hold.
    """

    def __init__(self, bootstrap: str) -> None:
        self._tail = TopicFollower(bootstrap=bootstrap, client_id="demo-hospitals")
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def run(self) -> None:
        async for _, envelope in self._tail.follow([TopicName.DECISIONS]):
            waiting = self._waiting.pop(envelope.causationid or "", None)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    async def ready(self) -> None:
        await self._tail.connected.wait()

    def expect(self, event_id: str) -> asyncio.Future[None]:
        """Return a future that is done once the event's decision is seen; call before sending."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[event_id] = future
        return future


async def run_hospitals(
    stage: DrillStage, planned: tuple[PlannedRequest, ...], watch: DecisionWatch
) -> None:
    """Send every planned request at its simulated instant."""
    async with asyncio.TaskGroup() as group:
        for request in planned:
            group.create_task(_ask(stage, request, watch))


async def _ask(stage: DrillStage, planned: PlannedRequest, watch: DecisionWatch) -> None:
    await stage.sleep_until(planned.at)
    stage.board.sent += 1
    send = _send_on_kafka if planned.straight else _send_by_http
    again, answer = await send(stage, planned, watch)
    if answer is not None and _says_sooner(answer):
        await _bring_forward(stage, planned)
    if planned.typed is not None:
        await stage.sleep(planned.typed_after_s)
        await _send_group(stage, planned, planned.typed)
    if planned.resent_after_s is not None:
        await stage.sleep(planned.resent_after_s)
        stage.board.repeats += 1
        await again()


Sent = tuple[Callable[[], Awaitable[None]], HttpAnswer | None]
"""Sends the same message again; and the answer, if the request was not sent to Kafka."""


def _says_sooner(answer: HttpAnswer) -> bool:
    """Return whether the decision says that an earlier needed-by time opens lacking blood."""
    decision = answer.body.get("decision") or {} if answer.is_accepted else {}
    return any(
        reason["code"] == _SOONER
        for line in decision.get("lines", ())
        if line["uncovered"]
        for reason in line["refusals"]
    )


async def _bring_forward(stage: DrillStage, planned: PlannedRequest) -> None:
    """Take blood that does not last until it is needed; what is not won by it is taken back."""
    chance = draw(stage.scenario.seed, "sooner", planned.request.request_id)
    await stage.sleep(chance.randint(_READS_MIN_S, _READS_MAX_S))
    request = planned.request
    road_s = stage.scenario.routes[request.station_id, request.hospital_id]
    sooner = stage.clock.now() + timedelta(seconds=road_s)
    answer = await _amend(stage, planned, {"needed_by": sooner.isoformat()}, key="sooner")
    decision = answer.body.get("decision") or {} if answer.is_accepted else {}
    zh, en = stage.scenario.get_names(request.hospital_id)
    if any(line["uncovered"] for line in decision.get("lines", ())):
        await _amend(stage, planned, {"needed_by": request.needed_by.isoformat()}, key="as-before")
        return
    stage.board.note(
        stage.clock.now(),
        "request",
        f"{zh}提前用血：等不到原定时间",
        f"{en} takes blood sooner, which would not last until it was needed",
    )


async def _send_on_kafka(stage: DrillStage, planned: PlannedRequest, watch: DecisionWatch) -> Sent:
    envelope = to_envelope(stage, planned)
    decided = watch.expect(envelope.id)
    began = time.perf_counter()
    await stage.publisher.publish(TopicName.REQUESTS, envelope)
    stage.sent.note_envelope(envelope, accepted=True)
    try:
        await asyncio.wait_for(decided, _WAIT_S)
    except TimeoutError:
        # The day goes on; the missing decision fails a check at the end.
        zh, en = stage.scenario.get_names(planned.request.hospital_id)
        number = planned.request.request_id
        stage.board.note(
            stage.clock.now(),
            "request",
            f"{zh} {number} 未见决定",
            f"{en} {number}: no decision seen",
        )
    else:
        _note_latency(stage, planned, ms=(time.perf_counter() - began) * 1000, way="kafka")

    async def again() -> None:
        await stage.publisher.publish(TopicName.REQUESTS, envelope)
        stage.sent.note_envelope(envelope, accepted=True)

    return again, None


def to_envelope(stage: DrillStage, planned: PlannedRequest) -> Envelope:
    """Wrap a request as the hospital's own Kafka producer does."""
    event = RequestOpened(request=planned.request)
    return Envelope(
        id=derive_id("demo", planned.request.request_id),
        type=event.TYPE,
        source=f"hospital/{planned.request.hospital_id}",
        subject=event.subject,
        time=stage.clock.now(),
        key=event.key,
        data=event.to_body(),
    )


async def _send_by_http(stage: DrillStage, planned: PlannedRequest, watch: DecisionWatch) -> Sent:
    del watch  # the decision comes back in the same call
    door = stage.door("hospital", planned.request.hospital_id)
    answer = await _post(door, planned)
    if answer.is_accepted and "decision" in answer.body:
        _note_latency(stage, planned, ms=answer.ms, way="http")
    _note_opened(stage, planned, answer)
    if answer.is_accepted and planned.then:
        await _change(stage, planned, door, request_id=answer.body["request_id"])

    async def again() -> None:
        _note_opened(stage, planned, await _post(door, planned))

    return again, answer


async def _post(door: DemoClient, planned: PlannedRequest) -> HttpAnswer:
    body = planned.request.model_dump(
        mode="json", exclude_none=True, exclude={"request_id", "hospital_id", "station_id"}
    )
    return await door.call(
        "POST",
        "/v1/requests",
        body=body,
        idempotency_key=planned.request.request_id,
        wait_s=_WAIT_S,
    )


def _note_opened(stage: DrillStage, planned: PlannedRequest, answer: HttpAnswer) -> None:
    hospital_id = planned.request.hospital_id
    request_id = answer.body["request_id"] if answer.is_accepted else planned.known_as
    request = planned.request.but(request_id=request_id)
    stage.sent.note(
        event_id=derive_id("opened", hospital_id, request_id, planned.request.request_id),
        source=f"hospital/{hospital_id}",
        event_type=RequestOpened.TYPE,
        subject=request_id,
        accepted=answer.is_accepted,
        body={"request": request.model_dump(mode="json", exclude_none=True)},
    )


def _note_latency(stage: DrillStage, planned: PlannedRequest, *, ms: float, way: str) -> None:
    stage.board.latencies.append(
        Latency(at=stage.clock.now(), ms=ms, way=way, priority=str(planned.request.priority))
    )


async def _change(
    stage: DrillStage, planned: PlannedRequest, door: DemoClient, *, request_id: str
) -> None:
    """Cancel or amend a request that was just decided."""
    request = planned.request.but(request_id=request_id)
    is_cancelled = planned.then == "cancel"
    if is_cancelled:
        body: dict[str, object] = {"reason": "患者转院（合成）· patient transferred (synthetic)"}
        method, path, kind = "POST", f"/v1/requests/{request_id}/cancel", "cancelled"
    else:
        lines = [line.but(quantity=line.quantity + 1) for line in request.lines]
        body = {"lines": [line.model_dump(mode="json", exclude_none=True) for line in lines]}
        method, path, kind = "PATCH", f"/v1/requests/{request_id}", "amended"
    key = f"{planned.request.request_id}-{planned.then}"
    answer = await door.call(method, path, body=body, idempotency_key=key, wait_s=_WAIT_S)
    zh, en = stage.scenario.get_names(request.hospital_id)
    did = "取消" if is_cancelled else "更改"
    stage.board.note(stage.clock.now(), "request", f"{zh}{did}申请", f"{en} {kind} a request")
    event = _to_change(request, body, is_cancelled=is_cancelled)
    stage.sent.note(
        event_id=derive_id(kind, request.hospital_id, request_id, key),
        source=f"hospital/{request.hospital_id}",
        event_type=event.TYPE,
        subject=request_id,
        accepted=answer.is_accepted,
        body=event.model_dump(mode="json", exclude_none=True),
    )


async def _send_group(stage: DrillStage, planned: PlannedRequest, group: BloodGroup) -> None:
    """Report the group that was typed from a sample; a request that has ended needs it no more."""
    body: dict[str, object] = {"patient": {"group": group, "group_basis": GroupBasis.ONE_SAMPLE}}
    answer = await _amend(stage, planned, body, key="typed")
    if answer.is_accepted:
        zh, en = stage.scenario.get_names(planned.request.hospital_id)
        stage.board.note(
            stage.clock.now(),
            "request",
            f"{zh}病人定型 {group}",
            f"{en}: a patient is typed {group}",
        )


async def _amend(
    stage: DrillStage, planned: PlannedRequest, body: dict[str, object], *, key: str
) -> HttpAnswer:
    """Amend a request, unless it has ended meanwhile."""
    hospital_id = planned.request.hospital_id
    request_id = planned.known_as
    key = f"{planned.request.request_id}-{key}"
    answer = await stage.door("hospital", hospital_id).call(
        "PATCH",
        f"/v1/requests/{request_id}",
        body=body,
        idempotency_key=key,
        wait_s=_WAIT_S,
        refusals=("request_ended",),
    )
    if answer.is_accepted:
        event = _to_change(
            planned.request.but(request_id=request_id), dict(body), is_cancelled=False
        )
        stage.sent.note(
            event_id=derive_id("amended", hospital_id, request_id, key),
            source=f"hospital/{hospital_id}",
            event_type=event.TYPE,
            subject=request_id,
            accepted=True,
            body=json.loads(event.to_body()),
        )
    return answer


def _to_change(
    request: UrgentRequest, body: dict[str, object], *, is_cancelled: bool
) -> RequestAmended | RequestCancelled:
    parties = {name: getattr(request, name) for name in ("request_id", "hospital_id", "station_id")}
    if is_cancelled:
        return RequestCancelled(cancellation=Cancellation.model_validate({**parties, **body}))
    return RequestAmended(amendment=Amendment.model_validate({**parties, **body}))
