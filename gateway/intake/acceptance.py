"""Accepts the events of a call on the log: the one way of every edge, whatever protocol it speaks.

An edge translates what it was told into events and a `Caller`, calls `Submissions.accept`, and
makes its own answer of the `Acceptance`.

The order matters: a waiting caller is registered first, then the events are published and
acknowledged by Kafka, and only then is the call answered. PostgreSQL is asked beside that, for
repeats, under a short limit; while it is away nothing waits for it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Protocol

import orjson

from gateway.intake.waiting_calls import FateLookup, Wakes
from gateway.invalid_content import of_impossible
from gateway.metrics import GatewayMetrics
from models.base import derive_id
from models.envelope import Envelope
from models.errors import ContractError, InvariantViolation, TransientError
from models.events import EventData
from models.possible_times import list_impossible
from models.topics import Topic, TopicName, find_topic_of
from streams.ports import Clock, EventPublisher
from streams.store.read_models.pages import EventFate, EventName

PUBLISH_LIMIT_S = 3.0
"""Within this time a caller is told that Kafka is away; a patient's request must not hang."""

SENT_AT_ONCE_BYTES = 2_000_000
"""Events that are published together: acknowledged well within the publishing limit."""

FIRST_LOOK_S = 0.03
"""The time that the engine usually needs."""
FIRST_LOOK_FOR_DECISION_S = 0.15
"""A decision wakes the call that waits for it; the look is for what the tail missed."""
MOST_LOOK_S = 1.0
"""A waiting call looks at PostgreSQL at growing intervals, up to this one."""

REMEMBERED = 20_000
"""Events whose content digest this process remembers: minutes of a burst, a few megabytes."""
IDEMPOTENCY_KEY = "Idempotency-Key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """On whose behalf events are accepted, and what makes a repeat of the call the same events.

    Attributes:
        source: The source of the events, such as `station/shigatse`.
        key: A repeat under it is the same events; without a key, equal content is.
        named_by: The header or field that `key` was taken from.
        traceparent: The trace context of the call; goes with the events.
        wait_s: How long the engine's word is waited for; 0 does not wait.
    """

    source: str
    key: str | None = None
    named_by: str = IDEMPOTENCY_KEY
    traceparent: str | None = None
    wait_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What became of the events of a call.

    Attributes:
        event_ids: In the order of the events.
        fates: What the engine did with each event; None where it is not known yet.
        accepted_at: An event that was taken in before is a repeat of an earlier call's.
    """

    event_ids: tuple[str, ...]
    fates: tuple[EventFate | None, ...]
    accepted_at: datetime

    @property
    def refused(self) -> EventFate | None:
        """Return the fate of the first event that was quarantined."""
        return next((fate for fate in self.fates if fate and fate.code is not None), None)

    @property
    def is_done(self) -> bool:
        """Return whether the engine has acted on every event."""
        return None not in self.fates and self.refused is None


class Sent(Protocol):
    """What an event must have to be sent; a count's part fits without being parsed into values."""

    @property
    def TYPE(self) -> str: ...  # noqa: N802 - as events name it
    @property
    def key(self) -> str: ...
    @property
    def subject(self) -> str: ...
    def to_body(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """An event that a caller sent.

    Attributes:
        event_id: A repeat with the same Idempotency-Key has the same one.
        time: When it was sent; not part of the body, since a repeat may have another time.
        named_by: The header or field that gave the identity.
    """

    event: Sent
    event_id: str
    source: str
    time: datetime
    traceparent: str | None = None
    named_by: str = IDEMPOTENCY_KEY
    data: bytes = field(init=False)
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", self.event.to_body())
        object.__setattr__(self, "digest", sha256(self.data).hexdigest())

    @property
    def topic(self) -> Topic:
        topic = find_topic_of(self.event.TYPE)
        if topic is None or not topic.readers:
            raise InvariantViolation("event_without_topic", type=self.event.TYPE)
        return topic

    @property
    def name(self) -> EventName:
        return EventName(
            reader=self.topic.readers[0],
            source=self.source,
            event_id=self.event_id,
            request_id=self.event.subject,
        )

    def to_envelope(self) -> Envelope:
        return Envelope(
            id=self.event_id,
            type=self.event.TYPE,
            source=self.source,
            subject=self.event.subject,
            time=self.time,
            key=self.event.key,
            data=self.data,
            traceparent=self.traceparent,
        )

    def ensure_same(self, digest: str) -> None:
        """Refuse other content under an identity that was used before.

        Raises:
            ContractError: `idempotency_key_reused`, or `identity_reused`, which names the field.
        """
        if digest == self.digest:
            return
        if self.named_by == IDEMPOTENCY_KEY:
            raise ContractError("idempotency_key_reused")
        raise ContractError("identity_reused", field=self.named_by)


class SentDigests:
    """The digest of the content that this process last sent under each identity.

    A caller that does not wait is answered before the engine has looked, so only here can it be
    told that its key was used for other content.
    """

    def __init__(self) -> None:
        self._digests: OrderedDict[tuple[str, str], str] = OrderedDict()

    @contextmanager
    def remember(self, submissions: Sequence[Submission]) -> Iterator[None]:
        """Note what is sent in this block; if the block fails, forget what was new in it.

        Raises:
            ContractError: `idempotency_key_reused`: other content was sent, or is being sent.
        """
        noted = []
        try:
            for submission in submissions:
                name = (submission.source, submission.event_id)
                known = self._digests.get(name)
                if known is None:
                    self._digests[name] = submission.digest
                    noted.append(name)
                else:
                    submission.ensure_same(known)
            yield
        except BaseException:
            # It is not known whether Kafka has the event; the engine decides on what is sent next.
            for name in noted:
                self._digests.pop(name, None)
            raise
        while len(self._digests) > REMEMBERED:
            self._digests.popitem(last=False)


class Submissions:
    """Accepts events. Safe for concurrent tasks of one event loop."""

    def __init__(
        self,
        *,
        publisher: EventPublisher,
        lookup: FateLookup,
        wakes: Wakes,
        metrics: GatewayMetrics,
        clock: Clock,
        monotonic: Callable[[], float],
    ) -> None:
        self._publisher = publisher
        self._lookup = lookup
        self._wakes = wakes
        self._metrics = metrics
        self._clock = clock
        self._monotonic = monotonic
        self._sent = SentDigests()

    async def accept(
        self,
        events: Sequence[Sent],
        caller: Caller,
        *,
        ids: Sequence[str] | None = None,
        apart: bool = False,
    ) -> Acceptance:
        """Publish the events of a call, in order, and return once Kafka has them all.

        A refused repeat ends the call: what follows it is not published.

        Args:
            events: One or more events of one topic.
            caller: On whose behalf.
            ids: The identifiers of the events; by default they follow from key, place and content.
            apart: An event under a used identity gets a fate that says so; else it is an error.

        Raises:
            ContractError: `fields_invalid`: a moment that cannot be true. `idempotency_key_reused`:
                the key was used before for other content. An event is too large.
            TransientError: Kafka did not confirm the events; sending the same again is safe.
        """
        now = self._clock.now()
        event_ids: list[str] = []
        fates: list[EventFate | None] = []
        for batch in _submit(events, caller, ids, now):
            with self._wakes.expect([submission.event_id for submission in batch]) as decided:
                looks = [] if caller.wait_s else [self._ask(submission) for submission in batch]
                await self._publish(batch)
                if caller.wait_s:
                    found = await self._wait(batch, decided, caller.wait_s)
                else:
                    found = await asyncio.gather(*looks)
            event_ids += [submission.event_id for submission in batch]
            fates += map(partial(_judge, apart=apart), batch, found)
            if any(fate and fate.code for fate in fates):
                break
        return Acceptance(event_ids=tuple(event_ids), fates=tuple(fates), accepted_at=now)

    async def find_known(self, event: Sent, caller: Caller, *, event_id: str) -> Acceptance:
        """Return what became of an event that may have been sent before; publishes nothing.

        Raises:
            ContractError: `idempotency_key_reused`: its key was used before for other content.
        """
        now = self._clock.now()
        ((submission,),) = _submit([event], caller, [event_id], now)
        fate = _judge(submission, await self._ask(submission))
        return Acceptance(event_ids=(event_id,), fates=(fate,), accepted_at=now)

    async def _publish(self, submissions: Sequence[Submission]) -> None:
        """Publish events of one topic, in order, and return when Kafka has them all."""
        envelopes = [submission.to_envelope() for submission in submissions]
        with self._sent.remember(submissions):
            try:
                async with asyncio.timeout(PUBLISH_LIMIT_S):
                    await self._publisher.publish(submissions[0].topic.name, envelopes)
            except TimeoutError as error:
                raise TransientError("kafka_away") from error

    async def _wait(
        self,
        submissions: Sequence[Submission],
        decided: Sequence[asyncio.Future[Envelope]],
        wait_s: int,
    ) -> list[EventFate | None]:
        """Look until the engine has told of every event, or the waiting time is over."""
        is_for_decision = submissions[0].topic.name == TopicName.REQUESTS
        pause_s = FIRST_LOOK_FOR_DECISION_S if is_for_decision else FIRST_LOOK_S
        ends_at = self._monotonic() + wait_s
        fates: list[EventFate | None] = [None] * len(submissions)
        while (missing := [at for at, fate in enumerate(fates) if fate is None]) and (
            left_s := ends_at - self._monotonic()
        ) > 0:
            await asyncio.wait([decided[at] for at in missing], timeout=min(pause_s, left_s))
            found = await asyncio.gather(
                *(self._find(submissions[at], decided[at]) for at in missing)
            )
            for at, fate in zip(missing, found, strict=True):
                fates[at] = fate
            pause_s = min(pause_s * 2, MOST_LOOK_S)
        if is_for_decision:
            is_woken = any(future.done() for future in decided)
            ended = "timed_out" if None in fates else "decided" if is_woken else "found"
            self._metrics.waits.labels(ended).inc()
        return fates

    async def _find(
        self, submission: Submission, decided: asyncio.Future[Envelope]
    ) -> EventFate | None:
        if decided.done():
            return _to_fate(submission, decided.result())
        return await self._ask(submission)

    def _ask(self, submission: Submission) -> asyncio.Future[EventFate | None]:
        return self._lookup.ask(submission.name)


def _submit(
    events: Sequence[Sent], caller: Caller, ids: Sequence[str] | None, now: datetime
) -> Iterator[list[Submission]]:
    """Yield what is sent, in batches; the parts of a large count are made one batch at a time."""
    batch: list[Submission] = []
    size = 0
    for part, event in enumerate(events):
        # The moments of a count's rows were checked when its file was read.
        if isinstance(event, EventData) and (impossible := list_impossible(event, now=now)):
            raise of_impossible(impossible)
        if ids is not None:
            event_id = ids[part]
        else:
            content = caller.key or sha256(event.to_body()).hexdigest()
            event_id = derive_id(event.TYPE, caller.source, part, content)
        submission = Submission(
            event=event,
            event_id=event_id,
            source=caller.source,
            time=now,
            traceparent=caller.traceparent,
            named_by=caller.named_by,
        )
        size += len(submission.data)
        if batch and size > SENT_AT_ONCE_BYTES:
            yield batch
            batch, size = [], len(submission.data)
        batch.append(submission)
    if batch:
        yield batch


def _judge(
    submission: Submission, fate: EventFate | None, *, apart: bool = False
) -> EventFate | None:
    """Return a fate if it is of this content, which another call may have sent under its identity.

    If two bodies are sent under one Idempotency-Key at the same time through two processes, the
    engine takes the first; the sender of the other must not be given its decision.
    """
    if fate is None:
        return None
    try:
        submission.ensure_same(fate.digest)
    except ContractError as error:
        if not apart:
            raise
        return replace(fate, code=error.code, params=dict(error.params))
    return fate


def _to_fate(submission: Submission, envelope: Envelope) -> EventFate:
    """Return the fate that a published decision tells; a first call's, since it was waited for."""
    content = orjson.loads(envelope.data)
    return EventFate(
        # A worker of the version before does not say; PostgreSQL told those who looked there.
        digest=content.get("asked_digest", submission.digest),
        taken_at=submission.time,
        code=None,
        params=None,
        status=None,
        decision=content["decision"],
    )
