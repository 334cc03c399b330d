"""The CloudEvents 1.0 envelope in Kafka binary mode: `ce_*` headers, the body is the data.

Beside the standard attributes we use three extensions: `sequence` (gapless per key of our own
events, set when the transaction that made the event commits), `causationid` (the event that caused
this one) and `traceparent` (W3C trace context).

Source: CloudEvents 1.0.2, Kafka protocol binding 1.0.2, section 3.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Self

from pydantic import Field, StringConstraints, ValidationError

from models.base import Instant, Value
from models.errors import ContractError
from models.texts.validation import describe_broken

CONTENT_TYPE = "application/json"
_HEADER_ATTRIBUTES = ("id", "type", "source", "subject", "time", "sequence", "causationid")

HeaderText = Annotated[
    str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")
]


class Envelope(Value):
    """One event as it travels: its attributes and its undecoded body.

    Attributes:
        id: Unique per source; the identity that the inbox deduplicates by.
        type: Explicit wire type with its version, such as `blood.request.opened.v2`.
        source: The sender, such as `hospital/shigatse-people`.
        subject: The entity it is about, such as a request id.
        key: Kafka partition key; the ordering unit.
        data: JSON body, UTF-8.
    """

    id: HeaderText
    type: HeaderText
    source: HeaderText
    subject: HeaderText
    time: Instant
    key: HeaderText
    data: bytes
    sequence: int | None = Field(default=None, ge=1, le=9_223_372_036_854_775_807)
    causationid: HeaderText | None = None
    traceparent: HeaderText | None = None

    def to_headers(self) -> list[tuple[str, bytes]]:
        """Return the Kafka headers: `ce_specversion`, the attributes, content type and trace."""
        headers = [("ce_specversion", b"1.0"), ("content-type", CONTENT_TYPE.encode())]
        for name in _HEADER_ATTRIBUTES:
            value = getattr(self, name)
            if value is not None:
                text = value.isoformat() if name == "time" else str(value)
                headers.append((f"ce_{name}", text.encode()))
        if self.traceparent is not None:
            headers.append(("traceparent", self.traceparent.encode()))
        return headers

    @classmethod
    def from_record(
        cls, *, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]]
    ) -> Self:
        """Read a Kafka record.

        Args:
            key: Record key; ours is the ordering unit and must not be missing.
            value: Record body; a tombstone (None) is no event.
            headers: Kafka headers in any order; unknown ones are ignored.

        Raises:
            ContractError: A header is missing, repeated, not text or not of its form.
        """
        if not key:
            raise ContractError("record_key_missing")
        if value is None:
            raise ContractError("record_body_missing")
        texts = _read_headers(headers)
        if texts.get("ce_specversion", "") != "1.0":
            found = texts.get("ce_specversion", "")
            raise ContractError("specversion_unknown", found=found[:40])
        fields: dict[str, object] = {
            name: texts[f"ce_{name}"] for name in _HEADER_ATTRIBUTES if f"ce_{name}" in texts
        }
        if "traceparent" in texts:
            fields["traceparent"] = texts["traceparent"]
        try:
            fields["key"] = key.decode()
            return cls.model_validate({**fields, "data": value})
        except UnicodeDecodeError as error:
            raise ContractError("record_key_not_text") from error
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise ContractError(
                "header_invalid", field=f"ce_{field}", rule=str(describe_broken(first))
            ) from error


def _read_headers(headers: Iterable[tuple[str, bytes]]) -> Mapping[str, str]:
    texts: dict[str, str] = {}
    for name, raw in headers:
        if not (name.startswith("ce_") or name in {"content-type", "traceparent"}):
            continue
        if name in texts:
            raise ContractError("header_repeated", field=name)
        try:
            texts[name] = raw.decode()
        except UnicodeDecodeError as error:
            raise ContractError("header_not_text", field=name) from error
    return texts
