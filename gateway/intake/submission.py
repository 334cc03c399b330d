"""An event as it is sent to the log, and the memory of what this process sent."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from models.envelope import Envelope
from models.errors import ContractError, InvariantViolation
from models.topics import Topic, find_topic_of
from streams.store.read_models.pages import EventName

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
