"""Replay a quarantined record: put it back into the log as it was, or corrected.

The order is: forget that the record was taken in, publish, note the replay. A crash in between
leaves it unreplayed, and doing it again is safe: what was accepted meanwhile is known to the inbox
by its id and its content. The other way round, a reader could meet the record while its claim
still stands and pass over it as a repeat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Protocol

from models.base import derive_id
from streams.ports import Clock

_ID, _SOURCE = "ce_id", "ce_source"

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalRecord:
    """A record of the log, byte for byte.

    Attributes:
        partition: Its partition; records of its key stay in it, whichever partitioner chose it.
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    def find_header(self, name: str) -> str | None:
        """Return the first header of a name as text; None if there is none or it is not text."""
        raw = next((value for header, value in self.headers if header == name), None)
        try:
            return None if raw is None else raw.decode()
        except UnicodeDecodeError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that a reader could not accept, and why.

    Attributes:
        offset: Where the original stands in its partition.
        params: Parameters of the reason's text.
        replayed_at: When it was last put back; None if it never was.
        is_life_threatening: The record calls itself life-threatening.
    """

    dead_letter_id: str
    reader: str
    record: OriginalRecord
    offset: int
    code: str
    params: Mapping[str, str | float]
    quarantined_at: datetime
    replayed_at: datetime | None
    is_life_threatening: bool = False

    @property
    def digest(self) -> str:
        """Return the SHA-256 (hex) of the body, by which the inbox knows the content."""
        return sha256(self.record.value or b"").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """What to change before a record goes back; it then is a new event with an id of its own.

    Attributes:
        headers: Name to value; each replaces every header of that name.
    """

    body: bytes | None = None
    key: bytes | None = None
    headers: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return self.body is None and self.key is None and not self.headers

    def apply(self, record: OriginalRecord) -> OriginalRecord:
        """Return the corrected record.

        The same correction gives the same event id, so a repeated command is a repeat to the inbox.
        """
        key = record.key if self.key is None else self.key
        value = record.value if self.body is None else self.body
        replaced = {_ID, *self.headers}
        headers = (
            *(pair for pair in record.headers if pair[0] not in replaced),
            *self.headers.items(),
        )
        content = repr((record.find_header(_ID), key, value, headers))
        event_id = derive_id("replay", record.topic, sha256(content.encode()).hexdigest())
        own_id = () if _ID in self.headers else ((_ID, event_id.encode()),)
        return replace(record, key=key, value=value, headers=(*headers, *own_id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """The result of one replay.

    Attributes:
        released: The record had been taken in before it was refused, and that was undone.
    """

    dead_letter_id: str
    topic: str
    event_id: str | None
    released: bool


class DeadLetterStore(Protocol):
    async def find(self, dead_letter_id: str) -> DeadLetter | None: ...

    async def release_claim(self, letter: DeadLetter, *, source: str, event_id: str) -> bool:
        """Forget that this very record was taken in; return whether it had been."""
        ...

    async def mark_replayed(self, dead_letter_id: str, *, now: datetime) -> None: ...


class RecordPublisher(Protocol):
    async def publish_record(self, record: OriginalRecord) -> None:
        """Append a record as it is; raises TransientError if it is not known to be kept."""
        ...


class Replay:
    """Replays dead letters; one call per record.

    Concurrency: two operators who replay the same record publish it twice, and the inbox takes
    it in once.
    """

    def __init__(
        self, *, letters: DeadLetterStore, publisher: RecordPublisher, clock: Clock
    ) -> None:
        self._letters = letters
        self._publisher = publisher
        self._clock = clock

    async def __call__(
        self, letter: DeadLetter, *, correction: Correction | None = None
    ) -> Replayed:
        """Put one record back.

        Args:
            letter: The dead letter as the store gave it.
            correction: What to change; without it the record goes back byte for byte.

        Raises:
            TransientError: Not replayed, or not known to be; doing it again is safe.
            ContractError: Kafka does not take a record of this size.
        """
        corrected = correction is not None and not correction.is_empty
        record = letter.record
        if correction is not None and corrected:
            record = correction.apply(record)
        # A corrected record is a new event: the claim of the old event must stay.
        released = False if corrected else await self._release(letter)
        await self._publisher.publish_record(record)
        await self._letters.mark_replayed(letter.dead_letter_id, now=self._clock.now())
        return Replayed(
            dead_letter_id=letter.dead_letter_id,
            topic=record.topic,
            event_id=record.find_header(_ID),
            released=released,
        )

    async def _release(self, letter: DeadLetter) -> bool:
        source = letter.record.find_header(_SOURCE)
        event_id = letter.record.find_header(_ID)
        if source is None or event_id is None:
            return False  # never understood, so never taken in
        return await self._letters.release_claim(letter, source=source, event_id=event_id)
