"""Reads dead letters from PostgreSQL for the command line, and puts them back through Kafka.

Not for use inside an event loop.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

from cli.files import read_json
from models.errors import ContractError, XuelianError
from streams.clock import parse_clock
from streams.kafka.raw_records import RawPublisher
from streams.services.record_replay import Correction, DeadLetter, Replay, Replayed
from streams.settings import Settings
from streams.store.command_database import run_on_database
from streams.store.database import Database
from streams.store.dead_letters import PgDeadLetters


def list_letters(
    settings: Settings,
    *,
    code: str | None = None,
    topic: str | None = None,
    with_replayed: bool = False,
    limit: int,
) -> list[DeadLetter]:
    async def listing(database: Database) -> list[DeadLetter]:
        return await PgDeadLetters(database).list_letters(
            code=code, topic=topic, with_replayed=with_replayed, limit=limit
        )

    return run_on_database(settings, listing)


def get_letter(settings: Settings, dead_letter_id: str) -> DeadLetter:
    """Return a dead letter. Raises ContractError `dead_letter_unknown`."""

    async def find(database: Database) -> DeadLetter | None:
        return await PgDeadLetters(database).find(dead_letter_id)

    found = run_on_database(settings, find)
    if found is None:
        raise ContractError("dead_letter_unknown", dead_letter_id=dead_letter_id)
    return found


def build_correction(*, body: Path | None, key: str | None, headers: Sequence[str]) -> Correction:
    """Build a correction from the options; a header is written `name=value`."""
    named: dict[str, bytes] = {}
    for text in headers:
        name, given, value = text.partition("=")
        if not given or not name:
            raise typer.BadParameter(
                f"{text}：写成 名=值 · write name=value", param_hint="--header"
            )
        if name in named:
            raise typer.BadParameter(f"{name} 写了两次 · stands twice", param_hint="--header")
        named[name] = value.encode()
    return Correction(
        body=None if body is None else read_json(body)[0],
        key=None if key is None else key.encode(),
        headers=named,
    )


def replay_letters(
    settings: Settings, wanted: Sequence[DeadLetter], *, correction: Correction
) -> tuple[list[Replayed], XuelianError | None]:
    """Put records back, oldest first, each on its own.

    Returns:
        The records that are back, and the error that stopped the rest, if any.
    """

    async def act(database: Database) -> tuple[list[Replayed], XuelianError | None]:
        done: list[Replayed] = []
        try:
            async with RawPublisher(bootstrap=settings.kafka_bootstrap) as publisher:
                replay = Replay(
                    letters=PgDeadLetters(database),
                    publisher=publisher,
                    clock=parse_clock(settings.clock),
                )
                for letter in sorted(wanted, key=_log_order):
                    replayed = await replay(letter, correction=correction)
                    done.append(replayed)
        except XuelianError as error:
            return done, error
        return done, None

    if not wanted:
        return [], None
    return run_on_database(settings, act)


def _log_order(letter: DeadLetter) -> tuple[str, int, int]:
    """Return the sort key that puts records of a key back in the order they had in the log."""
    return letter.record.topic, letter.record.partition, letter.offset


def to_summary(letter: DeadLetter) -> dict[str, Any]:
    return {
        "dead_letter_id": letter.dead_letter_id,
        "topic": letter.record.topic,
        "partition": letter.record.partition,
        "offset": letter.offset,
        "reader": letter.reader,
        "event_id": letter.record.find_header("ce_id"),
        "event_type": letter.record.find_header("ce_type"),
        "code": letter.code,
        "params": dict(letter.params),
        "is_life_threatening": letter.is_life_threatening,
        "quarantined_at": letter.quarantined_at,
        "replayed_at": letter.replayed_at,
    }


def to_whole(letter: DeadLetter) -> dict[str, Any]:
    """Return the summary with key, headers and body as text; bytes that are no text are escaped."""
    record = letter.record
    return {
        **to_summary(letter),
        "key": _as_text(record.key),
        "headers": [[name, _as_text(raw)] for name, raw in record.headers],
        "body": _as_text(record.value),
        "body_bytes": None if record.value is None else len(record.value),
    }


def _as_text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="backslashreplace")


_SHOWN_CHARACTERS = 4000


def show_bytes(raw: bytes | None, *, pretty: bool = False) -> str:
    """Return bytes as people read them: JSON indented if asked, long ones cut with their length."""
    text = _as_text(raw)
    if text is None:
        return "（没有 · none）"
    if pretty:
        # A body that is no JSON may be the very fault of the record: it is shown as it is.
        with suppress(ValueError):
            text = json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    if len(text) > _SHOWN_CHARACTERS:
        return f"{text[:_SHOWN_CHARACTERS]}… （共 · of {len(raw or b'')} bytes）"
    return text
