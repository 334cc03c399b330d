"""Accepts the events of a call on the log: the way of every edge, whatever protocol it speaks.

An edge translates what it was told into events and a `Caller`, calls `Submissions.accept`, and
makes its own answer of the `Acceptance`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from gateway.intake.submissions import IDEMPOTENCY_KEY, Sent, Submission, Submitter
from gateway.invalid_content import ensure_possible
from models.base import derive_id
from models.events import EventData
from streams.ports import Clock
from streams.store.read_models.pages import EventFate


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
        refused: The fate of the first event that was quarantined, before or while it was waited.
        is_done: The engine has acted on all of them.
    """

    event_ids: tuple[str, ...]
    refused: EventFate | None = None
    is_done: bool = False


class Submissions:
    """Accepts events. Safe for concurrent tasks of one event loop."""

    def __init__(self, submitter: Submitter, clock: Clock) -> None:
        self._submitter = submitter
        self._clock = clock

    async def accept(
        self, events: Sequence[Sent], caller: Caller, *, first_part: int = 0
    ) -> Acceptance:
        """Publish the events of a call, in order, and return once Kafka has them all.

        Args:
            events: One or more events of one topic.
            caller: On whose behalf.
            first_part: The number of the first event among all events of the call.

        Raises:
            ContractError: `fields_invalid`: a moment that cannot be true. `idempotency_key_reused`:
                the key was used before for other content.
            TransientError: Kafka did not confirm the events; sending the same again is safe.
        """
        submissions = list(self._submit(events, caller, first_part))
        refused, is_done = await self._submitter.submit_plain(submissions), False
        if refused is None and caller.wait_s:
            is_done, refused = await self._submitter.await_engine(submissions, wait_s=caller.wait_s)
        ids = tuple(submission.event_id for submission in submissions)
        return Acceptance(event_ids=ids, refused=refused, is_done=is_done)

    def _submit(
        self, events: Sequence[Sent], caller: Caller, first_part: int
    ) -> Iterator[Submission]:
        now = self._clock.now()
        for part, event in enumerate(events, start=first_part):
            # The moments of a count's rows were checked when its file was read.
            if isinstance(event, EventData):
                ensure_possible(event, now=now)
            content = caller.key or sha256(event.to_body()).hexdigest()
            yield Submission(
                event=event,
                event_id=derive_id(event.TYPE, caller.source, part, content),
                source=caller.source,
                time=now,
                traceparent=caller.traceparent,
                named_by=caller.named_by,
            )
