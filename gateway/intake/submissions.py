"""Publishes the events of calls, and finds what became of them.

The order matters: a waiting caller is registered first, then the event is published and
acknowledged by Kafka, and only then is the call answered. PostgreSQL is asked beside that, for
repeats, under a short limit; while it is away nothing waits for it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

import orjson

from gateway.intake.fate_lookup import Looking
from gateway.intake.wakes import Wakes
from gateway.metrics import GatewayMetrics
from models.envelope import Envelope
from models.errors import ContractError, InvariantViolation, TransientError, XuelianError
from models.topics import find_topic_of
from streams.ports import EventPublisher
from streams.store.read_models.pages import EventFate, EventName

PUBLISH_LIMIT_S = 3.0
"""Within this time a caller is told that Kafka is away; a patient's request must not hang."""

FIRST_LOOK_S = 0.15
MOST_LOOK_S = 1.0
"""A waiting call looks at PostgreSQL `FIRST_LOOK_S` after publishing, then at growing intervals up
to `MOST_LOOK_S`: for repeats, refusals, and events that the tail missed."""


REMEMBERED = 20_000
"""Events whose content digest this process remembers: minutes of a burst, a few megabytes."""
IDEMPOTENCY_KEY = "Idempotency-Key"


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
    def topic(self) -> str:
        return _topic_of(self.event)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A decision, and whether this call led to it, that is, whether it repeats no earlier call."""

    decision: dict[str, Any]
    fresh: bool
    status: str | None = None


class Submitter:
    """Publishes submissions. Safe for concurrent tasks of one event loop."""

    def __init__(
        self,
        *,
        publisher: EventPublisher,
        looking: Looking,
        wakes: Wakes,
        metrics: GatewayMetrics,
        monotonic: Callable[[], float],
    ) -> None:
        self._publisher = publisher
        self._looking = looking
        self._wakes = wakes
        self._metrics = metrics
        self._monotonic = monotonic
        self._remembered = _Remembered()

    async def publish(self, submissions: Sequence[Submission]) -> None:
        """Publish events of one topic, in order, and return when Kafka has them all.

        Raises:
            TransientError: Kafka did not confirm the events; sending the same again is safe.
            ContractError: An event is too large, or `idempotency_key_reused`: other content was
                sent from here under the same identity; nothing was sent.
        """
        envelopes = [submission.to_envelope() for submission in submissions]
        with self._remembered.remember(submissions):
            try:
                async with asyncio.timeout(PUBLISH_LIMIT_S):
                    await self._publisher.publish(submissions[0].topic, envelopes)
            except TimeoutError as error:
                raise TransientError("kafka_away") from error

    async def submit(self, submission: Submission, *, wait_s: float) -> Answered | EventFate | None:
        """Publish an event about a request.

        Args:
            submission: What is sent.
            wait_s: How long to wait for the decision; 0 returns at once.

        Returns:
            The decision, or the fate of the event if it was quarantined; None if neither is known.

        Raises:
            TransientError: Not confirmed by Kafka; sending the same again is safe.
            ContractError: `idempotency_key_reused`: its key was used before for other content.
        """
        if not wait_s:
            return await self._submit_now(submission)
        with self._wakes.expect(submission.event_id) as decided:
            await self.publish([submission])
            return await self._wait(submission, decided, wait_s)

    async def submit_plain(self, submissions: Sequence[Submission]) -> EventFate | None:
        """Publish events that no decision answers, and look for repeats of them.

        Returns:
            The fate of the first event that was sent and quarantined before; None if none was.

        Raises:
            TransientError: Not confirmed by Kafka; sending the same again is safe.
            ContractError: `idempotency_key_reused`: the key was used before for other content.
        """
        await self.publish(submissions)
        # Asked for at the same time, they are one query.
        fates = await asyncio.gather(*map(self._find_fate, submissions))
        for submission, fate in zip(submissions, fates, strict=True):
            judged = _judge(submission, fate)
            if isinstance(judged, EventFate):
                return judged
        return None

    async def await_engine(
        self, submissions: Sequence[Submission], *, wait_s: float
    ) -> tuple[bool, EventFate | None]:
        """Look until the engine has acted on every event or has refused one, or `wait_s` is over.

        Args:
            submissions: The events that were published.
            wait_s: How long to wait, seconds.

        Returns:
            Whether all of them were acted on, and the fate of the first that was refused.

        Raises:
            ContractError: As `submit_plain` does.
        """
        ends_at = self._monotonic() + wait_s
        pause_s = FIRST_LOOK_S
        awaited = list(submissions)
        while awaited and (left_s := ends_at - self._monotonic()) > 0:
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 2, MOST_LOOK_S)
            fates = await asyncio.gather(*map(self._find_fate, awaited))
            for submission, fate in zip(awaited, fates, strict=True):
                judged = _judge(submission, fate)
                if isinstance(judged, EventFate):
                    return False, judged
            awaited = [event for event, fate in zip(awaited, fates, strict=True) if fate is None]
        return not awaited, None

    async def find_known(self, submission: Submission) -> Answered | EventFate | None:
        """Return what became of an event that may have been sent before; publishes nothing.

        Raises:
            ContractError: `idempotency_key_reused`: its key was used before for other content.
        """
        return _judge(submission, await self._find_fate(submission))

    async def _submit_now(self, submission: Submission) -> Answered | EventFate | None:
        """Publish, and look for a repeat meanwhile."""
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(self._find_fate(submission))
            failure = await self._try_publish(submission)
            if failure is not None:
                looking.cancel()
        if failure is not None:
            raise failure
        known = _judge(submission, looking.result())
        # It was decided during the look; a caller that does not wait is still answered 202.
        return None if isinstance(known, Answered) and known.fresh else known

    async def _try_publish(self, submission: Submission) -> XuelianError | None:
        try:
            await self.publish([submission])
        except (TransientError, ContractError) as error:
            return error
        return None

    async def _wait(
        self, submission: Submission, decided: asyncio.Future[Envelope], wait_s: float
    ) -> Answered | EventFate | None:
        ends_at = self._monotonic() + wait_s
        pause_s = FIRST_LOOK_S
        while (left_s := ends_at - self._monotonic()) > 0:
            done, _ = await asyncio.wait([decided], timeout=min(pause_s, left_s))
            if done:
                self._metrics.waits.labels("decided").inc()
                return Answered(decision=_decision_on(submission, decided.result()), fresh=True)
            fate = _judge(submission, await self._find_fate(submission))
            if fate is not None:
                self._metrics.waits.labels("found").inc()
                return fate
            pause_s = min(pause_s * 2, MOST_LOOK_S)
        self._metrics.waits.labels("timed_out").inc()
        return None

    async def _find_fate(self, submission: Submission) -> EventFate | None:
        return await self._looking.find_fate(
            EventName(
                reader=_reader_of(submission.event),
                source=submission.source,
                event_id=submission.event_id,
                request_id=submission.event.subject,
            )
        )


def _judge(submission: Submission, fate: EventFate | None) -> Answered | EventFate | None:
    if fate is None:
        return None
    if fate.digest != submission.digest:
        raise _reused_error(submission)
    if fate.code is not None:
        return fate
    if fate.decision is None:
        return None
    # A repeat was taken in before it was sent again. Clocks that differ by more than the event's
    # travel time only make the answer to a first call look like the answer to a repeat.
    fresh = fate.taken_at >= submission.time
    return Answered(decision=fate.decision, fresh=fresh, status=fate.status)


def _reused_error(submission: Submission) -> ContractError:
    """Return the refusal of other content under a used identity; it names the header or field."""
    if submission.named_by == IDEMPOTENCY_KEY:
        return ContractError("idempotency_key_reused")
    return ContractError("identity_reused", field=submission.named_by)


def _decision_on(submission: Submission, envelope: Envelope) -> dict[str, Any]:
    """Return the decision that an event led to, if it was decided on this submission's content.

    If two bodies are sent under one Idempotency-Key at the same time through two processes, the
    engine takes the first; the sender of the other must not be given its decision.

    Raises:
        ContractError: `idempotency_key_reused`: it was decided on other content.
    """
    content = orjson.loads(envelope.data)
    if content.get("asked_digest", submission.digest) != submission.digest:
        raise _reused_error(submission)
    decision: dict[str, Any] = content["decision"]
    return decision


class _Remembered:
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
                elif known != submission.digest:
                    raise _reused_error(submission)
            yield
        except BaseException:
            # It is not known whether Kafka has the event; the engine decides on what is sent next.
            for name in noted:
                self._digests.pop(name, None)
            raise
        while len(self._digests) > REMEMBERED:
            self._digests.popitem(last=False)


def _topic_of(event: Sent) -> str:
    topic = find_topic_of(event.TYPE)
    if topic is None:
        raise InvariantViolation("event_without_topic", type=event.TYPE)
    return topic.name


def _reader_of(event: Sent) -> str:
    topic = find_topic_of(event.TYPE)
    if topic is None or not topic.readers:
        raise InvariantViolation("event_without_topic", type=event.TYPE)
    return topic.readers[0]
