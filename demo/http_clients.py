"""The actors' HTTP clients, each with its own key, and the log of everything they sent.

Owns the sent log (one JSON line per message, which the independent checker reads) and the retry of
an unconfirmed call, always with the same Idempotency-Key.

Concurrency: one event loop; each line is written in a single call.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from models.envelope import Envelope

_TRIES = 6
_PAUSE_S = 0.5
_TIMEOUT_S = 40.0

_ACCEPTED_BELOW = 300
_UNAVAILABLE = 503


class SentLog:
    """Everything that was sent to the system, as its senders know it.

    Args:
        path: File to write; an old file is replaced.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")
        self.path = path
        self.counts: Counter[str] = Counter()

    def note(
        self,
        *,
        event_id: str,
        source: str,
        event_type: str,
        subject: str,
        accepted: bool | None,
        body: Any,  # noqa: ANN401 - any JSON, or the text that was sent instead
    ) -> None:
        """Write a message; `accepted` is None if the sender never got an answer."""
        row = {
            "event_id": event_id,
            "source": source,
            "type": event_type,
            "subject": subject,
            "accepted": accepted,
            "body": body,
        }
        self._file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")
        self._file.flush()
        self.counts[event_type] += 1

    def note_envelope(self, envelope: Envelope, *, accepted: bool | None) -> None:
        """Write a message that went straight to Kafka."""
        text = envelope.data.decode(errors="replace")
        try:
            body = json.loads(text)
        except ValueError:
            body = text
        self.note(
            event_id=envelope.id,
            source=envelope.source,
            event_type=envelope.type,
            subject=envelope.subject,
            accepted=accepted,
            body=body,
        )

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """The answer to a call.

    Attributes:
        ms: Real milliseconds of the call that was answered, retries not counted.
    """

    status: int
    body: Any
    ms: float

    @property
    def is_accepted(self) -> bool:
        return self.status < _ACCEPTED_BELOW


@dataclass(kw_only=True)
class RefusedAnswer:
    """Unplanned refusals: they are shown at the end, and a check fails on them."""

    lines: list[str] = field(default_factory=list)

    def note(self, what: str, answer: HttpAnswer) -> None:
        self.lines.append(f"{what}: {answer.status} {json.dumps(answer.body, ensure_ascii=False)}")


class _EveryCode:
    """Contains every code of a refusal."""

    def __contains__(self, code: object) -> bool:
        return True


EVERY_CODE: Container[str] = _EveryCode()


class DemoClient:
    """An actor's client of the gateway, with the actor's own key.

    Args:
        url: Of the gateway.
        key: `xl_…`.
        refused: Collects every refusal that was not planned.
    """

    def __init__(self, *, url: str, key: str, refused: RefusedAnswer) -> None:
        self.client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=_TIMEOUT_S,
            trust_env=False,
        )
        self._refused = refused

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.client.aclose()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        wait_s: int = 0,
        refusals: Container[str] = (),
    ) -> HttpAnswer:
        """Call the gateway; an unconfirmed call is sent again, unchanged.

        Args:
            method: HTTP method.
            path: Below the gateway's address.
            body: JSON, if any.
            idempotency_key: The same for every retry.
            wait_s: How long to wait for the decision in this call.
            refusals: Codes of refusals that are planned and no fault; `EVERY_CODE` for all.

        Raises:
            httpx.TransportError: The gateway was not reached in any try.
        """
        headers = {}
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"
        answer = await self._try(method, path, body, headers)
        if not answer.is_accepted and find_code(answer) not in refusals:
            self._refused.note(f"{method} {path}", answer)
        return answer

    async def _try(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
    ) -> HttpAnswer:
        for turn in range(1, _TRIES + 1):
            began = time.perf_counter()
            try:
                response = await self.client.request(method, path, json=body, headers=dict(headers))
            except httpx.TransportError:
                if turn == _TRIES:
                    raise
            else:
                ms = (time.perf_counter() - began) * 1000
                if response.status_code != _UNAVAILABLE or turn == _TRIES:
                    return HttpAnswer(status=response.status_code, body=_read(response), ms=ms)
            await asyncio.sleep(_PAUSE_S)
        raise AssertionError("the last try returns or raises")


def _read(response: httpx.Response) -> Any:  # noqa: ANN401 - any JSON
    try:
        return response.json()
    except ValueError:
        return response.text


def find_code(answer: HttpAnswer) -> str:
    """Return the code of a refusal; empty if there is none."""
    return str(answer.body.get("code", "")) if isinstance(answer.body, dict) else ""


def list_event_ids(answer: HttpAnswer) -> list[str]:
    """List the event ids in the gateway's answer; none if it refused."""
    if isinstance(answer.body, dict) and isinstance(answer.body.get("event_ids"), list):
        return [str(event_id) for event_id in answer.body["event_ids"]]
    return []
