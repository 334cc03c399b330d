"""The ground of every value: frozen, closed to unknown fields, aware instants, identifiers."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha1
from typing import Annotated, Self, TypeVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StringConstraints

# The root of every derived identifier. The same inputs give the same identifier, so a retried
# transaction writes the same rows and a replayed event changes nothing.
_NAMESPACE = UUID("6f5a7c2e-3b0d-5e0a-9d43-8d2f1c6b7a10").bytes


def _to_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware instant, kept in UTC. A naive one is refused: nobody may guess a time zone."""

Identifier = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")
]
"""A name that travels in keys, paths and headers: ASCII letters, digits and `. _ : -`, 1 to 64."""

Line = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f]*$")]
"""One line of human text: no control characters, 500 characters at most."""


def _sorted_once(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(names))) if len(names) > 1 else names


AsSet = AfterValidator(_sorted_once)
"""Makes a tuple of names a set with one order, so that equal values have equal bytes."""


V = TypeVar("V", bound="Value")


class Value(BaseModel):
    """An immutable value. Unknown fields are refused: a misspelt field is a lost instruction."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    def but(self, **changes: object) -> Self:
        """Return a validated copy with the named fields changed."""
        return type(self).model_validate({**dict(self), **changes})


def change(current: V, given: V) -> V:
    """Return a value changed by what another of its kind states; what that leaves out stays.

    Values inside are changed in the same way, whatever else is stated is replaced whole.

    Args:
        current: As it is.
        given: Only the fields that were set when it was made count.
    """
    changes: dict[str, object] = {}
    for name in given.model_fields_set:
        before, stated = getattr(current, name), getattr(given, name)
        is_nested = isinstance(before, Value) and isinstance(stated, Value)
        changes[name] = change(before, stated) if is_nested else stated
    return current.but(**changes)


def derive_id(*parts: object) -> str:
    """Derive a stable UUID (text) from its parts, in order.

    Args:
        parts: What makes the thing unique; joined by a unit separator, so `("a", "bc")` and
            `("ab", "c")` differ.
    """
    name = "\x1f".join(map(str, parts)).encode()
    # As `uuid.uuid5` does, without its objects: several of these are made for each decision.
    digest = sha1(_NAMESPACE + name, usedforsecurity=False).digest()[:16]
    bits = int.from_bytes(digest) & ~(0xF << 76 | 0x3 << 62) | (5 << 76 | 0x2 << 62)
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
